#pragma once

/*
 * WebSocket /ws/logs: logs of one or several containers, merged by time. A client subscribes and unsubscribes; each
 * line says host, container, stream and time. Nobody's queue grows: a client that reads slowly makes agents and
 * engines wait. Viewers and above, within their scope; it ends with what allowed it. docs/protocol.md has
 * the messages. Lives on the loop.
 */

#include "net/http_server.h"
#include "server/auth/auth.h"
#include "server/logs/source.h"

#define LOG_WATCHERS_PATH "/ws/logs"

struct log_watchers;

struct log_watchers_options {
    struct loop *loop;
    struct auth *auth;
    struct log_sources *sources;
};

struct log_watchers *log_watchers_new(const struct log_watchers_options *o);
void log_watchers_stop(struct log_watchers *ws); /* ends them all (1001) */
void log_watchers_free(struct log_watchers *ws);

/* Fills the accept options for an upgrade of LOG_WATCHERS_PATH. */
void log_watchers_accept(struct log_watchers *ws,
                         const struct http_request *r,
                         struct ws_accept *ret);
