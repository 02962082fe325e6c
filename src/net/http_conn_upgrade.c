/*
 * A request becomes a WebSocket peer. The answer is written at once, before the peer has the
 * socket; the connection is gone then and the peer belongs to the owner that on_accept() names.
 */

#include "base/str.h"
#include "net/http_conn_parts.h"
#include "net/ws_accept.h"

/* 0, or the HTTP status to refuse the upgrade with. */
static int ask_handler(struct http_conn *c, struct ws_accept *ret)
{
    const struct http_handler *handler = c->site->handler;

    return handler->on_upgrade ? handler->on_upgrade(c->site->owner, &c->request, ret) : 404;
}

static bool write_answer(struct http_conn *c, const char *accept_key)
{
    struct buf text = BUF_INIT(HTTP_CONN_ERROR_BODY_MAX);
    bool is_written;

    is_written = buf_printf(&text,
                            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                            accept_key) == 0 &&
                 sock_write(c->sock, text.data, text.size) == (ssize_t)text.size;
    buf_done(&text);
    return is_written;
}

void http_conn_upgrade(struct http_conn *c)
{
    const char *key = http_head_find_field(c->head, "sec-websocket-key");
    const char *version = http_head_find_field(c->head, "sec-websocket-version");
    char accept_key[WS_ACCEPT_KEY_SIZE];
    struct ws_accept accept = {0};
    int status;

    if (!version || !str_eq(version, "13") || !key || ws_accept_key(key, accept_key) < 0) {
        http_conn_refuse(c, 400, "malformed WebSocket handshake");
        return;
    }
    status = ask_handler(c, &accept);
    if (status) {
        http_conn_refuse(c, status, http_status_text(status));
        return;
    }
    /* It does not fit only when the client does not read. */
    if (write_answer(c, accept_key)) {
        ws_accept_open(c->site->loop, TAKE_PTR(c->sock), &accept, c->in.data, c->in.size);
    } else if (accept.free_context) {
        accept.free_context(accept.context);
    }
    http_conn_free(c);
}
