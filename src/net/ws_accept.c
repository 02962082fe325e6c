#include "net/ws_accept.h"
#include "base/str.h"
#include "net/ws_peer.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define WS_KEY_TEXT 24
#define GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

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
    return 1;
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
    sock_address(ws->sock.fd, ret);
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

static const struct sock_ops sock_ops = {
    .on_data = on_data,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

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
    unsigned char nonce[WS_KEY_TEXT / 4 * 3];
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[WS_KEY_TEXT + sizeof(GUID)];

    /* 16 bytes are 22 digits and two fillers, which the decoder counts as bytes. */
    if (strlen(key) != WS_KEY_TEXT || !str_ends_with(key, "==") ||
        EVP_DecodeBlock(nonce, (const unsigned char *)key, WS_KEY_TEXT) != (int)sizeof(nonce))
        return -EINVAL;
    (void)snprintf(text, sizeof(text), "%s" GUID, key);
    SHA1((const unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock((unsigned char *)ret, digest, sizeof(digest));
    return 0;
}
