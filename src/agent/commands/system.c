#include "agent/commands/system.h"
#include "agent/common/guard.h"
#include "agent/common/host_ips.h"
#include "agent/engine/container_list.h"
#include "base/buf.h"
#include "docker/engine_info.h"
#include "proto/json_text.h"

#include <errno.h>

/* --- ping --- */

static int advance_ping(struct operation *op, struct error *err)
{
    json_t *fields = json_object();

    (void)err;
    json_text_set(fields, "status", json_text_str("pong"));
    return operation_answer(op, fields);
}

const struct operation_type system_ping = {
    .size = sizeof(struct operation),
    .advance = advance_ping,
};

/* --- get_system_info and list_containers: one request of several parts, then the answer --- */

enum read_step { READ_ENGINE, READ_ANSWER };

static const char *const read_steps[] = {
    [READ_ENGINE] = "read",
    [READ_ANSWER] = "answer",
};

struct system_info {
    struct operation base;
    struct engine_info_call *call;
    /* The result; inside advance() only. */
    int code;
    const char *message;
    const struct engine_info *info;
};

static void on_info(void *owner, int code, const char *message, struct engine_info *info)
{
    struct system_info *s = owner;

    s->call = NULL;
    s->code = code;
    s->message = message;
    s->info = info;
    operation_advance(&s->base); /* s may be gone now */
}

/* The members of the register message, read again: the host may have moved to another network. */
static void describe_addresses(json_t *fields, const struct host_ips *h)
{
    json_t *ips;

    if (h->n == 0)
        return;
    ips = json_array();
    for (size_t i = 0; i < h->n; i++)
        json_array_append_new(ips, json_text_str(h->ips[i]));
    json_text_set(fields, "host_ip", json_text_str(h->ips[0]));
    json_text_set(fields, "host_ips", ips);
}

static json_t *describe_info(const struct engine_info *info, const struct guard *guard)
{
    json_t *fields = json_object();
    struct host_ips addresses;

    host_ips_find(&addresses, "", guard_is_in_container(guard), info->subnets, info->n_subnets);
    describe_addresses(fields, &addresses);

    json_text_set(fields, "os_type", json_text_str(info->os_type));
    json_text_set(fields, "os_version", json_text_str(info->os_version));
    json_text_set(fields, "kernel_version", json_text_str(info->kernel_version));
    json_text_set(fields, "docker_version", json_text_str(info->docker_version));
    json_text_set(fields, "daemon_started_at", json_text_str(info->daemon_started_at));
    json_text_set(fields, "total_memory", json_integer(info->total_memory));
    json_text_set(fields, "num_cpus", json_integer(info->n_cpus));
    return fields;
}

static int advance_info(struct operation *op, struct error *err)
{
    struct system_info *s = CONTAINER_OF(op, struct system_info, base);
    int r;

    switch ((enum read_step)op->step) {
    case READ_ENGINE:
        operation_begin(op, READ_ANSWER);
        r = engine_info_start(&s->call, op->o.engine, on_info, s, err);
        return r < 0 ? r : OPERATION_WAITS;
    case READ_ANSWER:
        if (s->code < 0)
            return operation_fail(op, s->code, 0, s->message);
        return operation_answer(op, describe_info(s->info, op->o.guard));
    }
    return -EINVAL;
}

static void release_info(struct operation *op)
{
    engine_info_cancel(CONTAINER_OF(op, struct system_info, base)->call);
}

const struct operation_type system_info = {
    .size = sizeof(struct system_info),
    .steps = read_steps,
    .advance = advance_info,
    .release = release_info,
};

struct system_containers {
    struct operation base;
    struct container_list *list;
    const struct container_list_result *result; /* inside advance() only */
    struct buf text;                            /* of the answer */
};

static void on_list(void *owner, const struct container_list_result *result)
{
    struct system_containers *s = owner;

    s->list = NULL;
    s->result = result;
    operation_advance(&s->base); /* s may be gone now */
}

static int join_items(struct buf *text, const struct container_list_result *result)
{
    int r = buf_append_char(text, '[');

    for (size_t i = 0; r == 0 && i < result->n; i++) {
        if (i > 0)
            r = buf_append_char(text, ',');
        if (r == 0)
            r = buf_append(text, result->items[i].text.p, result->items[i].text.n);
    }
    return r < 0 ? r : buf_append_char(text, ']');
}

static int answer_containers(struct system_containers *s, struct error *err)
{
    int r;

    if (s->result->code < 0) {
        return operation_fail(&s->base, s->result->code, s->result->status, s->result->message);
    }
    s->text = BUF_INIT(s->base.o.max_text);
    r = join_items(&s->text, s->result);
    if (r < 0) {
        s->base.failure = (struct reply_error){.code = CODE_REPLY_TOO_LARGE};
        return error_set(err, r, "the list of containers is too large for one message");
    }
    return operation_answer_text(&s->base, NULL, "",
                                 (struct json_span){buf_str(&s->text), s->text.size});
}

static int advance_containers(struct operation *op, struct error *err)
{
    struct system_containers *s = CONTAINER_OF(op, struct system_containers, base);
    int r;

    switch ((enum read_step)op->step) {
    case READ_ENGINE:
        operation_begin(op, READ_ANSWER);
        r = container_list_start(
            &s->list,
            &(struct container_list_options){
                .engine = op->o.engine, .facts = op->o.facts, .done = on_list, .owner = s},
            err);
        return r < 0 ? r : OPERATION_WAITS;
    case READ_ANSWER: return answer_containers(s, err);
    }
    return -EINVAL;
}

static void release_containers(struct operation *op)
{
    struct system_containers *s = CONTAINER_OF(op, struct system_containers, base);

    container_list_cancel(s->list);
    buf_done(&s->text);
}

const struct operation_type system_containers = {
    .size = sizeof(struct system_containers),
    .steps = read_steps,
    .advance = advance_containers,
    .release = release_containers,
};
