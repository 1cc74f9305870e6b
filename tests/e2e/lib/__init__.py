"""What the end-to-end tests stand on: an origin, an agent, and the real programs between them."""
