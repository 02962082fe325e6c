#pragma once

/*
 * WebSocket /ws/logs: logs of one or several containers, merged by time. A client subscribes and
 * unsubscribes; each line names its host, container, stream and time. docs/protocol.md has the
 * messages. Viewers and above, within their scope; a connection ends with the rights that admitted
 * it. No queue grows without a limit: a client that reads slowly makes agents and engines wait.
 *
 * The endpoint admits clients and closes them; ws_viewer.h handles their messages. Lives on the
 * loop.
 */

#include "net/http_server.h"
#include "server/auth/auth.h"
#include "server/logs/sources.h"

#define LOG_ENDPOINT_PATH "/ws/logs"

struct log_endpoint;

struct log_endpoint_options {
    struct loop *loop;
    struct auth *auth;
    struct log_sources *sources;
};

struct log_endpoint *log_endpoint_new(const struct log_endpoint_options *o);
void log_endpoint_stop(struct log_endpoint *e); /* closes all clients (1001) */
void log_endpoint_free(struct log_endpoint *e);

/* Fills the accept options for an upgrade of LOG_ENDPOINT_PATH. */
void log_endpoint_accept(struct log_endpoint *e,
                         const struct http_request *r,
                         struct ws_accept *ret);
