#include "cli/stats/stats_state.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/member.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_SIZE     96
#define ID_SIZE      12
#define MAX_TOPICS   1500   /* for single containers; the server allows 2,000 */
#define MAX_SUBJECTS 500000 /* limit of what a server can make us remember */

void stats_state_init(struct stats_state *s, const struct stats_wanted *wanted)
{
    *s = (struct stats_state){
        .wanted = wanted,
        .hosts = json_object(),
        .containers = json_object(),
        .metrics = json_object(),
    };
}

void stats_state_done(struct stats_state *s)
{
    json_decref(s->hosts);
    json_decref(s->containers);
    json_decref(s->metrics);
    *s = (struct stats_state){0};
}

/* --- messages --------------------------------------------------------------------------------- */

/* The key of a container, or of an object that refers to one. */
static const char *format_key(const json_t *v, char ret[KEY_SIZE])
{
    (void)snprintf(ret, KEY_SIZE, "%.64s/%.*s", member_text(v, "host_id"), ID_SIZE,
                   member_text(v, "id"));
    return ret;
}

/* Updates an element, or adds one while there is room. */
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
        remember(into, format_key(v, key), v);
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
        (void)json_object_del(s->containers, format_key(v, key));
        (void)json_object_del(s->metrics, key);
    }
}

/* Removes a host with its containers. */
static void forget_host(struct stats_state *s, const char *id)
{
    const char *key;
    json_t *v;
    void *next;

    json_object_foreach_safe(s->containers, next, key, v)
    {
        if (!str_eq(member_text(v, "host_id"), id))
            continue;
        (void)json_object_del(s->metrics, key);
        (void)json_object_del(s->containers, key);
    }
    (void)json_object_del(s->metrics, id);
    (void)json_object_del(s->hosts, id);
}

/* The first part of a complete state replaces everything. */
static bool starts_over(const json_t *message)
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
    if (starts_over(message)) {
        (void)json_object_clear(s->hosts);
        (void)json_object_clear(s->containers);
        (void)json_object_clear(s->metrics);
    }
    if (time_parse_ns(member_text(message, "timestamp"), &ns) == 0) {
        s->told_ms = ns / 1000000;
        s->heard_ms = monotonic_ms;
    }
    take_hosts(json_object_get(message, "hosts"), "id", s->hosts);
    take_containers(json_object_get(message, "containers"), s->containers);
    take_hosts(json_object_get(message, "host_stats"), "host_id", s->metrics);
    take_containers(json_object_get(message, "stats"), s->metrics);
    forget_containers(s, json_object_get(message, "removed"));
    json_array_foreach(json_object_get(message, "removed_hosts"), i, v)
    {
        forget_host(s, json_is_string(v) ? json_string_value(v) : "");
    }
}

/* --- rows ------------------------------------------------------------------------------------- */

static const json_t *find_host(const struct stats_state *s, const json_t *subject)
{
    return s->wanted->hosts ? subject : json_object_get(s->hosts, member_text(subject, "host_id"));
}

static bool is_online(const struct stats_state *s, const json_t *subject)
{
    return str_eq(member_text(find_host(s, subject), "status"), "online");
}

/* Whether there can be metrics of the subject. */
static bool is_measured(const struct stats_state *s, const json_t *subject)
{
    const char *state = member_state(subject);

    return is_online(s, subject) &&
           (s->wanted->hosts || str_eq(state, "running") || str_eq(state, "paused"));
}

static int64_t read_time_ms(const json_t *metrics)
{
    int64_t ns;

    return time_parse_ns(member_text(metrics, "timestamp"), &ns) == 0 ? ns / 1000000 : 0;
}

/* NULL if the metrics are unknown or stale, or the subject cannot have any. */
static const json_t *find_metrics(const struct stats_state *s,
                                  const json_t *subject,
                                  int64_t now_ms)
{
    char key[KEY_SIZE];
    const json_t *v = json_object_get(s->metrics, s->wanted->hosts ? member_text(subject, "id")
                                                                   : format_key(subject, key));

    return v && is_measured(s, subject) && read_time_ms(v) > now_ms - STATS_STALE_MS ? v : NULL;
}

/* By name, so that a container that was re-created under its name is still shown. */
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

static json_t *choose_subjects(const struct stats_state *s)
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
    json_t *list = choose_subjects(s);
    size_t n = json_array_size(list);
    struct stats_row *rows = xcalloc(n + 1, sizeof(*rows));

    for (size_t i = 0; i < n; i++) {
        rows[i].subject = json_array_get(list, i);
        rows[i].metrics = find_metrics(s, rows[i].subject, now_ms);
        rows[i].host = find_host(s, rows[i].subject);
        rows[i].now_ms = now_ms;
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
    /* The CPU is the last to be known: it takes two samples. */
    return row->metrics && read_time_ms(row->metrics) > after_ms &&
           json_is_number(json_object_get(row->metrics, "cpu_percent"));
}

/* --- topics ----------------------------------------------------------------------------------- */

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
