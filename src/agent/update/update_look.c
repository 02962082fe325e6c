/*
 * Reads the containers of an update: asks the engine for the old and the new container of each member, and
 * fills the facts. Until the engine answers it is asked again and again: whatever was begun has to
 * be completed or undone.
 */

#include "agent/update/update_internal.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void look_at_old(struct update *u);

static struct update_member *get_member(struct update *u)
{
    return &u->r->members[u->look_at];
}

/* One that the engine starts again and again, or that is paused, has to be stopped, too. */
static bool is_active(const json_t *inspect)
{
    const json_t *state = json_object_get(inspect, "State");

    return json_is_true(json_object_get(state, "Running")) ||
           json_is_true(json_object_get(state, "Restarting")) ||
           json_is_true(json_object_get(state, "Paused"));
}

static bool has_name(const json_t *inspect, const char *name)
{
    const char *own = json_text_get(inspect, "Name");

    return own && str_eq(own + (own[0] == '/'), name);
}

static bool was_started(const json_t *inspect)
{
    const char *at = json_text_get(json_object_get(inspect, "State"), "StartedAt");

    return !str_is_empty(at) && !str_starts_with(at, "0001-01-01");
}

static void take_old(struct update *u, const json_t *inspect)
{
    struct update_member *m = get_member(u);
    _cleanup_free_ char *aside = update_member_name(u->r, m, PLAN_SUFFIX_OLD);
    const json_t *policy = json_object_get(json_object_get(inspect, "HostConfig"), "RestartPolicy");
    const char *policy_name = json_text_get(policy, "Name");

    m->facts.has_old = true;
    m->facts.is_old_running = is_active(inspect);
    m->facts.is_aside = has_name(inspect, aside);
    m->facts.is_policy_off = str_is_empty(policy_name) || str_eq(policy_name, "no");
}

/* A container without the label is a stranger that has the name by chance. */
static void take_new(struct update *u, const json_t *inspect)
{
    struct update_member *m = get_member(u);
    const json_t *labels = json_object_get(json_object_get(inspect, "Config"), "Labels");
    json_t *networks = json_object_get(json_object_get(inspect, "NetworkSettings"), "Networks");
    const char *id = json_text_get(inspect, "Id");

    if (!str_eq(json_text_get(labels, PLAN_LABEL), u->r->id) || !id ||
        !str_is_hex(id, CONTAINER_ID_LEN))
        return;
    if (!str_eq(m->new_id, id)) {
        free(m->new_id);
        m->new_id = xstrdup(id);
    }
    m->facts.has_new = true;
    m->facts.is_new_running = is_active(inspect);
    m->facts.is_installed = has_name(inspect, m->name);
    m->facts.was_started = was_started(inspect);
    json_decref(m->facts.connected);
    m->facts.connected = json_is_object(networks) ? json_incref(networks) : NULL;
}

/* Whether the engine has answered: with a container, or that there is none. */
static bool has_answered(struct update *u, const struct engine_reply *reply)
{
    if (reply->code == 0 || reply->code == -ENOENT)
        return true;
    log_debug(LOG_FIELDS("update", u->r->id), "the engine cannot be asked yet: %s", reply->message);
    update_suspend(u);
    return false;
}

static void look_at_next(struct update *u)
{
    if (++u->look_at < u->r->n_members) {
        look_at_old(u);
    } else {
        update_decide(u);
    }
}

static void on_new(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;

    u->call = NULL;
    if (!has_answered(u, reply))
        return;
    if (reply->json)
        take_new(u, reply->json);
    look_at_next(u);
}

static void on_old(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct update_member *m = get_member(u);
    _cleanup_free_ char *name = NULL;

    u->call = NULL;
    if (!has_answered(u, reply))
        return;
    if (reply->json)
        take_old(u, reply->json);
    if (m->is_restart) {
        look_at_next(u);
        return;
    }
    /* Killed after the engine created it, and before its id was stored. */
    if (!m->new_id)
        name = update_member_name(u->r, m, PLAN_SUFFIX_NEW);
    update_inspect(u, m->new_id ? m->new_id : name, on_new);
}

static void look_at_old(struct update *u)
{
    struct update_member *m = get_member(u);

    json_decref(m->facts.connected);
    m->facts = (struct member_facts){0};
    update_inspect(u, m->id, on_old);
}

void update_look(struct update *u)
{
    u->look_at = 0;
    look_at_old(u);
}
