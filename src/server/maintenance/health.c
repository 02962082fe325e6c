#include "server/maintenance/health.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/common/repeated_job.h"

#include <errno.h>
#include <stdio.h>

#define PERIOD_MS        15000
#define BROKEN_PERIOD_MS 2000

struct probe {
    struct db *store;
    struct error err;
};

struct health {
    struct health_options o;
    struct repeated_job job;
    uint64_t born_ms;
    int64_t started_at_ms;
    int state; /* of the store, at the last check */
    int64_t since_ms;
};

const char *health_state_name(int state)
{
    static const struct {
        int state;
        const char *name;
    } names[] = {
        {0,        "ok"       },
        {-ENOSPC,  "disk_full"},
        {-EROFS,   "read_only"},
        {-ENOBUFS, "locked"   },
        {-EUCLEAN, "damaged"  },
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].state == state)
            return names[i].name;
    }
    return "failing";
}

/* `message` is the error of the probe. A failed job of another module has logged its own error in
 * more detail. */
static void refresh_state(struct health *h, const char *message)
{
    int state = db_state(h->o.store);

    if (state == h->state)
        return;
    h->state = state;
    h->since_ms = time_utc_ms();
    if (state == 0) {
        log_info(LOG_FIELDS("database", "ok"), "the database works again");
    } else {
        log_error(LOG_FIELDS("database", health_state_name(state)),
                  "the database does not work: %s",
                  message && *message ? message : error_text(state));
    }
}

const char *health_history_name(const struct history_state *s)
{
    return s->is_starting ? "starting" : health_state_name(s->code);
}

static void *make_probe(struct repeated_job *j)
{
    const struct health *h = CONTAINER_OF(j, struct health, job);
    struct probe *p = xcalloc(1, sizeof(*p));

    p->store = h->o.store;
    return p;
}

static void do_probe(void *run)
{
    struct probe *p = run;

    (void)db_probe(p->store, &p->err); /* the store keeps the outcome, see db_state() */
}

static uint64_t get_period(const struct health *h)
{
    return h->state == 0 ? h->o.period_ms : h->o.broken_period_ms;
}

static uint64_t on_probed(struct repeated_job *j, void *run)
{
    const struct probe *p = run;
    struct health *h;

    if (!j)
        return 0;
    h = CONTAINER_OF(j, struct health, job);
    refresh_state(h, p->err.msg);
    return get_period(h);
}

/* The queue is full of jobs, whose outcomes show the state as well as a probe. */
static uint64_t on_busy(struct repeated_job *j)
{
    struct health *h = CONTAINER_OF(j, struct health, job);

    refresh_state(h, NULL);
    return get_period(h);
}

static const struct repeated_job_ops ops = {
    .make = make_probe,
    .work = do_probe,
    .done = on_probed,
    .busy = on_busy,
};

struct health *health_new(const struct health_options *o)
{
    struct health *h = xcalloc(1, sizeof(*h));

    h->o = *o;
    if (!h->o.period_ms)
        h->o.period_ms = PERIOD_MS;
    if (!h->o.broken_period_ms)
        h->o.broken_period_ms = BROKEN_PERIOD_MS;
    h->born_ms = time_monotonic_ms();
    h->since_ms = time_utc_ms();
    h->started_at_ms = h->since_ms;
    repeated_job_start(&h->job, o->loop, o->store_jobs, &ops, h->o.period_ms);
    return h;
}

void health_free(struct health *h)
{
    if (!h)
        return;
    repeated_job_stop(&h->job);
    free(h);
}

uint64_t health_uptime_ms(const struct health *h)
{
    return time_monotonic_ms() - h->born_ms;
}

int64_t health_started_at_ms(const struct health *h)
{
    return h->started_at_ms;
}

bool health_is_serving(const struct health *h)
{
    return db_state(h->o.store) == 0;
}

static bool is_queue_long(const struct health *h)
{
    return job_queue_pending(h->o.store_jobs) > h->o.max_waiting / 2;
}

struct agents {
    size_t n_online, n_total;
};

static struct agents count_agents(const struct health *h)
{
    struct agents n = {0};

    map_foreach(fleet_hosts(h->o.fleet), e) {
        const struct fleet_host *host = e->value;

        if (host->agent.id) {
            n.n_total++;
            n.n_online += host->is_online;
        }
    }
    return n;
}

static int get_history_code(const struct health *h)
{
    return h->o.history ? history_state(h->o.history).code : 0;
}

static json_t *make_history_json(const struct health *h)
{
    struct history_state state = {0};

    if (h->o.history)
        state = history_state(h->o.history);
    return json_pack("{s:s, s:I, s:I}", "status",
                     h->o.history ? health_history_name(&state) : "off", "dropped",
                     (json_int_t)state.n_dropped, "damaged", (json_int_t)state.n_damaged);
}

static const char *get_status(const struct health *h)
{
    return health_is_serving(h) && !is_queue_long(h) && get_history_code(h) == 0 ? "healthy"
                                                                                 : "degraded";
}

json_t *health_summary_json(const struct health *h)
{
    return json_pack("{s:o, s:s}", "status", json_text_str(get_status(h)), "service", "dockmon");
}

json_t *health_json(const struct health *h)
{
    struct agents agents = count_agents(h);
    int state = db_state(h->o.store); /* more recent than h->state */
    bool is_long = is_queue_long(h);
    char since[TIME_TEXT_SIZE];

    time_format_ms(state == h->state ? h->since_ms : time_utc_ms(), since);
    return json_pack("{s:o, s:s, s:s, s:I, s:{s:{s:s, s:o}, s:{s:s, s:I}, s:{s:I, s:I}, s:o}}",
                     "status", json_text_str(get_status(h)), "service", "dockmon", "version",
                     DOCKMON_VERSION, "uptime_seconds", (json_int_t)(health_uptime_ms(h) / 1000),
                     "components", "database", "status", health_state_name(state), "since",
                     json_text_str(since), "store_queue", "status", is_long ? "long" : "ok",
                     "waiting", (json_int_t)job_queue_pending(h->o.store_jobs), "agents", "online",
                     (json_int_t)agents.n_online, "total", (json_int_t)agents.n_total, "history",
                     make_history_json(h));
}

void health_describe(const struct health *h, char *ret, size_t capacity)
{
    struct agents agents = count_agents(h);

    (void)snprintf(ret, capacity, "%zu of %zu agents online, database %s", agents.n_online,
                   agents.n_total, health_state_name(db_state(h->o.store)));
}
