#include "agent/commands/command.h"
#include "agent/common/channel.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#include <string.h>

#define LONGEST_TIMEOUT_S 600 /* of a stop or restart; one without end is given up after this */

const char *command_find_fault(enum operation_id id, const struct command_args *args)
{
    unsigned takes = operation_spec(id)->arguments;
    const char *fault = takes & TAKES_CONTAINER ? channel_container_fault(args->container_id)
                                                : NULL;

    if (fault)
        return fault;
    if (takes & TAKES_NEW_NAME && str_is_empty(args->new_name))
        return "new_name is required";
    if (takes & TAKES_NEW_NAME && !str_is_container_ref(args->new_name))
        return "new_name is not a valid container name";
    return NULL;
}

static const char *get_name(const struct command *c)
{
    return operation_spec(c->msg.operation)->name;
}

static uint64_t get_deadline_ms(const struct command *c)
{
    uint64_t s = c->row->deadline_s;
    int64_t timeout_s = c->msg.args.timeout_s;

    if (operation_spec(c->msg.operation)->arguments & TAKES_TIMEOUT) {
        s += timeout_s < 0 || timeout_s > LONGEST_TIMEOUT_S ? LONGEST_TIMEOUT_S
                                                            : (uint64_t)timeout_s;
    }
    return s * 1000;
}

static struct reply_to reply_to(const struct command *c)
{
    return (struct reply_to){c->msg.kind, c->msg.id};
}

static void answer(struct command *c, const struct operation_result *r)
{
    const struct sender *sender = c->o->sender;

    if (r->error) {
        sender_reply_error(sender, reply_to(c), r->error);
    } else if (r->key) {
        sender_reply_text(sender, reply_to(c), r->fields, r->key, r->text);
    } else {
        sender_reply(sender, reply_to(c), r->fields);
    }
    c->o->finished(c->o->owner, c); /* c is gone now */
}

static void refuse(struct command *c, const struct reply_error *error)
{
    log_warn(LOG_FIELDS("id", c->msg.id, "container", c->msg.args.container_id), "refused: %s",
             error->text);
    answer(c, &(struct operation_result){.error = error}); /* c is gone now */
}

static void on_deadline(struct loop_timer *t)
{
    struct command *c = CONTAINER_OF(t, struct command, deadline);
    unsigned long long s = get_deadline_ms(c) / 1000;
    struct reply_error error = {.type = REPLY_ERROR_DOCKER, .code = CODE_TIMEOUT};
    _cleanup_free_ char *text = NULL;

    if (c->operation && c->operation->is_over) {
        operation_advance(c->operation); /* c is gone now */
        return;
    }
    text = c->is_running
               ? xasprintf("%s did not finish within %llu s", get_name(c), s)
               : xasprintf("%s did not start within %llu s: another command still runs there",
                           get_name(c), s);
    log_warn(LOG_FIELDS("id", c->msg.id, "container", c->msg.args.container_id), "%s", text);
    operation_free(TAKE_PTR(c->operation));
    error.text = text;
    answer(c, &(struct operation_result){.error = &error}); /* c is gone now */
}

/* A full id and its short form have the same key; a name has its own. */
static char *make_key(const char *container)
{
    size_t n = strspn(container, "0123456789abcdef");

    if (n >= CONTAINER_SHORT_ID_LEN && container[n] == '\0')
        return xstrndup(container, CONTAINER_SHORT_ID_LEN);
    return xstrdup(container);
}

struct command *command_new(const struct command_options *o, struct msg_command *m)
{
    struct command *c = xcalloc(1, sizeof(*c));

    c->o = o;
    c->msg = *m;
    *m = (struct msg_command){0};
    c->row = agent_operation(c->msg.operation);
    c->key = c->row->needs == NEEDS_ORDER ? make_key(c->msg.args.container_id) : NULL;
    list_init(&c->link);
    c->due_ms = time_monotonic_ms() + get_deadline_ms(c);
    loop_timer_start(engine_loop(o->engine), &c->deadline, get_deadline_ms(c), on_deadline);
    return c;
}

void command_free(struct command *c)
{
    loop_timer_stop(&c->deadline);
    operation_free(c->operation);
    list_unlink(&c->link);
    msg_command_done(&c->msg);
    free(c->key);
    free(c);
}

static void on_done(void *owner, const struct operation_result *r)
{
    struct command *c = owner;

    c->operation = NULL;
    if (r->error && str_eq(r->error->type, REPLY_ERROR_PERMISSION)) {
        refuse(c, r->error);
    } else {
        answer(c, r);
    }
    /* c is gone now */
}

void command_run(struct command *c)
{
    _cleanup_free_ char *why = guard_refuse(c->o->guard, c->msg.operation);

    c->is_running = true;
    if (why) {
        refuse(c, &(struct reply_error){
                      .text = why, .type = REPLY_ERROR_PERMISSION, .code = CODE_POLICY_DENIED});
        return; /* c is gone now */
    }
    c->operation = operation_new(c->row->type,
                                 &(struct operation_options){.engine = c->o->engine,
                                                             .facts = c->o->facts,
                                                             .guard = c->o->guard,
                                                             .inventory = c->o->inventory,
                                                             .request = &c->msg,
                                                             .max_text = c->o->sender->max_message,
                                                             .deadline_ms = get_deadline_ms(c),
                                                             .done = on_done,
                                                             .owner = c});
    operation_start(c->operation); /* c may be gone now */
}
