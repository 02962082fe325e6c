#pragma once

/*
 * The accepting side of a WebSocket peer: our own framing (ws_frame.h) on a socket whose HTTP
 * upgrade was answered already. For http_conn_upgrade.c.
 */

#include "net/sock.h"
#include "net/ws.h"

/*
 * Makes a peer of the socket and takes it over; accept->on_accept gets the peer. `data` are bytes
 * that came behind the upgrade request.
 */
void ws_accept_open(struct loop *loop,
                    struct sock *sock,
                    const struct ws_accept *accept,
                    const void *data,
                    size_t size);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key; -EINVAL when the key is not 16 bytes of base64. */
#define WS_ACCEPT_KEY_SIZE 32
int ws_accept_key(const char *key, char ret[WS_ACCEPT_KEY_SIZE]) _nodiscard_;
