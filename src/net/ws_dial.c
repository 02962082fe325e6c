#include "net/ws_dial.h"
#include "base/alloc.h"
#include "base/str.h"
#include "net/url.h"
#include "net/ws_peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_MS 10000

static int dial_write(struct ws *ws, const struct ws_frame *frame)
{
    int kind = LWS_WRITE_CONTINUATION;

    switch (frame->opcode) {
    case WS_OPCODE_TEXT: kind = LWS_WRITE_TEXT; break;
    case WS_OPCODE_BINARY: kind = LWS_WRITE_BINARY; break;
    case WS_OPCODE_PING: kind = LWS_WRITE_PING; break;
    case WS_OPCODE_PONG: kind = LWS_WRITE_PONG; break;
    case WS_OPCODE_CLOSE:
        /* lws writes close frames itself, when the callback has returned. */
        if (frame->size >= 2)
            lws_close_reason(ws->wsi, (enum lws_close_status)(frame->data[0] << 8 | frame->data[1]),
                             frame->data + 2, frame->size - 2);
        ws->is_close_due = true;
        return 0;
    case WS_OPCODE_CONTINUATION:
    default: break;
    }
    if (!frame->is_final)
        kind |= LWS_WRITE_NO_FIN;
    if (lws_write(ws->wsi, frame->data, frame->size, (enum lws_write_protocol)kind) < 0)
        return -EPIPE;
    return 0;
}

static void dial_want_write(struct ws *ws)
{
    if (ws->wsi)
        lws_callback_on_writable(ws->wsi);
}

static void dial_pause(struct ws *ws, bool is_paused)
{
    if (ws->wsi)
        lws_rx_flow_control(ws->wsi, is_paused ? 0 : 1);
}

static void dial_detach(struct ws *ws)
{
    struct lws *wsi = TAKE_PTR(ws->wsi);

    if (!wsi)
        return;
    lws_set_opaque_user_data(wsi, NULL);
    /* Not the synchronous kind: lws may be in a callback of this very connection. */
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static void dial_address(struct ws *ws, char ret[SOCK_ADDRESS_SIZE])
{
    struct sock s = {.wsi = ws->wsi};

    sock_address(&s, ret);
}

static const struct ws_transport dial_transport = {
    .write = dial_write,
    .want_write = dial_want_write,
    .pause = dial_pause,
    .detach = dial_detach,
    .address = dial_address,
};

/* What lws says when it could not connect is text only; the errno is a guess from it. */
static void on_failed(struct ws *ws, struct lws *wsi, const char *text, size_t size)
{
    unsigned status = lws_http_client_http_response(wsi);
    char reason[128];
    int error = -EPROTO;

    if (status && status != 101) {
        (void)snprintf(reason, sizeof(reason), "server answered with HTTP status %u", status);
    } else {
        (void)snprintf(reason, sizeof(reason), "%.*s", text ? (int)size : 0, text ? text : "");
        if (strstr(reason, "getaddrinfo")) {
            str_copy(reason, sizeof(reason), "host name not found");
            error = -EHOSTUNREACH;
        } else if (strstr(reason, "Unable to connect")) {
            str_copy(reason, sizeof(reason), "connection refused or host unreachable");
            error = -ECONNREFUSED;
        } else if (strstr(reason, "imed out")) {
            error = -ETIMEDOUT;
        } else if (strstr(reason, "losed before")) {
            str_copy(reason, sizeof(reason), "connection closed during the handshake");
            error = -ECONNRESET;
        }
    }
    ws_peer_lost(ws, WS_CLOSE_ABNORMAL, reason, error);
}

static void on_established(struct ws *ws, struct lws *wsi)
{
    int fd = lws_get_socket_fd(wsi);
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only costs latency */
    loop_timer_stop(&ws->alive_timer);
    if (!ws_peer_opened(ws))
        return;
    if (ws->is_paused && ws->wsi)
        dial_pause(ws, true);
    dial_want_write(ws);
}

static void on_received(struct ws *ws, struct lws *wsi, const void *data, size_t size)
{
    struct ws_piece piece = {
        .opcode = lws_frame_is_binary(wsi) ? WS_OPCODE_BINARY : WS_OPCODE_TEXT,
        .is_last = lws_is_final_fragment(wsi) != 0,
        .data = data,
        .size = size,
    };

    (void)ws_peer_received(ws, &piece); /* lws goes on by itself either way */
}

static void on_peer_closes(struct ws *ws, const unsigned char *data, size_t size)
{
    unsigned code = 1005;
    char reason[WS_FRAME_CONTROL_MAX + 1] = "";

    if (size >= 2) {
        code = (unsigned)data[0] << 8 | data[1];
        size = size - 2 < sizeof(reason) - 1 ? size - 2 : sizeof(reason) - 1;
        memcpy(reason, data + 2, size);
        if (!str_is_utf8(reason, size))
            reason[0] = '\0';
    }
    ws_peer_closed_by_peer(ws, code, reason, false);
}

/* -1 has lws send the close frame that was prepared, and wait for the peer's. */
static int on_writable(struct ws *ws, struct lws *wsi)
{
    if (ws->is_close_due || ws->state == WS_REPLYING)
        return 0;
    (void)ws_peer_writable(ws);
    ws = lws_get_opaque_user_data(wsi); /* NULL: it is gone */
    return ws && ws->is_close_due ? -1 : 0;
}

static void on_lost(struct ws *ws)
{
    lws_set_opaque_user_data(ws->wsi, NULL);
    ws->wsi = NULL;
    ws_peer_lost(ws, WS_CLOSE_ABNORMAL, "connection lost", -ECONNRESET);
}

int ws_dial_callback(
    struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
    struct ws *ws = lws_get_opaque_user_data(wsi);
    const struct ws_piece pong = {.opcode = WS_OPCODE_PONG};

    (void)user;
    if (!ws)
        return 0;

    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        ws->wsi = NULL;
        lws_set_opaque_user_data(wsi, NULL);
        on_failed(ws, wsi, in, size);
        break;
    case LWS_CALLBACK_CLIENT_ESTABLISHED: on_established(ws, wsi); break;
    case LWS_CALLBACK_CLIENT_RECEIVE: on_received(ws, wsi, in, size); break;
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG: (void)ws_peer_received(ws, &pong); break;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: on_peer_closes(ws, in, size); break;
    case LWS_CALLBACK_CLIENT_WRITEABLE: return on_writable(ws, wsi);
    case LWS_CALLBACK_CLIENT_CLOSED: on_lost(ws); break;
    default: break;
    }
    return 0;
}

static void on_dial_timeout(struct loop_timer *t)
{
    struct ws *ws = CONTAINER_OF(t, struct ws, alive_timer);

    ws_peer_lost(ws, WS_CLOSE_ABNORMAL, "no connection in time", -ETIMEDOUT);
}

static void start(struct ws *ws, struct lws_vhost *vhost, const struct url *url, bool is_insecure)
{
    _cleanup_free_ char *host = NULL;
    struct lws_client_connect_info info = {
        .context = loop_context(ws->loop),
        .vhost = vhost,
        .address = url->host,
        .port = url->port,
        .path = url->path,
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
        .local_protocol_name = WS_DIAL_PROTOCOL,
        .opaque_user_data = ws,
        .pwsi = &ws->wsi,
    };

    host = xasprintf(strchr(url->host, ':') ? "[%s]:%u" : "%s:%u", url->host, url->port);
    info.host = host;
    if (url->is_tls)
        info.ssl_connection |= LCCSCF_USE_SSL;
    if (is_insecure)
        info.ssl_connection |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_INSECURE |
                               LCCSCF_ALLOW_EXPIRED | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
    if (!lws_client_connect_via_info(&info)) {
        ws->wsi = NULL;
        ws_peer_lost(ws, WS_CLOSE_ABNORMAL, "connection refused or host unreachable",
                     -ECONNREFUSED);
    }
}

int ws_connect(struct ws **ret, struct loop *loop, const struct ws_dial *dial, struct error *err)
{
    _cleanup_(url_done) struct url url = {0};
    struct lws_vhost *vhost;
    struct ws *ws;
    int r;

    r = url_parse(dial->url, &url, err);
    if (r < 0)
        return r;
    if (!str_eq(url.scheme, "ws") && !str_eq(url.scheme, "wss"))
        return error_set(err, -EINVAL, "%s: not a ws:// or wss:// URL", dial->url);
    if (url.is_tls)
        vhost = loop_tls_vhost(loop, err);
    else
        vhost = loop_client_vhost(loop);
    if (!vhost)
        return err && err->code ? err->code : -EINVAL;

    ws = ws_peer_new(loop, &dial_transport, &dial->limits, dial->handler, dial->owner);
    loop_timer_start(loop, &ws->alive_timer,
                     dial->connect_timeout_ms ? dial->connect_timeout_ms : CONNECT_TIMEOUT_MS,
                     on_dial_timeout);
    start(ws, vhost, &url, dial->is_insecure);
    *ret = ws;
    return 0;
}
