/*
 * The parts of the server and how they depend on each other. Each part has a block of its own
 * here or in wiring_*.c: it makes its manager from the configuration and the parts before it.
 * Managers notify each other by listeners (fleet_listener.h, session.h, feed.h, history.h).
 *
 * To add a manager:
 *   1. its pointer in struct server (server_internal.h);
 *   2. a block with its functions, and a row in server_parts[], below everything it uses.
 *
 * A manager that jobs of others may still use needs `free`, not `close`, see server_internal.h.
 */

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/service.h"
#include "net/http_server.h"
#include "server/api/api.h"
#include "server/auth/auth.h"
#include "server/auth/first_user.h"
#include "server/common/running_file.h"
#include "server/connections.h"
#include "server/download/release_key.h"
#include "server/feed/sampling.h"
#include "server/fleet/host_settings.h"
#include "server/fleet/own_containers.h"
#include "server/history/history.h"
#include "server/logs/ws_endpoint.h"
#include "server/maintenance/health.h"
#include "server/maintenance/housekeeping.h"
#include "server/maintenance/list_keeper.h"
#include "server/maintenance/scheduled_backup.h"
#include "server/server_internal.h"
#include "server/session/session.h"
#include "server/session/stats_channel.h"
#include "server/shell/shells.h"
#include "server/stats/stats.h"
#include "server/store/agents.h"
#include "server/store/hosts.h"
#include "server/store/store.h"
#include "server/tls/tls_keeper.h"
#include "server/view/settings_json.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#define STORE_MAX_WAITING 20000 /* a reconnect storm of as many agents as a server may have */
#define PARSE_MAX_WAITING 64    /* large messages of agents; beyond it the loop parses them */
#define HEAD_TIMEOUT_MS   10000
#define MAX_LIVE_MEMORY   ((size_t)2048 << 20) /* unless --stats-memory allows more */

/* Queues of jobs */

static int open_queues(struct server *s, const struct config *config, struct error *err)
{
    (void)config;
    s->store_jobs = job_queue_new(s->loop, 1, STORE_MAX_WAITING);
    s->hash_jobs = job_queue_new(s->loop, AUTH_HASH_PARALLEL, 0);
    s->parse_jobs = job_queue_new(s->loop, 1, PARSE_MAX_WAITING);
    if (!s->store_jobs || !s->hash_jobs || !s->parse_jobs)
        return error_set(err, -EAGAIN, "worker threads cannot be started");
    return 0;
}

static void free_queues(struct server *s)
{
    job_queue_free(s->store_jobs);
    job_queue_free(s->hash_jobs);
    job_queue_free(s->parse_jobs);
}

/* Store */

static int open_store(struct server *s, const struct config *config, struct error *err)
{
    int r = store_open(&s->store, config->data_dir, err);

    if (r == 0)
        r = db_lock(s->store, config->data_dir, err);
    if (r == 0)
        r = first_user_ensure(s->store, config->data_dir, err);
    return r;
}

static void free_store(struct server *s)
{
    db_close(s->store);
}

/* Fleet: all hosts of the store, offline, with their last known containers. */

static void load_host(void *arg, const struct host *row)
{
    (void)fleet_put_host(arg, row, NULL);
}

static void load_agent(void *arg, const struct agent *row)
{
    struct fleet_host *h = fleet_find_host(arg, row->host_id);
    struct host host;

    if (!h) /* the host is inactive: replaced by another */
        return;
    host = h->row;
    h->seen_at_ms = row->last_seen_at_ms;
    (void)fleet_put_host(arg, &host, row);
}

static int open_fleet(struct server *s, const struct config *config, struct error *err)
{
    int r;

    s->fleet = fleet_new();
    fleet_set_max_containers(s->fleet, config->max_containers);
    fleet_set_max_cost(s->fleet, (size_t)config->inventory_memory_mib << 20);
    own_containers_find(s->fleet);
    r = hosts_each(s->store, load_host, s->fleet, err);
    if (r == 0)
        r = agents_each(s->store, load_agent, s->fleet, err);
    if (r == 0)
        r = host_settings_load(s->store, s->fleet, err);
    if (r == 0)
        r = list_keeper_load(s->store, s->fleet, err);
    return r < 0 ? error_wrap(err, r, "load hosts") : 0;
}

static void free_fleet(struct server *s)
{
    fleet_free(s->fleet);
}

/* History and statistics */

static int open_history(struct server *s, const struct config *config, struct error *err)
{
    _cleanup_free_ char *dir = xasprintf("%s/history", config->data_dir);
    struct history_options o = {.loop = s->loop, .dir = dir};

    if (config->wants_no_history)
        return 0;
    for (size_t t = 0; t < TIER_COUNT; t++)
        o.keep_ms[t] = config->history_keep_ms[t];
    s->history = history_new(&o);
    return s->history ? 0 : error_set(err, -EAGAIN, "worker threads cannot be started");
}

static void free_history(struct server *s)
{
    history_free(s->history);
}

/* Bytes for the last 15 minutes of all samples. */
static size_t live_memory(const struct config *config)
{
    long n_pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t machine = n_pages > 0 && page > 0 ? (size_t)n_pages * (size_t)page : SIZE_MAX;

    if (config->stats_memory_mib > 0)
        return (size_t)config->stats_memory_mib << 20;
    return machine / 4 < MAX_LIVE_MEMORY ? machine / 4 : MAX_LIVE_MEMORY;
}

static int open_stats(struct server *s, const struct config *config, struct error *err)
{
    (void)err;
    s->stats = stats_new(&(struct stats_options){
        .loop = s->loop,
        .fleet = s->fleet,
        .history = s->history,
        .max_live_bytes = live_memory(config),
    });
    return 0;
}

static void free_stats(struct server *s)
{
    stats_free(s->stats);
}

/* Certificate */

static void on_certificate(void *owner)
{
    struct server *s = owner;

    if (!s->http)
        return;
    http_server_set_tls(s->http, tls_keeper_context(s->tls));
    server_write_running(s);
}

static int open_tls(struct server *s, const struct config *config, struct error *err)
{
    if (!config->is_tls)
        return 0;
    return tls_keeper_open(&s->tls,
                           &(struct tls_keeper_options){
                               .loop = s->loop,
                               .files = config_tls_files(config),
                               .on_change = on_certificate,
                               .owner = s,
                           },
                           err);
}

static void free_tls(struct server *s)
{
    tls_keeper_close(s->tls);
}

/* Users */

static int open_auth(struct server *s, const struct config *config, struct error *err)
{
    (void)err;
    s->password_file = xasprintf("%s/%s", config->data_dir, FIRST_USER_FILE);
    s->auth = auth_new(&(struct auth_options){
        .loop = s->loop,
        .store_jobs = s->store_jobs,
        .hash_jobs = s->hash_jobs,
        .store = s->store,
        .session_lifetime_ms = config->session_lifetime_ms,
        .initial_password_file = s->password_file,
    });
    return 0;
}

static void free_auth(struct server *s)
{
    auth_free(s->auth);
    free(s->password_file);
}

/* Maintenance */

static int open_maintenance(struct server *s, const struct config *config, struct error *err)
{
    (void)config;
    (void)err;
    s->housekeeping = housekeeping_new(&(struct housekeeping_options){
        .loop = s->loop,
        .store_jobs = s->store_jobs,
        .store = s->store,
    });
    s->health = health_new(&(struct health_options){
        .loop = s->loop,
        .store = s->store,
        .store_jobs = s->store_jobs,
        .fleet = s->fleet,
        .history = s->history,
        .max_waiting = STORE_MAX_WAITING,
    });
    s->list_keeper = list_keeper_new(&(struct list_keeper_options){
        .loop = s->loop,
        .store_jobs = s->store_jobs,
        .store = s->store,
        .fleet = s->fleet,
    });
    return 0;
}

static int open_backups(struct server *s, const struct config *config, struct error *err)
{
    _cleanup_free_ char *dir = config->backup_dir ? xstrdup(config->backup_dir)
                                                  : xasprintf("%s/backups", config->data_dir);

    if (!config->backup_schedule)
        return 0;
    s->scheduled_backup = scheduled_backup_new(&(struct scheduled_backup_options){
        .loop = s->loop,
        .plan = config->backup_plan,
        .data_dir = config->data_dir,
        .dir = dir,
        .keep = (size_t)config->backup_keep,
        .without_history = !config->is_history_backed_up,
    });
    return s->scheduled_backup ? 0 : error_set(err, -EAGAIN, "worker threads cannot be started");
}

static void close_backups(struct server *s)
{
    scheduled_backup_stop(s->scheduled_backup);
}

static void free_backups(struct server *s)
{
    scheduled_backup_free(s->scheduled_backup);
}

static void close_maintenance(struct server *s)
{
    housekeeping_free(TAKE_PTR(s->housekeeping));
    health_free(TAKE_PTR(s->health));
    list_keeper_stop(s->list_keeper);
}

static void free_maintenance(struct server *s)
{
    list_keeper_free(s->list_keeper);
}

/* Agents. server.c stops their sessions last, as the loop ends when all have been closed. */

static int open_sessions(struct server *s, const struct config *config, struct error *err)
{
    int r = release_key_open(&s->release_key, config->data_dir, err);

    if (r < 0)
        return r;
    s->sessions = sessions_new(&(struct sessions_options){
        .loop = s->loop,
        .store_jobs = s->store_jobs,
        .parse_jobs = s->parse_jobs,
        .store = s->store,
        .fleet = s->fleet,
        .history = s->history,
        .release_key = s->release_key->public,
        .max_agents = config->max_agents,
        .max_message = config->max_agent_message,
        .max_commands = config->max_commands,
        .auth_timeout_ms = config->auth_timeout_ms,
        .ping_interval_ms = config->ping_interval_ms,
        .poll_interval_ms = config->poll_interval_ms,
    });
    return sessions_load_tokens(s->sessions, err);
}

static void close_sessions(struct server *s)
{
    sessions_free(TAKE_PTR(s->sessions));
    release_key_free(TAKE_PTR(s->release_key));
}

static int open_stats_channels(struct server *s, const struct config *config, struct error *err)
{
    (void)config;
    (void)err;
    s->stats_channels = stats_channels_new(s->fleet, s->sessions);
    return 0;
}

static void stop_stats_channels(struct server *s)
{
    stats_channels_stop(s->stats_channels);
}

static void close_stats_channels(struct server *s)
{
    stats_channels_free(TAKE_PTR(s->stats_channels));
}

/* Feed of changes to clients, and the sampling that depends on what they watch */

static int open_feed(struct server *s, const struct config *config, struct error *err)
{
    (void)err;
    s->feed = feed_new(&(struct feed_options){
        .loop = s->loop,
        .auth = s->auth,
        .fleet = s->fleet,
        .stats = s->stats,
        .settings = settings_json_read(s->store, s->history != NULL),
        .max_queue = config->max_client_queue,
    });
    s->sampling = sampling_new(&(struct sampling_options){
        .loop = s->loop,
        .fleet = s->fleet,
        .feed = s->feed,
        .sessions = s->sessions,
    });
    return 0;
}

static void stop_feed(struct server *s)
{
    feed_stop(s->feed);
}

static void close_feed(struct server *s)
{
    sampling_free(TAKE_PTR(s->sampling));
    feed_free(TAKE_PTR(s->feed));
}

/* Followed logs */

static int open_logs(struct server *s, const struct config *config, struct error *err)
{
    (void)config;
    (void)err;
    s->log_sources = log_sources_new(&(struct log_sources_options){
        .loop = s->loop,
        .fleet = s->fleet,
        .sessions = s->sessions,
        .store = s->store,
        .store_jobs = s->store_jobs,
    });
    s->log_endpoint = log_endpoint_new(&(struct log_endpoint_options){
        .loop = s->loop,
        .auth = s->auth,
        .sources = s->log_sources,
    });
    return 0;
}

static void stop_logs(struct server *s)
{
    log_endpoint_stop(s->log_endpoint);
    log_sources_stop(s->log_sources);
}

static void close_logs(struct server *s)
{
    log_endpoint_free(TAKE_PTR(s->log_endpoint));
}

static void free_logs(struct server *s)
{
    log_sources_free(s->log_sources);
}

/* Shells */

static int open_shells(struct server *s, const struct config *config, struct error *err)
{
    (void)config;
    (void)err;
    s->shells = shells_new(&(struct shells_options){
        .loop = s->loop,
        .auth = s->auth,
        .fleet = s->fleet,
        .sessions = s->sessions,
        .store = s->store,
        .store_jobs = s->store_jobs,
    });
    return 0;
}

static void stop_shells(struct server *s)
{
    shells_stop(s->shells);
}

static void close_shells(struct server *s)
{
    shells_free(TAKE_PTR(s->shells));
}

/* REST, and the port that everything is served on */

static int open_api(struct server *s, const struct config *config, struct error *err)
{
    (void)err;
    s->api = api_new(&(struct api_options){
        .loop = s->loop,
        .store = s->store,
        .store_jobs = s->store_jobs,
        .auth = s->auth,
        .fleet = s->fleet,
        .sessions = s->sessions,
        .checker = s->checker,
        .feed = s->feed,
        .stats_channels = s->stats_channels,
        .shells = s->shells,
        .updates = s->updates,
        .batches = s->batches,
        .log_sources = s->log_sources,
        .log_endpoint = s->log_endpoint,
        .health = s->health,
        .history = s->history,
        .stats = s->stats,
        .sampling = s->sampling,
        .session_lifetime_ms = config->session_lifetime_ms,
        .tls = s->tls,
        .listen_host = config->host,
        .front = config->front,
        .web = s->web,
        .agent_files = s->agent_files,
        .release_key = s->release_key,
        .rate_percent = (unsigned)config->rate_percent,
    });
    return 0;
}

static void free_api(struct server *s)
{
    api_free(s->api);
}

static int open_http(struct server *s, const struct config *config, struct error *err)
{
    int r = http_server_open(&s->http, s->loop,
                             &(struct http_server_options){
                                 .host = config->host,
                                 .port = config->port,
                                 .max_connections = connections_allow(config->max_connections),
                                 .head_timeout_ms = HEAD_TIMEOUT_MS,
                                 .handler = api_http_handler(),
                                 .on_crowd = connections_on_crowd,
                                 .owner = s->api,
                                 .tls = s->tls ? tls_keeper_context(s->tls) : NULL,
                             },
                             err);

    if (r < 0)
        return r;
    api_set_server(s->api, s->http);
    return 0;
}

/*
 * Requests end while everything that they use is still there. A job that has begun is finished, and
 * nothing begins any more.
 */
static void close_http(struct server *s)
{
    if (s->log_sources)
        log_sources_stop(s->log_sources); /* streams of the API end */
    if (!s->http)
        return;
    http_server_close(TAKE_PTR(s->http));
    api_set_server(s->api, NULL);
    job_queues_drain(s->store_jobs, s->hash_jobs);
}

/* Service manager: the server is ready once everything above is open. */

static bool describe(void *owner, char ret_text[SERVICE_TEXT_SIZE])
{
    const struct server *s = owner;

    health_describe(s->health, ret_text, SERVICE_TEXT_SIZE);
    return true; /* it listens */
}

static int open_service(struct server *s, const struct config *config, struct error *err)
{
    int r = service_new(&s->service,
                        &(struct service_options){
                            .loop = s->loop,
                            .env = (const char *const *)environ,
                            .describe = describe,
                            .owner = s,
                        },
                        err);

    if (r < 0)
        return r;
    s->listen_host = xstrdup(config->host);
    s->data_dir = xstrdup(config->data_dir);
    server_announce(s, config);
    return 0;
}

static void close_service(struct server *s)
{
    if (s->data_dir)
        running_remove(s->data_dir);
    free(TAKE_PTR(s->data_dir));
    free(TAKE_PTR(s->listen_host));
    service_free(TAKE_PTR(s->service));
}

const struct server_part server_parts[] = {
    {"queues",         open_queues,             NULL,                NULL,                 free_queues            },
    {"store",          open_store,              NULL,                NULL,                 free_store             },
    {"fleet",          open_fleet,              NULL,                NULL,                 free_fleet             },
    {"history",        open_history,            NULL,                NULL,                 free_history           },
    {"stats",          open_stats,              NULL,                NULL,                 free_stats             },
    {"tls",            open_tls,                NULL,                NULL,                 free_tls               },
    {"auth",           open_auth,               NULL,                NULL,                 free_auth              },
    {"maintenance",    open_maintenance,        NULL,                close_maintenance,    free_maintenance       },
    {"backups",        open_backups,            NULL,                close_backups,        free_backups           },
    {"sessions",       open_sessions,           NULL,                close_sessions,       NULL                   },
    {"feed",           open_feed,               stop_feed,           close_feed,           NULL                   },
    {"stats-channels", open_stats_channels,     stop_stats_channels, close_stats_channels, NULL                   },
    {"logs",           open_logs,               stop_logs,           close_logs,           free_logs              },
    {"shells",         open_shells,             stop_shells,         close_shells,         NULL                   },
    {"checker",        server_open_checker,     NULL,                server_close_checker, server_free_checker    },
    {"updates",        server_open_updates,     NULL,                server_close_updates, server_free_updates    },
    {"web",            server_open_web,         NULL,                NULL,                 server_free_web        },
    {"agent-files",    server_open_agent_files, NULL,                NULL,                 server_free_agent_files},
    {"api",            open_api,                NULL,                NULL,                 free_api               },
    {"http",           open_http,               NULL,                close_http,           NULL                   },
    {"service",        open_service,            NULL,                close_service,        NULL                   },
};
const size_t n_server_parts = ARRAY_LEN(server_parts);
