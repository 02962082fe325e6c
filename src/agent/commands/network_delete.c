/*
 * delete_network. With force its containers are disconnected first, one after the other. If the
 * engine then refuses, those that were disconnected are connected again with the settings of their
 * endpoints, and the answer is the engine's refusal:
 *
 *   INSPECT -> CHECK -> ENDPOINT -> DISCONNECT -> DISCONNECTED -> ... -> NETWORK -> ANSWER
 *                                                      '-refused-> RESTORE <-refused-'
 *
 * If it is cut anywhere, those that are left are connected by engine/network_undo.h.
 */

#include "agent/commands/resource.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_NAMED 5 /* names of containers in one refusal */

struct network_delete {
    struct resource base;
    json_t *endpoint; /* body that connects the container of this turn again, or NULL */
    json_t *undo;     /* such bodies, of containers that were disconnected */
    size_t n_undone;  /* connected again, or tried */
    size_t n_lost;    /* could not be connected again */
    char *refusal;    /* message of the engine, which the flow ends with; NULL: none yet */
    int refusal_code; /* a negative errno */
    int refusal_status;
};

static struct network_delete *deletion_of(struct operation *op)
{
    return CONTAINER_OF(resource_of(op), struct network_delete, base);
}

static struct network_undo *undo_of(const struct network_delete *d)
{
    return d->base.base.o.network_undo;
}

static void release(struct operation *op)
{
    struct network_delete *d = deletion_of(op);

    network_undo_run(undo_of(d), d);
    json_decref(d->endpoint);
    json_decref(d->undo);
    free(d->refusal);
    resource_release(op);
}

/* Podman calls its default network "bridge" in one answer and "podman" in another. */
static bool is_builtin(const struct network_delete *d, const char *name)
{
    return resource_is_builtin_network(name) ||
           (engine_is_podman(d->base.base.o.engine) && str_eq(name, "podman"));
}

/* The agent does not disconnect its own container. */
static int check_own(struct network_delete *d, const json_t *containers, struct error *err)
{
    struct operation *op = &d->base.base;
    const char *id;
    json_t *endpoint;

    json_object_foreach((json_t *)(uintptr_t)containers, id, endpoint)
    {
        if (!op->o.guard || !guard_is_own(op->o.guard, id))
            continue;
        op->failure.type = REPLY_ERROR_PERMISSION;
        return error_code_set(err, CODE_OWN_CONTAINER,
                              "Permission denied: container %.*s belongs to DockMon, which cannot "
                              "disconnect itself from %s",
                              STR_CUT(id, CONTAINER_SHORT_ID_LEN),
                              json_text_get(d->base.object, "Name"));
    }
    return 0;
}

/* Refuses built-in networks and, without `force`, those in use. */
static int check_deletable(struct network_delete *d, struct error *err)
{
    struct operation *op = &d->base.base;
    const json_t *network = d->base.object;
    const json_t *containers = json_object_get(network, "Containers");
    const char *name = json_text_get(network, "Name");
    struct buf names = BUF_INIT(160);
    size_t n = 0;
    const char *id;
    json_t *endpoint;

    if (is_builtin(d, name)) {
        op->failure.status = 400;
        return error_code_set(err, CODE_BUILT_IN_NETWORK,
                              "%s is a built-in network, which cannot be removed", name);
    }
    if (d->base.args.force)
        return check_own(d, containers, err);
    if (json_object_size(containers) == 0)
        return 0;
    json_object_foreach((json_t *)(uintptr_t)containers, id, endpoint)
    {
        const char *container = json_text_get(endpoint, "Name");

        if (n++ < MAX_NAMED)
            (void)buf_printf(&names, "%s%s", n > 1 ? ", " : "", container ? container : id);
    }
    op->failure.status = 409;
    (void)error_code_set(err, CODE_IN_USE, "network %s is in use by %zu container%s: %s%s", name, n,
                         n == 1 ? "" : "s", buf_str(&names), n > MAX_NAMED ? ", ..." : "");
    buf_done(&names);
    return -EBUSY;
}

static const char *get_reference(const struct network_delete *d)
{
    const char *id = json_text_get(d->base.object, "Id");

    return str_is_container_ref(id) ? id : d->base.args.ref;
}

static char *make_path(const struct network_delete *d, const char *tail)
{
    return xasprintf("/networks/%s%s", get_reference(d), tail);
}

/* The first endpoint that is left; NULL: none. */
static const char *next_endpoint(const struct network_delete *d)
{
    json_t *containers = json_object_get(d->base.object, "Containers");

    return json_object_iter_key(json_object_iter(containers));
}

/* Takes one endpoint off the list; returns the body of the request that disconnects it. */
static json_t *take_endpoint(json_t *containers)
{
    void *i = json_object_iter(containers);
    const char *id = json_object_iter_key(i);
    const char *name = json_text_get(json_object_iter_value(i), "Name");
    json_t *body = json_object();

    /* An endpoint whose container is lost is known by its name only. */
    json_text_set(body, "Container", json_text_str(str_starts_with(id, "ep-") && name ? name : id));
    json_text_set(body, "Force", json_true());
    (void)json_object_del(containers, id);
    return body;
}

/* The container's endpoint in this network; Podman has the name as the network's id. */
static const json_t *find_endpoint(const json_t *container, const json_t *network)
{
    json_t *networks = json_object_get(json_object_get(container, "NetworkSettings"), "Networks");
    const char *id = json_text_get(network, "Id"), *name = json_text_get(network, "Name");
    const char *key;
    json_t *endpoint;

    json_object_foreach(networks, key, endpoint)
    {
        if (str_eq(json_text_get(endpoint, "NetworkID"), id) || str_eq(key, name))
            return endpoint;
    }
    return NULL;
}

/* The body that connects the container again as it was; NULL if that cannot be known. */
static json_t *make_connection(const json_t *container, const json_t *network)
{
    static const char *const settings[] = {"IPAMConfig", "Links",      "Aliases",
                                           "MacAddress", "DriverOpts", "GwPriority"};
    const json_t *endpoint = find_endpoint(container, network);
    const char *id = json_text_get(container, "Id");
    json_t *body, *config;

    if (!endpoint || !id)
        return NULL;
    body = json_object();
    config = json_object();
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        json_t *v = json_object_get(endpoint, settings[i]);

        if (v && !json_is_null(v) && !str_eq(json_string_value(v), ""))
            json_text_set(config, settings[i], json_incref(v));
    }
    json_text_set(body, "Container", json_text_str(id));
    json_text_set(body, "EndpointConfig", config);
    return body;
}

enum delete_step {
    DELETE_INSPECT,
    DELETE_CHECK,
    DELETE_ENDPOINT,
    DELETE_DISCONNECT,
    DELETE_DISCONNECTED,
    DELETE_NETWORK,
    DELETE_ANSWER,
    DELETE_RESTORE,
    DELETE_RESTORED,
};

static const char *const delete_steps[] = {
    [DELETE_INSPECT] = "inspect",
    [DELETE_CHECK] = "check",
    [DELETE_ENDPOINT] = "endpoint",
    [DELETE_DISCONNECT] = "disconnect",
    [DELETE_DISCONNECTED] = "disconnected",
    [DELETE_NETWORK] = "delete",
    [DELETE_ANSWER] = "answer",
    [DELETE_RESTORE] = "restore",
    [DELETE_RESTORED] = "restored",
};

/* Keeps the engine's refusal; the flow ends with it when the containers are connected again. */
static void keep_refusal(struct network_delete *d, const char *what)
{
    const struct engine_reply *reply = d->base.base.reply;

    d->refusal = xasprintf("%s%s", what, reply->message);
    d->refusal_code = reply->code;
    d->refusal_status = reply->status;
}

static int disconnect_next(struct network_delete *d, struct error *err)
{
    struct operation_request request = {.method = "POST", .takes_failure = true};

    if (d->endpoint)
        network_undo_add(undo_of(d), d, get_reference(d), d->endpoint);
    d->base.base.step = DELETE_DISCONNECT;
    request.path = make_path(d, "/disconnect");
    request.body = take_endpoint(json_object_get(d->base.object, "Containers"));
    return operation_ask(&d->base.base, DELETE_DISCONNECTED, request, err);
}

/* Asks for the settings of the next endpoint, or removes the network when there is none. */
static int look_at_next(struct network_delete *d, struct error *err)
{
    struct operation *op = &d->base.base;
    struct operation_request request = {0};
    const char *id = next_endpoint(d);

    if (!id) {
        request.method = "DELETE";
        request.path = make_path(d, "");
        request.takes_failure = true;
        op->step = DELETE_NETWORK;
        return operation_ask(op, DELETE_ANSWER, request, err);
    }
    if (!str_is_container_ref(id) || str_starts_with(id, "ep-"))
        return disconnect_next(d, err);
    request.path = xasprintf("/containers/%s/json", id);
    request.takes_failure = true;
    op->step = DELETE_ENDPOINT;
    return operation_ask(op, DELETE_DISCONNECT, request, err);
}

/* Connects the next one again; ends the flow with the refusal when all were. */
static int restore_next(struct network_delete *d, struct error *err)
{
    struct operation *op = &d->base.base;
    struct operation_request request = {.method = "POST", .takes_failure = true};
    _cleanup_free_ char *text = NULL;

    if (d->n_undone < json_array_size(d->undo)) {
        request.path = make_path(d, "/connect");
        request.body = json_incref(json_array_get(d->undo, d->n_undone++));
        op->step = DELETE_RESTORE;
        return operation_ask(op, DELETE_RESTORED, request, err);
    }
    if (d->n_undone == 0)
        return operation_fail(op, d->refusal_code, d->refusal_status, d->refusal);
    text = d->n_lost > 0 ? xasprintf("%s; %zu of %zu containers could not be connected to it again",
                                     d->refusal, d->n_lost, d->n_undone)
                         : xasprintf("%s; its containers were connected to it again", d->refusal);
    return operation_fail(op, d->refusal_code, d->refusal_status, text);
}

/* After a disconnect: ENOENT means that the endpoint has disappeared meanwhile. */
static int take_disconnected(struct network_delete *d, struct error *err)
{
    int code = d->base.base.reply->code;
    json_t *endpoint = TAKE_PTR(d->endpoint);

    if (code == -ENOENT && endpoint)
        network_undo_drop(undo_of(d), d, endpoint);
    if (code == 0 && endpoint) {
        if (!d->undo)
            d->undo = json_array();
        if (json_array_append_new(d->undo, endpoint) < 0)
            abort(); /* out of memory */
        endpoint = NULL;
    }
    json_decref(endpoint);
    if (code == 0 || code == -ENOENT)
        return look_at_next(d, err);
    keep_refusal(d, "disconnect a container: ");
    return restore_next(d, err);
}

static void take_restored(struct network_delete *d)
{
    if (d->base.base.reply->code < 0) {
        d->n_lost++;
    } else {
        network_undo_drop(undo_of(d), d, json_array_get(d->undo, d->n_undone - 1));
    }
}

static int advance_delete(struct operation *op, struct error *err)
{
    struct network_delete *d = deletion_of(op);
    struct operation_request request = {0};
    json_auto_t *container = NULL;
    int r;

    switch ((enum delete_step)op->step) {
    case DELETE_INSPECT:
        request.path = make_path(d, "");
        return operation_ask(op, DELETE_CHECK, request, err);
    case DELETE_CHECK:
        r = resource_read(op, JSON_OBJECT, &d->base.object, err);
        if (r == 0)
            r = check_deletable(d, err);
        return r < 0 ? r : look_at_next(d, err);
    case DELETE_DISCONNECT: /* ENOENT: removed meanwhile */
        if (op->reply->code < 0 && op->reply->code != -ENOENT) {
            keep_refusal(d, "inspect a container: ");
            return restore_next(d, err);
        }
        if (op->reply->code == 0 && resource_read(op, JSON_OBJECT, &container, NULL) == 0)
            d->endpoint = make_connection(container, d->base.object);
        return disconnect_next(d, err);
    case DELETE_DISCONNECTED: return take_disconnected(d, err);
    case DELETE_ANSWER:
        if (op->reply->code == 0) {
            network_undo_forget(undo_of(d), d);
            return operation_answer(op, resource_make_success());
        }
        keep_refusal(d, "");
        return restore_next(d, err);
    case DELETE_RESTORED: take_restored(d); return restore_next(d, err);
    case DELETE_ENDPOINT:
    case DELETE_NETWORK:
    case DELETE_RESTORE: break; /* acts that other cases begin */
    }
    return -EINVAL;
}

const struct operation_type networks_delete = {
    .size = sizeof(struct network_delete),
    .max_body = RESOURCE_MAX_BODY,
    .prepare = resource_prepare,
    .release = release,
    .steps = delete_steps,
    .advance = advance_delete,
};
