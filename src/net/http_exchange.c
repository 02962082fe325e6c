#include "net/http_exchange.h"
#include "base/alloc.h"
#include "base/state.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct state_row states[] = {
    STATE_ROW(
        EXCHANGE_CONNECTING, "connecting", STATE_TO(EXCHANGE_WAITING) | STATE_TO(EXCHANGE_DONE)),
    STATE_ROW(EXCHANGE_WAITING,
              "waiting",
              STATE_TO(EXCHANGE_RECEIVING) | STATE_TO(EXCHANGE_UPGRADED) | STATE_TO(EXCHANGE_DONE)),
    STATE_ROW(EXCHANGE_RECEIVING, "receiving", STATE_TO(EXCHANGE_DONE)),
    STATE_ROW(EXCHANGE_UPGRADED, "upgraded", STATE_TO(EXCHANGE_DONE)),
    STATE_ROW(EXCHANGE_DONE, "done", 0),
};
static const struct state_machine machine = STATE_MACHINE("http exchange", states);

static void set_state(struct http_exchange *x, enum http_exchange_state state)
{
    state_check(&machine, x->where, x->state, state);
    x->state = state;
}

static void enter(struct http_exchange *x)
{
    reentry_enter(&x->entry);
}

static void destroy(void *object)
{
    struct http_exchange *x = object;

    x->handler->destroy(x);
}

static void leave(struct http_exchange *x)
{
    reentry_leave(&x->entry, x->state == EXCHANGE_DONE, destroy, x);
}

/* The end */

static void end(struct http_exchange *x)
{
    set_state(x, EXCHANGE_DONE);
    loop_timer_stop(&x->timer);
    stream_free(TAKE_PTR(x->stream));
}

static void finish(struct http_exchange *x, int code, const char *message)
{
    const struct http_parser *p = &x->parser;
    bool has_head = x->state == EXCHANGE_RECEIVING || x->state == EXCHANGE_UPGRADED;
    struct http_result result = {
        .code = code,
        .status = x->state == EXCHANGE_UPGRADED ? 101
                  : has_head                    ? p->status
                                                : 0,
        .content_type = has_head ? p->content_type : "",
        .set_cookie = has_head && p->set_cookie[0] ? p->set_cookie : NULL,
        .wanted = has_head ? p->wanted_value : NULL,
        .body = buf_str(&x->body),
        .size = x->body.size,
        .message = message,
    };

    end(x);
    x->done(x->owner, &result);
}

static void fail(struct http_exchange *x, int code, const char *fmt, ...) _printf_(3, 4);
static void fail(struct http_exchange *x, int code, const char *fmt, ...)
{
    char message[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    finish(x, code, message);
}

void http_exchange_fail_too_large(struct http_exchange *x)
{
    fail(x, -EMSGSIZE, "answer of %s is larger than %zu bytes", x->where, x->body.max);
}

static void on_timeout(struct loop_timer *t)
{
    struct http_exchange *x = CONTAINER_OF(t, struct http_exchange, timer);

    enter(x);
    if (x->state == EXCHANGE_CONNECTING) {
        char text[700];

        stream_explain_wait(x->stream, text, sizeof(text));
        fail(x, -ETIMEDOUT, "%s: %s", text, error_text(-ETIMEDOUT));
    } else if (x->state == EXCHANGE_WAITING) {
        fail(x, -ETIMEDOUT, "no answer from %s in time", x->where);
    } else {
        fail(x, -ETIMEDOUT, "%s stopped answering", x->where);
    }
    leave(x); /* x is gone now */
}

void http_exchange_set_deadline(struct http_exchange *x, uint64_t ms)
{
    loop_timer_start(x->loop, &x->timer, ms, on_timeout);
}

/* The answer */

static void take_head(struct http_exchange *x)
{
    bool is_upgraded = x->parser.state == PARSE_UPGRADED;

    set_state(x, is_upgraded ? EXCHANGE_UPGRADED : EXCHANGE_RECEIVING);
    x->handler->on_head(x);
}

static void feed(struct http_exchange *x, const char *data, size_t size)
{
    enum http_piece piece;

    do {
        const char *body = NULL;
        size_t n = 0;

        piece = http_parser_next(&x->parser, &data, &size, &body, &n);
        switch (piece) {
        case HTTP_MORE: return;
        case HTTP_HEAD: take_head(x); break;
        case HTTP_BODY: x->handler->on_body(x, body, n); break;
        case HTTP_END: finish(x, 0, ""); break;
        case HTTP_ERROR: fail(x, -EPROTO, "answer of %s: %s", x->where, x->parser.problem); break;
        }
    } while (x->state != EXCHANGE_DONE);
}

void http_exchange_keep(struct http_exchange *x, const char *data, size_t size)
{
    if (buf_append(&x->body, data, size) < 0)
        http_exchange_fail_too_large(x);
}

/* The connection */

static void on_open(void *owner)
{
    struct http_exchange *x = owner;

    enter(x);
    set_state(x, EXCHANGE_WAITING);
    x->handler->on_open(x);
    leave(x);
}

static void on_data(void *owner, const char *data, size_t size)
{
    struct http_exchange *x = owner;

    enter(x);
    if (x->handler->on_input)
        x->handler->on_input(x);
    feed(x, data, size);
    leave(x); /* x may be gone now */
}

static void on_drain(void *owner)
{
    struct http_exchange *x = owner;

    if (!x->handler->on_drain)
        return;
    enter(x);
    x->handler->on_drain(x);
    leave(x); /* x may be gone now */
}

static void on_end(void *owner, int code, const char *message)
{
    struct http_exchange *x = owner;

    enter(x);
    if (code != 0) {
        finish(x, code, message);
    } else if (http_parser_eof(&x->parser)) {
        finish(x, 0, "");
    } else {
        fail(x, -ECONNRESET, "%s closed the connection before its answer was complete", x->where);
    }
    leave(x); /* x is gone now */
}

static const struct stream_handler stream_handler = {
    .on_open = on_open,
    .on_data = on_data,
    .on_drain = on_drain,
    .on_end = on_end,
};

/* Life cycle */

void http_exchange_init(struct http_exchange *x,
                        const struct address *address,
                        size_t max_head,
                        size_t max_body)
{
    x->where = xstrdup(address->display);
    http_parser_init(&x->parser, max_head);
    buf_init(&x->body, max_body);
}

void http_exchange_send(struct http_exchange *x,
                        struct stream_options *o,
                        const struct buf *request)
{
    int r;

    o->loop = x->loop;
    o->handler = &stream_handler;
    o->owner = x;
    x->stream = stream_open(o);
    r = stream_write(x->stream, request->data, request->size);
    assert(r == 0); /* the caller's max_queue has room for it */
    if (stream_is_open(x->stream))
        set_state(x, EXCHANGE_WAITING);
}

void http_exchange_cancel(struct http_exchange *x)
{
    if (x->state == EXCHANGE_DONE)
        return; /* inside `done`: it ends anyway */
    enter(x);
    end(x);
    leave(x); /* x may be gone now */
}

void http_exchange_done(struct http_exchange *x)
{
    http_parser_done(&x->parser);
    buf_done(&x->body);
    free(x->where);
}
