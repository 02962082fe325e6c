#include "agent/check.h"
#include "agent/config/config.h"
#include "agent/config/data_dir.h"
#include "agent/engine/event_log.h"
#include "agent/engine/events.h"
#include "agent/engine/exec_killer.h"
#include "agent/engine/facts.h"
#include "agent/engine/network_undo.h"
#include "agent/join/link.h"
#include "agent/spool/spool.h"
#include "agent/stats/collector.h"
#include "agent/update/self_update.h"
#include "agent/update/updates.h"
#include "base/alloc.h"
#include "daemon/own_container.h"
#include "daemon/reload.h"
#include "daemon/service.h"
#include "docker/engine.h"
#include "net/loop.h"
#include "net/tls_trust.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT          ((size_t)64 * 1024)
#define USER_AGENT        "dockmon/" DOCKMON_VERSION
#define READY_PATIENCE_MS 10000

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_CONFIG = 2 };

struct agent {
    struct loop *loop;
    struct tls_trust *engine_trust; /* NULL: no TLS to the engine */
    struct engine *engine;
    struct facts *facts;
    struct events *events;
    struct event_log *event_log; /* NULL: SPOOL_SIZE is 0 */
    struct exec_killer *killer;
    struct network_undo *network_undo;
    struct updates *updates;
    struct self_update *self_update;
    char own_container[CONTAINER_ID_SIZE]; /* "": the agent runs in none */
    struct spool *spool;
    struct collector *collector;
    struct collector_listener batches; /* passes batches of the collector to the spool */
    struct link *link;
    struct completion_wait link_stopped;
    struct service *service;
    const struct option_source *source; /* of the configuration; read again by a reload */
    bool is_stopping;
    bool has_failed; /* the exit status says so, too */
};

static void on_link_stopped(struct completion_wait *w)
{
    loop_stop(CONTAINER_OF(w, struct agent, link_stopped)->loop);
}

static int read_level(void *owner, enum log_level *ret_level, struct buf *errors)
{
    const struct agent *agent = owner;
    struct config config = {0};
    int r;

    r = config_load(&config, agent->source, "", errors);
    *ret_level = config.log_level;
    config_done(&config);
    return r;
}

static void reload(struct agent *agent)
{
    service_reloading(agent->service);
    reload_log_level(read_level, agent);
    service_reloaded(agent->service);
}

/* Ready once the engine or the server has answered. */
static bool describe(void *owner, char ret_text[SERVICE_TEXT_SIZE])
{
    const struct agent *agent = owner;
    bool has_engine = events_is_live(agent->events);
    bool has_server = link_is_connected(agent->link);

    (void)snprintf(ret_text, SERVICE_TEXT_SIZE, "%s, %s",
                   has_engine ? "engine ok" : "no answer from the engine",
                   has_server ? "connected to the server" : "not connected to the server");
    return has_engine || has_server;
}

static void stop(struct agent *agent, const char *why)
{
    agent->is_stopping = true;
    service_stopping(agent->service);
    log_info(NULL, "%s: stopping", why);
    link_stop(agent->link, &agent->link_stopped, on_link_stopped);
}

static void on_leave(void *owner, bool is_failure)
{
    struct agent *agent = owner;

    agent->has_failed = is_failure;
    if (!agent->is_stopping)
        stop(agent, is_failure ? "failed self-update" : "self-update");
}

static void on_signal(void *owner, int number)
{
    struct agent *agent = owner;

    if (number == SIGHUP) {
        reload(agent);
        return;
    }
    if (agent->is_stopping)
        _exit(EXIT_FAILED); /* a second signal ends the process at once */
    stop(agent, number == SIGINT ? "SIGINT" : "SIGTERM");
}

static void on_batch(struct collector_listener *l, const struct samples *batch)
{
    spool_put(CONTAINER_OF(l, struct agent, batches)->spool, batch);
}

/* Opens the parts that outlive sessions, and that cannot fail. */
static void open_parts(struct agent *agent, const struct config *config)
{
    agent->facts = facts_new();
    agent->events = events_new(agent->engine, agent->facts);
    if (config->spool_mb > 0) {
        agent->event_log = event_log_new(
            &(struct event_log_options){.loop = agent->loop, .dir = config->event_log_path});
        events_set_log(agent->events, agent->event_log);
    }
    agent->killer = exec_killer_new(agent->engine, config->data_path);
    agent->network_undo = network_undo_new(agent->engine, config->network_undo_path);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never changed
    if (!own_container_find("", getenv("HOSTNAME"), agent->own_container))
        agent->own_container[0] = '\0';
    agent->updates = updates_new(&(struct updates_options){
        .loop = agent->loop,
        .engine = agent->engine,
        .path = config->updates_path,
        .own_container = agent->own_container,
        .health_timeout_ms = config->update_timeout_ms,
    });
    agent->self_update = self_update_new(&(struct self_update_options){
        .loop = agent->loop,
        .config = config,
        // NOLINTNEXTLINE(concurrency-mt-unsafe): as above
        .launch_dir = getenv("DOCKMON_LAUNCH_DIR"),
        .own_container = agent->own_container,
        .leave = on_leave,
        .owner = agent,
    });
    agent->spool = spool_new(&(struct spool_options){
        .loop = agent->loop,
        .dir = config->spool_path,
        .max_bytes = config->spool_mb << 20,
    });
    agent->collector = collector_new(&(struct collector_options){
        .epoch = spool_epoch(agent->spool),
        .loop = agent->loop,
        .engine = agent->engine,
        .events = agent->events,
        .config = config,
    });
    agent->batches.on_batch = on_batch;
    collector_add_listener(agent->collector, &agent->batches);
    collector_set_note(agent->collector, spool_note(agent->spool));
}

static int open_agent(struct agent *agent, const struct config *config, struct error *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    int r;

    r = loop_on_signals(agent->loop, signals, ARRAY_LEN(signals), on_signal, agent);
    if (r < 0)
        return error_set(err, r, "cannot catch signals: %s", error_text(r));
    r = config_engine_trust(config, &agent->engine_trust, err);
    if (r < 0)
        return r;
    r = engine_new(&agent->engine,
                   &(struct engine_options){
                       .loop = agent->loop,
                       .address = config->docker_host,
                       .trust = agent->engine_trust,
                       .timeout_ms = config->engine_timeout_ms,
                       .api_minor = config->api_minor,
                   },
                   err);
    if (r < 0)
        return r;
    open_parts(agent, config);
    r = link_new(&agent->link,
                 &(struct link_options){
                     .loop = agent->loop,
                     .config = config,
                     .engine = agent->engine,
                     .facts = agent->facts,
                     .events = agent->events,
                     .killer = agent->killer,
                     .network_undo = agent->network_undo,
                     .updates = agent->updates,
                     .self_update = agent->self_update,
                     .collector = agent->collector,
                     .spool = agent->spool,
                 },
                 err);
    if (r < 0)
        return r;
    return service_new(&agent->service,
                       &(struct service_options){
                           .loop = agent->loop,
                           .env = agent->source->env,
                           .describe = describe,
                           .owner = agent,
                           .patience_ms = READY_PATIENCE_MS,
                       },
                       err);
}

static void close_agent(struct agent *agent)
{
    service_free(agent->service);
    link_free(agent->link);
    collector_free(agent->collector);
    spool_free(agent->spool);
    exec_killer_free(agent->killer);
    updates_free(agent->updates);
    self_update_free(agent->self_update);
    network_undo_free(agent->network_undo);
    if (agent->events)
        events_free(agent->events);
    event_log_free(agent->event_log);
    if (agent->facts)
        facts_free(agent->facts);
    if (agent->engine)
        engine_free(agent->engine);
    tls_trust_free(agent->engine_trust);
}

static void log_notes(const struct config *config)
{
    _cleanup_free_ char *text = xstrdup(buf_str(&config->notes));
    char *rest = text;

    while (rest && *rest)
        log_warn(NULL, "%s", strsep(&rest, "\n"));
}

static void say_hello(const struct config *config)
{
    _cleanup_free_ char *doubt = NULL;
    struct error err = ERROR_INIT;

    log_info(LOG_FIELDS("version", DOCKMON_VERSION, "server", config->ws_url, "engine",
                        config->docker_host, "data", config->data_path),
             "dockmon-agent starts");
    log_notes(config);
    if (config->is_insecure && config->is_tls && !config->pins) {
        log_warn(NULL,
                 "INSECURE_SKIP_VERIFY is on: anybody on the network can impersonate the server");
    }
    if (config->is_exposed) {
        log_warn(LOG_FIELDS("url", config->url),
                 "the connection to the server is not encrypted, so the token of this agent can be "
                 "read on the network: use https:// in DOCKMON_URL");
    }
    if (config->is_engine_tls && config->is_engine_insecure) {
        log_warn(NULL,
                 "DOCKER_TLS_VERIFY is off: anybody on the network can impersonate the engine");
    }
    if (data_dir_prepare(config->data_path, &err) < 0) {
        log_error(LOG_FIELDS("path", config->data_path),
                  "cannot use the data directory, so no permanent token can be stored: %s",
                  err.msg);
        return;
    }
    doubt = data_dir_protect(config->data_path);
    if (doubt)
        log_warn(LOG_FIELDS("path", config->data_path), "%s", doubt);
}

static int run(const struct config *config, const struct option_source *source)
{
    struct agent agent = {.source = source};
    struct error err = ERROR_INIT;
    int r;

    r = loop_new(&agent.loop,
                 &(struct loop_options){
                     .ca_file = config->ca_file, .pins = config->pins, .user_agent = USER_AGENT},
                 &err);
    if (r == 0)
        r = open_agent(&agent, config, &err);
    if (r == 0) {
        say_hello(config);
        exec_killer_sweep(agent.killer);
        network_undo_start(agent.network_undo);
        updates_start(agent.updates);
        self_update_start(agent.self_update);
        events_start(agent.events);
        link_start(agent.link);
        loop_run(agent.loop);
        log_info(NULL, "dockmon-agent has stopped");
    } else {
        log_error(NULL, "cannot start: %s", err.msg);
    }
    close_agent(&agent);
    loop_free(agent.loop);
    return r == 0 && !agent.has_failed ? EXIT_OK : EXIT_FAILED;
}

static int check(const struct config *config)
{
    _cleanup_(loop_freep) struct loop *loop = NULL;
    struct buf out = BUF_INIT(CHECK_MAX_TEXT);
    struct error err = ERROR_INIT;
    bool is_good;

    if (loop_new(&loop,
                 &(struct loop_options){
                     .ca_file = config->ca_file, .pins = config->pins, .user_agent = USER_AGENT},
                 &err) < 0) {
        (void)fprintf(stderr, "WRONG  %s\n", err.msg);
        return EXIT_FAILED;
    }
    is_good = check_run(loop, config, &out);
    (void)fputs(buf_str(&out), stdout);
    (void)puts(is_good ? "All checks passed." : "A check failed, see above.");
    buf_done(&out);
    return is_good ? EXIT_OK : EXIT_FAILED;
}

static int help(void)
{
    struct buf out = BUF_INIT(MAX_TEXT);

    config_help(&out);
    (void)fputs(buf_str(&out), stdout);
    buf_done(&out);
    return EXIT_OK;
}

/* --help and --version work beside any error. */
static int start(const struct config *config,
                 const struct option_source *source,
                 int r,
                 const struct buf *errors)
{
    if (config->want_help)
        return help();
    if (config->want_version) {
        (void)puts("dockmon-agent " DOCKMON_VERSION);
        return EXIT_OK;
    }
    if (r < 0) {
        (void)fprintf(stderr, "dockmon-agent: invalid configuration:\n%s", buf_str(errors));
        return EXIT_CONFIG;
    }
    log_set_level(config->log_level);
    log_set_json(config->log_json);
    return config->want_check ? check(config) : run(config, source);
}

int main(int argc, char **argv)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct option_source source = {.argc = argc, .argv = argv, .env = (const char *const *)environ};
    struct buf errors = BUF_INIT(MAX_TEXT);
    struct config config = {0};
    int r;

    /* The process has one thread, so further arenas of glibc would only cost memory. */
    (void)mallopt(M_ARENA_MAX, 1); // NOLINT(concurrency-mt-unsafe): there are no threads yet
    (void)sigaction(SIGPIPE, &ignore, NULL);

    r = config_load(&config, &source, "", &errors);
    config_hide_secrets(&source);
    r = start(&config, &source, r, &errors);
    buf_done(&errors);
    config_done(&config);
    return r;
}
