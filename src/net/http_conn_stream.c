/*
 * Responses in pieces. The queue is c->out; its written front is dropped when it is more than half.
 * HTTP/1.0 clients get no chunks: for them the end of the connection ends the body.
 */

#include "base/str.h"
#include "net/http_conn_parts.h"

#include <errno.h>
#include <string.h>

#define LAST_CHUNK "0\r\n\r\n"
#define QUEUE_ROOM (HTTP_RESPONSE_HEAD_MAX + sizeof(LAST_CHUNK)) /* beyond the handler's maximum */

void http_conn_continue_stream(struct http_conn *c)
{
    size_t left = http_conn_stream_queued(c);
    ssize_t n = sock_write(c->sock, c->out.data + c->out_at,
                           left < HTTP_CONN_TURN_WRITE_MAX ? left : HTTP_CONN_TURN_WRITE_MAX);

    if (n < 0) {
        http_conn_free(c);
        return;
    }
    c->out_at += (size_t)n;
    if (c->out_at > c->out.size / 2) {
        buf_consume(&c->out, c->out_at);
        c->out_at = 0;
    }
    if (c->out_at < c->out.size) {
        sock_want_write(c->sock);
        if (n > 0)
            http_conn_start_timer(c, c->site->stream_stall_ms);
        return;
    }
    buf_done(&c->out);
    loop_timer_stop(&c->timer);
    c->stream.handler->on_drain(c->stream.owner);
}

bool http_conn_stream_start(struct http_conn *c, const struct http_stream *stream)
{
    const struct http_response head = {
        .status = stream->status, .content_type = stream->content_type, .headers = stream->headers};

    if (c->state != HTTP_CONN_PENDING)
        return false;
    c->is_chunked = !c->head->is_old;
    c->is_last = c->is_last || c->head->is_old;
    c->stream = *stream;
    buf_init(&c->out, stream->max_queue + QUEUE_ROOM);
    http_response_format_stream(&c->out, &head, c->is_chunked, c->is_last);
    http_conn_set_state(c, HTTP_CONN_STREAMING);
    http_conn_start_timer(c, c->site->stream_stall_ms);
    sock_want_write(c->sock);
    return true;
}

static int append_chunk(struct http_conn *c, const void *data, size_t size)
{
    int r = 0;

    if (c->is_chunked)
        r = buf_printf(&c->out, "%zx\r\n", size);
    if (r == 0)
        r = buf_append(&c->out, data, size);
    if (r == 0 && c->is_chunked)
        r = buf_append(&c->out, "\r\n", 2);
    return r < 0 || c->out.size > c->stream.max_queue ? -ENOBUFS : 0;
}

int http_conn_stream_write(struct http_conn *c, const void *data, size_t size)
{
    size_t before = c->out.size;
    int r;

    if (c->state != HTTP_CONN_STREAMING)
        return -ENOTCONN;
    if (size == 0 || str_eq(c->head->method, "HEAD"))
        return 0;
    r = append_chunk(c, data, size);
    if (r < 0) {
        buf_truncate(&c->out, before);
        return r;
    }
    if (before == 0)
        http_conn_start_timer(c, c->site->stream_stall_ms);
    sock_want_write(c->sock);
    return 0;
}

size_t http_conn_stream_queued(const struct http_conn *c)
{
    return c->out.size - c->out_at;
}

void http_conn_stream_end(struct http_conn *c)
{
    if (c->state != HTTP_CONN_STREAMING)
        return;
    if (c->is_chunked && !str_eq(c->head->method, "HEAD"))
        (void)buf_append_str(&c->out, LAST_CHUNK); /* QUEUE_ROOM is for it */
    http_conn_slot_leave(c);
    http_conn_write(c);
}
