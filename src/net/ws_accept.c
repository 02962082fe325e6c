#include "net/ws_accept.h"
#include "net/ws_peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static int flush_wire(struct ws *ws)
{
    while (ws->wire_size) {
        ssize_t n = sock_write(&ws->sock, ws->wire, ws->wire_size);

        if (n < 0)
            return (int)n;
        if (n == 0)
            return 0;
        ws->wire += n;
        ws->wire_size -= (size_t)n;
    }
    return sock_is_flushed(&ws->sock) ? 1 : 0;
}

static int accept_write(struct ws *ws, unsigned char *data, size_t size)
{
    int r;

    ws->wire = data;
    ws->wire_size = size;
    r = flush_wire(ws);
    if (r == 0)
        sock_want_write(&ws->sock);
    return r;
}

static void accept_want_write(struct ws *ws)
{
    sock_want_write(&ws->sock);
}

static void accept_pause(struct ws *ws, bool is_paused)
{
    sock_pause(&ws->sock, is_paused);
}

static void accept_detach(struct ws *ws)
{
    sock_close(&ws->sock);
}

static void accept_address(struct ws *ws, char ret[SOCK_ADDRESS_SIZE])
{
    sock_address(&ws->sock, ret);
}

static const struct ws_transport accept_transport = {
    .write = accept_write,
    .want_write = accept_want_write,
    .pause = accept_pause,
    .detach = accept_detach,
    .address = accept_address,
};

static void on_data(struct sock *s, unsigned char *data, size_t size)
{
    ws_input_feed(CONTAINER_OF(s, struct ws, sock), data, size);
}

static void on_writable(struct sock *s)
{
    struct ws *ws = CONTAINER_OF(s, struct ws, sock);
    int r = flush_wire(ws);

    if (r < 0) {
        ws_peer_lost(ws, WS_CLOSE_ABNORMAL, "connection lost", r);
    } else if (r == 0) {
        sock_want_write(s);
    } else {
        (void)ws_output_writable(ws); /* ws may be gone now */
    }
}

static void on_closed(struct sock *s)
{
    struct ws *ws = CONTAINER_OF(s, struct ws, sock);

    ws_peer_lost(ws, WS_CLOSE_ABNORMAL, "connection lost", -ECONNRESET);
}

static const struct sock_ops sock_ops = {on_data, on_writable, on_closed};

void ws_accept_open(struct loop *loop,
                    struct sock *sock,
                    const struct ws_accept *accept,
                    const void *data,
                    size_t size)
{
    struct ws *ws = ws_peer_new(loop, &accept_transport, &accept->limits, accept->handler, NULL);

    sock_move(&ws->sock, sock, &sock_ops);
    if (size) {
        ws_input_hold(ws, data, size);
        sock_pause(&ws->sock, true);
        ws_input_resume(ws);
    }
    (void)ws_peer_accepted(ws, accept); /* ws may be gone now */
}

int ws_accept_key(const char *key, char ret[WS_ACCEPT_KEY_SIZE])
{
    char text[24 + sizeof(GUID)];
    unsigned char nonce[24];
    unsigned char digest[20];

    if (strlen(key) != 24 || lws_b64_decode_string(key, (char *)nonce, sizeof(nonce)) != 16)
        return -EINVAL;
    (void)snprintf(text, sizeof(text), "%s" GUID, key);
    lws_SHA1((const unsigned char *)text, strlen(text), digest);
    if (lws_b64_encode_string((const char *)digest, sizeof(digest), ret, WS_ACCEPT_KEY_SIZE) < 0)
        return -EINVAL;
    return 0;
}
