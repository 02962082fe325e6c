/*
 * Images, networks and volumes of a host: asked of its agent, nothing of it is kept here. In paths an
 * image is an id (12 or 64 digits, with or without "sha256:") or a name, whose slashes may be written
 * "%2F" or as they are; a network is an id or a name.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/resource_args.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/api/record.h"
#include "server/api/resource_json.h"

#include <errno.h>

#define MAX_FIELD 512

enum answer { ANSWER_LIST, ANSWER_OBJECT, ANSWER_DELETED };

/* What the API asks an agent, and what it makes of the reply. The times are those that Go agents take. */
static const struct question {
    const char *command;
    uint64_t timeout_ms;
    enum answer answer;
    enum resource_shape shape;
} questions[] = {
    {"list_images",    30000,  ANSWER_LIST,    SHAPE_IMAGE          },
    {"remove_image",   60000,  ANSWER_DELETED, SHAPE_IMAGE          },
    {"prune_images",   120000, ANSWER_OBJECT,  SHAPE_PRUNED_IMAGES  },
    {"list_networks",  30000,  ANSWER_LIST,    SHAPE_NETWORK        },
    {"create_network", 30000,  ANSWER_OBJECT,  SHAPE_NETWORK        },
    {"delete_network", 60000,  ANSWER_DELETED, SHAPE_NETWORK        },
    {"prune_networks", 60000,  ANSWER_OBJECT,  SHAPE_PRUNED_NETWORKS},
    {"list_volumes",   30000,  ANSWER_LIST,    SHAPE_VOLUME         },
    {"create_volume",  30000,  ANSWER_OBJECT,  SHAPE_VOLUME         },
    {"delete_volume",  60000,  ANSWER_DELETED, SHAPE_VOLUME         },
    {"prune_volumes",  60000,  ANSWER_OBJECT,  SHAPE_PRUNED_VOLUMES },
};

struct asking {
    struct api_call *call;
    const struct question *question;
    char *host_id;
};

static const struct question *question_find(const char *command)
{
    const struct question *q = questions;

    while (!str_eq(q->command, command))
        q++; /* all callers are in this file */
    return q;
}

/* Into the event log: what was asked for, by whom, and how it ended. */
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
        .title = xasprintf("%s %s", action, call->target),
        .message = r->code < 0 ? xasprintf("%s failed: %s", action, r->message)
                               : xasprintf("%s succeeded in %ju ms", action, (uintmax_t)r->took_ms),
        .triggered_by = xstrdup(call->who.name),
    };

    record_event(call->api->o.store, call->api->o.store_jobs, &event);
}

static void on_reply(void *owner, const struct command_result *r)
{
    struct asking *a = owner;
    struct api_call *call = a->call;
    const struct question *q = a->question;
    const struct fleet_host *h = fleet_find_host(call->api->o.fleet, a->host_id);
    json_t *body = NULL;

    free(a->host_id);
    free(a);
    if (call->match.route->action)
        record(call, h, r);
    if (h && q->answer == ANSWER_DELETED) /* containers may have lost a network */
        sessions_refresh(call->api->o.sessions, h->agent.id);
    if (r->code < 0) {
        api_fail_command(call, r);
        return;
    }
    switch (q->answer) {
    case ANSWER_LIST: body = resource_json_list(q->shape, r->result); break;
    case ANSWER_OBJECT: body = resource_json(q->shape, r->result); break;
    case ANSWER_DELETED: body = json_pack("{s:b}", "success", 1); break;
    }
    if (!body) {
        api_fail(call, -EPROTO, "The agent's reply to %s cannot be read", q->command);
        return;
    }
    api_reply(call, 200, body);
}

/* Checks the payload and asks; answers the call in any case. `bad_code` is for a payload that is refused. */
static void ask(struct api_call *call,
                const char *command,
                json_t *payload /* stolen */,
                int bad_code)
{
    const struct fleet_host *h = api_agent_host(call);
    const struct question *q = question_find(command);
    struct resource_args args;
    struct error err = ERROR_INIT;
    struct asking *a;

    if (!h) {
        json_decref(payload);
        return;
    }
    if (resource_args_decode(command, payload, &args, &err) < 0) {
        json_decref(payload);
        api_fail(call, bad_code, "%s", err.msg);
        return;
    }
    call->target = xasprintf("%s%s%s", h->row.name, args.ref ? "/" : "", args.ref ? args.ref : "");
    resource_args_done(&args);

    a = xcalloc(1, sizeof(*a));
    a->call = call;
    a->question = q;
    a->host_id = xstrdup(h->row.id);
    api_agent_command(call, h,
                      &(struct api_operation){.action = command,
                                              .payload = payload,
                                              .timeout_ms = q->timeout_ms,
                                              .done = on_reply,
                                              .owner = a});
}

/* Path parameter 1 names what is to be deleted, `member` is its name in the payload. */
static void ask_delete(struct api_call *call, const char *command, const char *member)
{
    struct error err = ERROR_INIT;
    bool is_forced;

    if (api_query_bool(call, "force", false, &is_forced, &err) < 0) {
        api_fail(call, err.code, "%s", err.msg);
        return;
    }
    ask(call, command, json_pack("{s:s, s:b}", member, api_param(call, 1), "force", is_forced),
        -EINVAL);
}

void host_images_list(struct api_call *call)
{
    ask(call, "list_images", json_object(), -EINVAL);
}

void host_image_delete(struct api_call *call)
{
    ask_delete(call, "remove_image", "image_id");
}

void host_images_prune(struct api_call *call)
{
    ask(call, "prune_images", json_object(), -EINVAL);
}

void host_networks_list(struct api_call *call)
{
    ask(call, "list_networks", json_object(), -EINVAL);
}

/* An optional text of the body, as agents want it: always there. */
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
    (void)json_object_set_new(payload, name, json_string(text));
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
        api_fail(call, r, "%s", err.msg);
        return;
    }
    ask(call, "create_network", payload, -EDOM);
}

/* The agent refuses them, too, by id as well; the names are known here. */
static bool is_builtin(const char *name)
{
    return str_eq(name, "bridge") || str_eq(name, "host") || str_eq(name, "none");
}

void host_network_delete(struct api_call *call)
{
    if (is_builtin(api_param(call, 1))) {
        api_fail(call, -EINVAL, "%s is a built-in network, which cannot be removed",
                 api_param(call, 1));
        return;
    }
    ask_delete(call, "delete_network", "network_id");
}

void host_networks_prune(struct api_call *call)
{
    ask(call, "prune_networks", json_object(), -EINVAL);
}

void host_volumes_list(struct api_call *call)
{
    ask(call, "list_volumes", json_object(), -EINVAL);
}

void host_volume_create(struct api_call *call)
{
    json_t *payload = json_object();
    struct error err = ERROR_INIT;
    const json_t *body = NULL;
    int r;

    r = api_body(call, &body, &err);
    if (r == 0)
        r = copy_text(body, "name", "", payload, &err);
    if (r < 0) {
        json_decref(payload);
        api_fail(call, r, "%s", err.msg);
        return;
    }
    ask(call, "create_volume", payload, -EDOM);
}

void host_volume_delete(struct api_call *call)
{
    ask_delete(call, "delete_volume", "volume_name");
}

void host_volumes_prune(struct api_call *call)
{
    ask(call, "prune_volumes", json_object(), -EINVAL);
}
