#include "net/hijack.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "net/http_call_format.h"
#include "net/http_parser.h"
#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define MAX_HEAD           ((size_t)16 * 1024)
#define MAX_REFUSAL        ((size_t)64 * 1024)
#define CONNECT_TIMEOUT_MS 5000

/*
 *     CONNECTING -> OPEN ----> DONE
 *          |                    ^
 *          +-----> REFUSED -----+      collecting the body of an answer that is no upgrade
 *
 * DONE is reached before `done` runs, and by hijack_cancel().
 */
enum hijack_state { HIJACK_CONNECTING, HIJACK_OPEN, HIJACK_REFUSED, HIJACK_DONE };

struct hijack {
    enum hijack_state state;
    struct stream *stream;
    struct http_parser parser;
    struct buf refusal;
    char *where;
    struct loop_timer timer;

    /* Engines lose what arrives before they answered, so it waits here. */
    struct buf early;
    bool is_shutdown;
    bool is_paused;

    void (*on_open)(void *owner);
    http_data_fn on_data;
    void (*on_drain)(void *owner);
    http_done_fn done;
    void *owner;
    bool is_busy; /* a callback may be running: leave() frees */
};

static void set_state(struct hijack *h, enum hijack_state state)
{
    assert(state == HIJACK_DONE ? h->state != HIJACK_DONE : h->state == HIJACK_CONNECTING);
    h->state = state;
}

static void destroy(struct hijack *h)
{
    http_parser_done(&h->parser);
    buf_done(&h->refusal);
    buf_done(&h->early);
    free(h->where);
    free(h);
}

static void close_hijack(struct hijack *h)
{
    set_state(h, HIJACK_DONE);
    loop_timer_stop(&h->timer);
    stream_free(TAKE_PTR(h->stream));
}

/* Everything that comes from the loop is wrapped in enter() and leave(): the hijack may end in between. */
static void enter(struct hijack *h)
{
    assert(!h->is_busy);
    h->is_busy = true;
}

static void leave(struct hijack *h)
{
    h->is_busy = false;
    if (h->state == HIJACK_DONE)
        destroy(h); /* h is gone now */
}

static void finish(struct hijack *h, int code, const char *message)
{
    struct http_result result = {
        .code = code,
        .status = h->state == HIJACK_OPEN      ? 101
                  : h->state == HIJACK_REFUSED ? h->parser.status
                                               : 0,
        .content_type = h->parser.content_type,
        .body = buf_str(&h->refusal),
        .size = h->refusal.size,
        .message = message,
    };

    close_hijack(h);
    h->done(h->owner, &result);
}

static void fail(struct hijack *h, int code, const char *fmt, ...) _printf_(3, 4);
static void fail(struct hijack *h, int code, const char *fmt, ...)
{
    char message[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    finish(h, code, message);
}

static void on_timeout(struct loop_timer *t)
{
    struct hijack *h = CONTAINER_OF(t, struct hijack, timer);

    enter(h);
    if (stream_is_open(h->stream)) {
        fail(h, -ETIMEDOUT, "no answer from %s in time", h->where);
    } else {
        fail(h, -ETIMEDOUT, "connect %s: %s", h->where, error_text(-ETIMEDOUT));
    }
    leave(h);
}

static void send_early(struct hijack *h)
{
    int r = 0;

    if (h->early.size > 0)
        r = stream_write(h->stream, h->early.data, h->early.size);
    assert(r == 0); /* the stream's queue has room for both */
    buf_done(&h->early);
    if (h->is_shutdown)
        r = stream_shutdown(h->stream);
    assert(r == 0);
    if (h->is_paused)
        stream_pause(h->stream, true);
}

static void take_head(struct hijack *h)
{
    if (h->parser.state != PARSE_UPGRADED) {
        set_state(h, HIJACK_REFUSED);
        return;
    }
    set_state(h, HIJACK_OPEN);
    loop_timer_stop(&h->timer);
    send_early(h);
    h->on_open(h->owner);
}

static void take_body(struct hijack *h, const char *data, size_t size)
{
    if (h->state == HIJACK_OPEN) {
        h->on_data(h->owner, data, size);
    } else if (buf_append(&h->refusal, data, size) < 0) {
        fail(h, -EMSGSIZE, "answer of %s is larger than %zu bytes", h->where, MAX_REFUSAL);
    }
}

static void feed(struct hijack *h, const char *data, size_t size)
{
    enum http_piece piece;

    do {
        const char *body = NULL;
        size_t n = 0;

        piece = http_parser_next(&h->parser, &data, &size, &body, &n);
        switch (piece) {
        case HTTP_MORE: return;
        case HTTP_HEAD: take_head(h); break;
        case HTTP_BODY: take_body(h, body, n); break;
        case HTTP_END: finish(h, 0, ""); break;
        case HTTP_ERROR: fail(h, -EPROTO, "answer of %s: %s", h->where, h->parser.problem); break;
        }
    } while (h->state != HIJACK_DONE);
}

static void on_data(void *owner, const char *data, size_t size)
{
    struct hijack *h = owner;

    enter(h);
    feed(h, data, size);
    leave(h);
}

static void on_end(void *owner, int code, const char *message)
{
    struct hijack *h = owner;

    enter(h);
    if (code != 0) {
        finish(h, code, message);
    } else if (http_parser_eof(&h->parser)) {
        finish(h, 0, "");
    } else {
        fail(h, -ECONNRESET, "%s closed the connection before its answer was complete", h->where);
    }
    leave(h);
}

static void on_drain(void *owner)
{
    struct hijack *h = owner;

    if (h->state != HIJACK_OPEN || !h->on_drain)
        return; /* it was the request */
    enter(h);
    h->on_drain(h->owner);
    leave(h);
}

static void on_stream_open(void *owner)
{
    (void)owner; /* the deadline covers connecting and upgrading as one */
}

static const struct stream_handler stream_handler = {
    .on_open = on_stream_open,
    .on_data = on_data,
    .on_drain = on_drain,
    .on_end = on_end,
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
    h->where = xstrdup(address.display);
    h->on_open = o->on_open;
    h->on_data = o->on_data;
    h->on_drain = o->on_drain;
    h->done = o->done;
    h->owner = o->owner;
    buf_init(&h->early, o->max_queue);
    buf_init(&h->refusal, MAX_REFUSAL);
    http_parser_init(&h->parser, MAX_HEAD);
    h->parser.is_upgrade = true;
    h->stream = stream_open(&(struct stream_options){
        .loop = loop,
        .address = &address,
        .trust = o->trust,
        .max_queue = request.size > o->max_queue ? request.size : o->max_queue,
        .handler = &stream_handler,
        .owner = h,
    });
    r = stream_write(h->stream, request.data, request.size);
    assert(r == 0); /* the queue was made for it */
    buf_done(&request);
    loop_timer_start(loop, &h->timer,
                     o->connect_timeout_ms ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS,
                     on_timeout);
    *ret = h;
    return 0;
}

void hijack_cancel(struct hijack *h)
{
    if (!h || h->state == HIJACK_DONE)
        return; /* inside `done`: it is going anyway */
    close_hijack(h);
    if (!h->is_busy)
        destroy(h);
}

int hijack_write(struct hijack *h, const void *data, size_t size)
{
    switch (h->state) {
    case HIJACK_CONNECTING:
        if (h->is_shutdown)
            return -EPIPE;
        return buf_append(&h->early, data, size) < 0 ? -ENOBUFS : 0;
    case HIJACK_OPEN: return stream_write(h->stream, data, size);
    case HIJACK_REFUSED:
    case HIJACK_DONE: break;
    }
    return -ENOTCONN;
}

int hijack_shutdown_write(struct hijack *h)
{
    if (h->is_shutdown)
        return -EPIPE;
    h->is_shutdown = true;
    return h->state == HIJACK_OPEN ? stream_shutdown(h->stream) : 0;
}

size_t hijack_queued(const struct hijack *h)
{
    switch (h->state) {
    case HIJACK_CONNECTING: return h->early.size;
    case HIJACK_OPEN: return stream_queued(h->stream);
    case HIJACK_REFUSED:
    case HIJACK_DONE: break;
    }
    return 0;
}

void hijack_pause(struct hijack *h, bool is_paused)
{
    h->is_paused = is_paused;
    if (h->state == HIJACK_OPEN)
        stream_pause(h->stream, is_paused);
}
