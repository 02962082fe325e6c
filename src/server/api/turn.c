#include "server/api/turn.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

static bool is_same_container(const struct turn *a, const struct turn *b)
{
    return str_eq(a->container_id, b->container_id) && str_eq(a->host_id, b->host_id);
}

/* The rule for `t` beside those that run. *ret: the one that it comes from, or NULL. */
static enum operation_rule find_rule(const struct list *all,
                                     const struct turn *t,
                                     const struct turn **ret)
{
    enum operation_rule rule = RULE_BESIDE;

    *ret = NULL;
    for (struct list *l = all->next; l != all; l = l->next) {
        const struct turn *other = CONTAINER_OF(l, struct turn, link);
        enum operation_rule found;

        if (!other->is_running || !is_same_container(other, t))
            continue;
        found = operation_rule(other->operation, t->operation);
        if (found > rule) {
            rule = found;
            *ret = other;
        }
    }
    return rule;
}

static void mark_overtaken(const struct turn *t)
{
    for (struct list *l = t->all->next; l != t->all; l = l->next) {
        struct turn *other = CONTAINER_OF(l, struct turn, link);

        if (other->is_running && is_same_container(other, t) &&
            operation_rule(other->operation, t->operation) == RULE_OVERTAKE)
            other->overtaken_by = t->operation.id;
    }
}

static void begin(struct turn *t)
{
    mark_overtaken(t);
    t->is_running = true;
    loop_timer_stop(&t->timer);
}

static void refuse_running(struct turn *t, const struct turn *running)
{
    t->on_failed(t, CODE_OPERATION_IN_PROGRESS,
                 xasprintf("%s is refused: %s is in progress on this container",
                           operation_spec(t->operation.id)->name,
                           operation_spec(running->operation.id)->name));
    /* t is gone now */
}

static void on_deadline(struct loop_timer *timer)
{
    struct turn *t = CONTAINER_OF(timer, struct turn, timer);

    t->on_failed(t, CODE_CONTAINER_BUSY,
                 xasprintf("%s did not start within %d s: another operation still runs there",
                           operation_spec(t->operation.id)->name, TURN_WAIT_MS / 1000));
    /* t is gone now */
}

bool turn_take(struct list *all, struct loop *loop, struct turn *t)
{
    const struct turn *running;
    enum operation_rule rule = find_rule(all, t, &running);

    t->all = all;
    list_append(all, &t->link);
    if (rule == RULE_REFUSE) {
        refuse_running(t, running); /* t is gone now */
        return false;
    }
    if (rule == RULE_WAIT) {
        log_debug(LOG_FIELDS("host", t->host_id, "container", t->container_id),
                  "%s waits: %s is in progress", operation_spec(t->operation.id)->name,
                  operation_spec(running->operation.id)->name);
        loop_timer_start(loop, &t->timer, TURN_WAIT_MS, on_deadline);
        return false;
    }
    begin(t);
    return true;
}

/* Starts, or refuses, the first of those that wait for this container; false: there is none. */
static bool start_next(struct list *all, const struct turn *ended)
{
    for (struct list *l = all->next; l != all; l = l->next) {
        struct turn *t = CONTAINER_OF(l, struct turn, link);
        const struct turn *running;
        enum operation_rule rule;

        if (t->is_running || !is_same_container(t, ended))
            continue;
        rule = find_rule(all, t, &running);
        if (rule == RULE_WAIT)
            continue;
        if (rule == RULE_REFUSE) {
            refuse_running(t, running);
        } else {
            begin(t);
            t->on_turn(t);
        }
        return true; /* t may be gone now */
    }
    return false;
}

void turn_end(struct turn *t)
{
    struct list *all = TAKE_PTR(t->all);

    if (!all)
        return;
    loop_timer_stop(&t->timer);
    list_unlink(&t->link);
    while (t->is_running && start_next(all, t))
        continue;
}

void turns_end_waits(struct list *turns)
{
    struct list *next;

    for (struct list *l = turns->next; l != turns; l = next) {
        struct turn *t = CONTAINER_OF(l, struct turn, link);

        next = l->next;
        if (!t->is_running)
            t->on_failed(t, CODE_UNAVAILABLE, xstrdup("The server is stopping"));
    }
}
