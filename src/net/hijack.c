#include "net/hijack.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "net/http_call_format.h"
#include "net/http_exchange.h"
#include "net/stream.h"

#include <assert.h>
#include <errno.h>

#define MAX_HEAD           ((size_t)16 * 1024)
#define MAX_REFUSAL        ((size_t)64 * 1024)
#define CONNECT_TIMEOUT_MS 5000

/*
 * The exchange has the states: UPGRADED is an open hijack, RECEIVING a refused one, whose body is
 * collected for `done`. Engines lose input that arrives before they have answered, so that it waits
 * in `early`.
 */
struct hijack {
    struct http_exchange exchange;
    struct buf early;
    bool is_shutdown;
    bool is_paused;

    void (*on_open)(void *owner);
    http_data_fn on_data;
    void (*on_drain)(void *owner);
};

static struct hijack *hijack_of(struct http_exchange *x)
{
    return CONTAINER_OF(x, struct hijack, exchange);
}

static bool is_open(const struct hijack *h)
{
    return h->exchange.state == EXCHANGE_UPGRADED;
}

static bool is_early(const struct hijack *h)
{
    return h->exchange.state < EXCHANGE_RECEIVING;
}

static void send_early(struct hijack *h)
{
    struct stream *stream = h->exchange.stream;
    int r = 0;

    if (h->early.size > 0)
        r = stream_write(stream, h->early.data, h->early.size);
    assert(r == 0); /* the queue has room for both, even if the peer has not read the request */
    buf_done(&h->early);
    if (h->is_shutdown)
        r = stream_shutdown(stream);
    assert(r == 0);
    if (h->is_paused)
        stream_pause(stream, true);
}

static void on_connected(struct http_exchange *x)
{
    (void)x; /* one deadline covers connecting and upgrading */
}

static void on_head(struct http_exchange *x)
{
    struct hijack *h = hijack_of(x);

    if (!is_open(h))
        return;
    loop_timer_stop(&x->timer);
    send_early(h);
    h->on_open(x->owner);
}

static void on_body(struct http_exchange *x, const char *data, size_t size)
{
    struct hijack *h = hijack_of(x);

    if (is_open(h)) {
        h->on_data(x->owner, data, size);
    } else {
        http_exchange_keep(x, data, size);
    }
}

static void on_drain(struct http_exchange *x)
{
    struct hijack *h = hijack_of(x);

    if (is_open(h) && h->on_drain) /* otherwise it was the request */
        h->on_drain(x->owner);
}

static void destroy(struct http_exchange *x)
{
    struct hijack *h = hijack_of(x);

    http_exchange_done(x);
    buf_done(&h->early);
    free(h);
}

static const struct http_exchange_handler handler = {
    .on_open = on_connected,
    .on_head = on_head,
    .on_body = on_body,
    .on_drain = on_drain,
    .destroy = destroy,
};

static int format_request(struct buf *ret,
                          const struct address *address,
                          const struct hijack_options *o,
                          const char *user_agent,
                          struct error *err)
{
    const struct http_header upgrade = {"Upgrade", "tcp"};
    const struct http_call_options call = {
        .method = "POST",
        .path = o->path,
        .headers = &upgrade,
        .n_headers = 1,
        .body = o->body,
        .body_size = o->body_size,
    };

    return http_call_format(ret, address, &call, "Upgrade", user_agent, err);
}

int hijack_start(struct hijack **ret,
                 struct loop *loop,
                 const struct hijack_options *o,
                 struct error *err)
{
    struct hijack *h;
    struct address address;
    struct buf request;
    int r;

    r = address_parse(&address, o->address, err);
    if (r < 0)
        return r;
    r = format_request(&request, &address, o, loop_user_agent(loop), err);
    if (r < 0)
        return r;
    h = xcalloc(1, sizeof(*h));
    h->exchange.loop = loop;
    h->exchange.handler = &handler;
    h->exchange.done = o->done;
    h->exchange.owner = o->owner;
    h->on_open = o->on_open;
    h->on_data = o->on_data;
    h->on_drain = o->on_drain;
    buf_init(&h->early, o->max_queue);
    http_exchange_init(&h->exchange, &address, MAX_HEAD, MAX_REFUSAL);
    h->exchange.parser.is_upgrade = true;
    http_exchange_send(&h->exchange,
                       &(struct stream_options){.address = &address,
                                                .trust = o->trust,
                                                .max_queue = request.size + o->max_queue},
                       &request);
    buf_done(&request);
    http_exchange_set_deadline(&h->exchange,
                               o->connect_timeout_ms ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS);
    *ret = h;
    return 0;
}

void hijack_cancel(struct hijack *h)
{
    if (h)
        http_exchange_cancel(&h->exchange);
}

int hijack_write(struct hijack *h, const void *data, size_t size)
{
    if (is_open(h))
        return stream_write(h->exchange.stream, data, size);
    if (!is_early(h))
        return -ENOTCONN;
    if (h->is_shutdown)
        return -EPIPE;
    return buf_append(&h->early, data, size) < 0 ? -ENOBUFS : 0;
}

int hijack_shutdown_write(struct hijack *h)
{
    if (h->is_shutdown)
        return -EPIPE;
    h->is_shutdown = true;
    return is_open(h) ? stream_shutdown(h->exchange.stream) : 0;
}

size_t hijack_queued(const struct hijack *h)
{
    if (is_open(h))
        return stream_queued(h->exchange.stream);
    return is_early(h) ? h->early.size : 0;
}

void hijack_pause(struct hijack *h, bool is_paused)
{
    h->is_paused = is_paused;
    if (is_open(h))
        stream_pause(h->exchange.stream, is_paused);
}
