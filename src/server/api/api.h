#pragma once

/*
 * The REST API: one table of routes (routes.c), authentication and role check for all of them
 * (api.c), and one file of handlers per resource. Lives on the loop.
 *
 * A request is matched to a route, authenticated (auth/auth.h), checked for role and scope
 * (scope_check.h), and then handled. The handler gets a struct api_call (call.h) and answers it
 * exactly once, at once or after a job (job_call.h) or an operation of an agent (agent_call.h).
 * Calls that change something are recorded in the audit log (audit.h).
 *
 * Upgrades to a WebSocket are passed to the module of their endpoint (ws_endpoints.h). A path
 * without a route is looked up among the files of the web UI.
 *
 *   call      one request that has not been answered yet
 *   route     method and path pattern, with role, limits, scope and handler
 *   target    the host and container that a path names
 */

#include "net/http_server.h"
#include "server/auth/auth.h"
#include "server/auth/front.h"
#include "server/common/job.h"
#include "server/download/agent_files.h"
#include "server/feed/feed.h"
#include "server/feed/sampling.h"
#include "server/fleet/fleet.h"
#include "server/history/history.h"
#include "server/logs/ws_endpoint.h"
#include "server/maintenance/health.h"
#include "server/registry/checker.h"
#include "server/session/session.h"
#include "server/session/stats_channel.h"
#include "server/shell/shells.h"
#include "server/stats/stats.h"
#include "server/store/store.h"
#include "server/tls/tls_keeper.h"
#include "server/updates/batches.h"
#include "server/updates/updates.h"
#include "server/web/files.h"

struct api;

struct api_options {
    struct loop *loop;
    struct db *store;
    struct job_queue *store_jobs;
    struct auth *auth;
    struct fleet *fleet;
    struct sessions *sessions;
    struct checker *checker;
    struct feed *feed;
    struct stats_channels *stats_channels;
    struct shells *shells;
    struct updates *updates;
    struct batches *batches;
    struct log_sources *log_sources;
    struct log_endpoint *log_endpoint;
    struct health *health;
    struct history *history; /* NULL: disabled */
    struct stats *stats;
    struct sampling *sampling;
    uint64_t session_lifetime_ms; /* lifetime of the login cookie */
    const struct tls_keeper *tls; /* NULL: plain HTTP */
    const char *listen_host;      /* as configured */
    struct front front;           /* its texts are borrowed */
    const struct web_files *web;  /* NULL: no web UI is served */
    const struct agent_files *agent_files;
    const struct release_key *release_key; /* signs them */
    unsigned rate_percent;                 /* of the limits in rate_limit.h; 0: none */
};

/* Copies the options; everything they point to is borrowed and outlives the api. */
struct api *api_new(const struct api_options *o);
/* No call may be in progress: drain the store's queue and end the commands first. */
void api_free(struct api *a);
DEFINE_CLEANUP(struct api *, api_free);

/* Callbacks for http_server_options; their owner is the api. */
const struct http_handler *api_http_handler(void);
/* Sets the server that responses go to: before the first request, and to NULL when it has
 * closed. */
void api_set_server(struct api *a, struct http_server *http);
/* The proxies and addresses in front of the server, as configured. */
const struct front *api_front(const struct api *a);
