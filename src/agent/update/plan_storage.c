#include "agent/update/plan_internal.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <string.h>

#define API_READ_ONLY 44 /* read-only binds become read-only with all mounts below them */

/* Without double and trailing slashes. To be released. */
static char *clean_path(const char *path)
{
    char *clean = xstrdup(path), *to = clean;

    for (const char *p = path; *p; p++) {
        if (*p != '/' || (p[1] != '/' && p[1] != '\0') || (to == clean && p[1] == '\0'))
            *to++ = *p;
    }
    *to = '\0';
    return clean;
}

bool plan_storage_is_same_path(const char *a, const char *b)
{
    _cleanup_free_ char *x = clean_path(a), *y = clean_path(b);

    return strcmp(x, y) == 0;
}

static void add_path(json_t *set, const char *path)
{
    _cleanup_free_ char *clean = clean_path(path ? path : "");

    json_text_set(set, clean, json_true());
}

static bool has_path(const json_t *set, const char *path)
{
    _cleanup_free_ char *clean = clean_path(path);

    return json_object_get(set, clean) != NULL;
}

bool plan_storage_parse_bind(const char *bind, char **ret_source, char **ret_to, char **ret_options)
{
    const char *to = strchr(bind, ':'), *options;

    if (!to || to[1] == '\0')
        return false;
    to++;
    options = strchr(to, ':');
    *ret_source = xstrndup(bind, (size_t)(to - 1 - bind));
    *ret_to = options ? xstrndup(to, (size_t)(options - to)) : xstrdup(to);
    *ret_options = xstrdup(options ? options + 1 : "");
    return true;
}

static bool is_mounted_by(const json_t *container, const json_t *mount)
{
    json_t *other;
    size_t i;

    json_array_foreach(json_object_get(container, "Mounts"), i, other)
    {
        if (json_equal(json_object_get(other, "Destination"),
                       json_object_get(mount, "Destination")) &&
            json_equal(json_object_get(other, "Source"), json_object_get(mount, "Source")))
            return true;
    }
    return false;
}

/* Whether a mount comes from a container in VolumesFrom. */
static bool is_from_other(const struct plan_work *w, const json_t *mount)
{
    json_t *item;
    size_t i;

    json_array_foreach(json_object_get(w->host, "VolumesFrom"), i, item)
    {
        const char *entry = json_string_value(item);
        _cleanup_free_ char *name = entry ? xstrndup(entry, strcspn(entry, ":")) : NULL;
        const json_t *parent = name ? plan_reference_find(w->s, name) : NULL;

        if (parent && is_mounted_by(parent, mount))
            return true;
    }
    return false;
}

/* The entry of the inspect's Mounts for a destination, or NULL. */
static const json_t *find_mount(const struct plan_work *w, const char *to)
{
    json_t *mount;
    size_t i;

    json_array_foreach(w->mounts, i, mount)
    {
        const char *destination = json_text_get(mount, "Destination");

        if (destination && plan_storage_is_same_path(destination, to))
            return mount;
    }
    return NULL;
}

/* Podman lists the mounts of VolumesFrom among the binds. */
static bool is_bind_from_other(const struct plan_work *w, const char *bind)
{
    _cleanup_free_ char *source = NULL, *to = NULL, *options = NULL;
    const json_t *mount;

    if (!w->s->is_podman || plan_is_empty(json_object_get(w->host, "VolumesFrom")) ||
        !plan_storage_parse_bind(bind, &source, &to, &options))
        return false;
    mount = find_mount(w, to);
    return mount && is_from_other(w, mount);
}

int plan_storage_binds(struct plan_work *w,
                       const struct plan_field *f,
                       const json_t *value,
                       json_t *to)
{
    json_t *kept, *item;
    size_t i;

    if (plan_is_empty(value))
        return 0;
    kept = json_array();
    json_text_set(to, f->name, kept);
    json_array_foreach(value, i, item)
    {
        const char *bind = json_string_value(item);

        if (bind && !is_bind_from_other(w, bind))
            plan_array_add(kept, json_incref(item));
    }
    return 0;
}

/* A volume without a source is anonymous: its name is in the inspect's Mounts. */
int plan_storage_mounts(struct plan_work *w,
                        const struct plan_field *f,
                        const json_t *value,
                        json_t *to)
{
    json_t *mounts, *mount;
    size_t i;

    if (plan_is_empty(value))
        return 0;
    plan_copy(to, f->name, value);
    mounts = json_object_get(to, f->name);
    json_array_foreach(mounts, i, mount)
    {
        const char *target = json_text_get(mount, "Target"), *name;

        if (!target || !str_eq(json_text_get(mount, "Type"), "volume") ||
            !str_is_empty(json_text_get(mount, "Source")))
            continue;
        name = json_text_get(find_mount(w, target), "Name");
        if (name)
            json_text_set(mount, "Source", json_text_str(name));
    }
    return 0;
}

static json_t *get_list(json_t *object, const char *name)
{
    json_t *list = json_object_get(object, name);

    if (!list) {
        list = json_array();
        json_text_set(object, name, list);
    }
    return list;
}

static json_t *collect_destinations(const struct plan_work *w)
{
    json_t *set = json_object(), *item;
    size_t i;

    json_array_foreach(json_object_get(w->host, "Binds"), i, item)
    {
        const char *bind = json_string_value(item);
        _cleanup_free_ char *source = NULL, *to = NULL, *options = NULL;

        if (bind && plan_storage_parse_bind(bind, &source, &to, &options))
            add_path(set, to);
    }
    json_array_foreach(json_object_get(w->host, "Mounts"), i, item)
        add_path(set, json_text_get(item, "Target"));
    return set;
}

static void attach_volume(struct plan_work *w, const char *name, const char *to, bool is_read_only)
{
    _cleanup_free_ char *bind = NULL;
    json_t *mount;

    if (!strchr(to, ':')) {
        bind = xasprintf("%s:%s%s", name, to, is_read_only ? ":ro" : "");
        plan_array_add(get_list(w->body_host, "Binds"), json_text_str(bind));
        return;
    }
    mount = json_object();
    json_text_set(mount, "Type", json_text_str("volume"));
    json_text_set(mount, "Source", json_text_str(name));
    json_text_set(mount, "Target", json_text_str(to));
    json_text_set(mount, "ReadOnly", json_boolean(is_read_only));
    plan_array_add(get_list(w->body_host, "Mounts"), mount);
}

static void attach_anonymous(struct plan_work *w)
{
    json_auto_t *destinations = collect_destinations(w);
    size_t i, n = 0;
    json_t *mount;

    json_array_foreach(w->mounts, i, mount)
    {
        const char *name = json_text_get(mount, "Name");
        const char *to = json_text_get(mount, "Destination");

        if (!str_eq(json_text_get(mount, "Type"), "volume") || str_is_empty(name) || !to ||
            has_path(destinations, to) || is_from_other(w, mount))
            continue;
        attach_volume(w, name, to, json_is_false(json_object_get(mount, "RW")));
        add_path(destinations, to);
        n++;
    }
    if (n > 0 && !w->s->is_podman) {
        plan_note(w, "volumes_named",
                  "%zu anonymous volumes are attached by name, so `docker rm -v` keeps them from "
                  "now on",
                  n);
    }
}

static bool has_option(const char *options, const char *option)
{
    size_t length = strlen(option);

    for (const char *p = options; *p;) {
        size_t n = strcspn(p, ",");

        if (n == length && strncmp(p, option, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static bool has_submount(const struct plan_work *w, const char *to)
{
    _cleanup_free_ char *clean = clean_path(to);
    size_t i, n = strlen(clean);
    json_t *item;

    json_array_foreach(w->s->submounts, i, item)
    {
        const char *path = json_string_value(item);

        if (path && strncmp(path, clean, n) == 0 && path[n] == '/')
            return true;
    }
    return false;
}

/* Inspect of a bind that cannot be written as an entry of Mounts, because of its options: NULL. */
static json_t *convert_bind(const char *source, const char *to, const char *options)
{
    static const char *const propagations[] = {"private", "rprivate", "shared",
                                               "rshared", "slave",    "rslave"};
    json_t *mount, *settings;

    if (has_option(options, "z") || has_option(options, "Z"))
        return NULL;
    settings = json_object();
    json_text_set(settings, "ReadOnlyNonRecursive", json_true());
    json_text_set(settings, "CreateMountpoint", json_true());
    for (size_t i = 0; i < ARRAY_LEN(propagations); i++) {
        if (has_option(options, propagations[i]))
            json_text_set(settings, "Propagation", json_text_str(propagations[i]));
    }
    mount = json_object();
    json_text_set(mount, "Type", json_text_str("bind"));
    json_text_set(mount, "Source", json_text_str(source));
    json_text_set(mount, "Target", json_text_str(to));
    json_text_set(mount, "ReadOnly", json_true());
    json_text_set(mount, "BindOptions", settings);
    return mount;
}

/* Returns whether the bind was replaced by an entry of Mounts. */
static bool replace_bind(struct plan_work *w, const char *bind, bool *ret_is_unknown)
{
    _cleanup_free_ char *source = NULL, *to = NULL, *options = NULL;
    json_t *mount;

    if (!plan_storage_parse_bind(bind, &source, &to, &options) || *source != '/' ||
        !has_option(options, "ro"))
        return false;
    *ret_is_unknown = *ret_is_unknown || !w->s->submounts;
    if (!has_submount(w, to))
        return false;
    mount = convert_bind(source, to, options);
    if (!mount) {
        plan_note(w, "readonly_submounts",
                  "mounts below %.*s are writable, and become read-only: a bind with a relabel "
                  "option cannot express this",
                  STR_CUT(to, 128));
        return false;
    }
    plan_array_add(get_list(w->body_host, "Mounts"), mount);
    return true;
}

static void replace_binds(struct plan_work *w, bool *ret_is_unknown)
{
    json_t *binds = json_object_get(w->body_host, "Binds");

    for (size_t i = 0; i < json_array_size(binds);) {
        const char *bind = json_string_value(json_array_get(binds, i));

        if (bind && replace_bind(w, bind, ret_is_unknown)) {
            (void)json_array_remove(binds, i);
        } else {
            i++;
        }
    }
}

static void mark_mount(struct plan_work *w, json_t *mount, bool *ret_is_unknown)
{
    json_t *options = json_object_get(mount, "BindOptions");
    const char *to = json_text_get(mount, "Target");

    if (!to || !str_eq(json_text_get(mount, "Type"), "bind") || !plan_is_true(mount, "ReadOnly") ||
        plan_is_true(options, "ReadOnlyNonRecursive") ||
        plan_is_true(options, "ReadOnlyForceRecursive") || plan_is_true(options, "NonRecursive"))
        return;
    *ret_is_unknown = *ret_is_unknown || !w->s->submounts;
    if (!has_submount(w, to))
        return;
    if (!json_is_object(options)) {
        options = json_object();
        json_text_set(mount, "BindOptions", options);
    }
    json_text_set(options, "ReadOnlyNonRecursive", json_true());
}

/*
 * A read-only bind of an older API leaves mounts below it writable. Inspect does not show that, so
 * the caller has looked for such mounts in the container.
 */
static void keep_submounts(struct plan_work *w)
{
    bool is_unknown = false;
    json_t *mount;
    size_t i;

    json_array_foreach(json_object_get(w->body_host, "Mounts"), i, mount)
        mark_mount(w, mount, &is_unknown);
    replace_binds(w, &is_unknown);
    if (is_unknown) {
        plan_note(w, "readonly_unknown",
                  "mounts below a read-only bind become read-only; whether there are writable ones "
                  "is not known, because the container is not running or cannot be read");
    }
}

int plan_storage_finish(struct plan_work *w)
{
    attach_anonymous(w);
    if (w->s->api_minor >= API_READ_ONLY && !w->s->is_podman)
        keep_submounts(w);
    return 0;
}
