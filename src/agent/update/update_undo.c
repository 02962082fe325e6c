/*
 * The acts of a rollback: each leaves the old containers as they were before the update.
 */

#include "agent/update/update_internal.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>

/* --- undo --- */

/*
 * Without the old container there is nothing to return to, unless it was one that the engine
 * removes: that one is created again. The new one is all that is left then, and stays.
 */
static bool can_return(const struct update_member *m)
{
    return m->facts.has_old || (m->is_auto_remove && m->create);
}

static bool undo_stop_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return m->is_restart || !m->facts.is_new_running || !can_return(m);
}

static void on_undo_stopped(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;

    u->call = NULL;
    if (reply->code < 0 && reply->code != -ENOENT) {
        update_retry_or_fail(u, reply, "stop the new container of");
        return;
    }
    update_at(u)->facts.is_new_running = false;
    update_proceed(u);
}

static void begin_undo_stop(struct update *u, struct update_member *m)
{
    update_ask_stop(u, m->new_id, on_undo_stopped);
}

static bool undo_remove_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return m->is_restart || !m->facts.has_new || !can_return(m);
}

static void on_undo_removed(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);

    u->call = NULL;
    if (reply->code < 0 && reply->code != -ENOENT) {
        update_retry_or_fail(u, reply, "remove the new container of");
        return;
    }
    m->facts.has_new = m->facts.is_installed = m->facts.is_new_running = false;
    update_proceed(u);
}

/*
 * Volumes of one that never ran hold nothing of anybody. Podman would remove those of the old one,
 * too.
 */
static void begin_undo_remove(struct update *u, struct update_member *m)
{
    bool has_volumes = !m->facts.was_started && !engine_is_podman(u->o.engine);

    update_act_ask(u, "DELETE", xasprintf("/containers/%s?force=1&v=%d", m->new_id, has_volumes),
                   NULL, on_undo_removed);
}

static bool undo_name_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    if (m->is_restart)
        return true;
    return can_return(m) ? m->facts.has_old && !m->facts.is_aside : m->facts.is_installed;
}

static void on_undo_named(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);

    u->call = NULL;
    if (reply->code < 0) {
        update_retry_or_fail(u, reply, "give back the name");
        return;
    }
    if (m->facts.has_old) {
        m->facts.is_aside = false;
    } else {
        m->facts.is_installed = true;
    }
    update_proceed(u);
}

/* One that the engine had removed exists again, as another container. */
static void on_returned(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);
    json_auto_t *answer = NULL;
    const char *id;

    u->call = NULL;
    if (reply->code < 0) {
        update_retry_or_fail(u, reply, "create again the container");
        return;
    }
    answer = update_parse_created(reply, &id);
    if (!answer) {
        update_fail(u, CODE_BAD_REPLY, "the engine has created %s without telling its id", m->name);
        return;
    }
    free(m->id);
    m->id = xstrdup(id);
    m->facts = (struct member_facts){.has_old = true};
    update_proceed(u);
}

static void begin_undo_name(struct update *u, struct update_member *m)
{
    json_t *body;

    if (m->facts.has_old || !can_return(m)) {
        update_ask_rename(u, m->facts.has_old ? m->id : m->new_id, m->name, on_undo_named);
        return;
    }
    body = update_make_body(u, m);
    if (m == &u->r->members[0])
        json_text_set(body, "Image", json_text_str(u->r->image_id));
    update_act_ask(u, "POST", update_make_create_path(m, m->name), body, on_returned);
}

static bool undo_connect_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return !m->is_auto_remove || !m->facts.has_old || m->facts.is_old_running || m->is_restart ||
           !update_find_unconnected(m);
}

static bool undo_policy_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return !update_has_own_policy(m) || !m->facts.has_old || !m->facts.is_policy_off;
}

static void on_policy_back(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;

    u->call = NULL;
    if (reply->code < 0) {
        update_retry_or_fail(u, reply, "restore the restart policy of");
        return;
    }
    update_at(u)->facts.is_policy_off = false;
    update_proceed(u);
}

static void begin_undo_policy(struct update *u, struct update_member *m)
{
    update_set_policy(u, m, json_incref(m->policy), on_policy_back);
}

static bool undo_start_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    if (!m->is_running)
        return true;
    return can_return(m) || m->is_restart ? m->facts.is_old_running : m->facts.is_new_running;
}

static void on_undo_started(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);

    u->call = NULL;
    if (reply->code < 0) {
        update_retry_or_fail(u, reply, "start again the container");
        return;
    }
    if (m->facts.has_old) {
        m->facts.is_old_running = true;
    } else {
        m->facts.is_new_running = true;
    }
    update_proceed(u);
}

static void begin_undo_start(struct update *u, struct update_member *m)
{
    update_act_ask(u, "POST",
                   xasprintf("/containers/%s/start", m->facts.has_old ? m->id : m->new_id), NULL,
                   on_undo_started);
}

const struct update_act update_act_undo_stop = {true, undo_stop_is_done, begin_undo_stop,
                                                STEP_UNDO_REMOVE};
const struct update_act update_act_undo_remove = {true, undo_remove_is_done, begin_undo_remove,
                                                  STEP_UNDO_NAME};
const struct update_act update_act_undo_name = {false, undo_name_is_done, begin_undo_name,
                                                STEP_UNDO_CONNECT};
const struct update_act update_act_undo_connect = {false, undo_connect_is_done,
                                                   update_begin_connect, STEP_UNDO_POLICY};
const struct update_act update_act_undo_policy = {false, undo_policy_is_done, begin_undo_policy,
                                                  STEP_UNDO_START};
const struct update_act update_act_undo_start = {false, undo_start_is_done, begin_undo_start,
                                                 STEP_UNDONE};
