/*
 * The origin behind the proxies that are measured: HTTP/1.1 on two loopback ports, TLS and plain, one thread.
 * It reads a request's body to the end before it answers 128 octets: a server that answers early would
 * measure nothing.
 *
 *   origin CERT KEY        prints "TLS-PORT PLAIN-PORT"; ends with its standard input
 */
#include "tests/bench/wire.h"

#include <signal.h>
#include <sys/epoll.h>

enum { CHUNK = 64 << 10, HEAD_MAX = 16 << 10, EVENTS = 256 };

/* Where in a request we are. Chunk sizes and their line ends are counted, not checked. */
enum state { READ_HEAD, READ_LENGTH, READ_CHUNK_SIZE, READ_CHUNK, READ_CHUNK_END, READ_LAST_LINE };

struct peer {
	struct wire wire;
	bool accepted; /* TLS is up */
	enum state state;
	char head[HEAD_MAX];
	size_t head_n;
	uint64_t left;	   /* octets of the body or chunk */
	unsigned line_n;   /* octets of the trailer line so far */
	size_t owed, sent; /* octets of answers */
};

static char answer[512];
static size_t answer_n;
static SSL_CTX *tls_context;
static int queue;

static void make_answer(void)
{
	static const char head[] =
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 128\r\n\r\n";
	static const char body[] =
		"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":\"";

	answer_n = sizeof(head) - 1 + 128;
	memset(answer, 'x', sizeof(answer));
	memcpy(answer, head, sizeof(head) - 1);
	memcpy(answer + sizeof(head) - 1, body, sizeof(body) - 1);
	memcpy(answer + answer_n - 2, "\"}", 2);
}

static void begin_body(struct peer *peer, size_t head_n)
{
	const char *length = wire_field(peer->head, head_n, "content-length:");

	peer->left = length != NULL ? strtoull(length, NULL, 10) : 0;
	peer->state = READ_LENGTH;
	if (wire_field(peer->head, head_n, "transfer-encoding:") != NULL)
		peer->state = READ_CHUNK_SIZE;
}

static void end_request(struct peer *peer)
{
	peer->owed += answer_n;
	peer->state = READ_HEAD;
	peer->head_n = 0;
}

/* Gather a head; what follows it is left. Octets taken. */
static size_t take_head(struct peer *peer, const char *p, size_t n)
{
	size_t before = peer->head_n, copied = n < HEAD_MAX - before ? n : HEAD_MAX - before, head_n;

	memcpy(peer->head + before, p, copied);
	peer->head_n += copied;
	head_n = wire_head(peer->head, peer->head_n);
	if (head_n == 0)
		return copied;
	begin_body(peer, head_n);
	if (peer->state == READ_LENGTH && peer->left == 0)
		end_request(peer);
	return head_n - before;
}

static unsigned digit(char c)
{
	return c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* One octet of the framing of chunks. */
static void take_framing(struct peer *peer, char c)
{
	if (peer->state == READ_CHUNK_SIZE && c == '\n') {
		peer->state = peer->left > 0 ? READ_CHUNK : READ_LAST_LINE;
		peer->line_n = 0;
	} else if (peer->state == READ_CHUNK_SIZE && c != '\r') {
		peer->left = peer->left * 16 + digit(c);
	} else if (peer->state == READ_CHUNK_END && c == '\n') {
		peer->state = READ_CHUNK_SIZE;
	} else if (peer->state == READ_LAST_LINE && c == '\n') {
		if (peer->line_n == 0)
			end_request(peer);
		peer->line_n = 0;
	} else if (peer->state == READ_LAST_LINE && c != '\r') {
		peer->line_n++;
	}
}

static size_t take_body(struct peer *peer, size_t n)
{
	size_t taken = n < peer->left ? n : (size_t)peer->left;

	peer->left -= taken;
	if (peer->left == 0 && peer->state == READ_LENGTH)
		end_request(peer);
	else if (peer->left == 0)
		peer->state = READ_CHUNK_END;
	return taken;
}

static void take(struct peer *peer, const char *p, size_t n)
{
	while (n > 0) {
		size_t taken = 1;

		if (peer->state == READ_HEAD)
			taken = take_head(peer, p, n);
		else if (peer->state == READ_LENGTH || peer->state == READ_CHUNK)
			taken = take_body(peer, n);
		else
			take_framing(peer, *p);
		if (taken == 0)
			exit(3); /* a head beyond HEAD_MAX */
		p += taken;
		n -= taken;
	}
}

static void drop(struct peer *peer)
{
	wire_close(&peer->wire);
	free(peer);
}

/* false: closed. */
static bool send_answers(struct peer *peer)
{
	while (peer->sent < peer->owed) {
		size_t at = peer->sent % answer_n;
		ssize_t n = wire_write(&peer->wire, answer + at, answer_n - at);

		if (n == WIRE_AGAIN)
			return true;
		if (n == WIRE_CLOSED)
			return false;
		peer->sent += (size_t)n;
	}
	return true;
}

static bool serve(struct peer *peer)
{
	static char chunk[CHUNK];
	ssize_t n;

	if (!peer->accepted && peer->wire.tls != NULL) {
		n = wire_result(&peer->wire, SSL_accept(peer->wire.tls));
		if (n < 0)
			return n == WIRE_AGAIN;
	}
	peer->accepted = true;
	while ((n = wire_read(&peer->wire, chunk, sizeof(chunk))) > 0)
		take(peer, chunk, (size_t)n);
	return n != WIRE_CLOSED && send_answers(peer);
}

static void on_listener(int listener, bool tls)
{
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		struct peer *peer = calloc(1, sizeof(*peer));
		struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = peer};

		if (peer == NULL)
			wire_die("memory");
		wire_prepare(fd);
		peer->wire.fd = fd;
		if (tls) {
			peer->wire.tls = SSL_new(tls_context);
			SSL_set_fd(peer->wire.tls, fd);
		}
		if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) != 0)
			wire_die("epoll_ctl");
	}
}

static int listen_on_loopback(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1024) != 0)
		wire_die("listen");
	return fd;
}

static unsigned port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t n = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &n) != 0)
		wire_die("getsockname");
	return ntohs(address.sin_port);
}

static void watch(int *fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};

	if (epoll_ctl(queue, EPOLL_CTL_ADD, *fd, &event) != 0)
		wire_die("epoll_ctl");
}

static void serve_all(int *tls_listener, int *plain_listener, int *standard_input)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(queue, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			void *who = events[i].data.ptr;

			if (who == tls_listener || who == plain_listener)
				on_listener(*(int *)who, who == tls_listener);
			else if (who == standard_input)
				return;
			else if (!serve(who))
				drop(who);
		}
	}
}

int main(int argc, char **argv)
{
	int tls_listener, plain_listener, standard_input = STDIN_FILENO;

	if (argc != 3) {
		fprintf(stderr, "usage: origin CERT KEY\n");
		return 2;
	}
	tls_context = SSL_CTX_new(TLS_server_method());
	if (tls_context == NULL || SSL_CTX_use_certificate_chain_file(tls_context, argv[1]) != 1 ||
		SSL_CTX_use_PrivateKey_file(tls_context, argv[2], SSL_FILETYPE_PEM) != 1)
		wire_die("certificate");
	SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
	make_answer();
	signal(SIGPIPE, SIG_IGN);
	wire_raise_limit();
	queue = epoll_create1(EPOLL_CLOEXEC);
	tls_listener = listen_on_loopback();
	plain_listener = listen_on_loopback();
	watch(&tls_listener);
	watch(&plain_listener);
	watch(&standard_input);
	printf("%u %u\n", port_of(tls_listener), port_of(plain_listener));
	fflush(stdout);
	serve_all(&tls_listener, &plain_listener, &standard_input);
	return 0;
}
