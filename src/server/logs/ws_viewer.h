#pragma once

/*
 * One client of /ws/logs: its subscriptions, and the lines that wait for it. Each subscription
 * reads one source. Belongs to ws_endpoint.c, which frees it before the socket.
 */

#include "net/ws.h"
#include "server/auth/auth.h"
#include "server/logs/sources.h"

#define WS_VIEWER_MAX_LOGS 64

struct ws_viewer;

struct ws_viewer *ws_viewer_new(struct loop *loop,
                                struct log_sources *sources,
                                struct ws *ws,
                                const struct identity *who);
void ws_viewer_free(struct ws_viewer *v);

/* False: the message violates the protocol. */
bool ws_viewer_on_message(struct ws_viewer *v, const char *data, size_t size);
void ws_viewer_pump(struct ws_viewer *v); /* call when the connection has room again */
