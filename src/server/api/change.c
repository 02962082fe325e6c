#include "server/api/change.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/random.h"
#include "base/str.h"
#include "proto/command.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/setting_change.h"
#include "server/api/turn.h"
#include "server/fleet/own_containers.h"
#include "server/fleet/scope_view.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIST_MS           5000
#define MAX_STARTED_LISTS 2

/* The pauses before a polled agent is asked again for a list that does not show the change yet. */
static const uint64_t look_delays_ms[] = {100, 200, 400, 800};

enum change_step {
    CHANGE_IDENTIFY,
    CHANGE_PERMIT,
    CHANGE_TURN,
    CHANGE_SEND,
    CHANGE_SENT,
    CHANGE_UNDONE,
    CHANGE_LISTED
};

struct change {
    struct change_options o;
    enum change_step step;
    char *host_id, *ref;
    char *given;                     /* the reference as it was given */
    char *name;                      /* of the container, or NULL */
    json_t *labels;                  /* of the container, or NULL */
    json_t *warnings;                /* of the engine, or NULL */
    char *message;                   /* of a failure */
    char command_id[UUID_TEXT_SIZE]; /* "": the operation has no reply yet */
    struct change_result result;
    uint64_t list_number; /* of the list that was asked for */
    size_t n_lists;
    struct loop_timer timer;
    struct list link; /* in the api's, while the timer runs */
    struct turn turn;
};

static void advance(struct change *c, const struct command_result *reply);
static void end(struct change *c);

static struct fleet_host *find_host(const struct change *c)
{
    return fleet_find_host(c->o.api->o.fleet, c->host_id);
}

static void finish(struct change *c)
{
    c->result.host = find_host(c);
    c->result.id = c->ref;
    c->result.name = c->name;
    c->result.warnings = c->warnings;
    c->result.command_id = c->command_id[0] ? c->command_id : NULL;
    c->result.message = c->message ? c->message : "";
    c->o.done(c->o.owner, &c->result);
    loop_timer_stop(&c->timer);
    list_unlink(&c->link);
    turn_end(&c->turn);
    json_decref(c->o.payload);
    json_decref(c->labels);
    json_decref(c->warnings);
    free(c->host_id);
    free(c->ref);
    free(c->given);
    free(c->name);
    free(c->message);
    free(c);
}

/* Takes ownership of `message`. */
static void set_failure(struct change *c, enum error_code reason, int status, char *message)
{
    free(c->message);
    c->message = message;
    c->result.reason = reason;
    c->result.status = status;
}

static void refuse(struct change *c, enum error_code reason, char *message)
{
    set_failure(c, reason, error_code_status(reason), message);
    finish(c); /* c is gone now */
}

static void note_failure(struct change *c, const struct command_result *r)
{
    _cleanup_free_ char *text = NULL;
    int status = api_command_status(r, &text);

    set_failure(c, r->reason, status, text ? TAKE_PTR(text) : xstrdup(r->message));
}

static void on_reply(void *owner, const struct command_result *reply)
{
    advance(owner, reply);
}

/* The act of a step: asks the agent; advance() continues with `next`. Takes `payload`. */
static void ask(struct change *c,
                enum change_step next,
                enum operation_id operation,
                json_t *payload,
                uint64_t timeout_ms)
{
    const struct fleet_host *h = find_host(c);

    if (!h || !h->agent.id) {
        json_decref(payload);
        refuse(c, CODE_NO_SUCH_HOST, xstrdup("The host was deleted in the meantime"));
        return; /* c is gone now */
    }
    c->step = next;
    command_start(sessions_commands(c->o.api->o.sessions),
                  &(struct command_request){.agent_id = h->agent.id,
                                            .operation = operation,
                                            .payload = payload,
                                            .timeout_ms = timeout_ms,
                                            .done = on_reply,
                                            .owner = c});
}

static bool is_full_id(const char *s)
{
    return s && str_is_hex(s, CONTAINER_ID_LEN);
}

/* A caller whose scope covers a part of the host does not learn what else is there. */
static void fail_identify(struct change *c, const struct command_result *reply)
{
    const struct fleet_host *h = find_host(c);
    bool is_about_host = reply->code == -ENOTCONN || reply->code == -ETIMEDOUT;

    if (h && !is_about_host && !scope_allows_whole_host(c->o.scope, h)) {
        set_failure(c, CODE_NO_SUCH_CONTAINER, error_code_status(CODE_NO_SUCH_CONTAINER),
                    xasprintf("No such container on host %s: %s", h->row.name, c->ref));
    } else {
        note_failure(c, reply);
    }
    finish(c); /* c is gone now */
}

/* Takes id, name and labels from the reply to an inspect; false after c has ended. */
static bool learn(struct change *c, const struct command_result *reply)
{
    const json_t *container = json_object_get(reply->result, "container");
    const char *name = json_string_value(json_object_get(container, "Name"));
    const char *id = json_string_value(json_object_get(container, "Id"));

    if (reply->code < 0) {
        fail_identify(c, reply); /* c is gone now */
        return false;
    }
    if (!name || (id && !is_full_id(id)) || (!id && !is_full_id(c->ref))) {
        refuse(c, CODE_BAD_REPLY,
               xstrdup("The agent's description of the container could not be read, so nothing "
                       "was done"));
        return false;
    }
    free(c->name);
    c->name = xstrdup(name[0] == '/' ? name + 1 : name);
    json_decref(c->labels);
    c->labels = json_incref(json_object_get(json_object_get(container, "Config"), "Labels"));
    if (id) {
        free(c->ref);
        c->ref = xstrdup(id);
    }
    return true;
}

static const char *get_new_name(const struct change *c)
{
    return json_string_value(json_object_get(c->o.payload, "new_name"));
}

/* False after c has ended. */
static bool permit(struct change *c)
{
    const struct fleet_host *h = find_host(c);
    const char *action = operation_spec(c->o.operation)->name;
    struct scope_view view;

    if (!h)
        return true; /* the next act ends it */
    scope_view_host(c->o.scope, h, &view);
    if (!scope_view_labels(&view, c->labels)) {
        free(TAKE_PTR(c->name)); /* the caller does not learn it */
        free(c->ref);
        c->ref = xstrdup(c->given);
        refuse(c, CODE_NO_SUCH_CONTAINER,
               xasprintf("No such container on host %s: %s", h->row.name, c->given));
        return false;
    }
    if (c->o.operation == OPERATION_RENAME && own_containers_claims(h, get_new_name(c))) {
        refuse(
            c, CODE_OWN_CONTAINER,
            xasprintf("Permission denied: on host %s the name %s is for DockMon's own containers",
                      h->row.name, get_new_name(c)));
        return false;
    }
    if (!(operation_spec(c->o.operation)->flags & SPARES_OWN) ||
        !own_containers_has(h, &(struct own_subject){c->ref, c->name, c->labels}))
        return true;
    refuse(c, CODE_OWN_CONTAINER,
           xasprintf("Permission denied: %s belongs to DockMon, it cannot %s itself", c->name,
                     action));
    return false;
}

static void send_operation(struct change *c)
{
    json_t *payload = json_copy(c->o.payload);

    (void)json_object_set_new(payload, "container_id", json_text_str(c->ref));
    c->result.was_sent = true;
    ask(c, CHANGE_SENT, c->o.operation, payload, c->o.timeout_ms);
}

/* --- the order of operations, of an agent that keeps none --- */

static void on_turn(struct turn *t)
{
    struct change *c = CONTAINER_OF(t, struct change, turn);

    c->step = CHANGE_SEND;
    advance(c, NULL);
}

static void on_turn_failed(struct turn *t, enum error_code code, char *why)
{
    struct change *c = CONTAINER_OF(t, struct change, turn);

    refuse(c, code, why); /* c is gone now */
}

static bool is_mild(const struct change *c)
{
    const char *signal = json_string_value(json_object_get(c->o.payload, "signal"));

    return c->o.operation == OPERATION_KILL && command_is_mild_signal(signal);
}

/* True: it may be sent now; else a callback follows, or was called. */
static bool take_turn(struct change *c)
{
    const struct fleet_host *h = find_host(c);

    if (!h || fleet_host_can(h, ERROR_CODES_CAPABILITY))
        return true; /* agents with codes have the rules themselves */
    c->turn = (struct turn){
        .operation = {.id = c->o.operation,
                      .is_forced = json_is_true(json_object_get(c->o.payload, "force")),
                      .is_mild = is_mild(c)},
        .container_id = c->ref,
        .host_id = c->host_id,
        .on_turn = on_turn,
        .on_failed = on_turn_failed,
    };
    return turn_take(&c->o.api->turns, c->o.api->o.loop, &c->turn);
}

/* Takes the reply; true: a restart has started the container that another operation has killed. */
static bool take_reply(struct change *c, const struct command_result *reply)
{
    enum operation_id by = c->turn.overtaken_by;

    c->result.took_ms = reply->took_ms;
    str_copy(c->command_id, sizeof(c->command_id), reply->id);
    if (reply->code < 0)
        note_failure(c, reply);
    c->warnings = json_incref(json_object_get(reply->result, "warnings"));
    if (!by || (by == OPERATION_KILL && c->o.operation == OPERATION_STOP && reply->code == 0))
        return false;
    set_failure(c, CODE_OPERATION_OVERTAKEN, error_code_status(CODE_OPERATION_OVERTAKEN),
                xasprintf("%s was ended by %s", operation_spec(c->o.operation)->name,
                          operation_spec(by)->name));
    return by == OPERATION_KILL && reply->code == 0;
}

/* --- the state after the operation, of an agent that does not push it --- */

/* Whether the model shows what the operation has done, as far as that is certain. */
static bool is_shown(const struct change *c, const struct fleet_host *h)
{
    const struct fleet_container *container = map_find(&h->containers, c->ref);
    bool is_running = container &&
                      (str_eq(container->state, "running") || str_eq(container->state, "paused"));

    if (c->o.operation == OPERATION_REMOVE)
        return !container;
    if (!container)
        return true;
    if (is_mild(c))
        return true; /* the process decides how it ends */
    if (c->o.operation == OPERATION_STOP || c->o.operation == OPERATION_KILL)
        return !is_running;
    if (c->o.operation == OPERATION_RENAME) {
        return str_eq(container->name, get_new_name(c));
    }
    if (c->o.operation == OPERATION_SET_LIMITS)
        return true;
    return is_running || c->n_lists > MAX_STARTED_LISTS; /* it may have ended at once */
}

static bool has_look(const struct change *c)
{
    const struct fleet_host *h = find_host(c);

    return c->o.api->http && h && h->is_online &&
           sessions_is_polled(c->o.api->o.sessions, h->agent.id);
}

static void look(struct change *c)
{
    c->list_number = sessions_number_list(c->o.api->o.sessions);
    c->n_lists++;
    ask(c, CHANGE_LISTED, OPERATION_LIST_CONTAINERS, json_object(), LIST_MS);
}

static void on_timer(struct loop_timer *t)
{
    struct change *c = CONTAINER_OF(t, struct change, timer);

    list_unlink(&c->link);
    if (has_look(c)) {
        look(c); /* c may be gone now */
    } else {
        end(c); /* c may be gone now */
    }
}

/* Takes a list; true: c has to wait for another one. */
static bool take_list(struct change *c, const struct command_result *reply)
{
    struct fleet_host *h = find_host(c);

    if (!h || !sessions_take_list(c->o.api->o.sessions, h->agent.id, c->list_number, reply) ||
        c->result.reason != CODE_NONE || is_shown(c, h) || c->n_lists > ARRAY_LEN(look_delays_ms))
        return false;
    if (!c->o.api->http)
        return false; /* the server has closed */
    list_append(&c->o.api->waiting_changes, &c->link);
    loop_timer_start(c->o.api->o.loop, &c->timer, look_delays_ms[c->n_lists - 1], on_timer);
    return true;
}

static void on_settings(void *owner)
{
    finish(owner);
}

/* Ends the flow. The settings of a container that was deleted by a user are deleted, too. */
static void end(struct change *c)
{
    const struct fleet_host *h = find_host(c);

    if (c->o.operation != OPERATION_REMOVE || c->result.reason != CODE_NONE || !h) {
        finish(c);
        return;
    }
    setting_removal_start(&(struct setting_removal_options){.api = c->o.api,
                                                            .host = h,
                                                            .id = c->ref,
                                                            .name = c->name,
                                                            .labels = c->labels,
                                                            .done = on_settings,
                                                            .owner = c});
}

/* Runs the flow up to its next request. `reply` is that to the last one; NULL at first. */
static void advance(struct change *c, const struct command_result *reply)
{
    switch (c->step) {
    case CHANGE_IDENTIFY:
        ask(c, CHANGE_PERMIT, OPERATION_INSPECT,
            json_pack("{s:o}", "container_id", json_text_str(c->ref)),
            api_operation_timeout_ms(OPERATION_INSPECT, 0));
        return;
    case CHANGE_PERMIT:
        if ((reply && !learn(c, reply)) || !permit(c))
            return; /* c is gone now */
        c->step = CHANGE_TURN;
        _fallthrough_;
    case CHANGE_TURN:
        if (!take_turn(c))
            return; /* c may be gone now */
        _fallthrough_;
    case CHANGE_SEND: send_operation(c); return;
    case CHANGE_SENT:
        assert(reply);
        if (take_reply(c, reply)) {
            ask(c, CHANGE_UNDONE, OPERATION_KILL,
                json_pack("{s:o}", "container_id", json_text_str(c->ref)),
                api_operation_timeout_ms(OPERATION_INSPECT, 0));
            return;
        }
        _fallthrough_;
    case CHANGE_UNDONE:
        if (has_look(c)) {
            look(c);
            return;
        }
        break;
    case CHANGE_LISTED:
        if (take_list(c, reply))
            return;
        break;
    }
    end(c); /* c may be gone now */
}

/*
 * Finds the container in the model when its id says which one it is. A name of hexadecimal digits
 * comes before the beginning of an id, as with the engine.
 */
static const struct fleet_container *find_by_id(const struct fleet_host *h, const char *ref)
{
    struct fleet_container *container = NULL;

    if (!str_is_hex(ref, CONTAINER_SHORT_ID_LEN) && !is_full_id(ref))
        return NULL;
    if (fleet_find_container(h, ref, &container) < 0 || !str_starts_with(container->id, ref))
        return NULL;
    return container;
}

void change_start(const struct change_options *o)
{
    const struct fleet_container *container = find_by_id(o->host, o->ref);
    struct change *c = xcalloc(1, sizeof(*c));

    c->o = *o;
    list_init(&c->link);
    c->host_id = xstrdup(o->host->row.id);
    c->given = xstrdup(o->ref);
    c->ref = xstrdup(container ? container->id : o->ref);
    if (container) {
        c->name = xstrdup(container->name);
        c->labels = json_incref(container->labels);
        c->step = CHANGE_PERMIT;
    }
    advance(c, NULL);
}

void changes_end_waits(struct api *a)
{
    while (!list_empty(&a->waiting_changes))
        finish(CONTAINER_OF(list_take_first(&a->waiting_changes), struct change, link));
}
