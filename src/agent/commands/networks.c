/*
 * list_networks, create_network, prune_networks; delete_network is in network_delete.c.
 */

#include "agent/commands/resource.h"
#include "agent/commands/unused.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>

static json_t *get_subnet(const json_t *network)
{
    const json_t *config = json_object_get(json_object_get(network, "IPAM"), "Config");

    return resource_text(json_array_get(config, 0), "Subnet");
}

/* Takes `users`. */
static json_t *describe_with(const json_t *network, json_t *users)
{
    const json_t *internal = json_object_get(network, "Internal");
    json_t *o = json_object();

    json_text_set(o, "id", resource_short_id(json_text_get(network, "Id")));
    json_text_set(o, "name", resource_text(network, "Name"));
    json_text_set(o, "driver", resource_text(network, "Driver"));
    json_text_set(o, "scope", resource_text(network, "Scope"));
    json_text_set(o, "created", resource_time(network, "Created"));
    json_text_set(o, "internal", json_boolean(json_is_true(internal)));
    json_text_set(o, "subnet", get_subnet(network));
    json_text_set(o, "is_builtin",
                  json_boolean(resource_is_builtin_network(json_text_get(network, "Name"))));
    json_text_set(o, "labels", resource_labels(network));
    resource_set_users(o, users);
    return o;
}

/* Podman lists the containers with the network, and has neither ids nor endpoints in theirs. */
static json_t *read_listed(const json_t *network)
{
    json_t *containers = json_object_get(network, "Containers"), *endpoint;
    json_t *users = json_array();
    const char *id;

    json_object_foreach(containers, id, endpoint)
    {
        const char *name = json_text_get(endpoint, "Name");
        json_t *user = json_object();

        json_text_set(user, "id", resource_short_id(id));
        json_text_set(user, "name", name ? json_text_str(name) : resource_short_id(id));
        if (json_array_append_new(users, user) < 0)
            abort(); /* out of memory */
    }
    return users;
}

static json_t *describe(const json_t *network, const struct usage *usage)
{
    const char *id = json_text_get(network, "Id");
    json_t *users = usage_take_list(usage, id ? id : "");

    if (json_array_size(users) == 0) {
        json_decref(users);
        users = read_listed(network);
    }
    return describe_with(network, users);
}

static int advance_list(struct operation *op, struct error *err)
{
    static const struct resource_list list = {"/networks", NULL, USAGE_NETWORKS, describe, NULL};

    return resource_list_advance(op, &list, err);
}

const struct operation_type networks_list = {
    RESOURCE_TYPE,
    .steps = resource_list_steps,
    .advance = advance_list,
};

enum create_step { CREATE_NETWORK, CREATE_INSPECT, CREATE_ANSWER };

static const char *const create_steps[] = {
    [CREATE_NETWORK] = "create",
    [CREATE_INSPECT] = "inspect",
    [CREATE_ANSWER] = "answer",
};

static json_t *make_creation(const struct resource_args *a)
{
    json_t *o = json_object(), *ipam = json_object(), *config = json_object(), *list = json_array();

    json_text_set(o, "Name", json_text_str(a->ref));
    json_text_set(o, "Driver", json_text_str(str_is_empty(a->driver) ? "bridge" : a->driver));
    json_text_set(o, "Internal", json_boolean(a->internal));
    json_text_set(o, "CheckDuplicate", json_true()); /* engines before 25 allow duplicate names */
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

static int read_new_id(struct resource *f, struct error *err)
{
    int r = resource_read(&f->base, JSON_OBJECT, &f->object, err);

    if (r == 0 && !str_is_container_ref(json_text_get(f->object, "Id")))
        r = error_set(err, -EPROTO, "the docker engine gave the new network no id");
    return r;
}

static int advance_create(struct operation *op, struct error *err)
{
    struct resource *f = resource_of(op);
    struct operation_request request = {0};
    json_auto_t *network = NULL;
    int r;

    switch ((enum create_step)op->step) {
    case CREATE_NETWORK:
        request.method = "POST";
        request.path = xstrdup("/networks/create");
        request.body = make_creation(&f->args);
        return operation_ask(op, CREATE_INSPECT, request, err);
    case CREATE_INSPECT:
        r = read_new_id(f, err);
        if (r < 0)
            return r;
        request.path = xasprintf("/networks/%s", json_text_get(f->object, "Id"));
        return operation_ask(op, CREATE_ANSWER, request, err);
    case CREATE_ANSWER:
        r = resource_read(op, JSON_OBJECT, &network, err);
        return r < 0 ? r : operation_answer(op, describe_with(network, json_array()));
    }
    return -EINVAL;
}

const struct operation_type networks_create = {
    RESOURCE_TYPE,
    .steps = create_steps,
    .advance = advance_create,
};

/* The first steps are those of a list: a dry run. */
enum prune_step { PRUNE_NETWORKS = LIST_ANSWER + 1, PRUNE_ANSWER };

static const char *const prune_steps[] = {
    [LIST_OBJECTS] = "objects", [LIST_CONTAINERS] = "containers", [LIST_ANSWER] = "names",
    [PRUNE_NETWORKS] = "prune", [PRUNE_ANSWER] = "answer",
};

static int answer_prune(struct operation *op, struct error *err)
{
    json_auto_t *reply = NULL;
    json_t *answer, *names;
    int r;

    r = resource_read(op, JSON_OBJECT, &reply, err);
    if (r < 0)
        return r;
    names = resource_texts(json_object_get(reply, "NetworksDeleted"));
    answer = json_object();
    json_text_set(answer, "removed_count", json_integer((json_int_t)json_array_size(names)));
    json_text_set(answer, "networks_removed", names);
    return operation_answer(op, answer);
}

static int advance_prune(struct operation *op, struct error *err)
{
    struct operation_request request = {0};

    if (resource_of(op)->args.is_dry_run)
        return resource_list_advance(op, &unused_networks, err);
    if (op->step == LIST_OBJECTS)
        op->step = PRUNE_NETWORKS;
    switch ((enum prune_step)op->step) {
    case PRUNE_NETWORKS:
        request.method = "POST";
        request.path = xstrdup("/networks/prune");
        return operation_ask(op, PRUNE_ANSWER, request, err);
    case PRUNE_ANSWER: return answer_prune(op, err);
    }
    return -EINVAL;
}

const struct operation_type networks_prune = {
    RESOURCE_TYPE,
    .steps = prune_steps,
    .advance = advance_prune,
};
