/*
 * top, diff: one GET of the engine, whose answer is passed on as it is.
 */

#include "agent/commands/container.h"
#include "base/alloc.h"
#include "docker/checked_text.h"

#include <errno.h>

static const struct read {
    const char *suffix; /* of /containers/ID */
    const char *key;    /* of the answer */
} reads[OPERATIONS] = {
    [OPERATION_TOP] = {"/top",     "top"    },
    [OPERATION_DIFF] = {"/changes", "changes"},
};

enum read_step { READ_ASK, READ_ANSWER };

static const char *const read_steps[] = {
    [READ_ASK] = "ask",
    [READ_ANSWER] = "answer",
};

struct container_read {
    struct operation base;
    struct checked_text text;
};

static int advance_read(struct operation *op, struct error *err)
{
    struct container_read *c = CONTAINER_OF(op, struct container_read, base);
    const struct msg_command *m = op->o.request;
    struct operation_request request = {0};
    int r;

    switch ((enum read_step)op->step) {
    case READ_ASK:
        request.path = xasprintf("/containers/%s%s", m->args.container_id,
                                 reads[m->operation].suffix);
        return operation_ask(op, READ_ANSWER, request, err);
    case READ_ANSWER:
        r = checked_text_init(&c->text, op->reply->body, op->reply->size, err);
        return r < 0 ? r
                     : operation_answer_text(op, NULL, reads[m->operation].key,
                                             checked_text_span(&c->text));
    }
    return -EINVAL;
}

static void release_read(struct operation *op)
{
    checked_text_done(&CONTAINER_OF(op, struct container_read, base)->text);
}

const struct operation_type container_read = {
    .size = sizeof(struct container_read),
    .steps = read_steps,
    .advance = advance_read,
    .release = release_read,
};
