"""What a proxy of the first class does with HTTP/1.1 (RFC 9110, RFC 9112): nothing added, lost, mixed up or waited for."""
from __future__ import annotations

import time
import unittest

from lib.case import ProductCase
from lib.origin import Exchange, echo
from lib.pattern import Pattern
from lib.wire import chunk, chunked, read_response, read_response_head, render

HOST = "api.example.net"
BOTH = ("http", "https")


def get(path: str, scheme: str = "http", method: str = "GET", fields=(), version: str = "1.1") -> bytes:
    target = f"http://{HOST}{path}" if scheme == "http" else path
    return render(f"{method} {target} HTTP/{version}", [("Host", HOST), *fields])


class TestConnections(ProductCase):
    def open(self, scheme: str):
        return self.agent.connect() if scheme == "http" else self.agent.tunnel(HOST)

    def test_a_connection_is_kept_for_many_requests(self) -> None:
        self.origin.on("/echo", echo)
        for scheme in BOTH:
            with self.subTest(scheme), self.open(scheme) as wire:
                self.setUp()
                for number in range(20):
                    body = b"x" * number * 100
                    wire.send(get(f"/echo?{number}", scheme, "POST", [("Content-Length", str(len(body)))]), body)
                    response = read_response(wire)
                    self.assertAllowed(response, body)
                    self.assertEqual(response.get("X-Target"), f"/echo?{number}")
                self.assertLessEqual(self.journal.connections, 1, "egress keeps its connection too")

    def test_connections_to_the_origin_are_shared_between_agents(self) -> None:
        for scheme in BOTH:
            self.setUp()
            for _ in range(5):
                self.assertAllowed(self.agent.get(f"{scheme}://{HOST}/"))
            self.assertLessEqual(self.journal.connections, 1)

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        self.origin.on("/slow", lambda e: (time.sleep(0.3), e.answer(b"slow")))
        self.origin.on("/fast", lambda e: e.answer(b"fast"))
        for scheme in BOTH:
            with self.subTest(scheme), self.open(scheme) as wire:
                wire.send(b"".join(get(path, scheme) for path in ("/slow", "/fast", "/slow", "/fast")))
                self.assertEqual([read_response(wire).body for _ in range(4)], [b"slow", b"fast", b"slow", b"fast"])

    def test_pipelined_bodies_do_not_run_into_each_other(self) -> None:
        self.origin.on("/echo", echo)
        with self.open("http") as wire:
            wire.send(get("/echo", method="POST", fields=[("Content-Length", "3")]) + b"abc"
                      + get("/echo", method="POST", fields=[("Transfer-Encoding", "chunked")]) + chunked(b"def", b"gh")
                      + get("/echo", method="POST", fields=[("Content-Length", "0")])
                      + get("/echo"))
            self.assertEqual([read_response(wire).body for _ in range(4)], [b"abc", b"defgh", b"", b""])

    def test_connection_close_is_obeyed(self) -> None:
        for scheme in BOTH:
            with self.subTest(scheme), self.open(scheme) as wire:
                wire.send(get("/", scheme, fields=[("Connection", "close")]))
                response = read_response(wire)
                self.assertAllowed(response)
                self.assertIn("close", (response.get("Connection") or "").lower())
                self.assertTrue(wire.ended())

    def test_http_1_0_is_answered_and_closed(self) -> None:
        self.origin.on("/chunked", lambda e: (e.head(fields=[("Transfer-Encoding", "chunked")]), e.send(chunked(b"ab", b"cd"))))
        with self.open("http") as wire:
            wire.send(get("/chunked", version="1.0"))
            response = read_response(wire)
            self.assertEqual((response.status, response.body), (200, b"abcd"))
            self.assertFalse(response.has("Transfer-Encoding"), "HTTP/1.0 knows no chunked coding")
            self.assertTrue(wire.ended())

    def test_a_client_that_has_ended_its_sending_gets_its_answer(self) -> None:
        self.origin.on("/late", lambda e: (time.sleep(0.3), e.answer(b"late")))
        with self.open("http") as wire:
            wire.send(get("/late"))
            wire.end_sending()
            self.assertAllowed(read_response(wire), b"late")
            self.assertTrue(wire.ended())

    def test_a_pooled_connection_that_the_origin_closed_is_not_used_again(self) -> None:
        for scheme in BOTH:
            for _ in range(5):
                self.assertAllowed(self.agent.get(f"{scheme}://{HOST}/"))
                self.origin.drop_connections()
                time.sleep(0.05)

    def test_what_an_origin_says_unasked_reaches_nobody(self) -> None:
        """An answer too many on a pooled connection would be taken for that to the next agent's request."""
        forged = render("HTTP/1.1 200 OK", [("Content-Length", "6"), ("X-Forged", "1")]) + b"forged"
        for pause in (0, 0.1):
            self.origin.on("/two", lambda e, p=pause: (e.answer(b"mine"), time.sleep(p), e.send(forged)))
            for scheme in BOTH:
                self.assertAllowed(self.agent.get(f"{scheme}://{HOST}/two"), b"mine")
                time.sleep(2 * pause)
                for _ in range(3):
                    response = self.agent.get(f"{scheme}://{HOST}/")
                    self.assertFalse(response.has("X-Forged"), "another agent got it")
                    self.assertAllowed(response, b"ok")

    def test_an_answer_before_the_whole_request_leaves_no_half_request_behind(self) -> None:
        """The origin answers early and keeps the connection: the rest of the body must not become the next agent's request."""
        def early(exchange: Exchange) -> None:
            exchange.head("403 No", [("Content-Length", "2")])
            exchange.send(b"no")
            exchange.body()

        self.origin.on("/early", early)
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n" * 100_000
        for scheme in BOTH:
            self.setUp()
            wire, target, authority = self.agent.to(f"{scheme}://{HOST}/early")
            with wire:
                wire.send(render(f"POST {target} HTTP/1.1", [("Host", authority), ("Content-Length", str(len(smuggled) + 10))]))
                try:
                    wire.send(smuggled)
                except OSError:
                    pass
                self.assertEqual(read_response(wire).status, 403)
            for _ in range(3):
                self.assertAllowed(self.agent.get(f"{scheme}://{HOST}/"), b"ok")
            self.assertNotIn("/smuggled", [r.target for r in self.journal.requests])

    def test_a_post_is_never_sent_twice(self) -> None:
        """The origin takes the request and hangs up: the agent is told, nothing is repeated."""
        self.origin.on("/gone", lambda e: (e.body(), e.reset()))
        self.assertAllowed(self.agent.get(f"http://{HOST}/"))
        self.journal = self.origin.clear()
        response = self.agent.post(f"http://{HOST}/gone", b"once")
        self.assertProblem(response, 502)
        self.assertEqual(len(self.journal.requests), 1)


class TestMessages(ProductCase):
    def test_expect_continue_is_answered_before_the_body_comes(self) -> None:
        self.origin.on("/echo", echo)
        for scheme in BOTH:
            with self.subTest(scheme), (self.agent.connect() if scheme == "http" else self.agent.tunnel(HOST)) as wire:
                wire.send(get("/echo", scheme, "POST", [("Content-Length", "5"), ("Expect", "100-continue")]))
                self.assertEqual(wire.until(b"\r\n\r\n").split(b" ")[1], b"100")
                wire.send(b"hello")
                response = read_response(wire)
                self.assertAllowed(response, b"hello")

    def test_an_unknown_expectation_is_refused_or_passed_but_never_waited_for(self) -> None:
        response = self.agent.post(f"http://{HOST}/", b"x", [("Expect", "something-else")])
        self.assertIn(response.status, (200, 417, 400))

    def test_head_has_the_length_and_no_body(self) -> None:
        self.origin.on("/file", lambda e: e.answer(b"12345"))
        with self.agent.connect() as wire:
            wire.send(get("/file", method="HEAD"))
            response = read_response(wire, "HEAD")
            self.assertEqual((response.status, response.get("Content-Length")), (200, "5"))
            wire.send(get("/file"))
            self.assertAllowed(read_response(wire), b"12345")

    def test_204_and_304_have_no_body(self) -> None:
        self.origin.on("/204", lambda e: (e.body(), e.head("204 No Content")))
        self.origin.on("/304", lambda e: (e.body(), e.head("304 Not Modified", [("ETag", '"x"'), ("Content-Length", "77")])))
        with self.agent.connect() as wire:
            for path, status in (("/204", 204), ("/304", 304), ("/204", 204)):
                wire.send(get(path))
                response = read_response(wire)
                self.assertEqual((response.status, response.body), (status, b""))
                self.assertFalse(response.has("Transfer-Encoding"))
            wire.send(get("/"))
            self.assertAllowed(read_response(wire), b"ok")

    def test_interim_answers_are_passed_on(self) -> None:
        def hints(exchange: Exchange) -> None:
            exchange.send(render("HTTP/1.1 103 Early Hints", [("Link", "</a.css>; rel=preload")]))
            time.sleep(0.2)
            exchange.answer(b"page")

        self.origin.on("/hints", hints)
        response = self.agent.get(f"https://{HOST}/hints")
        self.assertAllowed(response, b"page")
        self.assertEqual([i.get("Link") for i in response.interim if " 103 " in i.start], ["</a.css>; rel=preload"])

    def test_a_body_until_close_is_whole_and_ends(self) -> None:
        def until_close(exchange: Exchange) -> None:
            exchange.body()
            exchange.head(fields=[("Content-Type", "text/plain")])
            for _ in range(10):
                exchange.send(b"piece " * 100)
                time.sleep(0.01)
            exchange.finish()

        self.origin.on("/close", until_close)
        for scheme in BOTH:
            self.assertAllowed(self.agent.get(f"{scheme}://{HOST}/close"), b"piece " * 1000)

    def test_chunked_answers_and_their_trailers(self) -> None:
        self.origin.on("/chunked", lambda e: (e.head(fields=[("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")]),
                                              e.send(chunked(b"one", b"two" * 1000, trailers=[("X-Sum", "7")]))))
        response = self.agent.get(f"http://{HOST}/chunked")
        self.assertAllowed(response, b"one" + b"two" * 1000)
        self.assertIn(response.trailers, ([], [("X-Sum", "7")]))

    def test_fields_of_the_answer_pass_but_for_what_ends_here(self) -> None:
        fields = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Odd", "caf\xe9"), ("WWW-Authenticate", 'Basic realm="x"'),
                  ("Alt-Svc", 'h3=":443"'), ("Connection", "X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5"),
                  ("Pipelock-Code", "forged"), ("Pipelock-Failure", "dns_not_found"), ("Proxy-Authenticate", "Basic")]
        self.origin.on("/fields", lambda e: e.answer(b"", fields=fields))
        response = self.agent.get(f"https://{HOST}/fields")
        self.assertAllowed(response)
        self.assertEqual(response.all("Set-Cookie"), ["a=1", "b=2"])
        self.assertEqual(response.get("X-Odd"), "caf\xe9")
        self.assertTrue(response.has("WWW-Authenticate"))
        for name in ("Alt-Svc", "X-Hop", "Pipelock-Failure", "Pipelock-Code", "Proxy-Authenticate"):
            self.assertFalse(response.has(name), name)

    def test_fields_of_the_request_that_end_here_stay_here(self) -> None:
        fields = [("Connection", "keep-alive, X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"),
                  ("Proxy-Authorization", "Basic eDp5"), ("TE", "trailers"), ("Pipelock-Request", "forged"), ("Accept", "*/*")]
        self.assertAllowed(self.agent.get(f"http://{HOST}/", fields))
        seen = self.journal.requests[0]
        self.assertEqual(seen.get("Accept"), "*/*")
        for name in ("X-Hop", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Pipelock-Request"):
            self.assertFalse(seen.has(name), name)

    def test_status_and_reason_pass(self) -> None:
        for status in ("404 Not Here", "500 Oh No", "301 Moved Permanently", "418 I'm a teapot", "299 "):
            self.origin.on("/status", lambda e, s=status: e.answer(b"b", s, [("Location", "http://127.0.0.1/x")]))
            response = self.agent.get(f"http://{HOST}/status")
            self.assertEqual(response.start.split(" ", 1)[1].strip(), status.strip())
            self.assertIsNone(response.code, "an origin's error is no refusal")
            self.assertEqual(response.get("Location"), "http://127.0.0.1/x", "a redirect is the agent's business")

    def test_methods_pass(self) -> None:
        self.origin.on("/echo", echo)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "X-CUSTOM"):
            response = self.agent.request(method, f"https://{HOST}/echo", body=b"b")
            self.assertEqual((response.status, response.get("X-Method")), (200, method))

    def test_targets_arrive_octet_for_octet(self) -> None:
        for target in ("/a%2Fb/%7Euser?x=%20&y=+;z", "/a//b/./../c", "/?a=b&a=c&&=", "/%ff%FE", "/;p=1,2:3@x!$'()*", "/x?y?z=/?"):
            with self.subTest(target):
                self.setUp()
                self.assertAllowed(self.agent.request("GET", f"http://{HOST}{target}"))
                self.assertEqual(self.journal.requests[0].target, target)

    def test_an_absolute_target_counts_over_host(self) -> None:
        with self.agent.connect() as wire:
            wire.send(render(f"GET http://{HOST}/x HTTP/1.1", [("Host", "other.example")]))
            response = read_response(wire)
        if response.status == 200:
            self.assertEqual(self.journal.requests[0].get("Host"), HOST)
        else:
            self.assertProblem(response, 400)

    def test_an_origin_form_request_is_told_what_this_is(self) -> None:
        with self.agent.connect() as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            self.assertEqual(self.assertProblem(read_response(wire), 400)["code"], "not_a_proxy_request")


class TestStreams(ProductCase):
    def test_the_first_token_of_an_event_stream_comes_at_once(self) -> None:
        def events(exchange: Exchange) -> None:
            exchange.body()
            exchange.head(fields=[("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
            for number in range(3):
                exchange.send(chunk(b"data: token %d\n\n" % number))
                time.sleep(0.7)
            exchange.send(b"0\r\n\r\n")

        self.origin.on("/events", events)
        for scheme in BOTH:
            with self.subTest(scheme), (self.agent.connect() if scheme == "http" else self.agent.tunnel(HOST)) as wire:
                wire.send(get("/events", scheme, "POST", [("Content-Length", "2")]), b"{}")
                begin = time.monotonic()
                head = read_response_head(wire)
                first = wire.until(b"token 0")
                self.assertLess(time.monotonic() - begin, 0.5, "the first token was kept")
                wire.until(b"token 1")
                self.assertLess(time.monotonic() - begin, 1.2, "the second token was kept")
                self.assertEqual(head.get("Content-Type"), "text/event-stream")
                self.assertNotIn(b"token 1", first)
                wire.until(b"0\r\n\r\n")

    def test_an_early_answer_ends_the_upload(self) -> None:
        self.origin.on("/no", lambda e: (e.head("413 Too Large", [("Content-Length", "2"), ("Connection", "close")]), e.send(b"no"), e.finish()))
        pattern = Pattern(20_000_000)
        with self.agent.connect() as wire:
            wire.send(get("/no", method="POST", fields=[("Content-Length", str(pattern.size))]))
            try:
                for piece in pattern.pieces():
                    wire.send(piece)
            except OSError:
                pass
            response = read_response(wire)
            self.assertEqual((response.status, response.body), (413, b"no"))

    def test_an_answer_that_begins_while_the_upload_runs(self) -> None:
        """Both sides talk at once: what is longer than `hold` streams, and so does the answer."""
        def duplex(exchange: Exchange) -> None:
            exchange.head(fields=[("Transfer-Encoding", "chunked")])
            for piece in exchange.pieces():
                exchange.send(chunk(b"%d " % len(piece)))
            exchange.send(b"0\r\n\r\n")

        self.origin.on("/duplex", duplex)
        with self.agent.connect() as wire:
            wire.send(get("/duplex", method="POST", fields=[("Transfer-Encoding", "chunked")]))
            for _ in range(8):
                wire.send(chunk(b"some words here " * 16384))
            head = read_response_head(wire)
            self.assertEqual(head.status, 200)
            self.assertTrue(wire.up_to(100))
            wire.send(b"0\r\n\r\n")
            wire.until(b"0\r\n\r\n")

    def test_a_body_that_trickles_is_not_held_for_ever(self) -> None:
        """Two sides that wait for each other: after hold_time what came so far goes on."""
        def answer_first_line(exchange: Exchange) -> None:
            pieces = exchange.pieces()
            first = next(pieces)
            exchange.head(fields=[("Transfer-Encoding", "chunked")])
            exchange.send(chunk(b"got " + first[:5]))
            for _ in pieces:
                pass
            exchange.send(b"0\r\n\r\n")

        self.origin.on("/talk", answer_first_line)
        with self.agent.connect() as wire:
            wire.send(get("/talk", method="POST", fields=[("Transfer-Encoding", "chunked")]), chunk(b"hello, this is a first line\n" * 40))
            self.assertEqual(read_response_head(wire).status, 200)
            wire.until(b"got hello")
            wire.send(b"0\r\n\r\n")
            wire.until(b"0\r\n\r\n")

    def test_many_agents_at_once(self) -> None:
        import threading
        self.origin.on("/echo", echo)
        wrong: list[str] = []

        def work(number: int) -> None:
            try:
                with self.agent.tunnel(f"h{number % 3}.example.net") as wire:
                    for turn in range(10):
                        body = b"%d-%d " % (number, turn) * (turn * 50 + 1)
                        wire.send(render("POST /echo HTTP/1.1", [("Host", f"h{number % 3}.example.net"), ("Content-Length", str(len(body)))]), body)
                        if read_response(wire).body != body:
                            wrong.append(f"{number}-{turn}: another body")
            except Exception as error:  # noqa: BLE001 whatever a thread died of is the finding
                wrong.append(f"{number}: {error!r}")

        threads = [threading.Thread(target=work, args=(n,)) for n in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
