/*
 * Judges a new container: the first inspect after its start is compared with its plan
 * (difference.h), then it is inspected until the health gate (gate.h) decides.
 */

#include "agent/update/difference.h"
#include "agent/update/update_internal.h"
#include "base/alloc.h"
#include "base/time.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>

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

/* Describes the settings that the new container lacks, to be freed; NULL: it has all. */
static char *find_losses(const struct update *u,
                         const struct update_member *m,
                         const json_t *inspect)
{
    json_auto_t *body = update_make_body(u, m);
    json_auto_t *found = difference_find(&(struct difference_source){
        .before = json_object_get(m->source, "container"),
        .after = inspect,
        .create = body,
        .connect = m->connect,
        .new_config = json_object_get(m->source, "new_config"),
        .probe = json_object_get(m->source, "probe"),
        .is_podman = engine_is_podman(u->o.engine),
    });

    return json_array_size(found) > 0 ? difference_describe(found) : NULL;
}

static void judge(struct update *u, struct update_member *m, const json_t *inspect)
{
    const char *reason = NULL;

    switch (gate_look(u->gate, inspect, time_utc_ms(), &reason)) {
    case GATE_PASS: pass(u, m, inspect); return;
    case GATE_FAIL: update_fail(u, CODE_NOT_HEALTHY, "%s: %s", m->name, reason); return;
    case GATE_WAIT: break;
    }
    loop_timer_start(engine_loop(u->o.engine), &u->timer, POLL_MS, on_poll);
}

static void on_inspected(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);
    _cleanup_free_ char *losses = NULL;

    u->call = NULL;
    if (reply->code == -ENOENT) {
        update_fail(u, CODE_NO_SUCH_CONTAINER, "the new container of %s was removed", m->name);
        return;
    }
    if (reply->code < 0) {
        update_suspend(u);
        return;
    }
    if (!u->is_compared)
        losses = find_losses(u, m, reply->json);
    u->is_compared = true;
    if (losses) {
        update_fail(u, CODE_SETTINGS_LOST, "the new container of %s lacks settings: %s", m->name,
                    losses);
        return;
    }
    judge(u, m, reply->json);
}

void update_check(struct update *u, struct update_member *m)
{
    if (u->r->is_cancelled) {
        update_proceed(u);
        return;
    }
    u->is_compared = false;
    gate_free(u->gate);
    u->gate = gate_new(&(struct gate_options){
        .health_timeout_ms = (uint64_t)u->r->health_timeout_ms,
        .stays_up_ms = (uint64_t)u->r->stays_up_ms,
        .was_running = m->is_running,
    });
    update_inspect(u, m->new_id, on_inspected);
}
