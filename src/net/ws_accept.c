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

static int flush_frame(struct ws *ws)
{
    while (ws->frame_size) {
        ssize_t n = sock_write(ws->sock, ws->frame, ws->frame_size);

        if (n < 0)
            return (int)n;
        if (n == 0)
            return 0;
        ws->frame += n;
        ws->frame_size -= (size_t)n;
    }
    return 1;
}

static int accept_write(struct ws *ws, unsigned char *data, size_t size)
{
    int r;

    ws->frame = data;
    ws->frame_size = size;
    r = flush_frame(ws);
    if (r == 0)
        sock_want_write(ws->sock);
    return r;
}

static void accept_want_write(struct ws *ws)
{
    sock_want_write(ws->sock);
}

static void accept_pause(struct ws *ws, bool is_paused)
{
    sock_pause(ws->sock, is_paused);
}

static void accept_detach(struct ws *ws)
{
    sock_free(TAKE_PTR(ws->sock));
}

static void accept_address(struct ws *ws, char ret[SOCK_ADDRESS_SIZE])
{
    sock_address(sock_fd(ws->sock), ret);
}

static const struct ws_transport accept_transport = {
    .write = accept_write,
    .want_write = accept_want_write,
    .pause = accept_pause,
    .detach = accept_detach,
    .address = accept_address,
};

static void on_data(void *owner, unsigned char *data, size_t size)
{
    struct ws *ws = owner;

    ws_peer_enter(ws);
    ws_input_feed(ws, data, size);
    ws_peer_leave(ws); /* ws may be gone now */
}

static void on_writable(void *owner)
{
    struct ws *ws = owner;
    int r;

    ws_peer_enter(ws);
    r = flush_frame(ws);
    if (r < 0) {
        ws_peer_lost(ws, WS_CLOSE_ABNORMAL, "connection lost", r);
    } else if (r == 0) {
        sock_want_write(ws->sock);
    } else {
        ws_output_writable(ws);
    }
    ws_peer_leave(ws); /* ws may be gone now */
}

static void on_closed(void *owner, int code)
{
    ws_peer_lost(owner, WS_CLOSE_ABNORMAL, "connection lost", code);
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

    ws->sock = sock;
    sock_adopt(sock, &sock_ops, ws);
    ws_peer_enter(ws);
    if (size) {
        ws_input_hold(ws, data, size);
        sock_pause(sock, true);
        ws_input_resume(ws);
    }
    ws_peer_accepted(ws, accept);
    ws_peer_leave(ws); /* ws may be gone now */
}

int ws_accept_key(const char *key, char ret[WS_ACCEPT_KEY_SIZE])
{
    unsigned char nonce[WS_KEY_TEXT / 4 * 3];
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[WS_KEY_TEXT + sizeof(GUID)];

    /* 16 bytes are 22 digits and two fillers; the decoder counts the fillers as bytes. */
    if (strlen(key) != WS_KEY_TEXT || !str_ends_with(key, "==") ||
        EVP_DecodeBlock(nonce, (const unsigned char *)key, WS_KEY_TEXT) != (int)sizeof(nonce))
        return -EINVAL;
    (void)snprintf(text, sizeof(text), "%s" GUID, key);
    SHA1((const unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock((unsigned char *)ret, digest, sizeof(digest));
    return 0;
}
