#include "agent/commands/self_update.h"
#include "agent/update/self_update.h"
#include "proto/json_text.h"
#include "proto/self_update.h"

struct self_update_command {
    struct operation base;
    struct self_update_args args;
};

enum self_update_step { SELF_UPDATE_BEGIN };

static const char *const steps[] = {[SELF_UPDATE_BEGIN] = "begin"};

static struct self_update_command *command_of(struct operation *op)
{
    return CONTAINER_OF(op, struct self_update_command, base);
}

static int prepare(struct operation *op, struct error *err)
{
    return self_update_args_decode(op->o.request->payload, &command_of(op)->args, err);
}

static void release(struct operation *op)
{
    self_update_args_done(&command_of(op)->args);
}

static int advance(struct operation *op, struct error *err)
{
    const struct self_update_args *args = &command_of(op)->args;
    int r = self_update_begin(op->o.self_update, args, err);
    json_t *fields;

    if (r < 0)
        return r;
    fields = json_object();
    json_text_set(fields, "status", json_text_str("self_update_started"));
    json_text_set(fields, "update_id", json_text_str(args->update_id));
    return operation_answer(op, fields);
}

const struct operation_type self_update_program = {
    .size = sizeof(struct self_update_command),
    .prepare = prepare,
    .release = release,
    .steps = steps,
    .advance = advance,
};
