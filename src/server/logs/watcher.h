#pragma once

/*
 * One client of /ws/logs, for watchers.c: what it has subscribed to, and what waits for it.
 */

#include "net/ws.h"
#include "server/auth/auth.h"
#include "server/logs/source.h"

#define WATCHER_MAX_LOGS 64

struct watcher;

struct watcher *watcher_new(struct loop *loop,
                            struct log_sources *sources,
                            struct ws *ws,
                            const struct identity *who);
void watcher_free(struct watcher *w);

/* False: the client does not keep to the protocol. */
bool watcher_on_message(struct watcher *w, const char *data, size_t size);
void watcher_pump(struct watcher *w); /* the connection has room again */
