/*
 * The comparison of what the engine lists of a container: mounts, published ports, endpoints.
 */

#include "agent/update/difference_internal.h"
#include "agent/update/plan_internal.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <strings.h>

const json_t *difference_find_mount(const json_t *mounts, const char *key, const char *path)
{
    size_t i;
    json_t *one;

    json_array_foreach(mounts, i, one)
    {
        const char *to = json_text_get(one, key);

        if (to && plan_storage_is_same_path(to, path))
            return one;
    }
    return NULL;
}

static bool is_running(const json_t *inspect)
{
    return json_is_true(json_object_get(json_object_get(inspect, "State"), "Running"));
}

/* A volume must be that very volume; the image of an image mount is named by the plan. */
static bool is_mounted(const json_t *before, const json_t *after)
{
    const char *type = json_text_get(before, "Type");
    const char *identity = str_eq(type, "volume") ? "Name" : str_eq(type, "bind") ? "Source" : NULL;

    return after && str_eq(type, json_text_get(after, "Type")) &&
           difference_is_same(json_object_get(before, "RW"), json_object_get(after, "RW")) &&
           (!identity || difference_is_same(json_object_get(before, identity),
                                            json_object_get(after, identity)));
}

void difference_compare_mounts(struct difference_work *w)
{
    const json_t *after = json_object_get(w->s->after, "Mounts");
    size_t i;
    json_t *one;

    json_array_foreach(json_object_get(w->s->before, "Mounts"), i, one)
    {
        const char *to = json_text_get(one, "Destination");
        const json_t *now = to ? difference_find_mount(after, "Destination", to) : NULL;
        _cleanup_free_ char *path = xasprintf("Mounts[%s]", to ? to : "");

        if (!is_mounted(one, now))
            difference_report(w, path, one, now);
    }
}

/* Older engines do not publish a port that is not exposed: so it was bound in vain before. */
static bool was_publishable(const struct difference_work *w, const char *port)
{
    const json_t *config = json_object_get(w->s->before, "Config");
    const json_t *settings = json_object_get(w->s->before, "NetworkSettings");

    return json_object_get(json_object_get(config, "ExposedPorts"), port) ||
           json_array_size(json_object_get(json_object_get(settings, "Ports"), port)) > 0;
}

/* Older engines publish a port only if it is exposed, and say nothing about one that is not. */
void difference_compare_ports(struct difference_work *w)
{
    const json_t *host = json_object_get(w->s->create, "HostConfig");
    const json_t *ports = json_object_get(json_object_get(w->s->after, "NetworkSettings"), "Ports");
    const json_t *mode = json_object_get(host, "NetworkMode");
    const char *name = json_is_string(mode) ? json_string_value(mode) : "", *port;
    json_t *sent;

    if (!is_running(w->s->after) || str_eq(name, "host") || str_eq(name, "none") ||
        difference_is_joined(mode))
        return;
    json_object_foreach(plan_mutable(json_object_get(host, "PortBindings")), port, sent)
    {
        const json_t *now = json_object_get(ports, port);
        _cleanup_free_ char *path = xasprintf("NetworkSettings.Ports.%s", port);

        if (json_array_size(sent) > 0 && json_array_size(now) == 0 && was_publishable(w, port))
            difference_report(w, path, sent, now);
    }
}

/* The address as configured, or, where the engine shows only that in use, the latter. */
static void compare_address(struct difference_work *w,
                            const char *path,
                            const json_t *sent,
                            const json_t *after,
                            const char *key)
{
    bool is_v6 = str_eq(key, "IPv6Address");
    const json_t *wanted = json_object_get(json_object_get(sent, "IPAMConfig"), key);
    const json_t *configured = json_object_get(json_object_get(after, "IPAMConfig"), key);
    const json_t *used = json_object_get(after, is_v6 ? "GlobalIPv6Address" : "IPAddress");
    _cleanup_free_ char *member = xasprintf("%s.IPAMConfig.%s", path, key);

    if (plan_is_empty(wanted) || difference_is_same(wanted, configured))
        return;
    if (plan_is_empty(configured) && (!is_running(w->s->after) || difference_is_same(wanted, used)))
        return;
    difference_report(w, member, wanted, plan_is_empty(configured) ? used : configured);
}

static void compare_endpoint(struct difference_work *w,
                             const char *path,
                             const json_t *sent,
                             const json_t *now)
{
    static const char *const lists[] = {"Aliases", "DriverOpts"};
    const json_t *mac = json_object_get(sent, "MacAddress");
    const json_t *mac_now = json_object_get(now, "MacAddress");
    _cleanup_free_ char *mac_path = xasprintf("%s.MacAddress", path);

    compare_address(w, path, sent, now, "IPv4Address");
    compare_address(w, path, sent, now, "IPv6Address");
    if (!plan_is_empty(mac) && (is_running(w->s->after) || !plan_is_empty(mac_now)) &&
        (plan_is_empty(mac_now) ||
         strcasecmp(json_string_value(mac), json_string_value(mac_now)) != 0))
        difference_report(w, mac_path, mac, mac_now);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        _cleanup_free_ char *member = xasprintf("%s.%s", path, lists[i]);

        if (!w->s->is_podman) {
            difference_need_contained(
                w, member,
                &(struct difference_values){.after = json_object_get(now, lists[i]),
                                            .sent = json_object_get(sent, lists[i])});
        }
    }
}

static const json_t *find_endpoint(const json_t *networks, const char *name)
{
    const json_t *found = json_object_get(networks, name);
    const char *key;
    json_t *value;

    if (found || !(plan_network_is_default(name) || str_eq(name, "default")))
        return found;
    json_object_foreach(plan_mutable(networks), key, value)
    {
        if (plan_network_is_default(key))
            return value;
    }
    return NULL;
}

static void compare_network(struct difference_work *w, const char *name, const json_t *sent)
{
    const json_t *networks = json_object_get(json_object_get(w->s->after, "NetworkSettings"),
                                             "Networks");
    const json_t *now = find_endpoint(networks, name);
    _cleanup_free_ char *path = xasprintf("NetworkSettings.Networks.%s", name);

    if (json_is_object(now)) {
        compare_endpoint(w, path, sent, now);
    } else {
        difference_report(w, path, sent, NULL);
    }
}

void difference_compare_networks(struct difference_work *w)
{
    const json_t *config = json_object_get(w->s->create, "NetworkingConfig");
    const char *name;
    json_t *sent;
    size_t i;

    json_object_foreach(plan_mutable(json_object_get(config, "EndpointsConfig")), name, sent)
    {
        compare_network(w, name, sent);
    }
    json_array_foreach(w->s->connect, i, sent)
    {
        name = json_text_get(sent, "network");
        if (name) {
            compare_network(w, name,
                            json_object_get(json_object_get(sent, "body"), "EndpointConfig"));
        }
    }
}
