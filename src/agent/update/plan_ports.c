#include "agent/update/plan_internal.h"
#include "base/str.h"
#include "proto/json_text.h"

/*
 * An empty list publishes nothing on older engines, and a random port of all addresses on newer
 * ones: it counts only while the engine shows a mapping.
 */
bool plan_ports_is_published(const struct plan_work *w, const char *port)
{
    const json_t *bindings = json_object_get(w->host, "PortBindings");
    const json_t *ports = json_object_get(json_object_get(w->s->container, "NetworkSettings"),
                                          "Ports");

    return json_array_size(json_object_get(bindings, port)) > 0 ||
           json_array_size(json_object_get(ports, port)) > 0;
}

static json_t *make_random_binding(void)
{
    json_t *list = json_array(), *binding = json_object();

    json_text_set(binding, "HostIp", json_text_str(""));
    json_text_set(binding, "HostPort", json_text_str(""));
    plan_array_add(list, binding);
    return list;
}

static bool is_random(const json_t *bindings)
{
    json_t *binding;
    size_t i;

    json_array_foreach(bindings, i, binding)
    {
        const char *port = json_text_get(binding, "HostPort");

        if (str_is_empty(port) || str_eq(port, "0"))
            return true;
    }
    return json_array_size(bindings) == 0;
}

int plan_ports_bindings(struct plan_work *w,
                        const struct plan_field *f,
                        const json_t *value,
                        json_t *to)
{
    const char *mode = json_text_get(w->host, "NetworkMode"), *port;
    json_t *kept, *bindings;

    if (plan_is_empty(value) || plan_network_is_shared(w))
        return 0;
    if (str_eq(mode, "host") || str_eq(mode, "none"))
        plan_note(w, "ports_ignored", "the ports are not published in network mode %s", mode);
    if (w->s->is_podman) {
        plan_note(w, "port_fixed",
                  "Podman does not show which host ports were random: all stay as they are");
    }
    kept = json_object();
    json_text_set(to, f->name, kept);
    json_object_foreach(plan_mutable(value), port, bindings)
    {
        if (!plan_ports_is_published(w, port)) {
            plan_note(w, "port_dropped",
                      "port %.*s has no host port and is not published: left out",
                      STR_CUT(port, 32));
            continue;
        }
        if (is_random(bindings)) {
            plan_note(w, "port_random", "port %.*s gets another host port, because it is random",
                      STR_CUT(port, 32));
        }
        if (json_array_size(bindings) > 0) {
            plan_copy(kept, port, bindings);
        } else {
            json_text_set(kept, port, make_random_binding());
        }
    }
    return 0;
}

int plan_ports_all(struct plan_work *w, const struct plan_field *f, const json_t *value, json_t *to)
{
    if (plan_network_is_shared(w))
        return 0;
    if (json_is_true(value)) {
        plan_note(w, "port_random",
                  "all exposed ports are published on random host ports, which change");
    }
    plan_copy(to, f->name, value);
    return 0;
}
