#include "agent/update/plan_internal.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <string.h>

#define COMPOSE_LABELS  "com.docker.compose."
#define COMPOSE_IMAGE   "com.docker.compose.image"
#define COMPOSE_REPLACE "com.docker.compose.replace"

static bool is_array_empty(const json_t *v)
{
    return json_array_size(v) == 0;
}

/* Both null, [] or absent, or equal; newer engines leave empty members of images out. */
static bool is_same(const json_t *a, const json_t *b)
{
    if (plan_is_empty(a) && plan_is_empty(b))
        return true;
    return json_equal(a, b);
}

static const json_t *get_new(const struct plan_work *w, const char *name)
{
    return w->s->new_config ? json_object_get(w->s->new_config, name) : NULL;
}

int plan_image_value(struct plan_work *w,
                     const struct plan_field *f,
                     const json_t *value,
                     json_t *to)
{
    const json_t *old = json_object_get(w->image, f->name);

    if (!is_same(value, old)) {
        plan_copy(to, f->name, value);
    } else {
        plan_follow(w, f->name, old, get_new(w, f->name));
    }
    return 0;
}

/* Notes the variables of the old image that the container has, and that change or vanish. */
static void follow_env(struct plan_work *w, const json_t *env)
{
    json_auto_t *new_env = plan_set_of(get_new(w, "Env"));
    json_auto_t *old_env = plan_set_of(json_object_get(w->image, "Env"));
    json_t *item;
    size_t i;

    if (!w->s->new_config)
        return;
    json_array_foreach(env, i, item)
    {
        const char *s = json_string_value(item);

        if (s && json_object_get(old_env, s) && !json_object_get(new_env, s)) {
            char name[64];

            str_copy(name, sizeof(name), s);
            name[strcspn(name, "=")] = '\0';
            plan_follow(w, name, item, NULL);
        }
    }
}

int plan_image_env(struct plan_work *w, const struct plan_field *f, const json_t *value, json_t *to)
{
    json_auto_t *old = plan_set_of(json_object_get(w->image, "Env"));
    json_t *kept = json_array(), *item;
    size_t i;

    json_array_foreach(value, i, item)
    {
        const char *s = json_string_value(item);

        if (!s || json_object_get(old, s) || (w->s->is_podman && plan_podman_is_own_env(w->s, s)))
            continue;
        plan_array_add(kept, json_incref(item));
    }
    json_text_set(to, f->name, kept);
    follow_env(w, value);
    return 0;
}

/* The entrypoint to send, NULL: none. The user's `--entrypoint ""` is shown as null. */
static json_t *choose_entrypoint(struct plan_work *w, const json_t *entrypoint, const json_t *old)
{
    if (!entrypoint) {
        json_t *none;

        if (is_array_empty(old))
            return NULL;
        none = json_array();
        plan_array_add(none, json_text_str(""));
        return none;
    }
    if (is_array_empty(entrypoint) && !is_array_empty(get_new(w, "Entrypoint"))) {
        plan_note(w, "entrypoint_kept",
                  "the empty entrypoint is kept, so that of the new image is not used");
    }
    return json_deep_copy(entrypoint);
}

/*
 * The engine takes Cmd from the image only if the user has set neither, and Entrypoint if the user
 * has not set it.
 */
int plan_image_pair(struct plan_work *w, const struct plan_field *f, const json_t *cmd, json_t *to)
{
    const json_t *entrypoint = json_object_get(w->config, "Entrypoint");
    const json_t *old_entrypoint = json_object_get(w->image, "Entrypoint");
    const json_t *old_cmd = json_object_get(w->image, "Cmd");
    bool is_inherited, has_cmd = !is_array_empty(cmd);
    json_t *chosen;

    if (json_is_null(entrypoint))
        entrypoint = NULL;
    is_inherited = is_array_empty(entrypoint) && is_array_empty(old_entrypoint)
                       ? !entrypoint || json_is_array(old_entrypoint)
                       : json_equal(entrypoint, old_entrypoint);
    /* Without a command although the image has one: the entrypoint was set, and is just equal. */
    if (!is_array_empty(entrypoint) && !has_cmd && !is_array_empty(old_cmd))
        is_inherited = false;
    if (is_inherited) {
        plan_follow(w, "Entrypoint", old_entrypoint, get_new(w, "Entrypoint"));
        if (is_same(cmd, old_cmd)) {
            plan_follow(w, "Cmd", old_cmd, get_new(w, "Cmd"));
        } else {
            plan_copy(to, f->name, cmd);
        }
        return 0;
    }
    chosen = choose_entrypoint(w, entrypoint, old_entrypoint);
    /* The engine fills in the image's command for an entrypoint of [], but not of [""]. */
    if (!(json_is_array(chosen) && is_array_empty(chosen) && is_same(cmd, old_cmd)))
        plan_copy(to, f->name, cmd);
    if (chosen)
        json_text_set(to, "Entrypoint", chosen);
    return 0;
}

int plan_image_healthcheck(struct plan_work *w,
                           const struct plan_field *f,
                           const json_t *value,
                           json_t *to)
{
    const json_t *old = plan_object(json_object_get(w->image, "Healthcheck"));
    const json_t *new = plan_object(get_new(w, "Healthcheck"));
    json_t *kept = json_object(), *member;
    const char *key;

    json_object_foreach(plan_mutable(plan_object(value)), key, member)
    {
        if (plan_is_empty(member))
            continue;
        if (!json_equal(member, json_object_get(old, key))) {
            plan_copy(kept, key, member);
        } else {
            plan_follow(w, f->name, member, json_object_get(new, key));
        }
    }
    if (json_object_size(kept) > 0) {
        json_text_set(to, f->name, kept);
    } else {
        json_decref(kept);
    }
    return 0;
}

/* Images that compose has built carry labels of compose as well, which the service needs. */
static bool is_label_of_image(const json_t *old, const char *key, const json_t *value)
{
    return !str_starts_with(key, COMPOSE_LABELS) && json_equal(value, json_object_get(old, key));
}

int plan_image_labels(struct plan_work *w,
                      const struct plan_field *f,
                      const json_t *value,
                      json_t *to)
{
    const json_t *old = plan_object(json_object_get(w->image, "Labels"));
    const json_t *new = plan_object(get_new(w, "Labels"));
    json_t *kept = json_object(), *label;
    const char *key;

    json_object_foreach(plan_mutable(plan_object(value)), key, label)
    {
        if (str_eq(key, PLAN_LABEL) || str_eq(key, COMPOSE_REPLACE))
            continue;
        if (is_label_of_image(old, key, label)) {
            plan_follow(w, key, label, json_object_get(new, key));
        } else if (str_eq(key, COMPOSE_IMAGE) && w->s->image_id) {
            json_text_set(kept, key, json_text_str(w->s->image_id));
        } else {
            plan_copy(kept, key, label);
        }
    }
    json_text_set(to, f->name, kept);
    return 0;
}

/*
 * A published port is never subtracted: without it some engines do not publish the port once the
 * image does not expose it any more.
 */
int plan_image_ports(struct plan_work *w,
                     const struct plan_field *f,
                     const json_t *value,
                     json_t *to)
{
    const json_t *old = plan_object(json_object_get(w->image, "ExposedPorts"));
    const json_t *bindings = plan_object(json_object_get(w->host, "PortBindings"));
    json_t *kept, *member;
    const char *port;

    if (plan_network_is_shared(w))
        return 0;
    kept = json_object();
    json_object_foreach(plan_mutable(plan_object(value)), port, member)
    {
        if (!json_object_get(old, port))
            plan_copy(kept, port, member);
    }
    json_object_foreach(plan_mutable(bindings), port, member)
    {
        /* A port that the container does not expose is not published, except by engines that
         * publish it from PortBindings alone. */
        if (json_object_get(value, port) && plan_ports_is_published(w, port))
            json_text_set(kept, port, json_object());
    }
    if (json_object_size(kept) > 0) {
        json_text_set(to, f->name, kept);
    } else {
        json_decref(kept);
    }
    return 0;
}

int plan_image_volumes(struct plan_work *w,
                       const struct plan_field *f,
                       const json_t *value,
                       json_t *to)
{
    const json_t *old = plan_object(json_object_get(w->image, "Volumes"));
    json_t *kept = json_object(), *member;
    const char *path;

    json_object_foreach(plan_mutable(plan_object(value)), path, member)
    {
        if (!json_object_get(old, path))
            plan_copy(kept, path, member);
    }
    if (json_object_size(kept) > 0) {
        json_text_set(to, f->name, kept);
    } else {
        json_decref(kept);
    }
    return 0;
}

int plan_image_reference(struct plan_work *w,
                         const struct plan_field *f,
                         const json_t *value,
                         json_t *to)
{
    (void)value;
    json_text_set(to, f->name, json_text_str(w->s->image));
    return 0;
}
