#include "server/session/container_events.h"
#include "base/container_id.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"

#define NAME_BYTES    255
#define MAX_WORD      32 /* bytes of a signal or a health that are quoted in a title */
#define MAX_FUTURE_MS (INT64_C(24) * 3600 * 1000) /* clocks differ, but not that much */

#define HEALTH "health_status"

/* One row per action; die, kill, rename and health_status are refined below. */
static const struct action {
    const char *engine, *type, *severity, *new_state, *words;
} actions[] = {
    {"create",        "created",       "info",  "created", "was created"        },
    {"start",         "started",       "info",  "running", "started"            },
    {"restart",       "restarted",     "info",  "running", "was restarted"      },
    {"die",           "died",          "error", "exited",  "died"               },
    {"kill",          "signalled",     "info",  NULL,      "was sent a signal"  },
    {"oom",           "oom",           "error", NULL,      "ran out of memory"  },
    {"pause",         "paused",        "info",  "paused",  "was paused"         },
    {"unpause",       "unpaused",      "info",  "running", "was unpaused"       },
    {"rename",        "renamed",       "info",  NULL,      "was renamed"        },
    {"destroy",       "deleted",       "info",  "deleted", "was deleted"        },
    {"remove",        "deleted",       "info",  "deleted", "was deleted"        }, /* Podman */
    {"health_status", "health_status", "info",  NULL,      "reported its health"},
};

/* Attributes that add to the action; the others are the container's labels. */
static const char *const kept_attributes[] = {"exitCode", "signal", "oldName", "health_status"};

static const struct action *find_action(const char *name)
{
    /* "health_status: healthy" carries its result in its name. */
    size_t size = strcspn(name, ":");

    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (strlen(actions[i].engine) == size && strncmp(actions[i].engine, name, size) == 0)
            return &actions[i];
    }
    return NULL;
}

static const char *get_attribute(const struct msg_container_event *m, const char *name)
{
    return m->attributes ? json_text_get(m->attributes, name) : NULL;
}

static const char *get_health(const struct msg_container_event *m)
{
    const char *colon = strchr(m->action, ':');
    const char *health = colon ? colon + 1 : get_attribute(m, HEALTH);

    return health ? health + strspn(health, " ") : "";
}

/* Go agents report every check of Podman, without the result. */
static bool is_empty_health(const struct msg_container_event *m)
{
    return str_starts_with(m->action, HEALTH) && str_is_empty(get_health(m));
}

/* A missing or invalid code counts as 0, as in earlier versions of DockMon. */
static int64_t parse_exit_code(const struct msg_container_event *m)
{
    const char *text = get_attribute(m, "exitCode");
    int64_t code = 0;

    return text && parse_i64(text, &code) == 0 ? code : 0;
}

static json_t *make_details(const struct msg_container_event *m)
{
    json_t *d = json_object();

    json_text_set(d, "container_id", json_text_str(m->container_id));
    json_text_set(d, "action", json_text_str(m->action));
    if (!str_is_empty(m->image))
        json_text_set(d, "image", json_text_str(m->image));
    for (size_t i = 0; i < ARRAY_LEN(kept_attributes); i++) {
        const char *value = get_attribute(m, kept_attributes[i]);

        if (value) {
            json_text_set(d, kept_attributes[i],
                          json_text_string(value, str_cut(value, strlen(value), NAME_BYTES)));
        }
    }
    return d;
}

static void set_text(char **to, char *text)
{
    free(*to);
    *to = text;
}

static void refine_die(const struct msg_container_event *m, struct event *e, json_t *details)
{
    int64_t code = parse_exit_code(m);

    /* The model may not show yet that it was started, or show its end already. */
    if (e->old_state && !str_eq(e->old_state, "paused"))
        set_text(&e->old_state, xstrdup("running"));

    json_text_set(details, "exit_code", json_integer(code));
    if (code == 0) {
        set_text(&e->type, xstrdup("stopped"));
        set_text(&e->severity, xstrdup("info"));
        set_text(&e->new_state, xstrdup("stopped"));
        set_text(&e->title, xasprintf("Container %s stopped", e->container_name));
    } else {
        set_text(&e->title,
                 xasprintf("Container %s died (exit code %" PRId64 ")", e->container_name, code));
    }
}

static void refine_kill(const struct msg_container_event *m, struct event *e)
{
    const char *signal = get_attribute(m, "signal");

    if (!signal || strlen(signal) > MAX_WORD)
        return;
    set_text(&e->title, xasprintf("Container %s was sent signal %s", e->container_name, signal));
    if (str_eq(signal, "9"))
        set_text(&e->severity, xstrdup("warning"));
}

static void refine_health(const struct msg_container_event *m, struct event *e, json_t *details)
{
    const char *health = get_health(m);

    if (strlen(health) > MAX_WORD)
        return;
    json_text_set(details, "health", json_text_str(health));
    set_text(&e->title, xasprintf("Container %s is %s", e->container_name, health));
    if (str_eq(health, "unhealthy"))
        set_text(&e->severity, xstrdup("warning"));
}

const char *container_event_old_name(const struct msg_container_event *m)
{
    const char *old = str_eq(m->action, "rename") ? get_attribute(m, "oldName") : NULL;

    if (!old)
        return NULL;
    old += *old == '/';
    return *old == '\0' || strlen(old) > NAME_BYTES ? NULL : old;
}

static void refine_rename(const struct msg_container_event *m, struct event *e)
{
    const char *old = container_event_old_name(m);

    if (old) {
        set_text(&e->title, xasprintf("Container %s was renamed to %s", old, e->container_name));
    }
}

static void refine(const struct msg_container_event *m,
                   const struct action *a,
                   struct event *e,
                   json_t *details)
{
    if (str_eq(a->engine, "die")) {
        refine_die(m, e, details);
    } else if (str_eq(a->engine, "kill")) {
        refine_kill(m, e);
    } else if (str_eq(a->engine, "rename")) {
        refine_rename(m, e);
    } else if (str_eq(a->engine, "health_status")) {
        refine_health(m, e, details);
    }
}

/* Go agents cut the time of the engine to seconds; their envelope is written at once. */
static int64_t refine_second(int64_t ns, const char *sent_at)
{
    int64_t sent_ns;

    if (ns % NS_PER_S != 0 || !sent_at || time_parse_ns(sent_at, &sent_ns) < 0)
        return ns;
    return time_div_floor(sent_ns, NS_PER_S) == ns / NS_PER_S ? sent_ns : ns;
}

static int64_t event_time_ms(const struct msg_container_event *m,
                             const char *sent_at,
                             int64_t now_ms)
{
    int64_t ns = m->time_nano, ms;

    if (ns <= 0 && (!m->timestamp || time_parse_ns(m->timestamp, &ns) < 0))
        return now_ms;

    if (m->time_nano <= 0)
        ns = refine_second(ns, sent_at);
    ms = ns / 1000000;
    return ms > 0 && ms <= now_ms + MAX_FUTURE_MS ? ms : now_ms;
}

/* The state of the model may be older than the event, or the one after it already. */
static const char *find_old_state(const struct action *a, const char *known)
{
    if (str_eq(a->type, "paused"))
        return "running";
    if (str_eq(a->type, "unpaused"))
        return "paused";
    return str_eq(a->type, "started") && str_eq(known, "running") ? "exited" : known;
}

bool container_event_make(const struct msg_container_event *m,
                          const char *sent_at,
                          const struct fleet_host *h,
                          int64_t now_ms,
                          struct event *ret)
{
    const struct action *a = find_action(m->action);
    struct fleet_container *known = NULL;
    const char *name = m->container_name;
    struct event e = {0};
    json_t *details;

    if (!a || !str_is_container_ref(m->container_id) || is_empty_health(m))
        return false;

    if (name && *name == '/')
        name++;
    (void)fleet_find_container(h, m->container_id, &known); /* NULL: a new container */

    e.at_ms = event_time_ms(m, sent_at, now_ms);
    e.category = xstrdup("container");
    e.type = xstrdup(a->type);
    e.severity = xstrdup(a->severity);
    e.host_id = xstrdup(h->row.id);
    e.host_name = xstrdup(h->row.name);
    e.container_id = xasprintf("%.*s", STR_CUT(m->container_id, CONTAINER_SHORT_ID_LEN));
    e.container_name = str_is_empty(name) ? xstrdup(e.container_id) : xstrdup(name);
    e.title = xasprintf("Container %s %s", e.container_name, a->words);
    e.old_state = known ? xstrdup(find_old_state(a, known->state)) : NULL;
    e.new_state = xstrdup(a->new_state);
    e.triggered_by = xstrdup("docker");
    if (m->time_nano > 0) {
        /* An impossible time, after a clock has jumped, is still good for the key. */
        if (m->time_nano / 1000000 == e.at_ms)
            e.engine_ns = m->time_nano;
        e.dedup_key = xasprintf("%s/%s/%s/%" PRId64, h->row.id, m->container_id, m->action,
                                m->time_nano);
    }

    details = make_details(m);
    refine(m, a, &e, details);
    e.message = xasprintf("%s on host %s", e.title, e.host_name);
    e.details = json_text_write(details, NULL);
    json_decref(details);
    *ret = e;
    return true;
}
