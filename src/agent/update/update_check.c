/*
 * Judges a new container by the health gate (gate.h): it is inspected until the gate decides.
 */

#include "agent/update/update_internal.h"
#include "base/time.h"
#include "proto/json_text.h"

#include <errno.h>

#define POLL_MS 1000

static int64_t read_time_ms(const json_t *state, const char *key)
{
    const char *text = json_text_get(state, key);
    int64_t ns;

    return text && time_parse_ns(text, &ns) == 0 ? ns / NS_PER_MS : 0;
}

static void on_inspected(void *owner, const struct engine_reply *reply);

static void on_poll(struct loop_timer *t)
{
    struct update *u = CONTAINER_OF(t, struct update, timer);

    update_inspect(u, update_at(u)->new_id, on_inspected);
}

static void pass(struct update *u, struct update_member *m, const json_t *inspect)
{
    const json_t *state = json_object_get(inspect, "State");
    int64_t started = read_time_ms(state, "StartedAt");

    if (m == &u->r->members[0] && u->stopped_ms > 0 && started >= u->stopped_ms)
        u->r->downtime_ms = started - u->stopped_ms;
    if (m == &u->r->members[0])
        u->r->restarts = json_integer_value(json_object_get(inspect, "RestartCount"));
    gate_free(TAKE_PTR(u->gate));
    m->is_checked = true;
    update_proceed(u);
}

static void on_inspected(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);
    const char *reason = NULL;

    u->call = NULL;
    if (reply->code == -ENOENT) {
        update_fail(u, CODE_NO_SUCH_CONTAINER, "the new container of %s was removed", m->name);
        return;
    }
    if (reply->code < 0) {
        update_suspend(u);
        return;
    }
    switch (gate_look(u->gate, reply->json, time_utc_ms(), &reason)) {
    case GATE_PASS: pass(u, m, reply->json); return;
    case GATE_FAIL: update_fail(u, CODE_NOT_HEALTHY, "%s: %s", m->name, reason); return;
    case GATE_WAIT: break;
    }
    loop_timer_start(engine_loop(u->o.engine), &u->timer, POLL_MS, on_poll);
}

void update_check(struct update *u, struct update_member *m)
{
    if (u->r->is_cancelled) {
        update_proceed(u);
        return;
    }
    gate_free(u->gate);
    u->gate = gate_new(&(struct gate_options){
        .health_timeout_ms = (uint64_t)u->r->health_timeout_ms,
        .stays_up_ms = (uint64_t)u->r->stays_up_ms,
        .was_running = m->is_running,
    });
    update_inspect(u, m->new_id, on_inspected);
}
