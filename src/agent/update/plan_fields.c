#include "agent/update/plan_internal.h"
#include "base/str.h"

#include <string.h>

/*
 * One row per field of the API, 1.41 to 1.56. Rows whose name is a path belong to the value of
 * another row: the engine's own answer is copied, so only their version matters.
 */
/* clang-format off */
static const struct plan_field host_fields[] = {
    {"CpuShares",              'C', 0, 0, NULL},
    {"Memory",                 'C', 0, 0, NULL},
    {"CgroupParent",           'C', 0, 0, NULL},
    {"BlkioWeight",            'C', 0, 0, NULL},
    {"BlkioWeightDevice",      'C', 0, 0, NULL},
    {"BlkioWeightDevice[].Path",   'C', 0, 0, NULL},
    {"BlkioWeightDevice[].Weight", 'C', 0, 0, NULL},
    {"BlkioDeviceReadBps",     'C', 0, 0, NULL},
    {"BlkioDeviceReadBps[].Path", 'C', 0, 0, NULL},
    {"BlkioDeviceReadBps[].Rate", 'C', 0, 0, NULL},
    {"BlkioDeviceWriteBps",    'C', 0, 0, NULL},
    {"BlkioDeviceWriteBps[].Path", 'C', 0, 0, NULL},
    {"BlkioDeviceWriteBps[].Rate", 'C', 0, 0, NULL},
    {"BlkioDeviceReadIOps",    'C', 0, 0, NULL},
    {"BlkioDeviceReadIOps[].Path", 'C', 0, 0, NULL},
    {"BlkioDeviceReadIOps[].Rate", 'C', 0, 0, NULL},
    {"BlkioDeviceWriteIOps",   'C', 0, 0, NULL},
    {"BlkioDeviceWriteIOps[].Path", 'C', 0, 0, NULL},
    {"BlkioDeviceWriteIOps[].Rate", 'C', 0, 0, NULL},
    {"CpuPeriod",              'D', 0, 0, plan_default_cpu},
    {"CpuQuota",               'D', 0, 0, plan_default_cpu},
    {"CpuRealtimePeriod",      'C', 0, 0, NULL},
    {"CpuRealtimeRuntime",     'C', 0, 0, NULL},
    {"CpusetCpus",             'C', 0, 0, NULL},
    {"CpusetMems",             'C', 0, 0, NULL},
    {"Devices",                'C', 0, 0, plan_default_devices},
    {"Devices[].PathOnHost",        'C', 0, 0, NULL},
    {"Devices[].PathInContainer",   'C', 0, 0, NULL},
    {"Devices[].CgroupPermissions", 'C', 0, 0, NULL},
    {"MemoryReservation",      'C', 0, 0, NULL},
    {"MemorySwap",             'D', 0, 0, plan_default_swap},
    {"MemorySwappiness",       'D', 0, 0, plan_default_swappiness},
    {"NanoCpus",               'C', 0, 0, NULL},
    {"OomKillDisable",         'D', 0, 0, plan_default_empty},
    {"PidsLimit",              'C', 0, 0, NULL},
    {"Ulimits",                'D', 0, 0, plan_default_ulimits},
    {"Ulimits[].Name",         'C', 0, 0, NULL},
    {"Ulimits[].Soft",         'C', 0, 0, NULL},
    {"Ulimits[].Hard",         'C', 0, 0, NULL},
    {"CpuCount",               'C', 0, 0, NULL},
    {"CpuPercent",             'C', 0, 0, NULL},
    {"IOMaximumIOps",          'C', 0, 0, NULL},
    {"IOMaximumBandwidth",     'C', 0, 0, NULL},
    {"Binds",                  'C', 0, 0, plan_storage_binds},
    {"ContainerIDFile",        '-', 0, 0, NULL},
    {"LogConfig",              'D', 0, 0, plan_default_log},
    {"LogConfig.Type",         'D', 0, 0, NULL},
    {"LogConfig.Config",       'D', 0, 0, NULL},
    {"NetworkMode",            'R', 0, 0, plan_network_mode},
    {"PortBindings",           'C', 0, 0, plan_ports_bindings},
    {"RestartPolicy",          'C', 0, 0, NULL},
    {"RestartPolicy.Name",     'C', 0, 0, NULL},
    {"RestartPolicy.MaximumRetryCount", 'C', 0, 0, NULL},
    {"AutoRemove",             'C', 0, 0, NULL},
    {"VolumeDriver",           'C', 0, 0, NULL},
    {"VolumesFrom",            'R', 0, 0, plan_reference_volumes},
    {"Mounts",                 'C', 0, 0, plan_storage_mounts},
    {"Mounts[].Target",        'C', 0, 0, NULL},
    {"Mounts[].Source",        'C', 0, 0, NULL},
    {"Mounts[].Type",          'C', 0, 0, NULL},
    {"Mounts[].ReadOnly",      'C', 0, 0, NULL},
    {"Mounts[].BindOptions",   'C', 0, 0, NULL},
    {"Mounts[].BindOptions.Propagation", 'C', 0, 0, NULL},
    {"Mounts[].VolumeOptions", 'V', 0, 0, NULL},
    {"Mounts[].VolumeOptions.NoCopy", 'C', 0, 0, NULL},
    {"Mounts[].VolumeOptions.Labels", 'C', 0, 0, NULL},
    {"Mounts[].VolumeOptions.DriverConfig", 'C', 0, 0, NULL},
    {"Mounts[].VolumeOptions.DriverConfig.Name",    'C', 0, 0, NULL},
    {"Mounts[].VolumeOptions.DriverConfig.Options", 'C', 0, 0, NULL},
    {"Mounts[].TmpfsOptions",  'C', 0, 0, NULL},
    {"Mounts[].TmpfsOptions.SizeBytes", 'C', 0, 0, NULL},
    {"Mounts[].TmpfsOptions.Mode",      'C', 0, 0, NULL},
    {"Mounts[].ClusterOptions", 'C', 0, 0, NULL},
    {"CapAdd",                 'C', 0, 0, NULL},
    {"CapDrop",                'C', 0, 0, NULL},
    {"Dns",                    'C', 0, 0, plan_network_own},
    {"DnsOptions",             'C', 0, 0, NULL},
    {"DnsSearch",              'C', 0, 0, NULL},
    {"ExtraHosts",             'C', 0, 0, plan_network_own},
    {"GroupAdd",               'C', 0, 0, NULL},
    {"IpcMode",                'R', 0, 0, plan_reference_ipc},
    {"Cgroup",                 'C', 0, 0, NULL},
    {"Links",                  'R', 0, 0, plan_reference_links},
    {"OomScoreAdj",            'C', 0, 0, NULL},
    {"PidMode",                'R', 0, 0, plan_reference_mode},
    {"Privileged",             'C', 0, 0, NULL},
    {"PublishAllPorts",        'C', 0, 0, plan_ports_all},
    {"ReadonlyRootfs",         'C', 0, 0, NULL},
    {"SecurityOpt",            'D', 0, 0, plan_default_security},
    {"StorageOpt",             'C', 0, 0, NULL},
    {"Tmpfs",                  'C', 0, 0, NULL},
    {"UTSMode",                'C', 0, 0, NULL},
    {"UsernsMode",             'C', 0, 0, NULL},
    {"ShmSize",                'D', 0, 0, plan_default_probe},
    {"Sysctls",                'V', 0, 0, plan_network_sysctls},
    {"Runtime",                'D', 0, 0, plan_default_probe},
    {"ConsoleSize",            'D', 0, 0, plan_default_console},
    {"Isolation",              'C', 0, 0, NULL},
    {"DeviceCgroupRules",      'C', 0, 0, NULL},
    {"Mounts[].Consistency",   'C', 0, 0, NULL},
    {"DeviceRequests",         'C', 0, 0, NULL},
    {"DeviceRequests[].Driver",       'C', 0, 0, NULL},
    {"DeviceRequests[].Count",        'C', 0, 0, NULL},
    {"DeviceRequests[].DeviceIDs",    'C', 0, 0, NULL},
    {"DeviceRequests[].Capabilities", 'C', 0, 0, NULL},
    {"DeviceRequests[].Options",      'C', 0, 0, NULL},
    {"KernelMemory",           'D', 0, 41, plan_default_empty},
    {"KernelMemoryTCP",        'D', 0, 41, plan_default_empty}, /* ignored before it was removed */
    {"Init",                   'C', 0, 0, NULL},
    {"Mounts[].BindOptions.NonRecursive", 'C', 0, 0, NULL},
    {"MaskedPaths",            'D', 0, 0, plan_default_paths},
    {"ReadonlyPaths",          'D', 0, 0, plan_default_paths},
    {"CgroupnsMode",           'D', 0, 0, plan_default_cgroupns},
    {"Mounts[].BindOptions.CreateMountpoint", 'V', 42, 0, NULL},
    {"Annotations",            'V', 43, 0, NULL},
    {"Mounts[].BindOptions.ReadOnlyNonRecursive",   'V', 44, 0, NULL},
    {"Mounts[].BindOptions.ReadOnlyForceRecursive", 'V', 44, 0, NULL},
    {"Mounts[].VolumeOptions.Subpath", 'V', 45, 0, NULL},
    {"Mounts[].TmpfsOptions.Options",  'V', 46, 0, NULL},
    {"Mounts[].ImageOptions",          'V', 48, 0, NULL},
    {"Mounts[].ImageOptions.Subpath",  'V', 48, 0, NULL},
};

static const struct plan_field config_fields[] = {
    {"Hostname",        'D', 0, 0, plan_network_hostname},
    {"Domainname",      'C', 0, 0, plan_network_domainname},
    {"User",            'S', 0, 0, plan_image_value},
    {"AttachStdin",     'C', 0, 0, NULL},
    {"AttachStdout",    'C', 0, 0, NULL},
    {"AttachStderr",    'C', 0, 0, NULL},
    {"ExposedPorts",    'S', 0, 0, plan_image_ports},
    {"Tty",             'C', 0, 0, NULL},
    {"OpenStdin",       'C', 0, 0, NULL},
    {"StdinOnce",       'C', 0, 0, NULL},
    {"Env",             'S', 0, 0, plan_image_env},
    {"Cmd",             'S', 0, 0, plan_image_pair},
    {"Healthcheck",     'S', 0, 0, plan_image_healthcheck},
    {"Healthcheck.Test",        'S', 0, 0, NULL},
    {"Healthcheck.Interval",    'S', 0, 0, NULL},
    {"Healthcheck.Timeout",     'S', 0, 0, NULL},
    {"Healthcheck.Retries",     'S', 0, 0, NULL},
    {"Healthcheck.StartPeriod", 'S', 0, 0, NULL},
    {"ArgsEscaped",     '-', 0, 0, NULL}, /* Windows */
    {"Image",           'R', 0, 0, plan_image_reference},
    {"Volumes",         'S', 0, 0, plan_image_volumes},
    {"WorkingDir",      'S', 0, 0, plan_image_value},
    {"Entrypoint",      'S', 0, 0, NULL}, /* with Cmd */
    {"NetworkDisabled", 'C', 0, 0, NULL},
    {"MacAddress",      'R', 0, 51, NULL}, /* with the endpoints */
    {"OnBuild",         '-', 0, 0, NULL},
    {"Labels",          'S', 0, 0, plan_image_labels},
    {"StopSignal",      'S', 0, 0, plan_image_value},
    {"StopTimeout",     'C', 0, 0, NULL},
    {"Shell",           'S', 0, 0, plan_image_value},
    {"Healthcheck.StartInterval", 'V', 44, 0, NULL},
};

static const struct plan_field endpoint_fields[] = {
    {"IPAMConfig",              'C', 0, 0, plan_network_ipam},
    {"IPAMConfig.IPv4Address",  'C', 0, 0, NULL},
    {"IPAMConfig.IPv6Address",  'C', 0, 0, NULL},
    {"IPAMConfig.LinkLocalIPs", 'C', 0, 0, NULL},
    {"Links",               'R', 0, 0, plan_reference_endpoint_links},
    {"Aliases",             'C', 0, 0, plan_network_aliases},
    {"NetworkID",           '-', 0, 0, NULL},
    {"EndpointID",          '-', 0, 0, NULL},
    {"Gateway",             '-', 0, 0, NULL},
    {"IPAddress",           '-', 0, 0, NULL},
    {"IPPrefixLen",         '-', 0, 0, NULL},
    {"IPv6Gateway",         '-', 0, 0, NULL},
    {"GlobalIPv6Address",   '-', 0, 0, NULL},
    {"GlobalIPv6PrefixLen", '-', 0, 0, NULL},
    {"MacAddress",          'R', 0, 0, NULL}, /* decided for all endpoints together */
    {"DriverOpts",          'C', 0, 0, NULL},
    {"DNSNames",            '-', 44, 0, NULL},
    {"GwPriority",          'V', 48, 0, NULL},
};
/* clang-format on */

static const struct {
    const struct plan_field *rows;
    size_t n;
} sections[] = {
    [PLAN_HOST] = {host_fields,     ARRAY_LEN(host_fields)    },
    [PLAN_CONFIG] = {config_fields,   ARRAY_LEN(config_fields)  },
    [PLAN_ENDPOINT] = {endpoint_fields, ARRAY_LEN(endpoint_fields)},
};

static const struct plan_field *find_row(enum plan_section section, const char *name)
{
    for (size_t i = 0; i < sections[section].n; i++) {
        if (strcmp(sections[section].rows[i].name, name) == 0)
            return &sections[section].rows[i];
    }
    return NULL;
}

static bool is_path(const char *name)
{
    return strpbrk(name, ".[") != NULL;
}

static void note_old_api(struct plan_work *w, const struct plan_field *f)
{
    plan_note(w, "api_too_old",
              "%s needs API 1.%u, and the engine speaks 1.%u: the setting is left out", f->name,
              f->since, w->s->api_minor);
}

/* Removes the member that a path such as "A[].B.C" names, and says whether one had a value. */
static bool remove_path(json_t *v, const char *path)
{
    size_t n = strcspn(path, ".[");
    bool is_last = path[n] == '\0', is_array = path[n] == '[';
    const char *rest = is_last ? NULL : path + n + (is_array ? 3 : 1);
    json_t *member, *item;
    bool found = false;
    size_t i;

    member = json_object_getn(v, path, n);
    if (is_last) {
        found = !plan_is_empty(member);
        (void)json_object_deln(v, path, n);
        return found;
    }
    if (!is_array)
        return json_is_object(member) && remove_path(member, rest);
    json_array_foreach(member, i, item) found |= json_is_object(item) && remove_path(item, rest);
    return found;
}

static int apply_row(struct plan_work *w,
                     const struct plan_field *f,
                     const json_t *value,
                     json_t *to)
{
    if (f->since > w->s->api_minor) {
        if (f->letter != '-' && !plan_is_empty(value))
            note_old_api(w, f);
        return 0;
    }
    if (f->gone_after > 0 && f->gone_after < w->s->api_minor)
        return 0;
    if (f->apply)
        return f->apply(w, f, value, to);
    if (f->letter == 'C' || f->letter == 'V')
        plan_copy(to, f->name, value);
    return 0; /* S and R without a function: with another field */
}

int plan_fields_apply(struct plan_work *w,
                      enum plan_section section,
                      const json_t *from,
                      json_t *to)
{
    const struct plan_field *rows = sections[section].rows;
    const char *key;
    json_t *value;
    int r;

    for (size_t i = 0; i < sections[section].n; i++) {
        const struct plan_field *f = &rows[i], *podman = NULL;

        if (is_path(f->name))
            continue;
        if (w->s->is_podman)
            podman = plan_podman_find(section, f->name);
        value = json_object_get(from, f->name);
        r = apply_row(w, podman ? podman : f, json_is_null(value) ? NULL : value, to);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < sections[section].n; i++) {
        if (is_path(rows[i].name) && rows[i].since > w->s->api_minor &&
            remove_path(to, rows[i].name))
            note_old_api(w, &rows[i]);
    }
    json_object_foreach(plan_mutable(from), key, value)
    {
        if (!find_row(section, key))
            plan_copy(to, key, value);
    }
    return 0;
}
