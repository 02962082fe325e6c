/*
 * The table of the acts, what they have in common, and those that change the old container and
 * install the new one.
 */

#include "agent/update/update_internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/engine_error.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define ACT_MS        60000
#define STOP_EXTRA_MS 30000
#define MAX_STOP_S    600 /* of a container without a timeout of its own */
#define RETRY_MS      500
#define MAX_FAILED    6

static bool is_recreated(const struct update_member *m)
{
    return !m->is_restart;
}

static const char *get_policy(const struct update_member *m)
{
    const char *name = json_text_get(m->policy, "Name");

    return str_is_empty(name) ? "no" : name;
}

bool update_has_own_policy(const struct update_member *m)
{
    return is_recreated(m) && !m->is_auto_remove && !str_eq(get_policy(m), "no");
}

/* --- replies --- */

static void on_retry(struct loop_timer *t)
{
    update_proceed(CONTAINER_OF(t, struct update, timer));
}

/* A refusal may be a matter of a moment: the engine still removes or stops something. */
void update_retry_or_fail(struct update *u, const struct engine_reply *reply, const char *what)
{
    struct update_member *m = update_at(u);

    if (reply->status == 0) {
        u->n_timeouts += reply->code == -ETIMEDOUT;
        update_suspend(u);
        return;
    }
    if (++u->n_failed < MAX_FAILED && (u->r->is_undoing || reply->status == 409)) {
        loop_timer_start(engine_loop(u->o.engine), &u->timer, RETRY_MS, on_retry);
        return;
    }
    update_fail(u, engine_error_code(reply->code, reply->status, reply->message), "%s %s: %s", what,
                m->name, reply->message);
}

/* Sends the request of an act; a request that cannot be sent is an engine that does not answer. */
void update_act_ask(
    struct update *u, const char *method, char *path, json_t *body, engine_done_fn done)
{
    if (update_ask(u, method, path, body, ACT_MS, done) < 0)
        update_suspend(u);
}

/* --- restart policy --- */

static bool policy_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return !update_has_own_policy(m) || m->is_late_policy || m->is_policy_fixed ||
           m->facts.is_policy_off;
}

static bool late_policy_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return !update_has_own_policy(m) || m->is_policy_fixed || m->facts.is_policy_off ||
           !m->facts.has_old;
}

/*
 * Podman before 5 has no such request. Its containers are not started again by a daemon, so the old
 * one stays stopped until the host boots.
 */
static void skip_policy(struct update *u)
{
    log_warn(
        LOG_FIELDS("update", u->r->id, "container", update_at(u)->name),
        "this Podman cannot change the restart policy of a container: with `always` the old one "
        "would start with the host");
    update_at(u)->is_policy_fixed = true;
    update_proceed(u);
}

static void on_policy_off(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;

    u->call = NULL;
    if (reply->code == -ENOENT && engine_is_podman(u->o.engine)) {
        skip_policy(u);
        return;
    }
    if (reply->code < 0) {
        update_retry_or_fail(u, reply, "switch off the restart policy of");
        return;
    }
    update_at(u)->facts.is_policy_off = true;
    update_proceed(u);
}

void update_set_policy(struct update *u,
                       const struct update_member *m,
                       json_t *policy,
                       engine_done_fn done)
{
    json_t *body = json_object();

    json_text_set(body, "RestartPolicy", policy);
    update_act_ask(u, "POST", xasprintf("/containers/%s/update", m->id), body, done);
}

static void begin_policy(struct update *u, struct update_member *m)
{
    json_t *policy = json_object();

    json_text_set(policy, "Name", json_text_str("no"));
    update_set_policy(u, m, policy, on_policy_off);
}

/* --- stop --- */

static bool stop_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return !m->facts.is_old_running;
}

static void on_stopped(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);

    u->call = NULL;
    if (reply->code < 0 && !(reply->code == -ENOENT && m->is_auto_remove)) {
        update_retry_or_fail(u, reply, "stop");
        return;
    }
    m->facts.is_old_running = false;
    if (m->is_auto_remove)
        m->facts.has_old = false;
    if (m == &u->r->members[0])
        u->stopped_ms = time_utc_ms();
    update_proceed(u);
}

void update_ask_stop(struct update *u, const char *id, engine_done_fn done)
{
    int64_t s = u->r->stop_timeout_s;
    char *path = s < 0 ? xasprintf("/containers/%s/stop", id)
                       : xasprintf("/containers/%s/stop?t=%lld", id, (long long)s);
    uint64_t limit_s = (uint64_t)(s < 0 ? MAX_STOP_S : s);

    if (update_ask(u, "POST", path, NULL, limit_s * 1000 + STOP_EXTRA_MS, done) < 0)
        update_suspend(u);
}

static void begin_stop(struct update *u, struct update_member *m)
{
    update_ask_stop(u, m->id, on_stopped);
}

/* --- names --- */

void update_ask_rename(struct update *u, const char *id, const char *name, engine_done_fn done)
{
    update_act_ask(u, "POST", xasprintf("/containers/%s/rename?name=%s", id, name), NULL, done);
}

static bool set_aside_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return m->is_restart || !m->facts.has_old || m->facts.is_aside;
}

static void on_set_aside(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;

    u->call = NULL;
    if (reply->code < 0) {
        update_retry_or_fail(u, reply, "rename");
        return;
    }
    update_at(u)->facts.is_aside = true;
    update_proceed(u);
}

static void begin_set_aside(struct update *u, struct update_member *m)
{
    _cleanup_free_ char *name = update_member_name(u->r, m, PLAN_SUFFIX_OLD);

    update_ask_rename(u, m->id, name, on_set_aside);
}

static bool install_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return m->is_restart || m->facts.is_installed;
}

static void on_installed(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;

    u->call = NULL;
    if (reply->code < 0) {
        update_retry_or_fail(u, reply, "give the new container the name");
        return;
    }
    update_at(u)->facts.is_installed = true;
    update_proceed(u);
}

static void begin_install(struct update *u, struct update_member *m)
{
    update_ask_rename(u, m->new_id, m->name, on_installed);
}

/* --- start and check --- */

static bool start_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return m->is_restart ? !m->is_running || m->facts.is_old_running : m->is_checked;
}

static void on_started(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);

    u->call = NULL;
    if (reply->code < 0) {
        update_retry_or_fail(u, reply, "start");
        return;
    }
    if (m->is_restart) {
        m->facts.is_old_running = true;
        update_proceed(u);
        return;
    }
    m->facts.is_new_running = m->facts.was_started = true;
    update_check(u, m);
}

static void begin_start(struct update *u, struct update_member *m)
{
    if (!m->is_restart && (!m->is_running || m->facts.is_new_running)) {
        update_check(u, m);
        return;
    }
    update_act_ask(u, "POST", xasprintf("/containers/%s/start", m->is_restart ? m->id : m->new_id),
                   NULL, on_started);
}

const struct update_act update_act_policy = {true, policy_is_done, begin_policy, STEP_STOP};
const struct update_act update_act_stop = {true, stop_is_done, begin_stop, STEP_LATE_POLICY};
const struct update_act update_act_late_policy = {true, late_policy_is_done, begin_policy,
                                                  STEP_SET_ASIDE};
const struct update_act update_act_set_aside = {false, set_aside_is_done, begin_set_aside,
                                                STEP_INSTALL};
const struct update_act update_act_install = {false, install_is_done, begin_install, STEP_START};
const struct update_act update_act_start = {false, start_is_done, begin_start, STEP_COMMIT};

static const struct update_act *const acts[UPDATE_STEPS] = {
    [STEP_CREATE] = &update_act_create,           [STEP_CONNECT] = &update_act_connect,
    [STEP_POLICY] = &update_act_policy,           [STEP_STOP] = &update_act_stop,
    [STEP_LATE_POLICY] = &update_act_late_policy, [STEP_SET_ASIDE] = &update_act_set_aside,
    [STEP_INSTALL] = &update_act_install,         [STEP_START] = &update_act_start,
    [STEP_UNDO_STOP] = &update_act_undo_stop,     [STEP_UNDO_REMOVE] = &update_act_undo_remove,
    [STEP_UNDO_NAME] = &update_act_undo_name,     [STEP_UNDO_CONNECT] = &update_act_undo_connect,
    [STEP_UNDO_POLICY] = &update_act_undo_policy, [STEP_UNDO_START] = &update_act_undo_start,
};

const struct update_act *update_act(enum update_step step)
{
    return acts[step];
}
