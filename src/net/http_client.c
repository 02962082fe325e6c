#include "net/http_client.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "net/http_call_format.h"
#include "net/http_exchange.h"
#include "net/proxy.h"
#include "net/stream.h"

#include <errno.h>
#include <string.h>

#define MAX_HEAD           ((size_t)64 * 1024)
#define CONNECT_TIMEOUT_MS 5000
#define ANSWER_TIMEOUT_MS  30000

#define CHUNK_HEAD 32

struct http_call {
    struct http_exchange exchange;
    size_t max_upload; /* 0: it is no upload */
    bool is_uploaded;  /* the body is complete */
    void (*on_drain)(void *owner);
    uint64_t timeout_ms;
    uint64_t deadline_ms; /* of a buffered call, on the monotonic clock */
    http_data_fn on_data;
    void (*on_open)(void *owner); /* NULL: not wanted */
};

static struct http_call *call_of(struct http_exchange *x)
{
    return CONTAINER_OF(x, struct http_call, exchange);
}

/*
 * A buffered call has one deadline; a stream may be silent for so long, counted again from every
 * byte.
 */
static void watch_answer(struct http_call *c)
{
    uint64_t now = time_monotonic_ms();

    if (c->max_upload) {
        /* Once the answer has begun, the owner can write no more. */
        if (c->is_uploaded || stream_queued(c->exchange.stream) > 0 ||
            c->exchange.state == EXCHANGE_RECEIVING) {
            http_exchange_set_deadline(&c->exchange, c->timeout_ms);
        } else {
            loop_timer_stop(&c->exchange.timer); /* it is the owner's turn */
        }
    } else if (!c->on_data) {
        http_exchange_set_deadline(&c->exchange, c->deadline_ms > now ? c->deadline_ms - now : 0);
    } else if (c->timeout_ms > 0) {
        http_exchange_set_deadline(&c->exchange, c->timeout_ms);
    } else {
        loop_timer_stop(&c->exchange.timer);
    }
}

static bool is_streamed(const struct http_call *c)
{
    return c->on_data && c->exchange.parser.status / 100 == 2;
}

static void on_open(struct http_exchange *x)
{
    watch_answer(call_of(x));
}

static void on_input(struct http_exchange *x)
{
    struct http_call *c = call_of(x);

    if (c->on_data || c->max_upload)
        watch_answer(c);
}

/* An announced body that is too large is refused before it comes. */
static void on_head(struct http_exchange *x)
{
    const struct http_parser *p = &x->parser;

    if (call_of(x)->max_upload)
        watch_answer(call_of(x));
    if (is_streamed(call_of(x)) && call_of(x)->on_open) {
        call_of(x)->on_open(x->owner);
        return;
    }
    if (!is_streamed(call_of(x)) && p->has_length && !p->is_head_request && p->length > x->body.max)
        http_exchange_fail_too_large(x);
}

static void on_body(struct http_exchange *x, const char *data, size_t size)
{
    struct http_call *c = call_of(x);

    if (is_streamed(c)) {
        c->on_data(x->owner, data, size);
    } else {
        http_exchange_keep(x, data, size);
    }
}

static void on_drain(struct http_exchange *x)
{
    struct http_call *c = call_of(x);

    if (!c->max_upload)
        return;
    watch_answer(c);
    if (c->on_drain && x->state == EXCHANGE_WAITING)
        c->on_drain(x->owner);
}

static void destroy(struct http_exchange *x)
{
    http_exchange_done(x);
    free(call_of(x));
}

static const struct http_exchange_handler handler = {
    .on_open = on_open,
    .on_input = on_input,
    .on_head = on_head,
    .on_body = on_body,
    .on_drain = on_drain,
    .destroy = destroy,
};

static int start(struct http_call *c,
                 const struct http_call_options *o,
                 const struct address *address,
                 struct error *err)
{
    struct http_exchange *x = &c->exchange;
    _cleanup_(proxy_done) struct proxy proxy = {0};
    struct buf request;
    uint64_t connect_ms = o->connect_timeout_ms ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    /* The whole body may be one chunk, behind which the last one follows. */
    size_t max_upload = o->max_upload ? o->max_upload + (size_t)(2 * CHUNK_HEAD) : 0;
    bool has_proxy;
    int r;

    r = proxy_find(o->proxies, address, &proxy, err);
    if (r < 0)
        return r;
    has_proxy = r > 0;
    r = http_call_format(&request, address, o, "close", loop_user_agent(x->loop), err);
    if (r < 0)
        return r;
    http_exchange_send(x,
                       &(struct stream_options){.address = address,
                                                .proxy = has_proxy ? &proxy : NULL,
                                                .is_insecure = o->is_insecure,
                                                .trust = o->trust,
                                                .max_queue = request.size + max_upload},
                       &request);
    buf_done(&request);
    if (x->state == EXCHANGE_WAITING) {
        watch_answer(c);
        return 0;
    }
    if (!c->on_data && c->timeout_ms < connect_ms)
        connect_ms = c->timeout_ms;
    http_exchange_set_deadline(x, connect_ms);
    return 0;
}

int http_call_start(struct http_call **ret,
                    struct loop *loop,
                    const struct http_call_options *o,
                    struct error *err)
{
    _cleanup_(http_call_cancelp) struct http_call *c = NULL;
    struct address address;
    int r;

    r = address_parse(&address, o->address, err);
    if (r < 0)
        return r;
    c = xcalloc(1, sizeof(*c));
    c->exchange.loop = loop;
    c->exchange.handler = &handler;
    c->exchange.done = o->done;
    c->exchange.owner = o->owner;
    http_exchange_init(&c->exchange, &address, MAX_HEAD, o->max_body);
    c->exchange.parser.is_head_request = str_eq(o->method, "HEAD");
    c->exchange.parser.wanted = o->wanted;
    c->max_upload = o->max_upload;
    c->on_drain = o->on_drain;
    c->on_data = o->on_data;
    c->on_open = o->on_open;
    c->timeout_ms = o->timeout_ms;
    if (!c->on_data && c->timeout_ms == 0)
        c->timeout_ms = ANSWER_TIMEOUT_MS;
    c->deadline_ms = time_monotonic_ms() + c->timeout_ms;
    r = start(c, o, &address, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(c);
    return 0;
}

void http_call_cancel(struct http_call *call)
{
    if (call)
        http_exchange_cancel(&call->exchange);
}

void http_call_pause(struct http_call *call, bool is_paused)
{
    struct http_exchange *x = &call->exchange;

    if (x->state == EXCHANGE_DONE)
        return;
    stream_pause(x->stream, is_paused);
    if (x->state == EXCHANGE_CONNECTING)
        return;
    if (is_paused && call->on_data) {
        loop_timer_stop(&x->timer); /* the silence is of our making */
    } else {
        watch_answer(call);
    }
}

static int write_piece(struct http_call *call, const void *data, size_t size, const char *end)
{
    struct http_exchange *x = &call->exchange;
    struct buf piece = BUF_INIT(size + CHUNK_HEAD);
    int r;

    if (x->state != EXCHANGE_CONNECTING && x->state != EXCHANGE_WAITING)
        return -ENOTCONN;
    if (call->is_uploaded)
        return -EPIPE;
    r = buf_printf(&piece, "%zx\r\n", size);
    if (r == 0 && size > 0)
        r = buf_append(&piece, data, size);
    if (r == 0)
        r = buf_append(&piece, end, strlen(end));
    if (r == 0)
        r = stream_write(x->stream, piece.data, piece.size);
    buf_done(&piece);
    return r;
}

int http_call_write(struct http_call *call, const void *data, size_t size)
{
    int r = size > 0 ? write_piece(call, data, size, "\r\n") : 0;

    if (r == 0 && call->exchange.state == EXCHANGE_WAITING)
        watch_answer(call);
    return r;
}

int http_call_end_upload(struct http_call *call)
{
    int r = write_piece(call, NULL, 0, "\r\n");

    if (r < 0)
        return r;
    call->is_uploaded = true;
    if (call->exchange.state == EXCHANGE_WAITING)
        watch_answer(call);
    return 0;
}

size_t http_call_queued(const struct http_call *call)
{
    return call->exchange.stream ? stream_queued(call->exchange.stream) : 0;
}
