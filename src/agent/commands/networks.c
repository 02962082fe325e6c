/*
 * list_networks, create_network, delete_network, prune_networks.
 */

#include "agent/commands/resource_flow.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_NAMED 5 /* containers that a refusal names */

static bool is_builtin(const char *name)
{
    return str_eq(name, "bridge") || str_eq(name, "host") || str_eq(name, "none");
}

static json_t *subnet_of(const json_t *network)
{
    const json_t *config = json_object_get(json_object_get(network, "IPAM"), "Config");

    return resource_text(json_array_get(config, 0), "Subnet");
}

static json_t *describe_with(const json_t *network, json_t *users /* stolen */)
{
    const json_t *internal = json_object_get(network, "Internal");
    json_t *o = json_object();

    json_text_set(o, "id", resource_short_id(json_text_get(network, "Id")));
    json_text_set(o, "name", resource_text(network, "Name"));
    json_text_set(o, "driver", resource_text(network, "Driver"));
    json_text_set(o, "scope", resource_text(network, "Scope"));
    json_text_set(o, "created", resource_time(network, "Created"));
    json_text_set(o, "internal", json_boolean(json_is_true(internal)));
    json_text_set(o, "subnet", subnet_of(network));
    json_text_set(o, "is_builtin", json_boolean(is_builtin(json_text_get(network, "Name"))));
    resource_set_users(o, users);
    return o;
}

static json_t *describe(const json_t *network, const struct usage *usage)
{
    const char *id = json_text_get(network, "Id");

    return describe_with(network, usage_take_list(usage, id ? id : ""));
}

int networks_list(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    static const struct resource_list list = {"/networks", NULL, USAGE_NETWORKS, describe};

    return resource_list_next(f, &list, reply, err);
}

static json_t *creation_body(const struct resource_args *a)
{
    json_t *o = json_object(), *ipam = json_object(), *config = json_object(), *list = json_array();

    json_text_set(o, "Name", json_text_str(a->ref));
    json_text_set(o, "Driver", json_text_str(str_is_empty(a->driver) ? "bridge" : a->driver));
    json_text_set(o, "Internal", json_boolean(a->internal));
    json_text_set(o, "CheckDuplicate", json_true()); /* engines before 25 allow two of a name */
    if (!str_is_empty(a->gateway))
        json_text_set(config, "Gateway", json_text_str(a->gateway));
    json_text_set(config, "Subnet", json_text_str(a->subnet));
    if (json_array_append_new(list, config) < 0)
        abort(); /* out of memory */
    json_text_set(ipam, "Config", list);
    if (str_is_empty(a->subnet)) {
        json_decref(ipam);
    } else {
        json_text_set(o, "IPAM", ipam);
    }
    return o;
}

static int read_new_id(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    int r = resource_read(reply, JSON_OBJECT, &f->object, err);

    if (r == 0 && !str_is_container_ref(json_text_get(f->object, "Id")))
        r = error_set(err, -EPROTO, "the docker engine gave the new network no id");
    return r;
}

int networks_create(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    enum { CREATE, INSPECT, DESCRIBE };
    json_auto_t *network = NULL;
    int r;

    switch (f->step++) {
    case CREATE:
        return resource_ask(f,
                            (struct resource_question){"POST", xstrdup("/networks/create"),
                                                       creation_body(&f->args)},
                            err);
    case INSPECT:
        r = read_new_id(f, reply, err);
        if (r < 0)
            return r;
        return resource_ask(f,
                            (struct resource_question){
                                .path = xasprintf("/networks/%s", json_text_get(f->object, "Id"))},
                            err);
    case DESCRIBE:
        r = resource_read(reply, JSON_OBJECT, &network, err);
        if (r == 0)
            f->payload = describe_with(network, json_array());
        return r;
    default: abort();
    }
}

/* Says why the network that was inspected stays, if it does. */
static int check_deletable(struct resource *f, const json_t *network, struct error *err)
{
    const json_t *containers = json_object_get(network, "Containers");
    const char *name = json_text_get(network, "Name");
    struct buf names = BUF_INIT(160);
    size_t n = 0;
    const char *id;
    json_t *endpoint;

    if (is_builtin(name)) {
        f->status = 400;
        return error_set(err, -EINVAL, "%s is a built-in network, which cannot be removed", name);
    }
    if (f->args.force || json_object_size(containers) == 0)
        return 0;
    json_object_foreach((json_t *)(uintptr_t)containers, id, endpoint)
    {
        const char *container = json_text_get(endpoint, "Name");

        if (n++ < MAX_NAMED)
            (void)buf_printf(&names, "%s%s", n > 1 ? ", " : "", container ? container : id);
    }
    f->status = 409;
    (void)error_set(err, -EBUSY, "network %s is in use by %zu container%s: %s%s", name, n,
                    n == 1 ? "" : "s", buf_str(&names), n > MAX_NAMED ? ", ..." : "");
    buf_done(&names);
    return -EBUSY;
}

static char *network_path(const struct resource *f, const char *tail)
{
    const char *id = json_text_get(f->object, "Id");

    return xasprintf("/networks/%s%s", str_is_container_ref(id) ? id : f->args.ref, tail);
}

/* Takes one endpoint off the list and disconnects it; one that has gone by itself is fine. */
static int disconnect_one(struct resource *f, json_t *containers, struct error *err)
{
    void *i = json_object_iter(containers);
    const char *id = json_object_iter_key(i);
    const char *name = json_text_get(json_object_iter_value(i), "Name");
    json_t *body = json_object();

    /* An endpoint whose container is lost is known by its name only. */
    json_text_set(body, "Container", json_text_str(str_starts_with(id, "ep-") && name ? name : id));
    json_text_set(body, "Force", json_true());
    (void)json_object_del(containers, id);
    f->is_tolerant = true;
    return resource_ask(f, (struct resource_question){"POST", network_path(f, "/disconnect"), body},
                        err);
}

/* What the last reply was to. */
enum delete_step { DELETE_NOTHING, DELETE_INSPECT, DELETE_DISCONNECT, DELETE_DELETE };

static int disconnect_or_delete(struct resource *f, struct error *err)
{
    json_t *containers = json_object_get(f->object, "Containers");

    if (json_object_size(containers) > 0) {
        f->step = DELETE_DISCONNECT;
        return disconnect_one(f, containers, err);
    }
    f->step = DELETE_DELETE;
    return resource_ask(
        f, (struct resource_question){.method = "DELETE", .path = network_path(f, "")}, err);
}

int networks_delete(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    int r;

    switch ((enum delete_step)f->step) {
    case DELETE_NOTHING:
        f->step = DELETE_INSPECT;
        return resource_ask(f, (struct resource_question){.path = network_path(f, "")}, err);
    case DELETE_INSPECT:
        r = resource_read(reply, JSON_OBJECT, &f->object, err);
        if (r == 0)
            r = check_deletable(f, f->object, err);
        return r < 0 ? r : disconnect_or_delete(f, err);
    case DELETE_DISCONNECT:
        f->status = reply->status;
        if (reply->code < 0 && reply->code != -ENOENT)
            return error_set(err, reply->code, "disconnect a container: %s", reply->message);
        return disconnect_or_delete(f, err);
    case DELETE_DELETE:
        f->payload = json_object();
        json_text_set(f->payload, "success", json_true());
        return 0;
    }
    return -EINVAL;
}

int networks_prune(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    json_auto_t *answer = NULL;
    json_t *names;
    int r;

    if (f->step++ == 0) {
        return resource_ask(
            f, (struct resource_question){.method = "POST", .path = xstrdup("/networks/prune")},
            err);
    }
    r = resource_read(reply, JSON_OBJECT, &answer, err);
    if (r < 0)
        return r;
    names = resource_texts(json_object_get(answer, "NetworksDeleted"));
    f->payload = json_object();
    json_text_set(f->payload, "removed_count", json_integer((json_int_t)json_array_size(names)));
    json_text_set(f->payload, "networks_removed", names);
    return 0;
}
