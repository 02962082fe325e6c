#include "server/fleet/own_containers.h"
#include "base/str.h"
#include "daemon/own_container.h"
#include "proto/operation.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void own_containers_find(struct fleet *f)
{
    const char *hostname = getenv("HOSTNAME"); // NOLINT(concurrency-mt-unsafe): never changed
    char id[OWN_CONTAINER_SIZE];

    if (own_container_find("", hostname, id))
        fleet_set_own_container(f, id);
}

/* The last part of the name of an image: "registry:5000/x/dockmon-agent:1.1@sha256:..." */
static bool is_own_image(const char *image)
{
    size_t n = strcspn(image, "@");
    const char *base = image;

    for (size_t i = 0; i < n; i++) {
        if (image[i] == '/')
            base = image + i + 1;
    }
    n = strcspn(base, ":@");
    return (n == strlen("dockmon") && strncmp(base, "dockmon", n) == 0) ||
           (n == strlen("dockmon-agent") && strncmp(base, "dockmon-agent", n) == 0);
}

static bool is_own_name(const char *name)
{
    if (name && name[0] == '/')
        name++;
    return name && (strcasecmp(name, "dockmon") == 0 ||
                    strncasecmp(name, "dockmon-", strlen("dockmon-")) == 0);
}

static bool has_own_image(const struct fleet_host *h, const char *id)
{
    struct fleet_container *c;

    return id && fleet_find_container(h, id, &c) == 0 && is_own_image(c->image);
}

static bool runs_own_image(const struct fleet_host *h)
{
    map_foreach(&h->containers, e) {
        const struct fleet_container *c = e->value;

        if (is_own_image(c->image) && str_eq(c->state, "running"))
            return true;
    }
    return false;
}

/* Names and labels decide. */
static bool is_by_name(const struct fleet_host *h)
{
    return !fleet_host_can(h, OWN_CONTAINER_CAPABILITY) && !runs_own_image(h);
}

bool own_containers_has(const struct fleet_host *h, const struct own_subject *c)
{
    if (!str_is_empty(h->own_container) && c->id && str_starts_with(c->id, h->own_container))
        return true;
    if (fleet_host_can(h, OWN_CONTAINER_CAPABILITY))
        return false; /* the agent decides */
    if (has_own_image(h, c->id))
        return true;
    return is_by_name(h) &&
           (is_own_name(c->name) ||
            str_eq(json_string_value(json_object_get(c->labels, "app")), "dockmon"));
}

bool own_containers_claims(const struct fleet_host *h, const char *name)
{
    return is_by_name(h) && is_own_name(name);
}
