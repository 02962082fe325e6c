#include "cli/stats/stats_state.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/member.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_SIZE     96
#define ID_SIZE      12
#define MAX_TOPICS   1500   /* of single containers: the server takes 2,000 */
#define MAX_SUBJECTS 500000 /* that are remembered of a server */

void stats_state_init(struct stats_state *s, const struct stats_wanted *wanted)
{
    *s = (struct stats_state){
        .wanted = wanted,
        .hosts = json_object(),
        .containers = json_object(),
        .figures = json_object(),
    };
}

void stats_state_done(struct stats_state *s)
{
    json_decref(s->hosts);
    json_decref(s->containers);
    json_decref(s->figures);
    *s = (struct stats_state){0};
}

/* --- messages ----------------------------------------------------------------------------------- */

/* Of a container, or of what names one: its host's id and the first digits of its own. */
static const char *container_key(const json_t *v, char ret[KEY_SIZE])
{
    (void)snprintf(ret, KEY_SIZE, "%.64s/%.*s", member_text(v, "host_id"), ID_SIZE,
                   member_text(v, "id"));
    return ret;
}

static void remember(json_t *into, const char *key, json_t *v)
{
    if (json_object_size(into) < MAX_SUBJECTS || json_object_get(into, key))
        (void)json_object_set(into, key, v);
}

static void take_containers(const json_t *list, json_t *into)
{
    char key[KEY_SIZE];
    json_t *v;
    size_t i;

    json_array_foreach(list, i, v)
    {
        remember(into, container_key(v, key), v);
    }
}

static void take_hosts(const json_t *list, const char *id_member, json_t *into)
{
    json_t *v;
    size_t i;

    json_array_foreach(list, i, v)
    {
        remember(into, member_text(v, id_member), v);
    }
}

static void forget_containers(struct stats_state *s, const json_t *removed)
{
    char key[KEY_SIZE];
    const json_t *v;
    size_t i;

    json_array_foreach(removed, i, v)
    {
        (void)json_object_del(s->containers, container_key(v, key));
        (void)json_object_del(s->figures, key);
    }
}

static void forget_host(struct stats_state *s, const char *id)
{
    const char *key;
    json_t *v;
    void *next;

    json_object_foreach_safe(s->containers, next, key, v)
    {
        if (!str_eq(member_text(v, "host_id"), id))
            continue;
        (void)json_object_del(s->figures, key);
        (void)json_object_del(s->containers, key);
    }
    (void)json_object_del(s->figures, id);
    (void)json_object_del(s->hosts, id);
}

static bool is_new_start(const json_t *message)
{
    return member_is_true(message, "complete") && member_integer(message, "part") == 0;
}

void stats_state_take(struct stats_state *s, const json_t *message, uint64_t monotonic_ms)
{
    const char *type = member_text(message, "type");
    const json_t *v;
    int64_t ns;
    size_t i;

    if (!str_eq(type, "state") && !str_eq(type, "update"))
        return;
    if (is_new_start(message)) {
        (void)json_object_clear(s->hosts);
        (void)json_object_clear(s->containers);
        (void)json_object_clear(s->figures);
    }
    if (time_parse_ns(member_text(message, "timestamp"), &ns) == 0) {
        s->told_ms = ns / 1000000;
        s->heard_ms = monotonic_ms;
    }
    take_hosts(json_object_get(message, "hosts"), "id", s->hosts);
    take_containers(json_object_get(message, "containers"), s->containers);
    take_hosts(json_object_get(message, "host_stats"), "host_id", s->figures);
    take_containers(json_object_get(message, "stats"), s->figures);
    forget_containers(s, json_object_get(message, "removed"));
    json_array_foreach(json_object_get(message, "removed_hosts"), i, v)
    {
        forget_host(s, json_is_string(v) ? json_string_value(v) : "");
    }
}

/* --- rows --------------------------------------------------------------------------------------- */

static bool is_online(const struct stats_state *s, const json_t *subject)
{
    const json_t *host = s->wanted->hosts
                             ? subject
                             : json_object_get(s->hosts, member_text(subject, "host_id"));

    return str_eq(member_text(host, "status"), "online");
}

/* Something that is measured at all. */
static bool is_measured(const struct stats_state *s, const json_t *subject)
{
    const char *state = member_text(subject, "state");

    return is_online(s, subject) &&
           (s->wanted->hosts || str_eq(state, "running") || str_eq(state, "paused"));
}

static int64_t measured_ms(const json_t *figures)
{
    int64_t ns;

    return time_parse_ns(member_text(figures, "timestamp"), &ns) == 0 ? ns / 1000000 : 0;
}

static const json_t *figures_of(const struct stats_state *s, const json_t *subject, int64_t now_ms)
{
    char key[KEY_SIZE];
    const json_t *v = json_object_get(s->figures, s->wanted->hosts ? member_text(subject, "id")
                                                                   : container_key(subject, key));

    return v && is_measured(s, subject) && measured_ms(v) > now_ms - STATS_STALE_MS ? v : NULL;
}

/* A container that was made anew under its name is still the one that was named. */
static bool is_named(const struct stats_wanted *w, const json_t *subject)
{
    const json_t *v;
    size_t i;

    if (!w->named)
        return true;
    json_array_foreach(w->named, i, v)
    {
        if (w->hosts ? str_eq(member_text(v, "id"), member_text(subject, "id"))
                     : str_eq(member_text(v, "host_id"), member_text(subject, "host_id")) &&
                           str_eq(member_text(v, "name"), member_text(subject, "name")))
            return true;
    }
    return false;
}

static json_t *choose(const struct stats_state *s)
{
    json_auto_t *list = json_array();
    const char *key;
    json_t *v;

    json_object_foreach(s->wanted->hosts ? s->hosts : s->containers, key, v)
    {
        if (is_named(s->wanted, v))
            (void)json_array_append(list, v);
    }
    return s->wanted->hosts ? json_incref(list) : ps_select(list, &s->wanted->selection);
}

struct stats_row *stats_state_rows(const struct stats_state *s,
                                   uint64_t monotonic_ms,
                                   json_t **ret_list,
                                   size_t *ret_n)
{
    int64_t now_ms = s->told_ms + (int64_t)(monotonic_ms - s->heard_ms);
    json_t *list = choose(s);
    size_t n = json_array_size(list);
    struct stats_row *rows = xcalloc(n + 1, sizeof(*rows));

    for (size_t i = 0; i < n; i++) {
        rows[i].subject = json_array_get(list, i);
        rows[i].figures = figures_of(s, rows[i].subject, now_ms);
    }
    *ret_list = list;
    *ret_n = n;
    return rows;
}

bool stats_state_is_fresh(const struct stats_state *s,
                          const struct stats_row *row,
                          int64_t after_ms)
{
    if (!is_measured(s, row->subject))
        return true;
    return row->figures && measured_ms(row->figures) > after_ms &&
           json_is_number(json_object_get(row->figures, "cpu_percent")); /* takes two readings */
}

/* --- topics ------------------------------------------------------------------------------------- */

json_t *stats_state_topics(const struct stats_state *s, const struct stats_row *rows, size_t n)
{
    json_t *topics = json_object();
    char topic[KEY_SIZE];

    for (size_t i = 0; i < n; i++) {
        const json_t *c = rows[i].subject;

        if (!is_measured(s, c))
            continue;
        if (s->wanted->hosts) {
            (void)snprintf(topic, sizeof(topic), "host_stats/%.64s", member_text(c, "id"));
        } else if (n > MAX_TOPICS) {
            (void)snprintf(topic, sizeof(topic), "stats/%.64s", member_text(c, "host_id"));
        } else {
            (void)snprintf(topic, sizeof(topic), "stats/%.64s/%.*s", member_text(c, "host_id"),
                           ID_SIZE, member_text(c, "id"));
        }
        (void)json_object_set_new(topics, topic, json_true());
    }
    return topics;
}
