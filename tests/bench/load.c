/*
 * A closed-loop load generator: N connections, each with one request under way, through CONNECT and TLS or
 * straight to the origin. One thread, so that it never takes more than a core from what is measured. It waits
 * for a line on standard input between connecting and measuring, so that the caller can look at the processes
 * at exactly those moments, and it lets every request end, so that the work measured is the work counted.
 * Bounded in time and number of requests.
 *
 *   load --target NAME:PORT --address 127.0.0.1:PORT [--connect] [--plain] [--connections N] [--body OCTETS]
 *        [--milliseconds N] [--requests N] [--idle]
 *
 * Prints "ready", reads a line, measures (with --idle: does nothing), prints one JSON line.
 */
#include "tests/bench/histogram.h"
#include "tests/bench/text.h"
#include "tests/bench/wire.h"

#include <getopt.h>
#include <openssl/x509.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

enum { HEAD_MAX = 8 << 10, EVENTS = 256, CONNECTIONS_MAX = 15000, HANDSHAKES_AT_ONCE = 32, SETUP_MAX_S = 60 };

enum step { STEP_IDLE, STEP_CONNECT, STEP_HANDSHAKE, STEP_SEND, STEP_RECEIVE, STEP_READY, STEP_DEAD };

struct client {
	struct wire wire;
	enum step step;
	size_t sent;
	char head[HEAD_MAX];
	size_t head_n;
	uint64_t left; /* octets of the answer's body */
	uint64_t started_ns;
};

static struct {
	const char *target;
	struct sockaddr_in address;
	bool through_connect, plain, idle;
	unsigned connections;
	size_t body;
	uint64_t duration_ms, requests_max;
} options = {.connections = 16, .duration_ms = 1000, .requests_max = 2000000};

static struct {
	uint64_t started, finished, errors;
	unsigned ready, dead, setting_up;
	bool running; /* the measured part */
	uint64_t ends_ns;
	struct histogram latencies;
	char first_error[400];
	char issuer[100];
} run;

static char *request; /* head and body */
static size_t request_n;
static char connect_head[300];
static SSL_CTX *tls_context;
static int queue;
static struct client *clients;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(struct client *client, const char *what, const char *detail, size_t n)
{
	run.errors++;
	if (run.first_error[0] == '\0')
		snprintf(run.first_error, sizeof(run.first_error), "%s %.*s", what, (int)n, detail);
	if (!run.running)
		run.setting_up--;
	wire_close(&client->wire);
	client->step = STEP_DEAD;
	run.dead++;
}

static void begin_request(struct client *client)
{
	client->step = STEP_SEND;
	client->sent = 0;
	client->head_n = 0;
	client->started_ns = now_ns();
	run.started++;
}

static bool may_start(void)
{
	return run.running && run.started < options.requests_max && now_ns() < run.ends_ns;
}

/* The first request of a connection is part of setting it up. */
static void end_request(struct client *client)
{
	if (!run.running) {
		run.setting_up--;
	} else {
		run.finished++;
		histogram_add(&run.latencies, now_ns() - client->started_ns);
	}
	client->step = STEP_READY;
	run.ready++;
	if (may_start()) {
		run.ready--;
		begin_request(client);
	}
}

/* Octets are written as long as they are taken. true: go on with the next step. */
static bool send_rest(struct client *client, const char *text, size_t n)
{
	while (client->sent < n) {
		ssize_t sent = wire_write(&client->wire, text + client->sent, n - client->sent);

		if (sent == WIRE_AGAIN)
			return false;
		if (sent == WIRE_CLOSED) {
			fail(client, "closed while sending", "", 0);
			return false;
		}
		client->sent += (size_t)sent;
	}
	return true;
}

/* Read on until the head is there; its length, or 0. */
static size_t receive_head(struct client *client)
{
	while (client->head_n < HEAD_MAX) {
		ssize_t n =
			wire_read(&client->wire, client->head + client->head_n, HEAD_MAX - client->head_n);
		size_t head_n;

		if (n == WIRE_AGAIN)
			return 0;
		if (n == WIRE_CLOSED)
			break;
		client->head_n += (size_t)n;
		head_n = wire_head(client->head, client->head_n);
		if (head_n > 0)
			return head_n;
	}
	fail(client, "no answer", client->head, client->head_n < 60 ? client->head_n : 60);
	return 0;
}

static bool is_success(struct client *client)
{
	if (client->head_n > 12 && memcmp(client->head, "HTTP/1.", 7) == 0 && client->head[9] == '2')
		return true;
	fail(client, "answered", client->head, client->head_n < 360 ? client->head_n : 360);
	return false;
}

static void begin_tls(struct client *client)
{
	char host[256];

	snprintf(host, sizeof(host), "%.*s", (int)strcspn(options.target, ":"), options.target);
	client->wire.tls = SSL_new(tls_context);
	if (client->wire.tls == NULL || SSL_set_tlsext_host_name(client->wire.tls, host) != 1)
		wire_die("TLS");
	SSL_set_fd(client->wire.tls, client->wire.fd);
	client->step = STEP_HANDSHAKE;
}

static bool step_connect(struct client *client)
{
	if (options.through_connect) {
		if (!send_rest(client, connect_head, strlen(connect_head)) || receive_head(client) == 0 ||
			!is_success(client))
			return false;
	}
	if (options.plain)
		begin_request(client);
	else
		begin_tls(client);
	return true;
}

static bool step_handshake(struct client *client)
{
	ssize_t n = wire_result(&client->wire, SSL_connect(client->wire.tls));
	X509 *leaf;

	if (n == WIRE_CLOSED)
		fail(client, "handshake failed", "", 0);
	if (n < 0)
		return false;
	leaf = SSL_get_peer_certificate(client->wire.tls);
	if (leaf != NULL && run.issuer[0] == '\0')
		X509_NAME_get_text_by_NID(
			X509_get_issuer_name(leaf), NID_commonName, run.issuer, sizeof(run.issuer));
	X509_free(leaf);
	begin_request(client);
	return true;
}

static bool step_send(struct client *client)
{
	if (!send_rest(client, request, request_n))
		return false;
	client->step = STEP_RECEIVE;
	client->left = UINT64_MAX;
	return true;
}

static bool begin_answer(struct client *client)
{
	size_t head_n = receive_head(client);
	const char *length;

	if (head_n == 0 || !is_success(client))
		return false;
	length = wire_field(client->head, head_n, "content-length:");
	if (length == NULL) {
		fail(client, "an answer without Content-Length", "", 0);
		return false;
	}
	client->left = strtoull(length, NULL, 10);
	if (client->head_n - head_n > client->left) {
		fail(client, "more than the answer", "", 0);
		return false;
	}
	client->left -= client->head_n - head_n;
	return true;
}

static bool step_receive(struct client *client)
{
	static char sink[64 << 10];

	if (client->left == UINT64_MAX && !begin_answer(client))
		return false;
	while (client->left > 0) {
		ssize_t n = wire_read(&client->wire, sink,
			client->left < sizeof(sink) ? (size_t)client->left : sizeof(sink));

		if (n == WIRE_AGAIN)
			return false;
		if (n == WIRE_CLOSED) {
			fail(client, "closed within the answer", "", 0);
			return false;
		}
		client->left -= (uint64_t)n;
	}
	end_request(client);
	return client->step == STEP_SEND;
}

static void step(struct client *client)
{
	bool more = true;

	while (more) {
		switch (client->step) {
		case STEP_CONNECT:
			more = step_connect(client);
			break;
		case STEP_HANDSHAKE:
			more = step_handshake(client);
			break;
		case STEP_SEND:
			more = step_send(client);
			break;
		case STEP_RECEIVE:
			more = step_receive(client);
			break;
		default:
			more = false;
		}
	}
}

static void open_client(struct client *client)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, .data.ptr = client};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		wire_die("socket");
	wire_prepare(fd);
	client->wire.fd = fd;
	client->step = STEP_CONNECT;
	run.setting_up++;
	if (connect(fd, (const struct sockaddr *)&options.address, sizeof(options.address)) != 0 &&
		errno != EINPROGRESS)
		wire_die("connect");
	if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) != 0)
		wire_die("epoll_ctl");
}

static void turn(int wait_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(queue, events, EVENTS, wait_ms);

	for (int i = 0; i < n; i++) {
		struct client *client = events[i].data.ptr;
		bool closed = (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

		if (client->step == STEP_CONNECT && (events[i].events & (EPOLLOUT | EPOLLIN)) == 0)
			continue;
		step(client);
		if (closed && client->step == STEP_READY) {
			run.ready--;
			run.setting_up += !run.running;
			fail(client, "closed between requests", "", 0);
		}
	}
}

/* Open all, a few at a time, and let each do one request. */
static void set_up(void)
{
	uint64_t limit = now_ns() + SETUP_MAX_S * 1000000000ull;
	unsigned opened = 0;

	while (run.ready + run.dead < options.connections && now_ns() < limit) {
		while (opened < options.connections && run.setting_up < HANDSHAKES_AT_ONCE)
			open_client(&clients[opened++]);
		turn(100);
	}
	if (run.ready < options.connections)
		fprintf(stderr, "bench: %u of %u connections are up: %s\n", run.ready, options.connections,
			run.first_error);
}

static uint64_t measure(void)
{
	uint64_t begin = now_ns();
	uint64_t limit = begin + options.duration_ms * 1000000u + 20000000000ull;

	run.running = true;
	run.started = run.errors = 0;
	run.ends_ns = begin + options.duration_ms * 1000000u;
	for (unsigned i = 0; i < options.connections; i++) {
		if (clients[i].step != STEP_READY)
			continue;
		run.ready--;
		begin_request(&clients[i]);
		step(&clients[i]);
	}
	while (run.ready + run.dead < options.connections && now_ns() < limit)
		turn(100);
	return now_ns() - begin;
}

static void wait_for_line(void)
{
	char line[80];

	printf("ready\n");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		exit(0);
}

/* Quotes and controls would break the line. */
static const char *printable(char *text)
{
	for (char *p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
			*p = ' ';
	}
	return text;
}

static void report(uint64_t elapsed_ns, unsigned up)
{
	printf("{\"connections\": %u, \"requests\": %llu, \"errors\": %llu, \"seconds\": %.6f, \"p50_us\": "
	       "%.1f, "
	       "\"p99_us\": %.1f, \"issuer\": \"%s\", \"error\": \"%s\"}\n",
		up, (unsigned long long)run.finished, (unsigned long long)run.errors,
		(double)elapsed_ns / 1e9, (double)histogram_quantile(&run.latencies, 0.5) / 1e3,
		(double)histogram_quantile(&run.latencies, 0.99) / 1e3, printable(run.issuer),
		printable(run.first_error));
}

static void make_request(void)
{
	char head[600];
	int n;

	snprintf(connect_head, sizeof(connect_head), "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n",
		options.target, options.target);
	if (options.body > 0)
		n = snprintf(head, sizeof(head),
			"POST /v1/messages HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench/1\r\nAccept: */*\r\n"
			"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
			options.target, options.body);
	else
		n = snprintf(head, sizeof(head),
			"GET /v1/models HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench/1\r\nAccept: */*\r\n\r\n",
			options.target);
	request_n = (size_t)n + options.body;
	request = malloc(request_n);
	if (request == NULL)
		wire_die("memory");
	memcpy(request, head, (size_t)n);
	bench_text(request + n, options.body);
}

static void parse_options(int argc, char **argv)
{
	static const struct option names[] = {{"target", 1, NULL, 't'}, {"address", 1, NULL, 'a'},
		{"connect", 0, NULL, 'C'}, {"plain", 0, NULL, 'p'}, {"connections", 1, NULL, 'c'},
		{"body", 1, NULL, 'b'}, {"milliseconds", 1, NULL, 'm'}, {"requests", 1, NULL, 'n'},
		{"idle", 0, NULL, 'i'}, {0}};
	bool has_address = false;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 't':
			options.target = optarg;
			break;
		case 'a':
			options.address = wire_address(optarg);
			has_address = true;
			break;
		case 'C':
			options.through_connect = true;
			break;
		case 'p':
			options.plain = true;
			break;
		case 'c':
			options.connections = (unsigned)atoi(optarg);
			break;
		case 'b':
			options.body = (size_t)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			options.duration_ms = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			options.requests_max = strtoull(optarg, NULL, 10);
			break;
		case 'i':
			options.idle = true;
			break;
		default:
			exit(2);
		}
	}
	if (options.target == NULL || !has_address || options.connections == 0 ||
		options.connections > CONNECTIONS_MAX || options.duration_ms > 60000 ||
		options.body > 64u << 20) {
		fprintf(stderr,
			"bench: --target and --address are needed; see the head of load.c for the bounds\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	uint64_t elapsed_ns = 0;
	unsigned up;

	parse_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	wire_raise_limit();
	make_request();
	clients = calloc(options.connections, sizeof(*clients));
	tls_context = SSL_CTX_new(TLS_client_method());
	queue = epoll_create1(EPOLL_CLOEXEC);
	if (clients == NULL || tls_context == NULL || queue < 0)
		wire_die("memory");
	/* Whose leaf it is, is reported; that it is trusted, is not what is measured. */
	SSL_CTX_set_verify(tls_context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
	set_up();
	up = run.ready;
	wait_for_line();
	if (!options.idle)
		elapsed_ns = measure();
	report(elapsed_ns, up);
	return run.errors > 0;
}
