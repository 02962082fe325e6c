#include "agent/update/plan_internal.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NOTE     400 /* bytes of text */
#define MAX_FOLLOWED 200
#define SHORT_SUFFIX 8 /* hex digits after ours */

json_t *plan_mutable(const json_t *v)
{
    return (json_t *)(uintptr_t)v;
}

/* jansson has no static values; these live as long as the process. */
static const json_t *get_empty(bool is_array)
{
    static json_t *object, *array;

    if (!object) {
        object = json_object();
        array = json_array();
    }
    return is_array ? array : object;
}

const json_t *plan_object(const json_t *v)
{
    return json_is_object(v) ? v : get_empty(false);
}

const json_t *plan_array(const json_t *v)
{
    return json_is_array(v) ? v : get_empty(true);
}

bool plan_is_empty(const json_t *v)
{
    if (!v)
        return true;
    switch (json_typeof(v)) {
    case JSON_OBJECT: return json_object_size(v) == 0;
    case JSON_ARRAY: return json_array_size(v) == 0;
    case JSON_STRING: return json_string_length(v) == 0;
    case JSON_INTEGER: return json_integer_value(v) == 0;
    case JSON_FALSE:
    case JSON_NULL: return true;
    case JSON_REAL:
    case JSON_TRUE: break;
    }
    return false;
}

bool plan_array_has(const json_t *array, const char *s)
{
    json_t *item;
    size_t i;

    json_array_foreach(array, i, item)
    {
        if (str_eq(json_string_value(item), s))
            return true;
    }
    return false;
}

void plan_array_add(json_t *array, json_t *v)
{
    if (json_array_append_new(array, v) < 0)
        abort(); /* out of memory */
}

json_t *plan_set_of(const json_t *array)
{
    json_t *set = json_object(), *item;
    size_t i;

    json_array_foreach(array, i, item)
    {
        if (json_is_string(item))
            json_text_set(set, json_string_value(item), json_true());
    }
    return set;
}

void plan_copy(json_t *to, const char *key, const json_t *value)
{
    if (value && !json_is_null(value))
        json_text_set(to, key, json_deep_copy(value));
}

bool plan_is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

void plan_note(struct plan_work *w, const char *code, const char *fmt, ...)
{
    char text[MAX_NOTE];
    json_t *note;
    va_list ap;

    if (json_array_size(w->notes) >= PLAN_MAX_NOTES)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    str_mend(text);
    note = json_object();
    json_text_set(note, "code", json_text_str(code));
    json_text_set(note, "text", json_text_str(text));
    plan_array_add(w->notes, note);
}

void plan_follow(struct plan_work *w, const char *name, const json_t *before, const json_t *after)
{
    if (!w->s->new_config || plan_is_empty(before) || json_equal(before, after))
        return;
    json_text_set(w->followed, name, json_true());
}

static void note_followed(struct plan_work *w)
{
    char names[MAX_FOLLOWED] = "";
    const char *name;
    json_t *value;
    size_t n = 0;

    json_object_foreach(w->followed, name, value)
    {
        int length = snprintf(names + n, sizeof(names) - n, "%s%s", n > 0 ? ", " : "", name);

        if (length < 0 || (size_t)length >= sizeof(names) - n) {
            (void)snprintf(names + (n < sizeof(names) - 5 ? n : sizeof(names) - 5), 5, " ...");
            break;
        }
        n += (size_t)length;
    }
    if (json_object_size(w->followed) > 0) {
        plan_note(w, "same_as_image",
                  "equal to the old image's and therefore replaced by the new image's: %s", names);
    }
}

bool plan_name_is_ours(const char *name, size_t *ret_length)
{
    static const char *const suffixes[] = {PLAN_SUFFIX_NEW, PLAN_SUFFIX_OLD};
    size_t n = strlen(name);

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        size_t length = strlen(suffixes[i]) + SHORT_SUFFIX;

        if (n > length && str_is_hex(name + n - SHORT_SUFFIX, SHORT_SUFFIX) &&
            strncmp(name + n - length, suffixes[i], strlen(suffixes[i])) == 0) {
            if (ret_length)
                *ret_length = n - length;
            return true;
        }
    }
    return false;
}

/* Subtracts the number of values from *budget; false: it was too small. */
static bool count_nodes(const json_t *v, size_t *budget)
{
    const char *key;
    json_t *item;
    size_t i;

    if (*budget == 0)
        return false;
    (*budget)--;
    json_array_foreach(v, i, item)
    {
        if (!count_nodes(item, budget))
            return false;
    }
    json_object_foreach(plan_mutable(v), key, item)
    {
        if (!count_nodes(item, budget))
            return false;
    }
    return true;
}

static int start(struct plan_work *w)
{
    const struct plan_source *s = w->s;
    const json_t *settings = json_object_get(s->container, "NetworkSettings");
    size_t budget = PLAN_MAX_NODES;

    w->id = json_text_get(s->container, "Id");
    w->name = json_text_get(s->container, "Name");
    if (w->name && *w->name == '/')
        w->name++;
    if (!w->id || !str_is_hex(w->id, 64) || !w->name || !*w->name ||
        !json_is_object(json_object_get(s->container, "Config")) ||
        !json_is_object(json_object_get(s->container, "HostConfig"))) {
        return error_code_set(w->err, CODE_ENGINE_ERROR,
                              "the engine's description of the container is incomplete");
    }
    if (!count_nodes(s->container, &budget)) {
        return error_code_set(w->err, CODE_ENGINE_ERROR,
                              "the engine's description of container %.*s is too large",
                              STR_CUT(w->name, 128));
    }
    w->config = json_object_get(s->container, "Config");
    w->host = json_object_get(s->container, "HostConfig");
    w->networks = plan_object(json_object_get(settings, "Networks"));
    w->mounts = plan_array(json_object_get(s->container, "Mounts"));
    w->image = plan_object(s->old_config);
    w->probe_host = plan_object(json_object_get(s->probe, "HostConfig"));
    return 0;
}

static int refuse(struct plan_work *w, const char *reason)
{
    return error_code_set(w->err, CODE_UPDATE_REFUSED, "container %.*s is not updated here: %s",
                          STR_CUT(w->name, 128), reason);
}

static int check(struct plan_work *w)
{
    const json_t *labels = plan_object(json_object_get(w->config, "Labels"));
    const char *label;
    json_t *value;

    if (plan_name_is_ours(w->name, NULL)) {
        return refuse(w,
                      "its name is that of a container which an update has set aside; update the "
                      "one with the name before the suffix");
    }
    if (json_object_get(labels, "PODMAN_SYSTEMD_UNIT")) {
        return refuse(w,
                      "a systemd unit creates it (label PODMAN_SYSTEMD_UNIT); pull the image and "
                      "restart the unit");
    }
    json_object_foreach(plan_mutable(labels), label, value)
    {
        if (str_starts_with(label, "com.docker.swarm."))
            return refuse(w, "it is a task of a swarm service; update the service");
    }
    if (!w->s->old_config && !w->s->has_consent) {
        return error_code_set(
            w->err, CODE_CONSENT_REQUIRED,
            "the image that container %.*s was created from does not exist any more, so its "
            "values cannot be distinguished from the user's; with consent, all are kept",
            STR_CUT(w->name, 128));
    }
    return w->s->is_podman ? plan_podman_check(w) : 0;
}

static void add_notes(struct plan_work *w)
{
    if (!w->s->old_config) {
        plan_note(w, "image_gone",
                  "the old image does not exist any more: its values are kept, although they may "
                  "not be right for the new image");
    }
    if (json_object_size(w->probe_host) == 0) {
        plan_note(w, "probe_missing",
                  "the defaults of the engine are not known: its present ones are kept");
    }
    if (plan_is_true(w->host, "AutoRemove")) {
        plan_note(w, "no_rollback",
                  "the engine removes the old container when it stops (--rm), so "
                  "there is no rollback afterwards");
    }
    note_followed(w);
}

static int fill(struct plan_work *w, json_t *connect)
{
    int r;

    r = check(w);
    if (r < 0)
        return r;
    r = plan_fields_apply(w, PLAN_CONFIG, w->config, w->body);
    if (r < 0)
        return r;
    r = plan_fields_apply(w, PLAN_HOST, w->host, w->body_host);
    if (r < 0)
        return r;
    if (w->s->is_podman)
        (void)plan_podman_finish(w);
    r = plan_storage_finish(w);
    if (r < 0)
        return r;
    json_text_set(w->body, "HostConfig", json_incref(w->body_host));
    r = plan_network_finish(w, connect);
    if (r == 0)
        add_notes(w);
    return r;
}

int plan_make(const struct plan_source *s, struct plan *ret, struct error *err)
{
    struct plan_work w = {.s = s, .err = err};
    json_auto_t *body = json_object();
    json_auto_t *host = json_object();
    json_auto_t *connect = json_array();
    json_auto_t *notes = json_array();
    json_auto_t *followed = json_object();
    int r;

    w.body = body;
    w.body_host = host;
    w.notes = notes;
    w.followed = followed;
    r = start(&w);
    if (r < 0)
        return r;
    r = fill(&w, connect);
    if (r < 0)
        return r;
    *ret = (struct plan){TAKE_PTR(body), TAKE_PTR(connect), TAKE_PTR(notes)};
    return 0;
}

void plan_done(struct plan *p)
{
    json_decref(p->create);
    json_decref(p->connect);
    json_decref(p->notes);
    *p = (struct plan){NULL, NULL, NULL};
}
