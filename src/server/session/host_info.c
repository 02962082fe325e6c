#include "server/session/session_internal.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/session/host_facts.h"

#define TIMEOUT_MS  30000
#define INTERVAL_MS (UINT64_C(60) * 60 * 1000)
#define SETTLE_MS   2000 /* an engine that has just started creates its networks */

/* The owner of a command. It holds the session's key: the session may end before the command. */
struct info_request {
    struct sessions *owner;
    char key[SESSION_KEY_SIZE];
};

struct info_job {
    struct sessions *owner;
    struct db *store;
    char *host_id;
    struct msg_register m; /* the facts only */
    int64_t now_ms;
    int code;
    struct error err;
};

/* Without addresses, those that are known stay. */
static bool has_same_addresses(const struct host *h, const struct msg_register *m)
{
    _cleanup_free_ char *ips = host_facts_ips(m);

    return str_eq(ips, "[]") || (h->host_ips && str_eq(ips, h->host_ips));
}

static bool is_same(const struct host *h, const struct msg_register *m)
{
    const struct {
        const char *is, *was;
    } texts[] = {
        {m->os_type,           h->os_type          },
        {m->os_version,        h->os_version       },
        {m->kernel_version,    h->kernel_version   },
        {m->docker_version,    h->docker_version   },
        {m->daemon_started_at, h->daemon_started_at},
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!str_is_empty(texts[i].is) && !str_eq(texts[i].is, texts[i].was))
            return false;
    }
    return has_same_addresses(h, m) &&
           (m->total_memory == 0 || m->total_memory == h->total_memory) &&
           (m->num_cpus == 0 || m->num_cpus == h->num_cpus);
}

/* The facts pass the checks of a register message, which has the same members. */
static int decode(const json_t *info, struct msg_register *ret, struct error *err)
{
    static const char *const names[] = {"os_type",           "os_version",   "kernel_version",
                                        "docker_version",    "total_memory", "num_cpus",
                                        "daemon_started_at", "host_ip",      "host_ips"};
    json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:{}}", "type", "register", "token", "none",
                          "engine_id", "none", "version", "", "proto_version", "", "capabilities");
    int r;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        json_t *member = json_object_get(info, names[i]);

        if (member && !(json_is_integer(member) && json_integer_value(member) == 0))
            (void)json_object_set(v, names[i], member);
    }
    r = msg_register_decode(v, ret, err);
    json_decref(v);
    return r;
}

static void store_work(void *owner)
{
    struct info_job *job = owner;
    _cleanup_(host_done) struct host row = {0};

    job->code = hosts_get(job->store, job->host_id, &row, &job->err);
    if (job->code < 0)
        return;
    host_facts_put(&row, &job->m, job->now_ms);
    job->code = hosts_update(job->store, &row, &job->err);
}

static void store_done(void *owner)
{
    struct info_job *job = owner;
    struct fleet_host *h = fleet_find_host(job->owner->o.fleet, job->host_id);

    if (job->code < 0) {
        log_warn(LOG_FIELDS("host", job->host_id), "cannot store the facts of the host: %s",
                 job->err.msg);
    } else if (h) {
        host_facts_put(&h->row, &job->m, job->now_ms);
        h->version++;
        fleet_notify_host(job->owner->o.fleet, h);
    }
    msg_register_done(&job->m);
    free(job->host_id);
    free(job);
}

static void take_info(struct session *se, const json_t *info)
{
    struct fleet_host *h = session_host(se);
    struct error err = ERROR_INIT;
    struct msg_register m = {0};
    struct info_job *job;

    if (!h)
        return;
    if (decode(info, &m, &err) < 0) {
        session_complain(se, "invalid system information:", err.msg);
        return;
    }
    if (is_same(&h->row, &m)) {
        msg_register_done(&m);
        return;
    }
    job = xcalloc(1, sizeof(*job));
    *job = (struct info_job){.owner = se->owner,
                             .store = se->owner->o.store,
                             .host_id = xstrdup(h->row.id),
                             .m = m,
                             .now_ms = time_utc_ms(),
                             .err = ERROR_INIT};
    if (job_submit(se->owner->o.store_jobs, job, store_work, store_done) < 0) {
        msg_register_done(&job->m); /* asked again in an hour */
        free(job->host_id);
        free(job);
    }
}

static void on_info(void *owner, const struct command_result *r)
{
    struct info_request *q = owner;
    struct session *se = sessions_find(q->owner, q->key);

    free(q);
    if (se && se->state == SESSION_ACTIVE && r->code == 0)
        take_info(se, r->result);
}

static void ask(struct loop_timer *t)
{
    struct session *se = CONTAINER_OF(t, struct session, info_timer);
    struct info_request *q = xcalloc(1, sizeof(*q));

    q->owner = se->owner;
    str_copy(q->key, sizeof(q->key), se->key);
    loop_timer_start(se->owner->o.loop, &se->info_timer, INTERVAL_MS, ask);
    command_start(se->owner->commands, &(struct command_request){
                                           .agent_id = se->agent_id,
                                           .operation = OPERATION_GET_SYSTEM_INFO,
                                           .payload = json_object(),
                                           .timeout_ms = TIMEOUT_MS,
                                           .is_routine = true,
                                           .done = on_info,
                                           .owner = q,
                                       });
}

void session_info_start(struct session *se)
{
    if (se->can_inventory)
        loop_timer_start(se->owner->o.loop, &se->info_timer, INTERVAL_MS, ask);
}

void session_info_soon(struct session *se)
{
    if (se->can_inventory)
        loop_timer_start(se->owner->o.loop, &se->info_timer, SETTLE_MS, ask);
}

void session_info_stop(struct session *se)
{
    loop_timer_stop(&se->info_timer);
}
