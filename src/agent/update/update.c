#include "agent/update/update_internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define INSPECT_MS    15000
#define LOOK_AGAIN_MS 2000
#define MAX_TIMEOUTS  3 /* of acts; then the engine is not asked to go on */
#define PROBATION_MS  (10 * MINUTE_MS)
#define MAX_TEXT      1024

struct update *update_new(const struct update_options *o, struct journal_record *r, json_t *auth)
{
    struct update *u = xcalloc(1, sizeof(*u));

    u->o = *o;
    u->r = r;
    u->auth = auth;
    return u;
}

/* Ends what waits for the engine. */
static void cancel_waits(struct update *u)
{
    loop_timer_stop(&u->timer);
    engine_call_cancel(TAKE_PTR(u->call));
    update_prepare_cancel(u);
    gate_free(TAKE_PTR(u->gate));
}

void update_free(struct update *u)
{
    if (!u)
        return;
    cancel_waits(u);
    json_decref(u->auth);
    journal_record_free(u->r);
    free(u);
}

const struct journal_record *update_get_record(const struct update *u)
{
    return u->r;
}

bool update_is_running(const struct update *u)
{
    return u->r->state == UPDATE_RUNNING;
}

bool update_concerns(const struct update *u, const char *container)
{
    for (size_t i = 0; i < u->r->n_members; i++) {
        const struct update_member *m = &u->r->members[i];

        if (str_eq(m->id, container) || str_eq(m->new_id, container) || str_eq(m->name, container))
            return true;
    }
    return false;
}

struct update_member *update_at(struct update *u)
{
    return &u->r->members[u->r->member];
}

static int start_call(struct update *u, struct engine_request *request)
{
    struct error err = ERROR_INIT;
    int r;

    assert(!u->call);
    request->owner = u;
    r = engine_call_start(&u->call, u->o.engine, request, &err);
    if (r < 0)
        log_warn(LOG_FIELDS("update", u->r->id), "cannot ask the engine: %s", err.msg);
    return r;
}

int update_ask(struct update *u,
               const char *method,
               char *path,
               json_t *body,
               uint64_t timeout_ms,
               engine_done_fn done)
{
    _cleanup_free_ char *own_path = path;
    _cleanup_free_ char *text = body ? json_text_write(body, NULL) : NULL;

    json_decref(body);
    return start_call(u, &(struct engine_request){.method = method,
                                                  .path = own_path,
                                                  .body = text,
                                                  .timeout_ms = timeout_ms,
                                                  .done = done});
}

int update_read(struct update *u, const char *path, engine_done_fn done)
{
    return start_call(
        u, &(struct engine_request){
               .path = path, .wants_json = true, .timeout_ms = INSPECT_MS, .done = done});
}

void update_inspect(struct update *u, const char *container, engine_done_fn done)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s/json", container);

    if (update_read(u, path, done) < 0)
        update_suspend(u);
}

/* --- the record --- */

static int save(struct update *u, struct error *err)
{
    u->r->step_at = time_utc_ms();
    return journal_save(u->o.journal, u->r, err);
}

static void save_or_warn(struct update *u)
{
    struct error err = ERROR_INIT;

    if (save(u, &err) < 0) {
        log_error(LOG_FIELDS("update", u->r->id), "cannot store the record of an update: %s",
                  err.msg);
    }
}

/* --- the end --- */

/* The plans are large, and nothing needs them once the new containers have passed. */
static void drop_plans(struct journal_record *r)
{
    for (size_t i = 0; i < r->n_members; i++) {
        struct update_member *m = &r->members[i];

        if (m->is_auto_remove)
            continue;
        json_decref(TAKE_PTR(m->create));
        json_decref(TAKE_PTR(m->connect));
        json_decref(TAKE_PTR(m->source));
    }
}

void update_end(struct update *u, enum update_state state)
{
    struct journal_record *r = u->r;

    cancel_waits(u);
    r->state = state;
    r->ended_at = time_utc_ms();
    drop_plans(r);
    save_or_warn(u);
    journal_release(u->o.journal, r->id);
    if (r->error) {
        log_warn(LOG_FIELDS("update", r->id, "container", r->members[0].name), "update %s: %s",
                 update_state_name(state), r->error);
    } else {
        log_info(
            LOG_FIELDS("update", r->id, "container", r->members[0].name, "image", r->new_image),
            "update %s", update_state_name(state));
    }
    u->o.changed(u->o.owner, u);
    u->o.ended(u->o.owner, u);
}

static bool has_old(const struct journal_record *r)
{
    for (size_t i = 0; i < r->n_members; i++) {
        if (!r->members[i].is_restart && r->members[i].facts.has_old)
            return true;
    }
    return false;
}

static void commit(struct update *u)
{
    struct journal_record *r = u->r;
    int64_t now = time_utc_ms();

    r->probation_until = r->members[0].is_running ? now + PROBATION_MS : 0;
    r->expires_at = now + r->keep_ms;
    update_end(u, has_old(r) ? UPDATE_KEPT : UPDATE_DONE);
}

/* --- failure --- */

static void set_error(struct journal_record *r, enum error_code code, const char *text)
{
    if (r->error)
        return; /* the first one is the cause */
    r->error = xstrdup(text);
    r->error_code = xstrdup(error_code_name(code));
}

static bool has_changed_nothing(const struct journal_record *r)
{
    return r->step <= STEP_PREPARE;
}

static void begin_undo(struct update *u)
{
    cancel_waits(u);
    u->n_failed = 0;
    u->r->is_undoing = true;
    u->r->step = STEP_UNDO_STOP;
    u->r->member = 0;
    save_or_warn(u);
    u->o.changed(u->o.owner, u);
    update_proceed(u);
}

/* Leaves the containers as they are, with a text that describes them. */
static void give_up(struct update *u, const char *text)
{
    struct journal_record *r = u->r;
    _cleanup_free_ char *first = TAKE_PTR(r->error);

    free(r->error_code);
    r->error_code = xstrdup(error_code_name(CODE_ROLLBACK_FAILED));
    r->error = xasprintf("%s%sthe rollback failed: %s", first ? first : "", first ? "; " : "",
                         text);
    update_end(u, UPDATE_FAILED);
}

void update_fail(struct update *u, enum error_code code, const char *fmt, ...)
{
    char text[MAX_TEXT];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    str_mend(text);
    if (u->r->is_undoing) {
        give_up(u, text);
        return;
    }
    set_error(u->r, code, text);
    if (has_changed_nothing(u->r)) {
        update_end(u, u->r->is_cancelled ? UPDATE_CANCELLED : UPDATE_FAILED);
        return;
    }
    begin_undo(u);
}

static void on_look_again(struct loop_timer *t)
{
    update_look(CONTAINER_OF(t, struct update, timer));
}

void update_suspend(struct update *u)
{
    cancel_waits(u);
    loop_timer_start(engine_loop(u->o.engine), &u->timer, LOOK_AGAIN_MS, on_look_again);
}

/* --- the way --- */

/* The next member that needs the step; NULL: none. */
static struct update_member *find_next(struct update *u, const struct update_act *act)
{
    struct journal_record *r = u->r;

    for (size_t i = 0; i < r->n_members; i++) {
        size_t at = act->is_reverse ? r->n_members - 1 - i : i;

        if (!act->is_done(u, &r->members[at])) {
            r->member = (int64_t)at;
            return &r->members[at];
        }
    }
    return NULL;
}

static bool can_cancel(const struct journal_record *r)
{
    return r->state == UPDATE_RUNNING && !r->is_undoing && r->step < STEP_COMMIT;
}

static void enter(struct update *u, enum update_step step)
{
    u->r->step = step;
    u->n_failed = 0;
}

static void begin_act(struct update *u, const struct update_act *act, struct update_member *m)
{
    struct error err = ERROR_INIT;
    int r = save(u, &err);

    u->o.changed(u->o.owner, u);
    if (r < 0 && !u->r->is_undoing) {
        update_fail(u, CODE_STORAGE_FULL, "store the record of the update: %s", err.msg);
        return;
    }
    act->begin(u, m);
}

static void finish_undo(struct update *u)
{
    struct journal_record *r = u->r;

    if (!r->members[0].facts.has_old) {
        give_up(u, "the old container does not exist any more, so the new one stays");
        return;
    }
    update_end(u, r->is_cancelled ? UPDATE_CANCELLED : UPDATE_ROLLED_BACK);
}

void update_proceed(struct update *u)
{
    for (;;) {
        const struct update_act *act = update_act(u->r->step);
        struct update_member *m;

        if (u->r->is_cancelled && can_cancel(u->r)) {
            update_fail(u, CODE_CONFLICT, "cancelled by a user");
            return;
        }
        if (!act)
            break;
        m = find_next(u, act);
        if (m) {
            begin_act(u, act, m);
            return;
        }
        enter(u, act->next);
    }
    assert(u->r->step == STEP_COMMIT || u->r->step == STEP_UNDONE);
    if (u->r->step == STEP_COMMIT) {
        commit(u);
    } else {
        finish_undo(u);
    }
}

/* --- after an interruption --- */

static bool has_all_new(const struct journal_record *r)
{
    for (size_t i = 0; i < r->n_members; i++) {
        if (!r->members[i].is_restart && !r->members[i].facts.has_new)
            return false;
    }
    return true;
}

/* The old one was removed by the engine when it stopped, so the only good way is forward. */
static bool is_past_return(const struct journal_record *r)
{
    return r->members[0].is_auto_remove && !r->members[0].facts.has_old;
}

/*
 * Before anything was renamed, an interrupted update is undone: the old container was disturbed for
 * a moment at most. Afterwards it goes on. So it does while it stops the old one: the engine may
 * still be about to, and would stop one that a rollback has found running. A second stop ends after
 * the first.
 */
void update_decide(struct update *u)
{
    struct journal_record *r = u->r;

    if (r->is_undoing) {
        enter(u, STEP_UNDO_STOP);
        update_proceed(u);
        return;
    }
    if (u->n_timeouts >= MAX_TIMEOUTS) {
        update_fail(u, CODE_TIMEOUT, "the engine has not answered in time, %u times",
                    u->n_timeouts);
        return;
    }
    if (r->step == STEP_STOP && has_all_new(r) && !is_past_return(r)) {
        update_proceed(u);
        return;
    }
    if (!has_all_new(r) || (r->step < STEP_SET_ASIDE && !is_past_return(r))) {
        set_error(r, CODE_UNAVAILABLE,
                  "interrupted: the agent or its engine has stopped meanwhile");
        begin_undo(u);
        return;
    }
    enter(u, STEP_SET_ASIDE);
    update_proceed(u);
}

/* --- from outside --- */

void update_start(struct update *u)
{
    struct error err = ERROR_INIT;

    u->r->state = UPDATE_RUNNING;
    u->r->step = STEP_PREPARE;
    if (journal_reserve(u->o.journal, u->r->id, &err) < 0 || save(u, &err) < 0) {
        update_fail(u, CODE_STORAGE_FULL, "nothing was changed: %s", err.msg);
        return;
    }
    u->o.changed(u->o.owner, u);
    update_prepare(u);
}

void update_resume(struct update *u)
{
    if (has_changed_nothing(u->r)) {
        update_fail(u, CODE_UNAVAILABLE,
                    "interrupted before anything was changed: the agent has stopped meanwhile");
        return;
    }
    update_look(u);
}

int update_roll_back(struct update *u, struct error *err)
{
    struct journal_record *r = u->r;

    if (r->state == UPDATE_RUNNING)
        return error_code_set(err, CODE_UPDATE_IN_PROGRESS, "the update still runs: cancel it");
    if (r->state != UPDATE_KEPT && !(r->state == UPDATE_FAILED && r->is_undoing)) {
        return error_code_set(err, CODE_UPDATE_TOO_LATE,
                              "there is nothing to return to: the update is %s",
                              update_state_name(r->state));
    }
    free(TAKE_PTR(r->error));
    free(TAKE_PTR(r->error_code));
    r->state = UPDATE_RUNNING;
    r->is_undoing = true;
    r->is_cancelled = false;
    r->probation_until = r->expires_at = r->ended_at = 0;
    enter(u, STEP_UNDO_STOP);
    r->member = 0;
    if (save(u, err) < 0)
        log_warn(LOG_FIELDS("update", r->id), "cannot store the record of an update: %s", err->msg);
    u->o.changed(u->o.owner, u);
    update_look(u);
    return 0;
}

static void on_cancel(struct loop_timer *t)
{
    update_proceed(CONTAINER_OF(t, struct update, timer));
}

/* The reply to a request that was sent comes first. */
int update_cancel(struct update *u, struct error *err)
{
    if (!can_cancel(u->r)) {
        return error_code_set(
            err, CODE_UPDATE_TOO_LATE, "it is too late to cancel: the update is %s",
            u->r->is_undoing ? "being rolled back" : update_state_name(u->r->state));
    }
    u->r->is_cancelled = true;
    if (u->r->step <= STEP_PREPARE || u->gate) {
        cancel_waits(u);
        loop_timer_start(engine_loop(u->o.engine), &u->timer, 0, on_cancel);
    }
    return 0;
}

void update_fail_probation(struct update *u, const char *why)
{
    struct journal_record *r = u->r;

    r->has_failed_probation = true;
    free(r->error);
    r->error = xasprintf("%s was updated, but %s; it can be rolled back", r->members[0].name, why);
    log_warn(LOG_FIELDS("update", r->id), "%s", r->error);
    save_or_warn(u);
    u->o.changed(u->o.owner, u);
}
