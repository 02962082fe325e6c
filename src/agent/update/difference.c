#include "agent/update/difference_internal.h"
#include "agent/update/plan_internal.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <string.h>
#include <strings.h>

#define MAX_DEPTH 16

typedef void (*rule_fn)(struct difference_work *w,
                        const char *path,
                        const struct difference_values *v);

/* --- values --- */

static bool has_item(const json_t *array, const json_t *item)
{
    size_t i;
    json_t *one;

    json_array_foreach(array, i, one)
    {
        if (difference_is_same(one, item))
            return true;
    }
    return false;
}

static bool has_items(const json_t *array, const json_t *items)
{
    size_t i;
    json_t *item;

    json_array_foreach(items, i, item)
    {
        if (!has_item(array, item))
            return false;
    }
    return true;
}

static bool has_members(const json_t *object, const json_t *members)
{
    const char *key;
    json_t *value;

    json_object_foreach(plan_mutable(members), key, value)
    {
        if (!difference_is_same(json_object_get(object, key), value))
            return false;
    }
    return true;
}

/* Engines write an absent value as null, "", 0, false, [] or {}, and sort lists as they like. */
bool difference_is_same(const json_t *a, const json_t *b)
{
    if (plan_is_empty(a) || plan_is_empty(b))
        return plan_is_empty(a) && plan_is_empty(b);
    if (json_is_array(a) && json_is_array(b))
        return json_array_size(a) == json_array_size(b) && has_items(a, b) && has_items(b, a);
    if (json_is_object(a) && json_is_object(b))
        return has_members(a, b) && has_members(b, a);
    return json_equal(a, b);
}

static json_t *borrow(const json_t *v)
{
    return v ? json_incref(plan_mutable(v)) : json_null();
}

static void add(json_t *to, size_t max, const char *path, const json_t *before, const json_t *after)
{
    json_t *one;

    if (json_array_size(to) >= max)
        return;
    one = json_object();
    json_text_set(one, "path", json_text_str(path));
    json_text_set(one, "before", borrow(before));
    json_text_set(one, "after", borrow(after));
    plan_array_add(to, one);
}

void difference_report(struct difference_work *w,
                       const char *path,
                       const json_t *expected,
                       const json_t *after)
{
    add(w->found, DIFFERENCE_MAX, path, expected, after);
}

/* --- the general rule --- */

static bool is_kept(const struct difference_values *v)
{
    return difference_is_same(v->after, v->before) ||
           (v->sent && difference_is_same(v->after, v->sent)) ||
           (plan_is_empty(v->sent) && difference_is_same(v->after, v->of_self));
}

static void compare(struct difference_work *w,
                    const char *path,
                    const struct difference_values *v,
                    unsigned depth);

static void compare_members(struct difference_work *w,
                            const char *path,
                            const struct difference_values *v,
                            unsigned depth)
{
    json_auto_t *keys = json_object();
    const char *key;
    json_t *value;

    (void)json_object_update(keys, plan_mutable(plan_object(v->before)));
    (void)json_object_update(keys, plan_mutable(plan_object(v->sent)));
    json_object_foreach(keys, key, value)
    {
        _cleanup_free_ char *member = xasprintf("%s.%s", path, key);

        compare(w, member,
                &(struct difference_values){
                    json_object_get(v->before, key), json_object_get(v->after, key),
                    json_object_get(v->sent, key), json_object_get(v->of_self, key)},
                depth + 1);
    }
}

static void compare(struct difference_work *w,
                    const char *path,
                    const struct difference_values *v,
                    unsigned depth)
{
    bool is_nested = json_is_object(v->after) &&
                     (json_is_object(v->before) || json_is_object(v->sent));

    if (is_kept(v))
        return;
    if (is_nested && depth < MAX_DEPTH) {
        compare_members(w, path, v, depth);
    } else {
        difference_report(w, path, plan_is_empty(v->sent) ? v->before : v->sent, v->after);
    }
}

/* --- the rules of the table --- */

/* The engine chooses it for each container, or only clients use it. */
static void ignore(struct difference_work *w, const char *path, const struct difference_values *v)
{
    (void)w;
    (void)path;
    (void)v;
}

/* Merged with the image, or with what the engine adds. */
void difference_need_contained(struct difference_work *w,
                               const char *path,
                               const struct difference_values *v)
{
    bool is_array = json_is_array(v->sent);
    const char *key;
    json_t *value;

    if (is_array && !has_items(v->after, v->sent))
        difference_report(w, path, v->sent, v->after);
    json_object_foreach(plan_mutable(v->sent), key, value)
    {
        const json_t *now = json_object_get(v->after, key);
        _cleanup_free_ char *member = xasprintf("%s.%s", path, key);

        if (!json_object_get(v->after, key) || !difference_is_same(now, value))
            difference_report(w, member, value, now);
    }
}

static bool is_default_network(const json_t *mode)
{
    const char *name = json_is_string(mode) ? json_string_value(mode) : "";

    return str_is_empty(name) || plan_network_is_default(name) || str_eq(name, "default");
}

bool difference_is_joined(const json_t *mode)
{
    const char *text = json_is_string(mode) ? json_string_value(mode) : NULL;

    return text && str_starts_with(text, "container:");
}

/* The engine writes the id of another container where its name was sent. */
static void need_mode(struct difference_work *w,
                      const char *path,
                      const struct difference_values *v)
{
    if (is_kept(v) || (difference_is_joined(v->before) && difference_is_joined(v->after)) ||
        (is_default_network(v->before) && is_default_network(v->after)))
        return;
    difference_report(w, path, v->sent ? v->sent : v->before, v->after);
}

/* The names in it change their form, or follow a container that was renamed. */
static void need_count(struct difference_work *w,
                       const char *path,
                       const struct difference_values *v)
{
    if (json_array_size(v->after) < json_array_size(v->sent))
        difference_report(w, path, v->sent, v->after);
}

static void need_paths(struct difference_work *w,
                       const char *path,
                       const struct difference_values *v)
{
    const char *name = strrchr(path, '.') + 1;
    bool is_explicit = json_is_array(v->sent) && json_array_size(v->sent) == 0;

    if (is_explicit ? json_array_size(v->after) == 0
                    : is_kept(v) || (plan_default_is_known(name, v->before) &&
                                     plan_default_is_known(name, v->after)))
        return;
    difference_report(w, path, v->sent ? v->sent : v->before, v->after);
}

/* "nofile" and Podman's "RLIMIT_NOFILE" are the same. */
static bool is_limit(const json_t *a, const json_t *b)
{
    const char *x = json_text_get(a, "Name"), *y = json_text_get(b, "Name");

    x = x && str_starts_with(x, "RLIMIT_") ? x + strlen("RLIMIT_") : x;
    y = y && str_starts_with(y, "RLIMIT_") ? y + strlen("RLIMIT_") : y;
    return x && y && strcasecmp(x, y) == 0 &&
           difference_is_same(json_object_get(a, "Soft"), json_object_get(b, "Soft")) &&
           difference_is_same(json_object_get(a, "Hard"), json_object_get(b, "Hard"));
}

static void need_limits(struct difference_work *w,
                        const char *path,
                        const struct difference_values *v)
{
    size_t i, k;
    json_t *limit, *one;

    json_array_foreach(v->sent, i, limit)
    {
        bool is_found = false;

        json_array_foreach(v->after, k, one) is_found |= is_limit(one, limit);
        if (!is_found)
            difference_report(w, path, limit, v->after);
    }
}

static void need_policy(struct difference_work *w,
                        const char *path,
                        const struct difference_values *v)
{
    const char *sent = json_text_get(v->sent, "Name"), *after = json_text_get(v->after, "Name");
    bool is_none = str_is_empty(sent) || str_eq(sent, "no");

    if (is_none ? !str_is_empty(after) && !str_eq(after, "no") : !has_members(v->after, v->sent))
        difference_report(w, path, v->sent, v->after);
}

static void need_swappiness(struct difference_work *w,
                            const char *path,
                            const struct difference_values *v)
{
    json_int_t sent = json_integer_value(v->sent);

    if (sent > 0 && json_integer_value(v->after) != sent)
        difference_report(w, path, v->sent, v->after);
}

/* The engine's own key is that of the user where nothing was sent. */
static void need_if_sent(struct difference_work *w,
                         const char *path,
                         const struct difference_values *v)
{
    if (!plan_is_empty(v->sent) && !difference_is_same(v->after, v->sent))
        difference_report(w, path, v->sent, v->after);
}

/* [""] hides the entrypoint of the image, and one of the two replaces both of the image. */
static void need_command(struct difference_work *w,
                         const char *path,
                         const struct difference_values *v)
{
    const json_t *create = w->s->create;
    bool is_sent = !plan_is_empty(json_object_get(create, "Cmd")) ||
                   !plan_is_empty(json_object_get(create, "Entrypoint"));
    bool is_hidden = json_array_size(v->sent) == 1 && plan_array_has(v->sent, "");

    if (is_kept(v) || (is_hidden && plan_is_empty(v->after)) ||
        (is_sent && plan_is_empty(v->sent) && plan_is_empty(v->after)))
        return;
    difference_report(w, path, plan_is_empty(v->sent) ? v->before : v->sent, v->after);
}

static int read_signal(const json_t *v)
{
    return plan_podman_signal(json_is_string(v) ? json_string_value(v) : NULL);
}

static void need_signal(struct difference_work *w,
                        const char *path,
                        const struct difference_values *v)
{
    if (!is_kept(v) && (plan_is_empty(v->sent) || read_signal(v->sent) != read_signal(v->after)))
        difference_report(w, path, plan_is_empty(v->sent) ? v->before : v->sent, v->after);
}

/* The source is that of the list of mounts, which is compared, too. */
static void need_mounts(struct difference_work *w,
                        const char *path,
                        const struct difference_values *v)
{
    size_t i;
    json_t *one;

    json_array_foreach(v->sent, i, one)
    {
        const char *to = json_text_get(one, "Target");
        const json_t *now = to ? difference_find_mount(v->after, "Target", to) : NULL;
        json_auto_t *wanted = json_copy(one);
        _cleanup_free_ char *member = xasprintf("%s[%s]", path, to ? to : "");

        (void)json_object_del(wanted, "Source");
        if (!w->s->is_podman && !has_members(now, wanted))
            difference_report(w, member, one, now);
    }
}

/* A port that is sent without a number gets a random one, and Podman shows "" as 0.0.0.0. */
static void need_bindings(struct difference_work *w,
                          const char *path,
                          const struct difference_values *v)
{
    const char *port;
    json_t *sent;

    json_object_foreach(plan_mutable(v->sent), port, sent)
    {
        const json_t *after = json_object_get(v->after, port);
        _cleanup_free_ char *member = xasprintf("%s.%s", path, port);
        bool is_lost = json_array_size(after) < json_array_size(sent);
        size_t i;
        json_t *one;

        json_array_foreach(sent, i, one)
        {
            const char *number = json_text_get(one, "HostPort");
            const char *now = json_text_get(json_array_get(after, i), "HostPort");

            is_lost |= !str_is_empty(number) && !str_eq(number, "0") && !str_eq(number, now) &&
                       json_array_size(sent) == 1;
        }
        if (is_lost)
            difference_report(w, member, sent, after);
    }
}

static const struct row {
    const char *name;
    rule_fn rule;
    bool is_free_on_podman;
} host_rows[] =
    {
        {"Annotations",      difference_need_contained, false},
        {"Binds",            ignore,                    false}, /* by the list of mounts */
        {"CapDrop",          NULL,                      true }, /* shows what the host lacks */
        {"ConsoleSize",      ignore,                    false},
        {"ContainerIDFile",  ignore,                    false},
        {"IpcMode",          need_mode,                 false},
        {"Isolation",        ignore,                    false},
        {"KernelMemory",     ignore,                    false}, /* engines after 20.10 have none */
        {"KernelMemoryTCP",  ignore,                    false},
        {"Links",            need_count,                false},
        {"MaskedPaths",      need_paths,                true },
        {"MemorySwap",       NULL,                      true },
        {"MemorySwappiness", need_swappiness,           false},
        {"Mounts",           need_mounts,               false},
        {"NetworkMode",      need_mode,                 true }, /* "bridge" for all */
        {"PidMode",          need_mode,                 false},
        {"PortBindings",     need_bindings,             false},
        {"ReadonlyPaths",    need_paths,                true },
        {"RestartPolicy",    need_policy,               false},
        {"Sysctls",          difference_need_contained, false},
        {"Ulimits",          need_limits,               false},
        {"UsernsMode",       NULL,                      true }, /* only an annotation shows it */
        {"VolumesFrom",      need_count,                true },
},
  config_rows[] = {
      {"ArgsEscaped", ignore, false},
      {"Cmd", need_command, false},
      {"Entrypoint", need_command, false},
      {"Env", difference_need_contained, false},
      {"ExposedPorts", difference_need_contained, false},
      {"Hostname", need_if_sent, false},
      {"Image", ignore, false},
      {"Labels", difference_need_contained, false},
      {"MacAddress", ignore, false}, /* by the endpoints */
      {"OnBuild", ignore, false},
      {"Shell", ignore, false},
      {"StopSignal", need_signal, false},
      {"Volumes", difference_need_contained, true},
};

static const struct row *find_row(const struct row *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

static void compare_section(struct difference_work *w,
                            const char *section,
                            const struct difference_values *v,
                            const struct row *rows,
                            size_t n)
{
    json_auto_t *keys = json_object();
    const char *key;
    json_t *value;

    (void)json_object_update(keys, plan_mutable(plan_object(v->before)));
    if (str_eq(section, "HostConfig"))
        (void)json_object_update(keys, plan_mutable(plan_object(v->sent)));
    json_object_foreach(keys, key, value)
    {
        const struct row *row = find_row(rows, n, key);
        _cleanup_free_ char *path = xasprintf("%s.%s", section, key);
        struct difference_values member = {
            json_object_get(v->before, key), json_object_get(v->after, key),
            json_object_get(v->sent, key), json_object_get(v->of_self, key)};

        if (row && row->is_free_on_podman && w->s->is_podman)
            continue;
        if (row && row->rule) {
            row->rule(w, path, &member);
        } else {
            compare(w, path, &member, 0);
        }
    }
}

json_t *difference_find(const struct difference_source *s)
{
    struct difference_work w = {.s = s, .found = json_array()};
    const json_t *of_image = json_object_get(s->probe, "Config");

    compare_section(&w, "Config",
                    &(struct difference_values){json_object_get(s->before, "Config"),
                                                json_object_get(s->after, "Config"), s->create,
                                                of_image ? of_image : s->new_config},
                    config_rows, ARRAY_LEN(config_rows));
    compare_section(&w, "HostConfig",
                    &(struct difference_values){json_object_get(s->before, "HostConfig"),
                                                json_object_get(s->after, "HostConfig"),
                                                json_object_get(s->create, "HostConfig"),
                                                json_object_get(s->probe, "HostConfig")},
                    host_rows, ARRAY_LEN(host_rows));
    difference_compare_mounts(&w);
    difference_compare_ports(&w);
    difference_compare_networks(&w);
    return w.found;
}
