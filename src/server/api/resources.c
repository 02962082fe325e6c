/*
 * Images, networks and volumes of a host. The agent is asked each time; nothing is kept here. In
 * paths an image is an id (12 or 64 digits, with or without "sha256:") or a name, whose slashes
 * may be written "%2F" or as they are; a network is an id or a name.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/resource_args.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/api/record.h"
#include "server/fleet/event_record.h"
#include "server/fleet/own_containers.h"
#include "server/view/resource_json.h"

#include <errno.h>

#define MAX_FIELD 512

enum answer { ANSWER_LIST, ANSWER_OBJECT, ANSWER_DELETED };

/* How the API reads a reply. */
static const struct question {
    enum answer answer;
    enum resource_shape shape;
} questions[OPERATIONS] = {
    [OPERATION_LIST_IMAGES] = {ANSWER_LIST,    SHAPE_IMAGE          },
    [OPERATION_REMOVE_IMAGE] = {ANSWER_DELETED, SHAPE_IMAGE          },
    [OPERATION_PRUNE_IMAGES] = {ANSWER_OBJECT,  SHAPE_PRUNED_IMAGES  },
    [OPERATION_LIST_NETWORKS] = {ANSWER_LIST,    SHAPE_NETWORK        },
    [OPERATION_CREATE_NETWORK] = {ANSWER_OBJECT,  SHAPE_NETWORK        },
    [OPERATION_DELETE_NETWORK] = {ANSWER_DELETED, SHAPE_NETWORK        },
    [OPERATION_PRUNE_NETWORKS] = {ANSWER_OBJECT,  SHAPE_PRUNED_NETWORKS},
    [OPERATION_LIST_VOLUMES] = {ANSWER_LIST,    SHAPE_VOLUME         },
    [OPERATION_CREATE_VOLUME] = {ANSWER_OBJECT,  SHAPE_VOLUME         },
    [OPERATION_DELETE_VOLUME] = {ANSWER_DELETED, SHAPE_VOLUME         },
    [OPERATION_PRUNE_VOLUMES] = {ANSWER_OBJECT,  SHAPE_PRUNED_VOLUMES },
    [OPERATION_DISK_USAGE] = {ANSWER_LIST,    SHAPE_DISK_USAGE     },
};

struct asking {
    struct api_call *call;
    enum operation_id operation;
    bool is_dry_run;
    char *host_id;
};

/* Adds an event with the operation, its caller and its outcome. */
static void record(const struct api_call *call,
                   const struct fleet_host *h,
                   const struct command_result *r)
{
    const char *action = call->match.route->action;
    const struct event event = {
        .at_ms = time_utc_ms(),
        .category = xstrdup("host"),
        .type = xstrdup("resource_action"),
        .severity = xstrdup(r->code < 0 ? "error" : "info"),
        .host_id = h ? xstrdup(h->row.id) : NULL,
        .host_name = h ? xstrdup(h->row.name) : NULL,
        .title = record_title(action, r->code < 0, call->target),
        .message = record_message(action, r->reason, r->message, r->took_ms),
        .triggered_by = xstrdup(call->who.name),
        .correlation_id = xstrdup(r->id),
        .details = record_details(r->took_ms),
    };

    record_event(call->api->o.fleet, call->api->o.store, call->api->o.store_jobs, &event);
}

static void on_reply(void *owner, const struct command_result *r)
{
    struct asking *a = owner;
    struct api_call *call = a->call;
    enum operation_id operation = a->operation;
    const struct question *q = &questions[operation];
    const struct fleet_host *h = fleet_find_host(call->api->o.fleet, a->host_id);
    enum resource_shape shape = a->is_dry_run && operation == OPERATION_PRUNE_IMAGES
                                    ? SHAPE_UNUSED_IMAGES
                                    : q->shape;
    bool is_change = operation_spec(operation)->effect != EFFECT_READS && !a->is_dry_run;
    json_t *body = NULL;

    free(a->host_id);
    free(a);
    if (is_change)
        record(call, h, r);
    if (h && q->answer == ANSWER_DELETED) /* containers may have been disconnected from a network */
        sessions_refresh(call->api->o.sessions, h->agent.id);
    if (r->code < 0) {
        api_fail_command(call, r);
        return;
    }
    switch (q->answer) {
    case ANSWER_LIST: body = resource_json_list(shape, r->result); break;
    case ANSWER_OBJECT: body = resource_json(shape, r->result); break;
    case ANSWER_DELETED: body = json_pack("{s:b}", "success", 1); break;
    }
    if (!body) {
        api_fail(call, -EPROTO, "The agent's reply to %s cannot be read",
                 operation_spec(operation)->name);
        return;
    }
    api_reply(call, 200, body);
}

/* Checks the payload; NULL after the call was answered, an invalid one with `bad_code`. */
static const struct fleet_host *check(struct api_call *call,
                                      enum operation_id operation,
                                      const json_t *payload,
                                      int bad_code)
{
    const struct fleet_host *h = api_agent_host(call);
    struct resource_args args;
    struct error err = ERROR_INIT;

    if (!h)
        return NULL;
    if (resource_args_decode(operation, payload, &args, &err) < 0) {
        api_fail(call, bad_code, "%s", err.msg);
        return NULL;
    }
    call->target = xasprintf("%s%s%s", h->row.name, args.ref ? "/" : "", args.ref ? args.ref : "");
    resource_args_done(&args);
    return h;
}

/* Takes ownership of `payload`. */
static void send_question(struct api_call *call,
                          const struct fleet_host *h,
                          enum operation_id operation,
                          json_t *payload)
{
    struct asking *a = xcalloc(1, sizeof(*a));

    a->call = call;
    a->operation = operation;
    a->is_dry_run = json_is_true(json_object_get(payload, "dry_run"));
    a->host_id = xstrdup(h->row.id);
    api_agent_ask(call, h,
                  &(struct api_operation){
                      .operation = operation, .payload = payload, .done = on_reply, .owner = a});
}

/* Sends the operation of the route to the agent if the payload is valid; otherwise answers the call
 * with `bad_code`. Takes ownership of the payload. */
static void ask(struct api_call *call, json_t *payload, int bad_code)
{
    enum operation_id operation = call->match.route->operation;
    const struct fleet_host *h = check(call, operation, payload, bad_code);

    if (h) {
        send_question(call, h, operation, payload);
    } else {
        json_decref(payload);
    }
}

/* Path parameter 1 names the object to delete; `member` is its key in the payload. */
static void ask_delete(struct api_call *call, const char *member)
{
    struct error err = ERROR_INIT;
    bool is_forced;
    json_t *payload;

    if (api_query_bool(call, "force", false, &is_forced, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    payload = json_object();
    json_text_set(payload, member, json_text_str(api_param(call, 1)));
    json_text_set(payload, "force", json_boolean(is_forced));
    ask(call, payload, -EINVAL);
}

void host_resource_ask(struct api_call *call)
{
    ask(call, json_object(), -EINVAL);
}

/* Fills the payload with what agents of all eras do not do by themselves. */
static int read_prune(const struct api_call *call,
                      const char *few, /* the member for `all` = false; NULL: there is none */
                      json_t *payload,
                      struct error *err)
{
    bool is_all = true, is_dry_run = false;
    int r = few ? api_query_bool(call, "all", true, &is_all, err) : 0;

    if (r == 0)
        r = api_query_bool(call, "dry_run", false, &is_dry_run, err);
    if (r == 0 && !is_all)
        (void)json_object_set_new(payload, few, json_true());
    if (r == 0 && is_dry_run)
        (void)json_object_set_new(payload, "dry_run", json_true());
    return r;
}

/* An agent without the capability would ignore the options and remove everything. */
static void ask_prune(struct api_call *call, const char *few)
{
    const struct fleet_host *h = api_agent_host(call);
    json_auto_t *payload = json_object();
    struct error err = ERROR_INIT;

    if (!h)
        return;
    if (read_prune(call, few, payload, &err) < 0) {
        api_fail_error(call, &err);
    } else if (json_object_size(payload) > 0 && !fleet_host_can(h, PRUNE_OPTIONS_CAPABILITY)) {
        api_fail_code(call, CODE_UNKNOWN_OPERATION,
                      "The agent of host %s is too old for this: it can only remove everything "
                      "that is unused. Update the agent",
                      h->row.name);
    } else {
        ask(call, json_incref(payload), -EINVAL);
    }
}

void host_images_prune(struct api_call *call)
{
    ask_prune(call, "dangling");
}

void host_networks_prune(struct api_call *call)
{
    ask_prune(call, NULL);
}

void host_volumes_prune(struct api_call *call)
{
    ask_prune(call, "anonymous");
}

void host_image_delete(struct api_call *call)
{
    ask_delete(call, "image_id");
}

/* Copies an optional text of the body; absent texts are empty, because agents require the
 * member. */
static int copy_text(
    const json_t *body, const char *name, const char *fallback, json_t *payload, struct error *err)
{
    const json_t *v = json_object_get(body, name);
    const char *text = fallback;
    int r;

    if (v && !json_is_null(v)) {
        r = api_body_string(body, name, MAX_FIELD, &text, err);
        if (r < 0)
            return r;
    }
    (void)json_object_set_new(payload, name, json_text_str(text));
    return 0;
}

static int read_network(struct api_call *call, json_t *payload, struct error *err)
{
    static const struct {
        const char *name, *fallback;
    } texts[] = {
        {"name",    ""      },
        {"driver",  "bridge"},
        {"subnet",  ""      },
        {"gateway", ""      }
    };
    bool is_internal = false;
    const json_t *body = NULL;
    int r;

    r = api_body(call, &body, err);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(texts); i++)
        r = copy_text(body, texts[i].name, texts[i].fallback, payload, err);
    if (r == 0)
        r = api_body_bool(body, "internal", false, &is_internal, err);
    (void)json_object_set_new(payload, "internal", json_boolean(is_internal));
    return r;
}

void host_network_create(struct api_call *call)
{
    json_t *payload = json_object();
    struct error err = ERROR_INIT;
    int r = read_network(call, payload, &err);

    if (r < 0) {
        json_decref(payload);
        api_fail_error(call, &err);
        return;
    }
    ask(call, payload, -EDOM);
}

/* --- deleting a network by force --- */

/*
 * The agent would disconnect every container, DockMon's own included. So the flow first lists the
 * containers of the network and then inspects each that the live model does not know. The network
 * stays when one of them is DockMon's, or cannot be identified.
 */
struct removal {
    struct api_call *call;
    char *host_id;
    json_t *payload; /* of the operation that deletes the network */
    json_t *users;   /* {"id", "name"} of the connected containers */
    size_t next;     /* index of the next user to check */
};

static void removal_free(struct removal *m)
{
    free(m->host_id);
    json_decref(m->payload);
    json_decref(m->users);
    free(m);
}

static void refuse_removal(struct removal *m, const char *name)
{
    api_fail_code(
        m->call, CODE_OWN_CONTAINER,
        "Permission denied: %s belongs to DockMon, which cannot disconnect itself from %s", name,
        api_param(m->call, 1));
    removal_free(m);
}

static void on_user(void *owner, const struct command_result *r);

/* Checks the next user. Returns true when m waits for a reply or was freed. */
static bool check_user(struct removal *m, const struct fleet_host *h)
{
    const json_t *user = json_array_get(m->users, m->next++);
    const char *id = json_string_value(json_object_get(user, "id"));
    const char *name = json_string_value(json_object_get(user, "name"));
    struct fleet_container *c = NULL;
    bool is_ref = str_is_container_ref(id); /* otherwise an endpoint without a container */
    bool is_known = is_ref && fleet_find_container(h, id, &c) == 0;

    if (own_containers_has(
            h, &(struct own_subject){is_known ? c->id : id, name, is_known ? c->labels : NULL})) {
        refuse_removal(m, name);
        return true;
    }
    if (is_known || !is_ref)
        return false;
    api_agent_ask(m->call, h,
                  &(struct api_operation){.operation = OPERATION_INSPECT,
                                          .payload = json_pack("{s:s}", "container_id", id),
                                          .done = on_user,
                                          .owner = m});
    return true;
}

static void removal_next(struct removal *m)
{
    const struct fleet_host *h = fleet_find_host(m->call->api->o.fleet, m->host_id);

    while (h && m->next < json_array_size(m->users)) {
        if (check_user(m, h))
            return;
    }
    if (h) {
        send_question(m->call, h, OPERATION_DELETE_NETWORK, TAKE_PTR(m->payload));
    } else {
        api_fail_deleted_host(m->call);
    }
    removal_free(m);
}

static void on_user(void *owner, const struct command_result *r)
{
    struct removal *m = owner;
    const struct fleet_host *h = fleet_find_host(m->call->api->o.fleet, m->host_id);
    const json_t *container = json_object_get(r->result, "container");
    const char *name = json_string_value(json_object_get(container, "Name"));
    bool is_gone = r->code == -ENOENT || r->engine_status == 404;

    if (r->code < 0 && !is_gone) {
        api_fail_command(m->call, r);
        removal_free(m);
    } else if (r->code == 0 && !name) {
        api_fail(m->call, -EPROTO,
                 "The agent's description of a container could not be read, so nothing was done");
        removal_free(m);
    } else if (r->code == 0 && h &&
               own_containers_has(
                   h, &(struct own_subject){
                          json_string_value(json_object_get(container, "Id")), name,
                          json_object_get(json_object_get(container, "Config"), "Labels")})) {
        refuse_removal(m, name[0] == '/' ? name + 1 : name);
    } else {
        removal_next(m);
    }
}

/* Agents report short ids; the client may have sent a long or a shorter one. */
static bool is_named(const json_t *network, const char *ref)
{
    const char *id = json_string_value(json_object_get(network, "id"));
    const char *name = json_string_value(json_object_get(network, "name"));

    return str_eq(name, ref) ||
           (!str_is_empty(id) && (str_starts_with(id, ref) || str_starts_with(ref, id)));
}

static void on_networks(void *owner, const struct command_result *r)
{
    struct removal *m = owner;
    json_t *list = r->code == 0 ? resource_json_list(SHAPE_NETWORK, r->result) : NULL;

    if (r->code < 0) {
        api_fail_command(m->call, r);
    } else if (!list) {
        api_fail(m->call, -EPROTO, "The agent's list of networks cannot be read");
    }
    if (!list) {
        removal_free(m);
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *network = json_array_get(list, i);

        /* The agent refuses built-in networks. */
        if (is_named(network, api_param(m->call, 1)) &&
            !json_is_true(json_object_get(network, "is_builtin")))
            (void)json_array_extend(m->users, json_object_get(network, "containers"));
    }
    json_decref(list);
    removal_next(m);
}

static void remove_by_force(struct api_call *call)
{
    json_t *payload = json_pack("{s:o, s:b}", "network_id", json_text_str(api_param(call, 1)),
                                "force", 1);
    const struct fleet_host *h = check(call, OPERATION_DELETE_NETWORK, payload, -EINVAL);
    struct removal *m;

    if (!h) {
        json_decref(payload);
        return;
    }
    m = xcalloc(1, sizeof(*m));
    m->call = call;
    m->host_id = xstrdup(h->row.id);
    m->payload = payload;
    m->users = json_array();
    api_agent_ask(call, h,
                  &(struct api_operation){.operation = OPERATION_LIST_NETWORKS,
                                          .payload = json_object(),
                                          .done = on_networks,
                                          .owner = m});
}

/* The agent refuses built-in networks as well, also by id; here they are known by name. */
static bool is_builtin(const char *name)
{
    return str_eq(name, "bridge") || str_eq(name, "host") || str_eq(name, "none");
}

void host_network_delete(struct api_call *call)
{
    struct error err = ERROR_INIT;
    bool is_forced;

    if (is_builtin(api_param(call, 1))) {
        api_fail_code(call, CODE_BUILT_IN_NETWORK,
                      "%s is a built-in network, which cannot be removed", api_param(call, 1));
        return;
    }
    if (api_query_bool(call, "force", false, &is_forced, &err) < 0) {
        api_fail_error(call, &err);
    } else if (is_forced) {
        remove_by_force(call);
    } else {
        ask_delete(call, "network_id");
    }
}

void host_volume_create(struct api_call *call)
{
    static const char *const more[] = {"driver", "labels"}; /* validated with the payload */
    json_t *payload = json_object();
    struct error err = ERROR_INIT;
    const json_t *body = NULL;
    int r;

    r = api_body(call, &body, &err);
    if (r == 0)
        r = copy_text(body, "name", "", payload, &err);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(more); i++) /* those that are present */
        (void)json_object_set(payload, more[i], json_object_get(body, more[i]));
    if (r < 0) {
        json_decref(payload);
        api_fail_error(call, &err);
        return;
    }
    ask(call, payload, -EDOM);
}

void host_volume_delete(struct api_call *call)
{
    ask_delete(call, "volume_name");
}
