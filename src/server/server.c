#include "server/server.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/service.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "server/api/api.h"
#include "server/auth/auth.h"
#include "server/auth/first_user.h"
#include "server/connections.h"
#include "server/fleet/fleet.h"
#include "server/history/history.h"
#include "server/logs/ws_endpoint.h"
#include "server/maintenance/health.h"
#include "server/maintenance/housekeeping.h"
#include "server/session/session.h"
#include "server/session/stats_channel.h"
#include "server/shell/shells.h"
#include "server/stats/sampling.h"
#include "server/stats/stats.h"
#include "server/store/agents.h"
#include "server/store/hosts.h"
#include "server/store/store.h"
#include "server/tls/tls_keeper.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define STORE_MAX_WAITING 20000 /* a reconnect storm of as many agents as a server may have */
#define HASH_PARALLEL     2
#define HASH_MAX_WAITING  64
#define PARSE_MAX_WAITING 64 /* large messages of agents; beyond it the loop parses them */
#define HEAD_TIMEOUT_MS   10000
#define MAX_LIVE_MEMORY   ((size_t)2048 << 20) /* unless --stats-memory says more */

struct server {
    struct loop *loop;
    struct db *store;
    struct job_queue *store_jobs, *hash_jobs, *parse_jobs;
    struct auth *auth;
    struct fleet *fleet;
    struct sessions *sessions;
    struct stats_channels *stats_channels;
    struct feed *feed;
    struct sampling *sampling;
    struct history *history; /* NULL: none is kept */
    struct stats *stats;
    struct shells *shells;
    struct log_sources *log_sources;
    struct log_endpoint *log_endpoint;
    struct api *api;
    struct http_server *http;
    struct housekeeping *housekeeping;
    struct tls_keeper *tls; /* NULL: plain HTTP */
    struct health *health;
    struct service *service;
    void (*reload)(void *owner);
    void *reload_owner;
    char *password_file;
    struct completion_wait sessions_stopped;
    bool is_stopping;
    bool is_closing; /* in server_free(), which turns the loop */
};

static void on_sessions_stopped(struct completion_wait *w)
{
    loop_stop(CONTAINER_OF(w, struct server, sessions_stopped)->loop);
}

static void on_certificate(void *owner)
{
    struct server *s = owner;

    if (s->http)
        http_server_set_tls(s->http, tls_keeper_context(s->tls));
}

/* Those who are connected stay so; the others see what the files hold now. */
static void reload_tls(struct server *s)
{
    struct error err = ERROR_INIT;

    if (!s->tls)
        return;
    if (tls_keeper_reload(s->tls, &err) < 0) {
        log_error(NULL, "the certificate stays as it was: %s", err.msg);
    } else {
        log_info(LOG_FIELDS("fingerprint", tls_keeper_fingerprint(s->tls)),
                 "the certificate is read again");
    }
}

static void reload(struct server *s)
{
    service_reloading(s->service);
    reload_tls(s);
    if (s->reload)
        s->reload(s->reload_owner);
    service_reloaded(s->service);
}

static void on_signal(void *owner, int number)
{
    struct server *s = owner;

    if (s->is_closing)
        return;
    if (number == SIGHUP) {
        reload(s);
        return;
    }
    service_stopping(s->service);
    log_info(NULL, "%s received, stopping", number == SIGINT ? "SIGINT" : "SIGTERM");
    if (s->is_stopping || !s->sessions) { /* a second signal does not wait for goodbyes */
        loop_stop(s->loop);
        return;
    }
    s->is_stopping = true;
    feed_stop(s->feed);
    stats_channels_stop(s->stats_channels);
    shells_stop(s->shells);
    log_endpoint_stop(s->log_endpoint);
    log_sources_stop(s->log_sources);
    /* Agents get close code 1001 and connect again later; pending commands fail, which answers their API calls. */
    sessions_stop(s->sessions, &s->sessions_stopped, on_sessions_stopped);
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

static int listen_http(struct server *s, const struct config *config, struct error *err)
{
    return http_server_open(&s->http, s->loop,
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
}

static void say_listening(const struct server *s, const struct config *config)
{
    const char *fingerprint = s->tls ? tls_keeper_fingerprint(s->tls) : NULL;

    log_info(fingerprint ? LOG_FIELDS("fingerprint", fingerprint) : NULL,
             "dockmond " DOCKMON_VERSION " listening on %s://%s:%u, data in %s",
             s->tls ? "https" : "http", config->host[0] ? config->host : "0.0.0.0",
             (unsigned)http_server_port(s->http), config->data_dir);
}

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

static int load_fleet(struct server *s, const struct config *config, struct error *err)
{
    int r;

    s->fleet = fleet_new();
    fleet_set_max_containers(s->fleet, config->max_containers);
    r = hosts_each(s->store, load_host, s->fleet, err);
    if (r == 0)
        r = agents_each(s->store, load_agent, s->fleet, err);
    return r < 0 ? error_wrap(err, r, "load hosts") : 0;
}

static int open_store(struct server *s, const struct config *config, struct error *err)
{
    int r;

    r = store_open(&s->store, config->data_dir, err);
    if (r == 0)
        r = db_lock(s->store, config->data_dir, err);
    if (r == 0)
        r = first_user_ensure(s->store, config->data_dir, err);
    if (r == 0)
        r = load_fleet(s, config, err);
    return r;
}

static void on_host_changed(void *owner, const struct fleet_host *h)
{
    const struct server *s = owner;

    if (s->feed)
        feed_on_host(s->feed, h);
    if (s->sampling)
        sampling_on_host(s->sampling, h);
    if (s->log_sources)
        log_sources_on_host(s->log_sources, h->row.id);
}

static void on_containers_changed(void *owner, const struct fleet_host *h)
{
    const struct server *s = owner;

    if (s->feed)
        feed_on_containers(s->feed);
    if (s->log_sources)
        log_sources_on_host(s->log_sources, h->row.id);
}

static void on_event(void *owner, const struct event *e)
{
    const struct server *s = owner;

    if (s->feed)
        feed_on_event(s->feed, e);
    if (s->stats)
        stats_on_event(s->stats, e);
}

static void on_samples(void *owner, const struct fleet_host *h, const struct samples *batch)
{
    const struct server *s = owner;

    if (s->stats)
        stats_on_samples(s->stats, h, batch);
    if (s->history && batch->epoch > 0) { /* with a place: of an agent of ours */
        history_took(s->history, h->row.id, &(struct history_position){batch->epoch, batch->seq},
                     batch->at_ms);
    }
}

static void on_watched(void *owner, const char *host_id)
{
    const struct server *s = owner;

    if (s->sampling)
        sampling_on_watched(s->sampling, host_id);
}

static void on_sample(void *owner, const struct fleet_host *h)
{
    const struct server *s = owner;

    if (s->feed)
        feed_on_sample(s->feed, h);
}

static void on_progress(void *owner, const char *type, json_t *data)
{
    const struct server *s = owner;

    if (s->feed)
        feed_on_progress(s->feed, type, json_incref(data));
}

static void on_stream(void *owner, const char *agent_id, const char *name, const json_t *payload)
{
    const struct server *s = owner;

    if (s->shells && str_eq(name, "shell_data"))
        shells_on_data(s->shells, agent_id, payload);
    if (s->log_sources && str_eq(name, "log_data"))
        log_sources_on_data(s->log_sources, agent_id, payload);
}

static void on_agent_gone(void *owner, const char *agent_id)
{
    const struct server *s = owner;

    if (s->shells)
        shells_on_agent_gone(s->shells, agent_id);
    if (s->log_sources)
        log_sources_on_agent_gone(s->log_sources, agent_id);
}

static void on_written(void *owner, const char *host_id, const struct history_position *at)
{
    const struct server *s = owner;

    if (s->sessions)
        sessions_acknowledge(s->sessions, host_id, &(struct msg_samples_ack){at->epoch, at->seq});
}

static void on_lost(void *owner, const char *host_id)
{
    const struct server *s = owner;

    if (s->sessions)
        sessions_resend_samples(s->sessions, host_id);
}

static void on_history_started(void *owner)
{
    const struct server *s = owner;

    if (s->sessions)
        sessions_release(s->sessions);
}

static bool samples_kept(void *owner, const char *host_id, struct msg_samples_ack *ret)
{
    const struct server *s = owner;
    struct history_position at;

    if (!s->history || !history_position(s->history, host_id, &at))
        return false;
    *ret = (struct msg_samples_ack){at.epoch, at.seq};
    return true;
}

/* For the last 15 minutes of all figures, in bytes. */
static size_t live_memory(const struct config *config)
{
    long n_pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t machine = n_pages > 0 && page > 0 ? (size_t)n_pages * (size_t)page : SIZE_MAX;

    if (config->stats_memory_mib > 0)
        return (size_t)config->stats_memory_mib << 20;
    return machine / 4 < MAX_LIVE_MEMORY ? machine / 4 : MAX_LIVE_MEMORY;
}

static int open_history(struct server *s, const struct config *config, struct error *err)
{
    _cleanup_free_ char *dir = xasprintf("%s/history", config->data_dir);
    struct history_options o = {.loop = s->loop,
                                .dir = dir,
                                .on_written = on_written,
                                .on_lost = on_lost,
                                .on_started = on_history_started,
                                .owner = s};

    for (size_t t = 0; t < TIER_COUNT; t++)
        o.keep_ms[t] = config->history_keep_ms[t];
    if (!config->wants_no_history) {
        s->history = history_new(&o);
        if (!s->history)
            return error_set(err, -EAGAIN, "worker threads cannot be started");
    }
    s->stats = stats_new(&(struct stats_options){
        .loop = s->loop,
        .fleet = s->fleet,
        .history = s->history,
        .max_live_bytes = live_memory(config),
    });
    return 0;
}

static void wire_agents(struct server *s, const struct config *config)
{
    s->sessions = sessions_new(&(struct sessions_options){
        .loop = s->loop,
        .store_jobs = s->store_jobs,
        .parse_jobs = s->parse_jobs,
        .store = s->store,
        .fleet = s->fleet,
        .max_agents = config->max_agents,
        .max_message = config->max_agent_message,
        .max_commands = config->max_commands,
        .auth_timeout_ms = config->auth_timeout_ms,
        .ping_interval_ms = config->ping_interval_ms,
        .is_acked_later = s->history != NULL,
        .poll_interval_ms = config->poll_interval_ms,
        .observer =
            {
                       .on_host_changed = on_host_changed,
                       .on_containers_changed = on_containers_changed,
                       .on_event = on_event,
                       .on_sample = on_sample,
                       .on_samples = on_samples,
                       .samples_kept = samples_kept,
                       .on_progress = on_progress,
                       .on_stream = on_stream,
                       .on_agent_gone = on_agent_gone,
                       .owner = s,
                       },
    });
    if (s->history) /* what an agent sends again is known only when the files were read */
        sessions_hold(s->sessions);
    s->sampling = sampling_new(&(struct sampling_options){
        .loop = s->loop, .fleet = s->fleet, .feed = s->feed, .sessions = s->sessions});
    s->stats_channels = stats_channels_new(&(struct stats_channels_options){
        .fleet = s->fleet, .on_sample = on_sample, .on_samples = on_samples, .owner = s});
    s->log_sources = log_sources_new(&(struct log_sources_options){.loop = s->loop,
                                                                   .fleet = s->fleet,
                                                                   .sessions = s->sessions,
                                                                   .store = s->store,
                                                                   .store_jobs = s->store_jobs});
    s->log_endpoint = log_endpoint_new(&(struct log_endpoint_options){
        .loop = s->loop, .auth = s->auth, .sources = s->log_sources});
}

static void wire(struct server *s, const struct config *config)
{
    s->password_file = xasprintf("%s/%s", config->data_dir, FIRST_USER_FILE);
    s->auth = auth_new(&(struct auth_options){
        .loop = s->loop,
        .store_jobs = s->store_jobs,
        .hash_jobs = s->hash_jobs,
        .store = s->store,
        .session_lifetime_ms = config->session_lifetime_ms,
        .initial_password_file = s->password_file,
    });
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
    s->feed = feed_new(&(struct feed_options){
        .loop = s->loop,
        .auth = s->auth,
        .fleet = s->fleet,
        .max_queue = config->max_client_queue,
        .on_watched = on_watched,
        .owner = s,
    });
    wire_agents(s, config);
    s->shells = shells_new(&(struct shells_options){
        .loop = s->loop,
        .auth = s->auth,
        .fleet = s->fleet,
        .sessions = s->sessions,
        .store = s->store,
        .store_jobs = s->store_jobs,
    });
    s->api = api_new(&(struct api_options){
        .loop = s->loop,
        .store = s->store,
        .store_jobs = s->store_jobs,
        .auth = s->auth,
        .fleet = s->fleet,
        .sessions = s->sessions,
        .feed = s->feed,
        .stats_channels = s->stats_channels,
        .shells = s->shells,
        .log_sources = s->log_sources,
        .log_endpoint = s->log_endpoint,
        .health = s->health,
        .history = s->history,
        .stats = s->stats,
        .sampling = s->sampling,
        .session_lifetime_ms = config->session_lifetime_ms,
        .tls = s->tls,
    });
}

static bool describe(void *owner, char ret_text[SERVICE_TEXT_SIZE])
{
    const struct server *s = owner;

    health_describe(s->health, ret_text, SERVICE_TEXT_SIZE);
    return true; /* it listens */
}

static int start(struct server *s, const struct config *config, struct error *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    int r;

    r = loop_new(&s->loop, &(struct loop_options){.user_agent = "dockmon/" DOCKMON_VERSION}, err);
    if (r < 0)
        return r;
    if (loop_on_signals(s->loop, signals, ARRAY_LEN(signals), on_signal, s) < 0)
        return error_set(err, -EIO, "signals cannot be watched");
    s->store_jobs = job_queue_new(s->loop, 1, STORE_MAX_WAITING);
    s->hash_jobs = job_queue_new(s->loop, HASH_PARALLEL, HASH_MAX_WAITING);
    s->parse_jobs = job_queue_new(s->loop, 1, PARSE_MAX_WAITING);
    if (!s->store_jobs || !s->hash_jobs || !s->parse_jobs)
        return error_set(err, -EAGAIN, "worker threads cannot be started");
    r = open_store(s, config, err);
    if (r == 0)
        r = open_history(s, config, err);
    if (r == 0)
        r = open_tls(s, config, err);
    if (r < 0)
        return r;
    wire(s, config);
    r = listen_http(s, config, err);
    if (r < 0)
        return r;
    api_set_server(s->api, s->http);
    r = service_new(&s->service,
                    &(struct service_options){
                        .loop = s->loop,
                        .env = (const char *const *)environ,
                        .describe = describe,
                        .owner = s,
                    },
                    err);
    if (r < 0)
        return r;
    say_listening(s, config);
    return 0;
}

int server_new(struct server **ret, const struct config *config, struct error *err)
{
    struct server *s = xcalloc(1, sizeof(*s));
    int r;

    r = start(s, config, err);
    if (r < 0) {
        server_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void server_on_reload(struct server *s, void (*fn)(void *owner), void *owner)
{
    s->reload = fn;
    s->reload_owner = owner;
}

void server_run(struct server *s)
{
    loop_run(s->loop);
}

/* Requests end while what they use is still there. A job that has begun is finished; nothing begins any more. */
static void end_requests(struct server *s)
{
    if (s->log_sources)
        log_sources_stop(s->log_sources); /* streams of the API end */
    if (!s->http)
        return;
    http_server_close(TAKE_PTR(s->http));
    api_set_server(s->api, NULL);
    job_queues_drain(s->store_jobs, s->hash_jobs);
}

void server_free(struct server *s)
{
    if (!s)
        return;
    s->is_closing = true;
    end_requests(s);
    service_free(s->service);
    housekeeping_free(s->housekeeping);
    health_free(s->health);
    sampling_free(TAKE_PTR(s->sampling));
    feed_free(TAKE_PTR(s->feed)); /* what is still stored below is not shown any more */
    shells_free(TAKE_PTR(s->shells));
    log_endpoint_free(TAKE_PTR(s->log_endpoint));
    stats_channels_free(TAKE_PTR(s->stats_channels));
    sessions_free(TAKE_PTR(s->sessions));
    log_sources_free(TAKE_PTR(s->log_sources));
    if (s->auth)
        job_queues_drain(s->store_jobs, s->hash_jobs);
    history_stop(s->history); /* what sessions have brought is written, questions end */
    stats_free(TAKE_PTR(s->stats));
    history_free(s->history);
    api_free(s->api);
    auth_free(s->auth);
    fleet_free(s->fleet);
    job_queue_free(s->store_jobs);
    job_queue_free(s->hash_jobs);
    job_queue_free(s->parse_jobs);
    db_close(s->store);
    tls_keeper_close(s->tls);
    loop_free(s->loop);
    free(s->password_file);
    free(s);
}
