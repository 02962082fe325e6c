/*
 * The acts that create a new container and connect it with its networks.
 */

#include "agent/update/plan.h"
#include "agent/update/update_internal.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <stdlib.h>
#include <string.h>

/* --- create --- */

static bool create_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return m->is_restart || m->facts.has_new;
}

/* The engine creates one for another processor with no more than a warning. */
static const char *find_platform_warning(const json_t *answer)
{
    const json_t *warnings = json_object_get(answer, "Warnings");
    size_t i;
    json_t *w;

    json_array_foreach(warnings, i, w)
    {
        const char *text = json_string_value(w);

        if (text && strstr(text, "requested image's platform"))
            return text;
    }
    return NULL;
}

json_t *update_parse_created(const struct engine_reply *reply, const char **ret_id)
{
    json_t *answer = reply->code == 0 ? json_text_parse(reply->body, reply->size, 8, NULL) : NULL;

    *ret_id = json_text_get(answer, "Id");
    if (!*ret_id || !str_is_hex(*ret_id, CONTAINER_ID_LEN)) {
        json_decref(answer);
        return NULL;
    }
    return answer;
}

static void on_created(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);
    const char *id, *warning;
    json_auto_t *answer = NULL;

    u->call = NULL;
    if (reply->code < 0) {
        update_retry_or_fail(u, reply, "create the new container of");
        return;
    }
    answer = update_parse_created(reply, &id);
    if (!answer) {
        update_fail(u, CODE_BAD_REPLY, "the engine has created %s without telling its id", m->name);
        return;
    }
    free(m->new_id);
    m->new_id = xstrdup(id);
    m->facts.has_new = true;
    warning = find_platform_warning(answer);
    if (warning) {
        update_fail(u, CODE_UPDATE_REFUSED, "create the new container of %s: %s", m->name, warning);
        return;
    }
    update_proceed(u);
}

/* "container:NAME", "NAME:ro" or "NAME:alias" with the new id of a member instead of its name. */
static json_t *point_to_new(const struct update *u, const json_t *value)
{
    const char *text = json_string_value(value);
    const char *prefix = text && str_starts_with(text, "container:") ? "container:" : "";

    for (size_t i = 0; text && i < u->r->n_members; i++) {
        const struct update_member *m = &u->r->members[i];
        const char *name = text + strlen(prefix);
        size_t n = strlen(m->name);
        _cleanup_free_ char *changed = NULL;

        if (m->is_restart || !m->new_id || strncmp(name, m->name, n) != 0 ||
            (name[n] != '\0' && name[n] != ':'))
            continue;
        changed = xasprintf("%s%s%s", prefix, m->new_id, name + n);
        return json_text_str(changed);
    }
    return json_incref((json_t *)(uintptr_t)value);
}

/* While both exist, the names belong to the old containers. */
static void point_dependent(const struct update *u, json_t *host)
{
    static const char *const modes[] = {"NetworkMode", "PidMode", "IpcMode"};
    static const char *const lists[] = {"VolumesFrom", "Links"};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        const json_t *mode = json_object_get(host, modes[i]);

        if (mode &&
            str_starts_with(json_string_value(mode) ? json_string_value(mode) : "", "container:"))
            json_text_set(host, modes[i], point_to_new(u, mode));
    }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        json_t *list = json_object_get(host, lists[i]);
        size_t at;
        json_t *one;

        json_array_foreach(list, at, one)
        {
            if (json_array_set_new(list, at, point_to_new(u, one)) < 0)
                abort(); /* out of memory */
        }
    }
}

json_t *update_make_body(const struct update *u, const struct update_member *m)
{
    json_t *body = json_deep_copy(m->create);
    json_t *labels = json_object_get(body, "Labels");

    point_dependent(u, json_object_get(body, "HostConfig"));

    if (!json_is_object(labels)) {
        labels = json_object();
        json_text_set(body, "Labels", labels);
    }
    json_text_set(labels, PLAN_LABEL, json_text_str(u->r->id));
    return body;
}

char *update_make_create_path(const struct update_member *m, const char *name)
{
    _cleanup_free_ char *platform = NULL;

    if (str_is_empty(m->platform))
        return xasprintf("/containers/create?name=%s", name);
    platform = engine_query_escape(m->platform);
    return xasprintf("/containers/create?name=%s&platform=%s", name, platform);
}

static void begin_create(struct update *u, struct update_member *m)
{
    _cleanup_free_ char *name = update_member_name(u->r, m, PLAN_SUFFIX_NEW);

    update_act_ask(u, "POST", update_make_create_path(m, name), update_make_body(u, m), on_created);
}

/* --- connect --- */

const json_t *update_find_unconnected(const struct update_member *m)
{
    size_t i;
    json_t *one;

    json_array_foreach(m->connect, i, one)
    {
        if (!json_object_get(m->facts.connected, json_text_get(one, "network")))
            return one;
    }
    return NULL;
}

static bool connect_is_done(const struct update *u, const struct update_member *m)
{
    (void)u;
    return m->is_restart || !update_find_unconnected(m);
}

static void on_connected(void *owner, const struct engine_reply *reply)
{
    struct update *u = owner;
    struct update_member *m = update_at(u);
    const json_t *one = update_find_unconnected(m);

    u->call = NULL;
    if (reply->code < 0) {
        update_retry_or_fail(u, reply, "connect the networks of");
        return;
    }
    if (!m->facts.connected)
        m->facts.connected = json_object();
    json_text_set(m->facts.connected, json_text_get(one, "network"), json_true());
    update_proceed(u);
}

void update_begin_connect(struct update *u, struct update_member *m)
{
    const json_t *one = update_find_unconnected(m);
    json_t *body = json_copy(json_object_get(one, "body"));
    _cleanup_free_ char *network = engine_query_escape(json_text_get(one, "network"));

    /* While it is undone, `id` is the container that was created for one that the engine removed. */
    json_text_set(body, "Container", json_text_str(u->r->is_undoing ? m->id : m->new_id));
    update_act_ask(u, "POST", xasprintf("/networks/%s/connect", network), body, on_connected);
}

const struct update_act update_act_create = {false, create_is_done, begin_create, STEP_CONNECT};
const struct update_act update_act_connect = {false, connect_is_done, update_begin_connect,
                                              STEP_POLICY};
