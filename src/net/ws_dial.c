/*
 * The dialling side: the HTTP handshake and frames over a stream. One frame at a time is written to
 * the stream; the next one follows when the stream's own queue is empty, so that a message counts
 * against the peer's queue until it is on its way. The handshake has one deadline, TCP and TLS
 * included, on the timer that later watches for silence.
 */

#include "base/alloc.h"
#include "base/random.h"
#include "base/str.h"
#include "net/http_head.h"
#include "net/proxy.h"
#include "net/url.h"
#include "net/ws_accept.h"
#include "net/ws_peer.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_MS 10000
#define STREAM_QUEUE_MAX   ((size_t)256 * 1024) /* a few frames; the rest waits with the peer */
#define REQUEST_MAX        ((size_t)8 * 1024)

/* Writing */

static void on_write_timer(struct loop_timer *t)
{
    struct ws *ws = CONTAINER_OF(t, struct ws, write_timer);

    ws_peer_enter(ws);
    if (!stream_queued(ws->stream)) /* otherwise on_drain() is still to come */
        ws_output_writable(ws);
    ws_peer_leave(ws); /* ws may be gone now */
}

static void dial_want_write(struct ws *ws)
{
    if (ws->stream && ws->state != WS_DIALLING)
        loop_timer_start(ws->loop, &ws->write_timer, 0, on_write_timer);
}

static int dial_write(struct ws *ws, unsigned char *data, size_t size)
{
    int r = stream_write(ws->stream, data, size);

    if (r < 0)
        return r;
    return stream_queued(ws->stream) ? 0 : 1;
}

static void on_drain(void *owner)
{
    struct ws *ws = owner;

    if (ws->state == WS_DIALLING)
        return; /* it was the request */
    ws_peer_enter(ws);
    ws_output_writable(ws);
    ws_peer_leave(ws); /* ws may be gone now */
}

/* The rest of the transport */

static void dial_pause(struct ws *ws, bool is_paused)
{
    stream_pause(ws->stream, is_paused);
}

static void dial_detach(struct ws *ws)
{
    loop_timer_stop(&ws->write_timer);
    free(TAKE_PTR(ws->expected_key));
    stream_free(TAKE_PTR(ws->stream));
}

static void dial_address(struct ws *ws, char ret[SOCK_ADDRESS_SIZE])
{
    sock_address(stream_fd(ws->stream), ret);
}

static const struct ws_transport dial_transport = {
    .write = dial_write,
    .want_write = dial_want_write,
    .pause = dial_pause,
    .detach = dial_detach,
    .address = dial_address,
};

/* Handshake */

static void fail_handshake(struct ws *ws, const char *why)
{
    ws_peer_lost(ws, WS_CLOSE_ABNORMAL, why, -EPROTO);
}

/* NULL: the answer's header fields make a WebSocket of the connection. */
static const char *check_fields(const struct ws *ws, char *text)
{
    bool has_upgrade = false, has_connection = false, has_key = false;
    char *next;

    for (char *line = text; *line; line = next) {
        char *value = strchr(line, ':');

        next = strstr(line, "\r\n");
        *next = '\0';
        next += 2;
        if (!value)
            continue;
        *value = '\0';
        value = str_trim(value + 1);
        if (strcasecmp(line, "upgrade") == 0) {
            has_upgrade = strcasecmp(value, "websocket") == 0;
        } else if (strcasecmp(line, "connection") == 0) {
            has_connection = strcasestr(value, "upgrade") != NULL;
        } else if (strcasecmp(line, "sec-websocket-accept") == 0) {
            has_key = str_eq(value, ws->expected_key);
        } else if (strcasecmp(line, "sec-websocket-extensions") == 0 ||
                   strcasecmp(line, "sec-websocket-protocol") == 0) {
            return "server wants an extension or protocol nobody offered";
        }
    }
    if (!has_upgrade || !has_connection)
        return "server answered 101 without upgrade to WebSocket";
    return has_key ? NULL : "server answered with a wrong WebSocket key";
}

static void accept_answer(struct ws *ws, char *head)
{
    unsigned status = http_head_status(head);
    _cleanup_free_ char *refusal = NULL;
    const char *why;

    if (!status) {
        fail_handshake(ws, "server does not speak HTTP");
        return;
    }
    if (status != 101) {
        refusal = xasprintf("server answered with HTTP status %u", status);
        fail_handshake(ws, refusal);
        return;
    }
    why = check_fields(ws, strstr(head, "\r\n") + strlen("\r\n"));
    if (why) {
        fail_handshake(ws, why);
        return;
    }
    free(TAKE_PTR(ws->expected_key));
    loop_timer_stop(&ws->alive_timer);
    if (ws->is_paused)
        stream_pause(ws->stream, true);
    ws_peer_opened(ws);
}

static void continue_handshake(struct ws *ws, const char *data, size_t size)
{
    _cleanup_free_ char *head = NULL;
    struct buf rest;
    size_t scanned = 0;
    int r;

    ws_input_hold(ws, data, size);
    r = http_head_find(buf_str(&ws->held), ws->held.size, &scanned);
    if (r == 0)
        return;
    if (r < 0) {
        fail_handshake(ws, "server does not speak HTTP");
        return;
    }
    head = xstrndup(ws->held.data, (size_t)r);
    buf_consume(&ws->held, (size_t)r);
    rest = TAKE(ws->held, (struct buf){0});
    accept_answer(ws, head);
    ws_input_feed(ws, (unsigned char *)rest.data, rest.size);
    buf_done(&rest);
}

static void on_data(void *owner, const char *data, size_t size)
{
    struct ws *ws = owner;

    ws_peer_enter(ws);
    if (ws->state == WS_DIALLING) {
        continue_handshake(ws, data, size);
    } else {
        /* The parser changes nothing: frames from a server are not masked. */
        ws_input_feed(ws, (unsigned char *)(uintptr_t)data, size);
    }
    ws_peer_leave(ws); /* ws may be gone now */
}

static void on_end(void *owner, int code, const char *message)
{
    struct ws *ws = owner;

    if (ws->state != WS_DIALLING) {
        message = "connection lost";
    } else if (!code) {
        message = "connection closed during the handshake";
    }
    ws_peer_lost(ws, WS_CLOSE_ABNORMAL, message, code ? code : -ECONNRESET);
}

static void on_open(void *owner)
{
    (void)owner; /* the request was written before */
}

static const struct stream_handler stream_handler = {
    .on_open = on_open,
    .on_data = on_data,
    .on_drain = on_drain,
    .on_end = on_end,
};

static void on_dial_timeout(struct loop_timer *t)
{
    struct ws *ws = CONTAINER_OF(t, struct ws, alive_timer);

    char where[700];
    _cleanup_free_ char *why = NULL;

    stream_explain_wait(ws->stream, where, sizeof(where));
    why = xasprintf("no connection in time%s%s", stream_is_open(ws->stream) ? "" : ": ",
                    stream_is_open(ws->stream) ? "" : where);
    ws_peer_lost(ws, WS_CLOSE_ABNORMAL, why, -ETIMEDOUT);
}

/* The request, and the key its answer must carry. */
static int write_request(struct ws *ws,
                         const struct address *address,
                         const char *path,
                         const char *const *headers)
{
    struct buf text = BUF_INIT(REQUEST_MAX);
    unsigned char nonce[16];
    char key[32], expected[WS_ACCEPT_KEY_SIZE];
    int r;

    random_bytes(nonce, sizeof(nonce));
    EVP_EncodeBlock((unsigned char *)key, nonce, sizeof(nonce));
    r = ws_accept_key(key, expected);
    if (r < 0)
        return r;
    ws->expected_key = xstrdup(expected);
    r = buf_printf(&text,
                   "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
                   path, address->header, key);
    for (; headers && headers[0] && r == 0; headers += 2) {
        r = strpbrk(headers[1], "\r\n") ? -EINVAL
                                        : buf_printf(&text, "%s: %s\r\n", headers[0], headers[1]);
    }
    if (r == 0)
        r = buf_append_str(&text, "\r\n");
    if (r == 0)
        r = stream_write(ws->stream, text.data, text.size);
    buf_done(&text);
    return r;
}

static int parse_url(const struct ws_dial *dial,
                     struct address *ret,
                     char **ret_path,
                     struct error *err)
{
    _cleanup_(url_done) struct url url = {0};
    _cleanup_free_ char *text = NULL;
    bool is_v6;
    int r;

    r = url_parse(dial->url, &url, err);
    if (r < 0)
        return r;
    if (!str_eq(url.scheme, "ws") && !str_eq(url.scheme, "wss"))
        return error_set(err, -EINVAL, "%s: not a ws:// or wss:// URL", dial->url);
    is_v6 = strchr(url.host, ':');
    text = xasprintf("%s://%s%s%s:%u", url.is_tls ? "https" : "http", is_v6 ? "[" : "", url.host,
                     is_v6 ? "]" : "", url.port);
    r = address_parse(ret, text, err);
    if (r < 0)
        return r;
    *ret_path = TAKE_PTR(url.path);
    return 0;
}

int ws_connect(struct ws **ret, struct loop *loop, const struct ws_dial *dial, struct error *err)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_(proxy_done) struct proxy proxy = {0};
    struct address address;
    struct stream_options o = {
        .loop = loop,
        .address = &address,
        .is_insecure = dial->is_insecure,
        .max_queue = STREAM_QUEUE_MAX,
        .handler = &stream_handler,
    };
    struct ws *ws;
    int r;

    r = parse_url(dial, &address, &path, err);
    if (r < 0)
        return r;
    r = proxy_find(dial->proxies, &address, &proxy, err);
    if (r < 0)
        return r;
    o.proxy = r > 0 ? &proxy : NULL;
    ws = ws_peer_new(loop, &dial_transport, &dial->limits, dial->handler, dial->owner);
    ws->parser.is_client = true;
    o.owner = ws;
    ws->stream = stream_open(&o);
    r = write_request(ws, &address, path, dial->headers);
    if (r < 0) {
        ws_free(ws);
        return error_set(err, r, "dial %s: %s", dial->url, error_text(r));
    }
    loop_timer_start(loop, &ws->alive_timer,
                     dial->connect_timeout_ms ? dial->connect_timeout_ms : CONNECT_TIMEOUT_MS,
                     on_dial_timeout);
    *ret = ws;
    return 0;
}
