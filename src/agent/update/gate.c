#include "agent/update/gate.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"

#include <stdio.h>

#define MAX_OUTPUT 160 /* bytes of the output of a probe in a reason */
/* Podman lists a container that is about to be restarted as exited for a moment. */
#define MAX_DOWN_MS 5000

struct gate {
    struct gate_options o;
    bool has_looked;
    int64_t last_ms;     /* time of the last call */
    uint64_t total_ms;   /* since the first call */
    uint64_t up_ms;      /* since the present start was seen */
    uint64_t down_ms;    /* since it was seen exited, while a restart is expected */
    char started_at[64]; /* StartedAt of the present start */
    int64_t n_restarts;
    char reason[401];
};

struct gate *gate_new(const struct gate_options *o)
{
    struct gate *g = xcalloc(1, sizeof(*g));

    g->o = *o;
    if (g->o.health_timeout_ms == 0)
        g->o.health_timeout_ms = GATE_HEALTH_TIMEOUT_MS;
    if (g->o.stays_up_ms == 0)
        g->o.stays_up_ms = GATE_STAYS_UP_MS;
    return g;
}

void gate_free(struct gate *g)
{
    free(g);
}

/* A duration of the engine in ms; 0 and nonsense give the default. */
static uint64_t get_duration_ms(const json_t *check, const char *key, uint64_t default_ms)
{
    json_int_t ns = json_integer_value(json_object_get(check, key));
    uint64_t ms;

    if (ns <= 0)
        return default_ms;
    ms = (uint64_t)ns / (uint64_t)NS_PER_MS;
    return ms < GATE_MAX_GRACE_MS ? ms : GATE_MAX_GRACE_MS;
}

uint64_t gate_grace_ms(const json_t *config)
{
    const json_t *check = json_object_get(config, "Healthcheck");
    json_int_t retries = json_integer_value(json_object_get(check, "Retries"));
    uint64_t grace;

    if (retries <= 0)
        retries = 3;
    if (retries > 1000)
        retries = 1000;
    grace = get_duration_ms(check, "StartPeriod", 0) +
            (uint64_t)retries * (get_duration_ms(check, "Interval", 30000) +
                                 get_duration_ms(check, "Timeout", 30000));
    if (grace < GATE_MIN_GRACE_MS)
        grace = GATE_MIN_GRACE_MS;
    return grace < GATE_MAX_GRACE_MS ? grace : GATE_MAX_GRACE_MS;
}

static const json_t *get_state(const json_t *inspect)
{
    return json_object_get(inspect, "State");
}

static bool is_set(const json_t *inspect, const char *key)
{
    return json_is_true(json_object_get(get_state(inspect), key));
}

static bool has_status(const json_t *inspect, const char *status)
{
    return str_eq(json_text_get(get_state(inspect), "Status"), status);
}

/* "starting", "healthy", "unhealthy"; NULL: the engine does not check it. */
static const char *get_health(const json_t *inspect)
{
    const json_t *state = get_state(inspect), *health = json_object_get(state, "Health");
    const char *status;

    if (!json_is_object(health))
        health = json_object_get(state, "Healthcheck"); /* of older versions of Podman */
    status = json_text_get(health, "Status");
    return str_is_empty(status) || str_eq(status, "none") ? NULL : status;
}

static int64_t get_restarts(const json_t *inspect)
{
    return json_integer_value(json_object_get(inspect, "RestartCount"));
}

static void count_time(struct gate *g, const json_t *inspect, int64_t now_ms)
{
    const char *started_at = json_text_get(get_state(inspect), "StartedAt");
    int64_t n = get_restarts(inspect), step = g->has_looked ? now_ms - g->last_ms : 0;

    step = step < 0 ? 0 : step > GATE_MAX_STEP_MS ? GATE_MAX_STEP_MS : step;
    g->total_ms += (uint64_t)step;
    g->down_ms += (uint64_t)step;
    g->up_ms += (uint64_t)step;
    if (!g->has_looked || n != g->n_restarts ||
        !str_eq(started_at ? started_at : "", g->started_at) || !is_set(inspect, "Running") ||
        is_set(inspect, "Restarting") || is_set(inspect, "Paused"))
        g->up_ms = 0;
    if (is_set(inspect, "Running") || n != g->n_restarts)
        g->down_ms = 0;
    str_copy(g->started_at, sizeof(g->started_at), started_at ? started_at : "");
    g->n_restarts = n;
    g->last_ms = now_ms;
    g->has_looked = true;
}

static uint64_t get_grace(const struct gate *g, const json_t *inspect)
{
    uint64_t grace = gate_grace_ms(json_object_get(inspect, "Config"));

    return grace > g->o.grace_ms ? grace : g->o.grace_ms;
}

static enum gate_verdict fail(struct gate *g, const char *fmt, ...) _printf_(2, 3);
static enum gate_verdict fail(struct gate *g, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(g->reason, sizeof(g->reason), fmt, ap);
    va_end(ap);
    for (char *c = g->reason; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == '\x7f')
            *c = ' ';
    }
    str_mend(g->reason);
    return GATE_FAIL;
}

/* The output of the last probe, which explains the state best. "": none. */
static const char *get_output(const json_t *inspect)
{
    const json_t *log = json_object_get(json_object_get(get_state(inspect), "Health"), "Log");
    size_t n = json_array_size(log);
    const char *output = n > 0 ? json_text_get(json_array_get(log, n - 1), "Output") : NULL;

    return output ? output : "";
}

static enum gate_verdict judge_health(struct gate *g, const json_t *inspect)
{
    const char *health = get_health(inspect), *output = get_output(inspect);
    uint64_t grace = get_grace(g, inspect);
    uint64_t deadline = g->o.health_timeout_ms > grace ? g->o.health_timeout_ms : grace;
    bool is_up = has_status(inspect, "running");

    if (is_up && str_eq(health, "healthy"))
        return GATE_PASS;
    if (str_eq(health, "unhealthy") && g->total_ms >= grace) {
        return fail(g, "it is unhealthy after %llu s%s%.*s",
                    (unsigned long long)(g->total_ms / 1000), *output ? ": " : "",
                    STR_CUT(output, MAX_OUTPUT));
    }
    if (g->total_ms >= deadline) {
        return fail(g, "its health is \"%.*s\" after %llu s%s%.*s", STR_CUT(health, 32),
                    (unsigned long long)(g->total_ms / 1000), *output ? ": " : "",
                    STR_CUT(output, MAX_OUTPUT));
    }
    return GATE_WAIT;
}

static bool stays_up(const json_t *inspect)
{
    (void)inspect;
    return true;
}

static enum gate_verdict judge_stay(struct gate *g, const json_t *inspect)
{
    uint64_t grace = get_grace(g, inspect);
    uint64_t deadline = g->o.health_timeout_ms > grace ? g->o.health_timeout_ms : grace;
    const char *status = json_text_get(get_state(inspect), "Status");

    if (g->up_ms >= g->o.stays_up_ms && is_set(inspect, "Running"))
        return GATE_PASS;
    if (g->total_ms >= deadline + g->o.stays_up_ms) {
        status = status ? status : "unknown";
        return fail(g, "it was not up for %llu s without a break, its state is \"%.*s\"",
                    (unsigned long long)(g->o.stays_up_ms / 1000), STR_CUT(status, 32));
    }
    return GATE_WAIT;
}

static bool has_health(const json_t *inspect)
{
    return get_health(inspect);
}

/* The sources of health; the first that applies decides. */
static const struct source {
    bool (*applies)(const json_t *inspect);
    enum gate_verdict (*judge)(struct gate *g, const json_t *inspect);
} sources[] = {
    {has_health, judge_health},
    {stays_up,   judge_stay  },
};

/* Whether the engine starts a container with this exit again by itself. */
static bool is_restart_due(const json_t *inspect, int64_t exit_code)
{
    const json_t *host = json_object_get(inspect, "HostConfig");
    const json_t *policy = json_object_get(host, "RestartPolicy");
    int64_t max = json_integer_value(json_object_get(policy, "MaximumRetryCount"));
    const char *name = json_text_get(policy, "Name");

    if (str_eq(name, "always") || str_eq(name, "unless-stopped"))
        return true;
    return str_eq(name, "on-failure") && exit_code != 0 &&
           (max <= 0 || get_restarts(inspect) < max);
}

static enum gate_verdict judge_exit(struct gate *g, const json_t *inspect)
{
    int64_t code = json_integer_value(json_object_get(get_state(inspect), "ExitCode"));
    const char *error = json_text_get(get_state(inspect), "Error");

    error = error ? error : "";
    if (is_restart_due(inspect, code)) {
        if (g->down_ms < MAX_DOWN_MS)
            return GATE_WAIT;
    } else if (code == 0) {
        return GATE_PASS;
    }
    return fail(g, "it exited with code %lld%s%s%.*s", (long long)code,
                is_set(inspect, "OOMKilled") ? ", out of memory" : "", *error ? ": " : "",
                STR_CUT(error, MAX_OUTPUT));
}

static enum gate_verdict judge_running(struct gate *g, const json_t *inspect)
{
    if (g->n_restarts > GATE_MAX_RESTARTS) {
        int64_t code = json_integer_value(json_object_get(get_state(inspect), "ExitCode"));

        return fail(g, "it is in a crash loop: %lld restarts, the last exit with code %lld",
                    (long long)g->n_restarts, (long long)code);
    }
    if (is_set(inspect, "Dead") || has_status(inspect, "removing"))
        return fail(g, "it is being removed");
    if (has_status(inspect, "exited") || has_status(inspect, "stopped"))
        return judge_exit(g, inspect);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (sources[i].applies(inspect))
            return sources[i].judge(g, inspect);
    }
    return GATE_WAIT;
}

enum gate_verdict gate_look(struct gate *g,
                            const json_t *inspect,
                            int64_t now_ms,
                            const char **ret_reason)
{
    enum gate_verdict verdict;

    if (!json_is_object(get_state(inspect))) {
        verdict = fail(g, "it does not exist any more");
    } else if (!g->o.was_running) {
        verdict = is_set(inspect, "Running") ? fail(g, "it runs, but was stopped before")
                                             : GATE_PASS;
    } else {
        count_time(g, inspect, now_ms);
        verdict = judge_running(g, inspect);
    }
    if (ret_reason && verdict == GATE_FAIL)
        *ret_reason = g->reason;
    return verdict;
}
