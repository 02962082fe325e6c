#pragma once

/*
 * WebSocket /ws/logs: logs of one or several containers, merged by time. A client subscribes and
 * unsubscribes; each line names its host, container, stream and time. docs/protocol.md has the
 * messages. The scope of the client is applied to each subscription; a connection ends with the
 * rights that admitted it. No queue grows without a limit: a client that reads slowly makes agents
 * and engines wait.
 *
 * auth/ws_client.h admits clients and closes them, ws_viewer.h handles their messages; the endpoint
 * connects the two. Lives on the loop.
 */

#include "net/http_server.h"
#include "server/auth/ws_client.h"
#include "server/logs/sources.h"

struct log_endpoint;

struct log_endpoint_options {
    struct loop *loop;
    struct auth *auth;
    struct log_sources *sources;
};

struct log_endpoint *log_endpoint_new(const struct log_endpoint_options *o);
void log_endpoint_stop(struct log_endpoint *e); /* closes all clients (1001) */
void log_endpoint_free(struct log_endpoint *e);

/* Fills the accept options for an upgrade request. */
void log_endpoint_accept(struct log_endpoint *e,
                         const struct http_request *r,
                         const struct ws_rules *rules,
                         struct ws_accept *ret);
