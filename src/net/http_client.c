#include "net/http_client.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "net/http_call_format.h"
#include "net/http_parser.h"
#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_HEAD           ((size_t)64 * 1024)
#define CONNECT_TIMEOUT_MS 5000
#define ANSWER_TIMEOUT_MS  30000

/*
 *     CONNECTING -> WAITING -> RECEIVING -> DONE
 *
 * DONE is reached before `done` runs, and by http_call_cancel().
 */
enum call_state { CALL_CONNECTING, CALL_WAITING, CALL_RECEIVING, CALL_DONE };

struct http_call {
    enum call_state state;
    struct loop *loop;
    struct stream *stream;
    struct http_parser parser;
    struct buf body;
    char *where; /* for messages: "/var/run/docker.sock" */
    size_t max_body;
    struct loop_timer timer;
    uint64_t timeout_ms;
    uint64_t deadline_ms; /* of a buffered call, on the monotonic clock */
    http_data_fn on_data;
    http_done_fn done;
    void *owner;
    bool is_busy; /* a callback may be running: leave() frees */
};

static void set_state(struct http_call *c, enum call_state state)
{
    assert(state > c->state);
    c->state = state;
}

static void destroy(struct http_call *c)
{
    http_parser_done(&c->parser);
    buf_done(&c->body);
    free(c->where);
    free(c);
}

static void close_call(struct http_call *c)
{
    set_state(c, CALL_DONE);
    loop_timer_stop(&c->timer);
    stream_free(TAKE_PTR(c->stream));
}

/* Everything that comes from the loop is wrapped in enter() and leave(): the call may end in between. */
static void enter(struct http_call *c)
{
    assert(!c->is_busy);
    c->is_busy = true;
}

static void leave(struct http_call *c)
{
    c->is_busy = false;
    if (c->state == CALL_DONE)
        destroy(c); /* c is gone now */
}

static void finish(struct http_call *c, int code, const char *message)
{
    struct http_result result = {
        .code = code,
        .status = c->state == CALL_RECEIVING ? c->parser.status : 0,
        .content_type = c->state == CALL_RECEIVING ? c->parser.content_type : "",
        .body = buf_str(&c->body),
        .size = c->body.size,
        .message = message,
    };

    if (c->state == CALL_RECEIVING && c->parser.set_cookie[0])
        result.set_cookie = c->parser.set_cookie;
    close_call(c);
    c->done(c->owner, &result);
}

static void fail(struct http_call *c, int code, const char *fmt, ...) _printf_(3, 4);
static void fail(struct http_call *c, int code, const char *fmt, ...)
{
    char message[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    finish(c, code, message);
}

/* Deadlines */

static void on_timeout(struct loop_timer *t)
{
    struct http_call *c = CONTAINER_OF(t, struct http_call, timer);

    enter(c);
    if (c->state == CALL_CONNECTING) {
        fail(c, -ETIMEDOUT, "connect %s: %s", c->where, error_text(-ETIMEDOUT));
    } else if (c->state == CALL_WAITING) {
        fail(c, -ETIMEDOUT, "no answer from %s in time", c->where);
    } else {
        fail(c, -ETIMEDOUT, "%s stopped answering", c->where);
    }
    leave(c);
}

/* A buffered call has one deadline; a stream may be silent for so long and starts anew with every byte. */
static void watch_answer(struct http_call *c)
{
    uint64_t now = time_monotonic_ms();

    if (!c->on_data) {
        loop_timer_start(c->loop, &c->timer, c->deadline_ms > now ? c->deadline_ms - now : 0,
                         on_timeout);
    } else if (c->timeout_ms > 0) {
        loop_timer_start(c->loop, &c->timer, c->timeout_ms, on_timeout);
    } else {
        loop_timer_stop(&c->timer);
    }
}

/* The answer */

static bool is_streamed(const struct http_call *c)
{
    return c->on_data && c->parser.status / 100 == 2;
}

static void take_body(struct http_call *c, const char *data, size_t size)
{
    if (is_streamed(c)) {
        c->on_data(c->owner, data, size);
    } else if (buf_append(&c->body, data, size) < 0) {
        fail(c, -EMSGSIZE, "answer of %s is larger than %zu bytes", c->where, c->max_body);
    }
}

static void take_head(struct http_call *c)
{
    set_state(c, CALL_RECEIVING);
    if (!is_streamed(c) && c->parser.has_length && !c->parser.is_head_request &&
        c->parser.length > c->max_body)
        fail(c, -EMSGSIZE, "answer of %s is larger than %zu bytes", c->where, c->max_body);
}

static void feed(struct http_call *c, const char *data, size_t size)
{
    enum http_piece piece;

    do {
        const char *body = NULL;
        size_t n = 0;

        piece = http_parser_next(&c->parser, &data, &size, &body, &n);
        switch (piece) {
        case HTTP_MORE: return;
        case HTTP_HEAD: take_head(c); break;
        case HTTP_BODY: take_body(c, body, n); break;
        case HTTP_END: finish(c, 0, ""); break;
        case HTTP_ERROR: fail(c, -EPROTO, "answer of %s: %s", c->where, c->parser.problem); break;
        }
    } while (c->state != CALL_DONE);
}

static void on_open(void *owner)
{
    struct http_call *c = owner;

    set_state(c, CALL_WAITING);
    watch_answer(c);
}

static void on_data(void *owner, const char *data, size_t size)
{
    struct http_call *c = owner;

    if (c->on_data)
        watch_answer(c);
    enter(c);
    feed(c, data, size);
    leave(c);
}

static void on_end(void *owner, int code, const char *message)
{
    struct http_call *c = owner;

    enter(c);
    if (code == 0 && c->state == CALL_RECEIVING && http_parser_eof(&c->parser)) {
        finish(c, 0, "");
    } else if (code != 0) {
        finish(c, code, message);
    } else {
        fail(c, -ECONNRESET, "%s closed the connection before its answer was complete", c->where);
    }
    leave(c);
}

static const struct stream_handler stream_handler = {
    .on_open = on_open,
    .on_data = on_data,
    .on_end = on_end,
};

/* Life cycle */

static int start(struct http_call *c,
                 const struct http_call_options *o,
                 const struct address *address,
                 struct error *err)
{
    struct buf request;
    uint64_t connect_ms = o->connect_timeout_ms ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    int r;

    r = http_call_format(&request, address, o, "close", loop_user_agent(c->loop), err);
    if (r < 0)
        return r;
    c->stream = stream_open(&(struct stream_options){
        .loop = c->loop,
        .address = address,
        .is_insecure = o->is_insecure,
        .trust = o->trust,
        .max_queue = request.size,
        .handler = &stream_handler,
        .owner = c,
    });
    r = stream_write(c->stream, request.data, request.size);
    buf_done(&request);
    assert(r == 0); /* the queue was made for it */
    if (stream_is_open(c->stream)) {
        on_open(c);
        return 0;
    }
    if (!c->on_data && c->timeout_ms < connect_ms)
        connect_ms = c->timeout_ms;
    loop_timer_start(c->loop, &c->timer, connect_ms, on_timeout);
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
    c->loop = loop;
    c->where = xstrdup(address.display);
    c->max_body = o->max_body;
    c->on_data = o->on_data;
    c->done = o->done;
    c->owner = o->owner;
    c->timeout_ms = o->timeout_ms;
    if (!c->on_data && c->timeout_ms == 0)
        c->timeout_ms = ANSWER_TIMEOUT_MS;
    c->deadline_ms = time_monotonic_ms() + c->timeout_ms;
    buf_init(&c->body, o->max_body);
    http_parser_init(&c->parser, MAX_HEAD);
    c->parser.is_head_request = strcmp(o->method, "HEAD") == 0;
    r = start(c, o, &address, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(c);
    return 0;
}

void http_call_cancel(struct http_call *call)
{
    if (!call || call->state == CALL_DONE)
        return; /* inside `done`: it is going anyway */
    close_call(call);
    if (!call->is_busy)
        destroy(call);
}

void http_call_pause(struct http_call *call, bool is_paused)
{
    if (call->state == CALL_DONE)
        return;
    stream_pause(call->stream, is_paused);
    if (is_paused && call->on_data && call->state != CALL_CONNECTING) {
        loop_timer_stop(&call->timer); /* the silence is ours */
    } else if (call->state != CALL_CONNECTING) {
        watch_answer(call);
    }
}
