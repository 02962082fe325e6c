#include "docker/model/event.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/macros.h"
#include "base/str.h"
#include "docker/checked_text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MAX_ATTRIBUTE 4096 /* bytes; labels are among the attributes */

static char *get_text(const json_t *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v, key));

    return xstrdup(s ? s : "");
}

/* Podman has its own words for some actions of Docker. */
static const struct {
    const char *podman, *docker;
} container_actions[] = {
    {"remove", "destroy"},
    {"died",   "die"    },
};

/* Docker's action for a container; Podman has the result of a health check in a member. */
static char *get_action(const json_t *v)
{
    const char *action = json_string_value(json_object_get(v, "Action"));
    const char *health = json_string_value(json_object_get(v, "HealthStatus"));

    if (!str_eq(json_string_value(json_object_get(v, "Type")), "container"))
        return get_text(v, "Action");
    if (str_eq(action, "health_status") && !str_is_empty(health))
        return xasprintf("health_status: %s", health);
    for (size_t i = 0; i < ARRAY_LEN(container_actions); i++) {
        if (str_eq(action, container_actions[i].podman))
            return xstrdup(container_actions[i].docker);
    }
    return get_text(v, "Action");
}

/*
 * Copies the members that are strings without NUL; engines send no others. *ret_cut: the name of
 * the first one that is cut, or NULL.
 */
static json_t *copy_strings(json_t *from, char **ret_cut)
{
    json_t *to = json_object(), *v;
    const char *key;

    json_object_foreach(from, key, v)
    {
        const char *text = json_string_value(v);
        _cleanup_free_ char *cut = NULL;

        if (!text || strlen(text) != json_string_length(v))
            continue;
        if (strlen(text) > MAX_ATTRIBUTE)
            cut = xasprintf("%.*s\u2026", STR_CUT(text, MAX_ATTRIBUTE));
        if (cut && !*ret_cut)
            *ret_cut = xstrdup(key);
        if (json_object_set_new_nocheck(to, key, json_string_nocheck(cut ? cut : text)) < 0)
            abort(); /* out of memory */
    }
    return to;
}

static int64_t read_time(const json_t *v)
{
    int64_t ns = json_integer_value(json_object_get(v, "timeNano"));

    if (ns == 0 &&
        __builtin_mul_overflow(json_integer_value(json_object_get(v, "time")), 1000000000, &ns))
        ns = 0;
    return ns;
}

/*
 * Whether an event says what happened to what. An engine's event about a prune has an empty ID, as
 * an event for each removed object comes before it.
 */
static bool is_usable(const struct event *e)
{
    bool is_container = str_eq(e->type, "container");

    if (str_is_empty(e->type) || str_is_empty(e->action))
        return false;
    if (str_eq(e->action, "prune"))
        return true;
    if (is_container)
        return str_is_hex(e->id, CONTAINER_ID_LEN);
    return !str_eq(e->type, "image") || !str_is_empty(e->id);
}

int event_decode(const char *text, size_t size, struct event *ret, struct error *err)
{
    struct checked_text checked;
    json_t *v, *actor;
    int r = checked_text_init(&checked, text, size, err);

    if (r < 0)
        return r;
    v = json_loadb(checked.p, checked.n, JSON_DECODE_ANY, NULL);
    checked_text_done(&checked);
    if (!json_is_object(v)) {
        json_decref(v);
        return error_set(err, -EBADMSG, "not an event: not an object");
    }
    actor = json_object_get(v, "Actor");
    *ret = (struct event){
        .type = get_text(v, "Type"),
        .action = get_action(v),
        .id = get_text(actor, "ID"),
        .time_ns = read_time(v),
    };
    ret->attributes = copy_strings(json_object_get(actor, "Attributes"), &ret->cut);
    json_decref(v);
    if (!is_usable(ret)) {
        engine_event_done(ret);
        return error_set(err, -EBADMSG, "not an event: its type, action or id is invalid");
    }
    return 0;
}

char *event_complete(const char *text, size_t size, int64_t time_ns)
{
    static const char attributes[] = "\"Attributes\":{";
    const char *end = memmem(text, size, attributes, strlen(attributes));

    return end ? xasprintf("%.*s%s}},\"timeNano\":%" PRId64 "}", (int)(end - text), text,
                           attributes, time_ns)
               : NULL;
}

void engine_event_done(struct event *e)
{
    free(e->type);
    free(e->action);
    free(e->id);
    free(e->cut);
    json_decref(e->attributes);
    *e = (struct event){0};
}

const char *event_attribute(const struct event *e, const char *name)
{
    const char *s = json_string_value(json_object_get(e->attributes, name));

    return s ? s : "";
}
