#pragma once

/*
 * The dialling side of a WebSocket peer: lws's WebSocket client behind the operations of ws_peer.h.
 * The protocol table of loop_client_vhost() must have an entry WS_DIAL_PROTOCOL with this callback.
 */

#include <libwebsockets.h>
#include <stddef.h>

#define WS_DIAL_PROTOCOL "ws-dial"

int ws_dial_callback(
    struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size);
