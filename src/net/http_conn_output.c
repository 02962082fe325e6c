/*
 * Complete responses, and the end of each: the next request, or the end of the connection. A client
 * must take some bytes within the stall timeout and all of them at a minimum rate, else it is cut.
 */

#include "base/str.h"
#include "base/time.h"
#include "net/http_conn_parts.h"

#define IDLE_TIMEOUT_MS   60000 /* between two requests */
#define LINGER_TIMEOUT_MS 2000

/* The client must take something within the stall timeout, and all of it by write_until_ms. */
static void start_write_timer(struct http_conn *c)
{
    uint64_t now_ms = time_monotonic_ms();
    uint64_t left_ms = c->write_until_ms > now_ms ? c->write_until_ms - now_ms : 0;
    uint64_t stall_ms = c->site->stall_timeout_ms;

    http_conn_start_timer(c, left_ms < stall_ms ? left_ms : stall_ms);
}

void http_conn_write(struct http_conn *c)
{
    http_conn_set_state(c, HTTP_CONN_WRITING);
    sock_pause(c->sock, true);
    c->write_until_ms = time_monotonic_ms() + c->site->stall_timeout_ms +
                        c->out.size / c->site->least_rate;
    start_write_timer(c);
    sock_want_write(c->sock);
}

static void write_response(struct http_conn *c, const struct http_response *r)
{
    bool is_head = c->head && str_eq(c->head->method, "HEAD");

    http_conn_slot_leave(c);
    http_response_format(&c->out, r, is_head, c->is_last);
    http_conn_write(c);
}

bool http_conn_respond(struct http_conn *c, const struct http_response *response)
{
    if (c->state != HTTP_CONN_PENDING)
        return false;
    write_response(c, response);
    return true;
}

void http_conn_respond_error(struct http_conn *c, int status, const char *detail)
{
    struct buf body = BUF_INIT(HTTP_CONN_ERROR_BODY_MAX);
    struct http_response r = {.status = status};

    c->site->handler->format_error(status, detail, &body);
    r.body = body.data;
    r.body_size = body.size;
    write_response(c, &r);
    buf_done(&body);
}

void http_conn_refuse(struct http_conn *c, int status, const char *detail)
{
    c->is_last = true;
    http_conn_respond_error(c, status, detail);
}

static void end_response(struct http_conn *c)
{
    http_conn_forget_request(c);
    if (c->is_last) {
        http_conn_set_state(c, HTTP_CONN_LINGER);
        buf_done(&c->in);
        sock_end(c->sock);
        sock_pause(c->sock, false);
        http_conn_start_timer(c, LINGER_TIMEOUT_MS);
        return;
    }
    http_conn_set_state(c, HTTP_CONN_IDLE);
    http_conn_start_timer(c, IDLE_TIMEOUT_MS);
    sock_pause(c->sock, false);
    http_conn_process(c); /* the next request may be here already */
}

void http_conn_continue_writing(struct http_conn *c)
{
    size_t budget = HTTP_CONN_TURN_WRITE_MAX;

    while (c->out_at < c->out.size && budget) {
        size_t left = c->out.size - c->out_at;
        ssize_t n = sock_write(c->sock, c->out.data + c->out_at, left < budget ? left : budget);

        if (n < 0) {
            http_conn_free(c);
            return;
        }
        if (n == 0)
            break;
        c->out_at += (size_t)n;
        budget -= (size_t)n;
        start_write_timer(c);
    }
    if (c->out_at < c->out.size) {
        sock_want_write(c->sock);
    } else {
        end_response(c);
    }
}
