#include "base/alloc.h"
#include "base/buf.h"
#include "base/time.h"
#include "net/call_fixture.h"
#include "net/stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The stream is tested through the HTTP client, its plainest user. */

/* Failures to connect */

static void test_cannot_connect(void **state)
{
    static const struct {
        const char *address;
        int code;
        const char *message;
    } cases[] = {
        {"unix:///nonexistent/s", -ENOENT,       "connect /nonexistent/s: No such file or directory"},
        {"unix:///dev/null",      -ECONNREFUSED, "connect /dev/null: Connection refused"            },
        {"tcp://127.0.0.1:1",     -ECONNREFUSED, "connect 127.0.0.1:1: Connection refused"          },
        {"https://127.0.0.1:1",   -ECONNREFUSED, "connect 127.0.0.1:1: Connection refused"          },
        {"http://localhost:1",    -ECONNREFUSED, "connect localhost:1: Connection refused"          },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome o;

        outcome_run(&o, cases[i].address, &(struct http_call_options){0});
        assert_int_equal(o.code, cases[i].code);
        assert_int_equal(o.status, 0);
        assert_string_equal(o.message, cases[i].message);
        outcome_done(&o);
    }
}

/* A label over 63 characters is refused by the resolver itself: no packet leaves the machine. */
#define LABEL "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_unknown_host(void **state)
{
    struct outcome o;

    (void)state;
    outcome_run(&o, "http://" LABEL ".invalid", &(struct http_call_options){0});
    assert_int_equal(o.code, -EHOSTUNREACH);
    assert_non_null(strstr(o.message, "resolve " LABEL ".invalid:80: "));
    outcome_done(&o);
}

static void test_reset(void **state)
{
    struct served s;

    (void)state;
    served_run(&s, "HTTP/1.1 200 OK\r\n", 17, SERVE_RESET, &(struct http_call_options){0});
    assert_int_equal(s.o.code, -ECONNRESET);
    served_done(&s);
}

/* The resolver knows two addresses of this name: nobody listens on the first one. */
#define TWO_ADDRESSES "two.test"

int __real_getaddrinfo(const char *host,
                       const char *service,
                       const struct addrinfo *hints,
                       struct addrinfo **ret);
int __wrap_getaddrinfo(const char *host,
                       const char *service,
                       const struct addrinfo *hints,
                       struct addrinfo **ret);

/* The thread of a lookup leaves all signals to the loop. */
static void assert_signals_are_blocked(void)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGPIPE};
    sigset_t blocked;

    (void)pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (!sigismember(&blocked, signals[i]))
            abort(); /* cmocka does not fail from another thread */
    }
}

int __wrap_getaddrinfo(const char *host,
                       const char *service,
                       const struct addrinfo *hints,
                       struct addrinfo **ret)
{
    const struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    int r;

    if (strcmp(host, TWO_ADDRESSES) != 0)
        return __real_getaddrinfo(host, service, hints, ret);
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    assert_signals_are_blocked();
    r = __real_getaddrinfo("127.0.0.1", service, &numeric, ret);
    return r ? r : __real_getaddrinfo("127.0.0.2", service, &numeric, &(*ret)->ai_next);
}

/* Dials with a full queue of connections: the kernel drops what comes after it. */
static void fill_backlog(const struct sockaddr_in *a, int ret_fds[static 2])
{
    for (size_t i = 0; i < 2; i++) {
        ret_fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(ret_fds[i] >= 0);
        (void)connect(ret_fds[i], (const struct sockaddr *)a, sizeof(*a));
    }
}

/* The time for each address but the last must not be that of the last: only the caller's counts. */
static void test_last_address_has_the_time_of_the_caller(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[2];
    socklen_t size = sizeof(a);
    char address[64];
    struct outcome o;
    uint64_t begin;

    (void)state;
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    assert_int_equal(listen(fd, 0), 0);
    fill_backlog(&a, fds);
    (void)snprintf(address, sizeof(address), "http://" TWO_ADDRESSES ":%d", ntohs(a.sin_port));
    begin = time_monotonic_ms();
    outcome_run(&o, address, &(struct http_call_options){.timeout_ms = 2300});
    assert_int_equal(o.code, -ETIMEDOUT);
    assert_true(time_monotonic_ms() - begin >= 2300); /* the stream has not given up after 2 s */
    outcome_done(&o);
    close(fds[0]);
    close(fds[1]);
    close(fd);
}

/* TLS */

static void test_tls_verification(void **state)
{
    struct test_server *server = xcalloc(1, sizeof(*server));
    struct outcome o;
    char other_name[64];

    (void)state;
    test_server_start(server, HELLO, strlen(HELLO), SERVE_TLS);
    outcome_run(&o, server->address, &(struct http_call_options){0});
    assert_int_equal(o.code, 0);
    outcome_done(&o);

    (void)snprintf(other_name, sizeof(other_name), "https://localhost%s",
                   strrchr(server->address, ':'));
    outcome_run(&o, other_name, &(struct http_call_options){0});
    assert_int_equal(o.code, -EPROTO);
    assert_non_null(strstr(o.message, "ostname mismatch"));
    outcome_done(&o);

    outcome_run(&o, other_name, &(struct http_call_options){.is_insecure = true});
    assert_int_equal(o.code, 0);
    outcome_done(&o);
    test_server_stop(server);
    free(server);
}

static void test_tls_unknown_authority(void **state)
{
    struct test_server *server = xcalloc(1, sizeof(*server));
    struct loop *own = test_loop->loop;
    struct error err = ERROR_INIT;
    struct outcome o;

    (void)state;
    test_server_start(server, HELLO, strlen(HELLO), SERVE_TLS);
    assert_int_equal(loop_new(&test_loop->loop, &(struct loop_options){0}, &err), 0);
    outcome_run(&o, server->address, &(struct http_call_options){0});
    assert_int_equal(o.code, -EPROTO);
    assert_non_null(strstr(o.message, "self-signed"));
    outcome_done(&o);
    outcome_run(&o, server->address, &(struct http_call_options){.is_insecure = true});
    assert_int_equal(o.code, 0);
    outcome_done(&o);
    loop_free(test_loop->loop);
    test_loop->loop = own;
    test_server_stop(server);
    free(server);
}

static void test_tls_with_plain_server(void **state)
{
    struct test_server *server = xcalloc(1, sizeof(*server));
    struct outcome o;
    char address[128];

    (void)state;
    test_server_start(server, HELLO, strlen(HELLO), SERVE_TCP | SERVE_DEAF);
    (void)snprintf(address, sizeof(address), "https%s", strchr(server->address, ':'));
    outcome_run(&o, address, &(struct http_call_options){0});
    assert_int_equal(o.code, -EPROTO);
    outcome_done(&o);
    test_server_stop(server);
    free(server);
}

/* Streams */

#define STREAM_PIECES 3000
#define STREAM_PIECE  10000

static void on_resume(struct loop_timer *t)
{
    struct outcome *o = CONTAINER_OF(t, struct outcome, resume);

    http_call_pause(o->call, false);
}

static void on_data_with_pauses(void *owner, const void *data, size_t size)
{
    struct outcome *o = owner;
    const char *bytes = data;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 'z')
            fail_msg("byte %zu is %d", o->n_streamed + i, bytes[i]);
    }
    o->n_streamed += size;
    if (loop_timer_is_running(&o->resume))
        return; /* read before the pause */
    http_call_pause(o->call, true);
    loop_timer_start(test_loop->loop, &o->resume, 1, on_resume);
}

/* The peer has closed long before the paused reader has everything: nothing may get lost. */
static void test_paused_stream(void **state)
{
    static const unsigned flavours[] = {0, SERVE_TCP, SERVE_TLS};
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    size_t size = (size_t)2000000;
    char *answer = xmalloc(size + strlen(head));

    (void)state;
    memcpy(answer, head, sizeof(head) - 1);
    memset(answer + strlen(head), 'z', size);
    for (size_t i = 0; i < ARRAY_LEN(flavours); i++) {
        struct served s;

        served_run(&s, answer, size + strlen(head), flavours[i],
                   &(struct http_call_options){.on_data = on_data_with_pauses});
        loop_timer_stop(&s.o.resume);
        assert_int_equal(s.o.code, 0);
        assert_int_equal(s.o.n_streamed, size);
        served_done(&s);
    }
    free(answer);
}

/* While paused, only what was read already may arrive, and the silence timeout does not run. */
static void test_pause_holds(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    struct test_server *server = xcalloc(1, sizeof(*server));
    size_t size = 4000000;
    char *answer = xmalloc(size);
    struct outcome o;

    (void)state;
    memset(answer, 'z', size);
    memcpy(answer, head, sizeof(head) - 1);
    test_server_start(server, answer, size, 0);
    outcome_start(&o, server->address,
                  &(struct http_call_options){.on_data = on_data_with_pauses, .timeout_ms = 20});
    loop_timer_start(test_loop->loop, &o.resume, 100, on_resume);
    http_call_pause(o.call, true);
    loop_run(test_loop->loop);
    loop_timer_stop(&o.resume);
    assert_int_equal(o.code, 0);
    assert_int_equal(o.n_streamed, size - strlen(head));
    outcome_done(&o);
    test_server_stop(server);
    free(server);
    free(answer);
}

static uint64_t cpu_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The hang-up of a closed peer does not keep the loop busy while its stream is paused. */
static void test_pause_is_idle(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n";
    static const unsigned flavours[] = {0, SERVE_RESET, SERVE_TCP};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(flavours); i++) {
        struct test_server *server = xcalloc(1, sizeof(*server));
        struct outcome o;
        uint64_t before;

        test_server_start(server, answer, strlen(answer), flavours[i]);
        outcome_start(&o, server->address,
                      &(struct http_call_options){.on_data = on_data_with_pauses});
        http_call_pause(o.call, true);
        loop_timer_start(test_loop->loop, &o.resume, 300, on_resume);
        before = cpu_ms();
        loop_run(test_loop->loop);
        assert_in_range(cpu_ms() - before, 0, 60);
        outcome_done(&o);
        test_server_stop(server);
        free(server);
    }
}

/* A unix listener whose backlog is full refuses for a moment only. */
static void test_full_backlog(void **state)
{
    struct test_server *server = xcalloc(1, sizeof(*server));
    struct outcome o[300];

    (void)state;
    test_server_start(server, HELLO, strlen(HELLO), 0);
    for (size_t i = 0; i < ARRAY_LEN(o); i++)
        outcome_start(&o[i], server->address, &(struct http_call_options){0});
    loop_run(test_loop->loop);
    for (size_t i = 0; i < ARRAY_LEN(o); i++) {
        assert_int_equal(o[i].code, 0);
        outcome_done(&o[i]);
    }
    assert_int_equal(server->n_connections, ARRAY_LEN(o));
    test_server_stop(server);
    free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cannot_connect),
        TEST(test_unknown_host),
        TEST(test_reset),
        TEST(test_last_address_has_the_time_of_the_caller),
        TEST(test_tls_verification),
        TEST(test_tls_with_plain_server),
        TEST(test_paused_stream),
        TEST(test_pause_holds),
        TEST(test_pause_is_idle),
        TEST(test_full_backlog),
        TEST(test_tls_unknown_authority),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
