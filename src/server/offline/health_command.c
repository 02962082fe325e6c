#include "server/offline/health_command.h"
#include "base/alloc.h"
#include "base/str.h"
#include "net/http_client.h"
#include "net/loop.h"

#include <stdio.h>
#include <string.h>

#define MAX_ANSWER ((size_t)64 * 1024)
#define TIMEOUT_MS 10000

struct health_query {
    struct loop *loop;
    bool is_good;
};

static void on_answer(void *owner, const struct http_result *result)
{
    struct health_query *q = owner;

    if (result->code < 0) {
        (void)fprintf(stderr, "dockmond: the server does not answer: %s\n", result->message);
    } else {
        (void)printf("%s\n", result->body);
        q->is_good = result->status == 200;
    }
    loop_stop(q->loop);
}

/* A server that listens on every address is reachable on loopback. */
static char *make_address(const char *host, unsigned port, bool is_tls)
{
    bool is_v6;

    if (str_is_empty(host) || str_eq(host, "0.0.0.0")) {
        host = "127.0.0.1";
    } else if (str_eq(host, "::")) {
        host = "::1";
    }
    is_v6 = strchr(host, ':') != NULL;

    return xasprintf("%s://%s%s%s:%u", is_tls ? "https" : "http", is_v6 ? "[" : "", host,
                     is_v6 ? "]" : "", port);
}

int health_command_run(const char *host, unsigned port, bool is_tls)
{
    _cleanup_(loop_freep) struct loop *loop = NULL;
    _cleanup_free_ char *address = make_address(host, port, is_tls);
    struct http_call *call = NULL; /* freed after on_answer() */
    struct health_query q = {0};
    struct error err = ERROR_INIT;
    int r;

    r = loop_new(&loop, &(struct loop_options){.user_agent = "dockmon/" DOCKMON_VERSION}, &err);
    q.loop = loop;
    if (r == 0) {
        r = http_call_start(
            &call, loop,
            &(struct http_call_options){
                .address = address,
                .method = "GET",
                .path = "/health",
                .max_body = MAX_ANSWER,
                .timeout_ms = TIMEOUT_MS,
                .is_insecure = true, /* no secret is sent, and the peer is this machine */
                .done = on_answer,
                .owner = &q,
            },
            &err);
    }
    if (r < 0) {
        (void)fprintf(stderr, "dockmond: %s\n", err.msg);
        return EXIT_FAILURE;
    }
    loop_run(loop);
    return q.is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
