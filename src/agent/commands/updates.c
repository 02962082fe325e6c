#include "agent/commands/updates.h"
#include "agent/update/dependents.h"
#include "agent/update/plan.h"
#include "agent/update/preview.h"
#include "agent/update/updates.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/json_scan.h"
#include "proto/json_text.h"
#include "proto/update.h"

#include <errno.h>
#include <stdlib.h>

#define NAME_SIZE 256

struct update_command {
    struct operation base;
    struct update_args args;
    char id[CONTAINER_ID_SIZE], name[NAME_SIZE]; /* of the container */
    struct preview *preview;
    json_t *fields; /* of the preview */
    char fingerprint[UPDATE_FINGERPRINT_LEN + 1];
    struct error failure; /* of the preview */
};

static struct update_command *command_of(struct operation *op)
{
    return CONTAINER_OF(op, struct update_command, base);
}

static int prepare(struct operation *op, struct error *err)
{
    struct update_command *c = command_of(op);

    c->args = UPDATE_ARGS_INIT;
    return update_args_decode(op->o.request->operation, op->o.request->payload, &c->args, err);
}

static void release(struct operation *op)
{
    preview_cancel(command_of(op)->preview);
    json_decref(command_of(op)->fields);
    update_args_done(&command_of(op)->args);
}

static int answer_status(struct operation *op, const char *status, const char *id)
{
    json_t *fields = json_object();

    json_text_set(fields, "status", json_text_str(status));
    json_text_set(fields, "update_id", json_text_str(id));
    return operation_answer(op, fields);
}

/* --- the container --- */

/* The name in an inspect, without its slash. */
static int read_name(const struct engine_reply *reply, char ret[NAME_SIZE], struct error *err)
{
    struct json_span name = json_span_find((struct json_span){reply->body, reply->size}, "Name");
    char text[NAME_SIZE + 1];

    if (!json_span_copy_string(name, text, sizeof(text)))
        return error_code_set(err, CODE_BAD_REPLY, "the engine's answer has no name");
    str_copy(ret, NAME_SIZE, text[0] == '/' ? text + 1 : text);
    if (!str_is_container_ref(ret))
        return error_code_set(err, CODE_BAD_REPLY, "the engine's answer has no valid name");
    return 0;
}

static int ask_container(struct operation *op, unsigned next, struct error *err)
{
    struct operation_request request = {
        .path = xasprintf("/containers/%s/json", command_of(op)->args.container_id)};

    return operation_ask(op, next, request, err);
}

/* Fills id and name by the reply, and checks the policies. */
static int identify(struct operation *op, struct error *err)
{
    struct update_command *c = command_of(op);
    int r = read_name(op->reply, c->name, err);
    char *why;

    if (r == 0)
        r = guard_learn(op->o.guard, op->reply, c->id, err);
    if (r < 0)
        return r;
    why = guard_refuse_container(op->o.guard, c->id, op->o.request->operation);
    if (why)
        return operation_refuse(op, why);
    return 0;
}

static void on_preview(void *owner, const struct preview_result *result)
{
    struct update_command *c = owner;

    c->preview = NULL;
    c->fields = result->fields;
    if (result->code < 0) {
        c->failure = (struct error){.code = result->code, .reason = result->reason};
        c->base.failure.status = result->status;
        str_copy(c->failure.msg, sizeof(c->failure.msg), result->message);
    } else {
        str_copy(c->fingerprint, sizeof(c->fingerprint), result->fingerprint);
    }
    operation_advance(&c->base); /* c may be gone now */
}

static int begin_preview(struct operation *op, unsigned next, struct error *err)
{
    struct update_command *c = command_of(op);
    int r;

    operation_begin(op, next);
    r = preview_start(&c->preview,
                      &(struct preview_options){
                          .engine = op->o.engine,
                          .probes = updates_probes(op->o.updates),
                          .own_container = updates_own_container(op->o.updates),
                          .container = c->id,
                          .new_image = c->args.new_image,
                          .platform = c->args.platform,
                          .auth = c->args.registry_auth,
                          .old_config = updates_find_config(op->o.updates, c->id),
                          .has_consent = c->args.has_consent,
                          .ignores_lock = c->args.ignore_lock,
                          .done = on_preview,
                          .owner = c,
                      },
                      err);
    return r < 0 ? r : OPERATION_WAITS;
}

/* --- update_preview --- */

enum preview_command_step { PREVIEW_IDENTIFY, PREVIEW_MAKE, PREVIEW_ANSWER };

static const char *const preview_steps[] = {
    [PREVIEW_IDENTIFY] = "identify",
    [PREVIEW_MAKE] = "preview",
    [PREVIEW_ANSWER] = "answer",
};

static int advance_preview(struct operation *op, struct error *err)
{
    struct update_command *c = command_of(op);
    int r;

    switch ((enum preview_command_step)op->step) {
    case PREVIEW_IDENTIFY: return ask_container(op, PREVIEW_MAKE, err);
    case PREVIEW_MAKE:
        r = identify(op, err);
        return r < 0 ? r : begin_preview(op, PREVIEW_ANSWER, err);
    case PREVIEW_ANSWER:
        if (c->failure.code < 0) {
            *err = c->failure;
            return err->code;
        }
        return operation_answer(op, TAKE_PTR(c->fields));
    }
    return -EINVAL;
}

const struct operation_type updates_preview = {
    .size = sizeof(struct update_command),
    .prepare = prepare,
    .release = release,
    .steps = preview_steps,
    .advance = advance_preview,
};

/* --- update_container --- */

enum begin_step { BEGIN_IDENTIFY, BEGIN_CHECK, BEGIN_START };

static const char *const begin_steps[] = {
    [BEGIN_IDENTIFY] = "identify",
    [BEGIN_CHECK] = "check",
    [BEGIN_START] = "start",
};

/* The user has seen another plan than the one that would be carried out now. */
static int check_fingerprint(const struct update_command *c, struct error *err)
{
    const json_t *refused = json_object_get(c->fields, "refused");
    const char *text = json_text_get(refused, "text");

    if (str_is_empty(c->args.fingerprint))
        return 0;
    if (c->failure.code < 0) {
        *err = c->failure;
        return err->code;
    }
    if (text) {
        return error_code_set(err, error_code_find(json_text_get(refused, "code")), "%s", text);
    }
    if (!str_eq(c->fingerprint, c->args.fingerprint)) {
        return error_code_set(err, CODE_PREVIEW_STALE,
                              "%s, its image or its dependents have changed since the preview: "
                              "ask for a new one",
                              c->name);
    }
    return 0;
}

static int begin(struct operation *op, struct error *err)
{
    struct update_command *c = command_of(op);
    const struct update_args *args = &c->args;
    const char *update_id;
    int r = check_fingerprint(c, err);

    if (r < 0)
        return r;
    r = updates_begin(op->o.updates,
                      &(struct updates_request){
                          .update_id = args->update_id,
                          .container = c->id,
                          .name = c->name,
                          .new_image = args->new_image,
                          .platform = args->platform,
                          .fingerprint = args->fingerprint,
                          .stop_timeout_s = args->stop_timeout_s > 0 ? args->stop_timeout_s : -1,
                          .health_timeout_ms = args->health_timeout_s * MS_PER_S,
                          .stays_up_ms = args->stays_up_s * MS_PER_S,
                          .keep_ms = args->keep_s < 0 ? -1 : args->keep_s * MS_PER_S,
                          .has_consent = args->has_consent,
                          .ignores_lock = args->ignore_lock,
                          .auth = json_incref(args->registry_auth),
                      },
                      &update_id, err);
    return r < 0 ? r : answer_status(op, "update_started", update_id);
}

static int check(struct operation *op, struct error *err)
{
    const struct update_command *c = command_of(op);
    int r = identify(op, err);
    char *why = r < 0 ? NULL : guard_refuse_own(op->o.guard, c->id, op->o.request->operation);

    if (why)
        return operation_refuse_own(op, why);
    if (r < 0)
        return r;
    return str_is_empty(c->args.fingerprint) ? begin(op, err) : begin_preview(op, BEGIN_START, err);
}

static int advance_begin(struct operation *op, struct error *err)
{
    switch ((enum begin_step)op->step) {
    case BEGIN_IDENTIFY: return ask_container(op, BEGIN_CHECK, err);
    case BEGIN_CHECK: return check(op, err);
    case BEGIN_START: return begin(op, err);
    }
    return -EINVAL;
}

const struct operation_type updates_container = {
    .size = sizeof(struct update_command),
    .prepare = prepare,
    .release = release,
    .steps = begin_steps,
    .advance = advance_begin,
};

/* --- update_rollback, update_cancel, update_list: answered at once --- */

enum immediate_step { IMMEDIATE_ANSWER };

static const char *const immediate_steps[] = {[IMMEDIATE_ANSWER] = "answer"};

static int advance_rollback(struct operation *op, struct error *err)
{
    const char *id = command_of(op)->args.update_id;
    int r = updates_roll_back(op->o.updates, id, err);

    return r < 0 ? r : answer_status(op, "rollback_started", id);
}

const struct operation_type updates_rollback = {
    .size = sizeof(struct update_command),
    .prepare = prepare,
    .release = release,
    .steps = immediate_steps,
    .advance = advance_rollback,
};

static int advance_cancel(struct operation *op, struct error *err)
{
    const char *id = command_of(op)->args.update_id;
    int r = updates_cancel(op->o.updates, id, err);

    return r < 0 ? r : answer_status(op, "cancelling", id);
}

const struct operation_type updates_cancel_one = {
    .size = sizeof(struct update_command),
    .prepare = prepare,
    .release = release,
    .steps = immediate_steps,
    .advance = advance_cancel,
};

/* --- update_list --- */

enum list_step { LIST_STRANGERS, LIST_ANSWER };

static const char *const list_steps[] = {
    [LIST_STRANGERS] = "strangers",
    [LIST_ANSWER] = "answer",
};

static void add_record(void *owner, const struct journal_record *r)
{
    json_t *all = owner;

    if (json_array_size(all) < UPDATE_MAX_LIST &&
        json_array_append_new(all, journal_record_report(r)) < 0)
        abort(); /* out of memory */
}

struct known {
    const char *name;
    bool is_known;
};

/* Whether the name is one that this update has given. */
static void compare_names(void *owner, const struct journal_record *r)
{
    struct known *k = owner;

    for (size_t i = 0; i < r->n_members; i++) {
        _cleanup_free_ char *made = update_member_name(r, &r->members[i], PLAN_SUFFIX_NEW);
        _cleanup_free_ char *aside = update_member_name(r, &r->members[i], PLAN_SUFFIX_OLD);

        k->is_known |= str_eq(k->name, made) || str_eq(k->name, aside);
    }
}

/* A container with our suffix that no update knows, for example after a lost data directory. */
static void add_stranger(const struct operation *op, json_t *strangers, const json_t *container)
{
    const char *name = json_string_value(json_array_get(json_object_get(container, "Names"), 0));
    struct known known;
    json_t *one;

    if (!name)
        return;
    known = (struct known){.name = name + (name[0] == '/')};
    if (!update_name_is_ours(known.name) || json_array_size(strangers) == UPDATE_MAX_LIST)
        return;
    updates_each(op->o.updates, compare_names, &known);
    if (known.is_known)
        return;
    one = json_object();
    json_text_set(one, "id", json_incref(json_object_get(container, "Id")));
    json_text_set(one, "name", json_text_str(known.name));
    if (json_array_append_new(strangers, one) < 0)
        abort(); /* out of memory */
}

static int answer_list(struct operation *op, struct error *err)
{
    json_auto_t *containers = json_text_parse(op->reply->body, op->reply->size, 0, err);
    json_t *fields, *strangers, *updates;
    size_t i;
    json_t *one;

    if (!containers)
        return -EPROTO;
    strangers = json_array();
    updates = json_array();
    fields = json_object();
    json_array_foreach(containers, i, one)
    {
        add_stranger(op, strangers, one);
    }
    updates_each(op->o.updates, add_record, updates);
    json_text_set(fields, "updates", updates);
    json_text_set(fields, "strangers", strangers);
    return operation_answer(op, fields);
}

static int advance_list(struct operation *op, struct error *err)
{
    switch ((enum list_step)op->step) {
    case LIST_STRANGERS:
        return operation_ask(
            op, LIST_ANSWER,
            (struct operation_request){
                .path = xstrdup("/containers/json?all=1&filters="
                                "%7B%22name%22%3A%5B%22%5C%5C.dm%28new%7Cold%29-%22%5D%7D")},
            err);
    case LIST_ANSWER: return answer_list(op, err);
    }
    return -EINVAL;
}

const struct operation_type updates_list = {
    .size = sizeof(struct operation),
    .max_body = (size_t)16 << 20,
    .steps = list_steps,
    .advance = advance_list,
};
