/*
 * Requests from bytes. c->in holds input that is not parsed yet: at most a head and one read behind
 * it, because reading pauses while a response is written. A pipelined request waits there until the
 * one before is answered.
 */

#include "base/alloc.h"
#include "net/http_conn_parts.h"

#include <errno.h>
#include <string.h>

#define MAX_BODY            ((size_t)1024 * 1024) /* unless the handler says otherwise */
#define RESPONSE_TIMEOUT_MS 60000
#define PROCEED             "HTTP/1.1 100 Continue\r\n\r\n"
#define TOO_LARGE           "the body is too large"

static void dispatch(struct http_conn *c)
{
    c->request.body = buf_str(&c->body);
    c->request.body_size = c->body.size;
    http_conn_slot_take(c);
    http_conn_set_state(c, HTTP_CONN_PENDING);
    /* Reading goes on, to notice when the client leaves. */
    sock_pause(c->sock, c->in.size > HTTP_CONN_AHEAD_MAX);
    http_conn_start_timer(c, c->limits.timeout_ms);
    c->site->handler->on_request(c->site->owner, &c->request);
}

static void start_body(struct http_conn *c)
{
    http_conn_set_state(c, HTTP_CONN_BODY);
    buf_init(&c->body, c->head->is_chunked ? c->limits.max_body : (size_t)c->head->body_size);
    c->chunks = (struct http_chunks){0};
    http_conn_start_timer(c, c->site->head_timeout_ms);
    if (!c->head->has_expect || c->in.size)
        return;
    /* It does not fit only when the client does not read. */
    if (sock_write(c->sock, PROCEED, strlen(PROCEED)) != (ssize_t)strlen(PROCEED))
        http_conn_free(c);
}

static void begin_request(struct http_conn *c)
{
    const struct http_handler *handler = c->site->handler;

    c->is_last = !c->head->is_keep_alive;
    c->request = (struct http_request){
        .method = c->head->method,
        .path = c->head->path,
        .query = c->head->query,
        .body = "",
        .peer = c->peer,
        .is_tls = sock_is_tls(c->sock),
        .head = c->head,
    };
    c->limits = (struct http_limits){.max_body = MAX_BODY, .timeout_ms = RESPONSE_TIMEOUT_MS};
    if (handler->on_head)
        handler->on_head(c->site->owner, &c->request, &c->limits);

    if (c->head->body_size > c->limits.max_body) {
        http_conn_refuse(c, 413, TOO_LARGE);
    } else if (c->head->is_websocket) {
        http_conn_upgrade(c);
    } else if (c->head->body_size || c->head->is_chunked) {
        start_body(c);
    } else {
        dispatch(c);
    }
}

/* Empty lines before a request are ignored (RFC 9112, 2.2). */
static void skip_blank(struct http_conn *c)
{
    if (!c->scanned && c->in.size)
        buf_consume(&c->in, strspn(c->in.data, "\r\n"));
}

/* Both steps return whether c->in may hold more to work on. */

static bool step_head(struct http_conn *c)
{
    const char *why = "";
    int size, status;

    skip_blank(c);
    if (!c->in.size)
        return false;
    if (c->state == HTTP_CONN_IDLE) {
        http_conn_set_state(c, HTTP_CONN_HEAD);
        http_conn_start_timer(c, c->site->head_timeout_ms);
    }
    size = http_head_find(c->in.data, c->in.size, &c->scanned);
    if (size == 0)
        return false;
    if (size < 0) {
        if (size == -EMSGSIZE) {
            http_conn_refuse(c, 431, "the request head is too large");
        } else {
            http_conn_refuse(c, 400, "malformed request");
        }
        return false;
    }

    c->scanned = 0;
    c->head = xcalloc(1, sizeof(*c->head));
    status = http_head_parse(c->head, c->in.data, (size_t)size, &why);
    buf_consume(&c->in, (size_t)size);
    if (status) {
        http_conn_refuse(c, status, why);
        return false;
    }
    begin_request(c);
    return true;
}

static bool step_chunks(struct http_conn *c)
{
    size_t used = 0;
    enum http_chunks_result r = http_chunks_take(&c->chunks, buf_str(&c->in), c->in.size, &used,
                                                 &c->body);

    switch (r) {
    case HTTP_CHUNKS_MALFORMED: http_conn_refuse(c, 400, "malformed chunked body"); return false;
    case HTTP_CHUNKS_TOO_LARGE: http_conn_refuse(c, 413, TOO_LARGE); return false;
    case HTTP_CHUNKS_MORE:
    case HTTP_CHUNKS_END:
    default: break;
    }
    buf_consume(&c->in, used);
    if (r == HTTP_CHUNKS_MORE)
        return false;
    dispatch(c);
    return true;
}

static bool step_body(struct http_conn *c)
{
    if (c->head->is_chunked)
        return step_chunks(c);

    size_t left = (size_t)c->head->body_size - c->body.size;
    size_t n = c->in.size < left ? c->in.size : left;

    (void)buf_append(&c->body, c->in.data, n); /* its maximum is body_size */
    buf_consume(&c->in, n);
    if (c->body.size < c->head->body_size)
        return false;
    dispatch(c);
    return true;
}

static bool step(struct http_conn *c)
{
    switch (c->state) {
    case HTTP_CONN_IDLE:
    case HTTP_CONN_HEAD: return step_head(c);
    case HTTP_CONN_BODY: return step_body(c);
    case HTTP_CONN_PENDING:
    case HTTP_CONN_STREAMING:
    case HTTP_CONN_WRITING:
    case HTTP_CONN_LINGER:
    case HTTP_CONN_GONE:
    default: return false;
    }
}

void http_conn_process(struct http_conn *c)
{
    bool is_more;

    do {
        is_more = step(c);
    } while (is_more);
    if (!c->in.size)
        buf_done(&c->in); /* an idle connection holds no buffer */
}
