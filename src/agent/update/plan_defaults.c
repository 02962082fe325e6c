#include "agent/update/plan_internal.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <string.h>

int plan_default_probe(struct plan_work *w,
                       const struct plan_field *f,
                       const json_t *value,
                       json_t *to)
{
    if (!plan_is_empty(value) && !json_equal(value, json_object_get(w->probe_host, f->name)))
        plan_copy(to, f->name, value);
    return 0;
}

/* The engine fills in false or 0, and newer ones refuse or warn of it. */
int plan_default_empty(struct plan_work *w,
                       const struct plan_field *f,
                       const json_t *value,
                       json_t *to)
{
    (void)w;
    if (!plan_is_empty(value))
        plan_copy(to, f->name, value);
    return 0;
}

int plan_default_swap(struct plan_work *w,
                      const struct plan_field *f,
                      const json_t *value,
                      json_t *to)
{
    json_int_t memory = json_integer_value(json_object_get(w->host, "Memory"));
    json_int_t swap = json_integer_value(value);

    if (memory > 0 && swap % 2 == 0 && swap / 2 == memory)
        return 0;
    return plan_default_empty(w, f, value, to);
}

/* -1 is the default; with cgroup v2 the engine discards any value. */
int plan_default_swappiness(struct plan_work *w,
                            const struct plan_field *f,
                            const json_t *value,
                            json_t *to)
{
    (void)w;
    if (json_integer_value(value) >= 0)
        plan_copy(to, f->name, value);
    return 0;
}

/* Docker refuses these beside NanoCpus; Podman shows both, computed from each other. */
int plan_default_cpu(struct plan_work *w,
                     const struct plan_field *f,
                     const json_t *value,
                     json_t *to)
{
    if (json_integer_value(json_object_get(w->host, "NanoCpus")) == 0)
        plan_copy(to, f->name, value);
    return 0;
}

int plan_default_console(struct plan_work *w,
                         const struct plan_field *f,
                         const json_t *value,
                         json_t *to)
{
    (void)w;
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (json_integer_value(json_array_get(value, i)) != 0) {
            plan_copy(to, f->name, value);
            break;
        }
    }
    return 0;
}

/*
 * The lists of engines: the first `n` of a table. They grow when something in /proc or /sys proves
 * to be dangerous, so a copied list would leave the container exposed after the engine was patched.
 */
/* clang-format off */
static const char *const masked[] = {
    "/proc/acpi",         "/proc/kcore",       "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug",  "/proc/scsi",        "/sys/firmware",
    "/proc/asound",       "/sys/devices/virtual/powercap", "/proc/interrupts",
};
static const char *const read_only[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* clang-format on */

static bool is_thermal_throttle(const char *path)
{
    return str_starts_with(path, "/sys/devices/system/cpu/cpu") &&
           str_ends_with(path, "/thermal_throttle");
}

static bool is_list(const json_t *paths, const char *const *table, size_t n)
{
    json_auto_t *set = json_object();
    json_t *item;
    size_t i;

    json_array_foreach(paths, i, item)
    {
        const char *path = json_string_value(item);

        if (!path)
            return false;
        if (!is_thermal_throttle(path))
            json_text_set(set, path, json_true());
    }
    if (json_object_size(set) != n)
        return false;
    for (i = 0; i < n; i++) {
        if (!json_object_get(set, table[i]))
            return false;
    }
    return true;
}

bool plan_default_is_known(const char *name, const json_t *paths)
{
    if (!json_is_array(paths))
        return false;
    if (str_eq(name, "ReadonlyPaths"))
        return is_list(paths, read_only, ARRAY_LEN(read_only));
    for (size_t n = 9; n <= ARRAY_LEN(masked); n++) { /* of 18.03, 20.10, 24.0 and 28.5 */
        if (is_list(paths, masked, n))
            return true;
    }
    return false;
}

int plan_default_paths(struct plan_work *w,
                       const struct plan_field *f,
                       const json_t *value,
                       json_t *to)
{
    const json_t *of_probe = json_object_get(w->probe_host, f->name);

    if (!plan_default_is_known(f->name, value) && !(value && json_equal(value, of_probe)))
        plan_copy(to, f->name, value); /* also [], which is `systempaths=unconfined` */
    return 0;
}

/* The engine merges the options of its default driver into the user's. */
int plan_default_log(struct plan_work *w,
                     const struct plan_field *f,
                     const json_t *value,
                     json_t *to)
{
    const json_t *defaults = json_object_get(w->probe_host, f->name);
    const json_t *options = plan_object(json_object_get(value, "Config"));
    const json_t *default_options = plan_object(json_object_get(defaults, "Config"));
    json_t *kept, *kept_options, *option;
    const char *key;

    if (!json_equal(json_object_get(value, "Type"), json_object_get(defaults, "Type"))) {
        plan_copy(to, f->name, value);
        return 0;
    }
    kept_options = json_object();
    json_object_foreach(plan_mutable(options), key, option)
    {
        if (!json_equal(option, json_object_get(default_options, key)))
            plan_copy(kept_options, key, option);
    }
    if (json_object_size(kept_options) == 0) {
        json_decref(kept_options);
        return 0;
    }
    kept = json_object();
    plan_copy(kept, "Type", json_object_get(value, "Type"));
    json_text_set(kept, "Config", kept_options);
    json_text_set(to, f->name, kept);
    return 0;
}

static bool is_same_ulimit(const json_t *a, const json_t *b)
{
    static const char *const members[] = {"Name", "Soft", "Hard"};

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (!json_equal(json_object_get(a, members[i]), json_object_get(b, members[i])))
            return false;
    }
    return true;
}

json_t *plan_default_subtract_ulimits(const json_t *ulimits, const json_t *defaults)
{
    json_t *kept = json_array(), *item, *other;
    size_t i, j;

    json_array_foreach(ulimits, i, item)
    {
        bool is_default = false;

        json_array_foreach(defaults, j, other)
            is_default = is_default || is_same_ulimit(item, other);
        if (!is_default)
            plan_array_add(kept, json_deep_copy(item));
    }
    return kept;
}

int plan_default_ulimits(struct plan_work *w,
                         const struct plan_field *f,
                         const json_t *value,
                         json_t *to)
{
    json_t *kept = plan_default_subtract_ulimits(value, json_object_get(w->probe_host, f->name));

    if (json_array_size(kept) > 0) {
        json_text_set(to, f->name, kept);
    } else {
        json_decref(kept);
    }
    return 0;
}

/* The default of a privileged container is not that of the probe, which is not privileged. */
int plan_default_cgroupns(struct plan_work *w,
                          const struct plan_field *f,
                          const json_t *value,
                          json_t *to)
{
    if (!plan_is_true(w->host, "Privileged"))
        return plan_default_probe(w, f, value, to);
    return plan_default_empty(w, f, value, to);
}

static bool has_mode(const struct plan_work *w, const char *field, const char *beginning)
{
    const char *mode = json_text_get(w->host, field);

    return mode && str_starts_with(mode, beginning);
}

/* Entries that the engine derives from other fields, and derives again. */
static bool is_derived_option(const struct plan_work *w, const char *option)
{
    bool is_privileged = plan_is_true(w->host, "Privileged");

    if (str_eq(option, "label=disable") || str_eq(option, "label:disable"))
        return is_privileged || has_mode(w, "PidMode", "host") || has_mode(w, "IpcMode", "host");
    if (str_starts_with(option, "label="))
        return has_mode(w, "IpcMode", "container:") || has_mode(w, "PidMode", "container:");
    return w->s->is_podman && is_privileged && str_eq(option, "unmask=all");
}

int plan_default_security(struct plan_work *w,
                          const struct plan_field *f,
                          const json_t *value,
                          json_t *to)
{
    json_t *kept = json_array(), *item;
    size_t i;

    json_array_foreach(value, i, item)
    {
        const char *option = json_string_value(item);

        if (option && !is_derived_option(w, option))
            plan_array_add(kept, json_incref(item));
    }
    if (json_array_size(kept) > 0) {
        json_text_set(to, f->name, kept);
    } else {
        json_decref(kept);
    }
    return 0;
}

/* Podman shows "" for the permissions that it has chosen, and refuses "". */
int plan_default_devices(struct plan_work *w,
                         const struct plan_field *f,
                         const json_t *value,
                         json_t *to)
{
    json_t *device, *devices;
    size_t i;

    (void)w;
    plan_copy(to, f->name, value);
    devices = json_object_get(to, f->name);
    json_array_foreach(devices, i, device)
    {
        if (plan_is_empty(json_object_get(device, "CgroupPermissions")) && json_is_object(device))
            json_text_set(device, "CgroupPermissions", json_text_str("rwm"));
    }
    return 0;
}
