#pragma once

/*
 * The REST API: one table of routes (routes.c), authentication and role check in front of every one of
 * them (api.c), one file per resource with the handlers. Lives on the loop.
 */

#include "net/http_server.h"
#include "server/auth/auth.h"
#include "server/common/job.h"
#include "server/feed/feed.h"
#include "server/fleet/fleet.h"
#include "server/history/history.h"
#include "server/logs/ws_endpoint.h"
#include "server/maintenance/health.h"
#include "server/session/session.h"
#include "server/session/stats_channel.h"
#include "server/shell/shells.h"
#include "server/stats/sampling.h"
#include "server/stats/stats.h"
#include "server/store/store.h"
#include "server/tls/tls_keeper.h"
#include "server/web/files.h"

struct api;

struct api_options {
    struct loop *loop;
    struct db *store;
    struct job_queue *store_jobs;
    struct auth *auth;
    struct fleet *fleet;
    struct sessions *sessions;
    struct feed *feed;
    struct stats_channels *stats_channels;
    struct shells *shells;
    struct log_sources *log_sources;
    struct log_endpoint *log_endpoint;
    struct health *health;
    struct history *history; /* NULL: none is kept */
    struct stats *stats;
    struct sampling *sampling;
    uint64_t session_lifetime_ms; /* of the login cookie */
    const struct tls_keeper *tls; /* NULL: plain HTTP */
    const struct web_files *web;  /* NULL: no web UI is served */
};

struct api *api_new(const struct api_options *o);
void api_free(struct api *a);
DEFINE_CLEANUP(struct api *, api_free);

/* The functions for http_server_options; their owner is the api. */
const struct http_handler *api_http_handler(void);
/* The server that answers go to: set before the first request, NULL when it has closed. */
void api_set_server(struct api *a, struct http_server *http);
