#include "agent/commands/operation.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/engine_error.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>

#define REQUEST_MARGIN_MS 5000 /* the deadline of the operation comes before that of its requests */

struct operation *operation_new(const struct operation_type *type,
                                const struct operation_options *o)
{
    struct operation *op;

    assert(type->size >= sizeof(*op));
    op = xcalloc(1, type->size);
    op->type = type;
    op->o = *o;
    op->failure.type = REPLY_ERROR_DOCKER;
    return op;
}

static void destroy(struct operation *op)
{
    engine_call_cancel(TAKE_PTR(op->call));
    if (op->type->release)
        op->type->release(op);
    json_decref(op->result.fields);
    free(op->failure_text);
    free(op);
}

void operation_free(struct operation *op)
{
    if (op && !op->has_ended)
        destroy(op);
}

static void end(struct operation *op)
{
    op->has_ended = true;
    op->o.done(op->o.owner, &op->result);
    op->result.fields = NULL; /* the receiver has taken them */
    destroy(op);              /* op is gone now */
}

/* A failure without a code is the engine's; its `code` is a negative errno. */
static void end_with_error(struct operation *op, int code, const char *text)
{
    struct reply_error *e = &op->failure;

    e->text = text;
    if (e->code == CODE_NONE)
        e->code = engine_error_code(code, e->status, text);
    op->result.error = e;
    end(op); /* op is gone now */
}

void operation_advance(struct operation *op)
{
    struct error err = ERROR_INIT;
    int r = op->type->advance(op, &err);

    op->reply = NULL;
    if (r < 0) {
        if (op->failure.code == CODE_NONE)
            op->failure.code = (enum error_code)err.reason;
        end_with_error(op, r, op->failure_text ? op->failure_text : err.msg);
    } else if (r == OPERATION_ENDS) {
        end(op);
    }
    /* op may be gone now */
}

void operation_start(struct operation *op)
{
    struct error err = ERROR_INIT;

    if (op->type->prepare && op->type->prepare(op, &err) < 0) {
        op->failure = (struct reply_error){.status = 400, .code = CODE_INVALID_ARGUMENT};
        end_with_error(op, err.code, err.msg); /* op is gone now */
        return;
    }
    operation_advance(op); /* op may be gone now */
}

void operation_begin(struct operation *op, unsigned next)
{
    if (op->o.record)
        op->o.record(op->o.owner, op->type->steps[op->step]);
    op->step = next;
}

static void on_reply(void *owner, const struct engine_reply *reply)
{
    struct operation *op = owner;
    _cleanup_free_ char *text = NULL;

    op->call = NULL;
    if (reply->code < 0 && reply->code != op->accepts && !op->takes_failure) {
        op->failure.status = reply->status;
        if (op->what)
            text = xasprintf("%s: %s", op->what, reply->message);
        if (op->holds_failure) {
            op->held = reply->code;
            op->failure_text = text ? TAKE_PTR(text) : xstrdup(reply->message);
            operation_advance(op); /* op may be gone now */
            return;
        }
        end_with_error(op, reply->code, text ? text : reply->message); /* op is gone now */
        return;
    }
    op->reply = reply;
    operation_advance(op); /* op may be gone now */
}

int operation_ask(struct operation *op,
                  unsigned next,
                  struct operation_request request,
                  struct error *err)
{
    _cleanup_free_ char *path = request.path;
    _cleanup_free_ char *body = request.body ? json_text_write(request.body, NULL) : NULL;
    int r;

    json_decref(request.body);
    operation_begin(op, next);
    op->what = request.what;
    op->accepts = request.accepts;
    op->holds_failure = request.holds_failure;
    op->takes_failure = request.takes_failure;
    r = engine_call_start(
        &op->call, op->o.engine,
        &(struct engine_request){.method = request.method,
                                 .path = path,
                                 .body = body,
                                 .timeout_ms = op->o.deadline_ms + REQUEST_MARGIN_MS,
                                 .max_body = op->type->max_body,
                                 .done = on_reply,
                                 .owner = op},
        err);
    return r < 0 ? r : OPERATION_WAITS;
}

int operation_answer(struct operation *op, json_t *fields)
{
    op->result.fields = fields;
    return OPERATION_ENDS;
}

int operation_answer_text(struct operation *op,
                          json_t *fields,
                          const char *key,
                          struct json_span text)
{
    op->result.fields = fields;
    op->result.key = key;
    op->result.text = text;
    return OPERATION_ENDS;
}

int operation_refuse(struct operation *op, char *why)
{
    op->failure.type = REPLY_ERROR_PERMISSION;
    op->failure.code = CODE_POLICY_DENIED;
    op->failure_text = why;
    return -EACCES;
}

int operation_refuse_own(struct operation *op, char *why)
{
    int r = operation_refuse(op, why);

    op->failure.code = CODE_OWN_CONTAINER;
    return r;
}

int operation_fail(struct operation *op, int code, int status, const char *message)
{
    op->failure.status = status;
    op->failure_text = xstrdup(message);
    return code;
}
