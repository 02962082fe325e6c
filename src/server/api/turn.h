#pragma once

/*
 * The turn of an operation on a container, by the rules of proto/operation_rule.h, for agents that
 * do not apply them: those of other projects carry out whatever arrives at once.
 *
 * A turn is a member of its owner and holds a place in a list of all turns from turn_take() to
 * turn_end(). It borrows its strings.
 *
 *   turn_take   RULE_BESIDE, RULE_OVERTAKE   true: it runs; those it overtakes are marked
 *               RULE_REFUSE                  false, after on_failed
 *               RULE_WAIT                    false; then on_turn, or on_failed at TURN_WAIT_MS
 *
 * The callbacks may free the owner, which calls turn_end().
 */

#include "base/list.h"
#include "net/loop.h"
#include "proto/error_code.h"
#include "proto/operation_rule.h"

#define TURN_WAIT_MS 25000

struct turn {
    struct rule_subject operation;
    const char *host_id, *container_id;
    void (*on_turn)(struct turn *t);
    void (*on_failed)(struct turn *t, enum error_code code, char *why); /* takes `why` */
    /* The rest is set here. */
    enum operation_id overtaken_by;
    bool is_running;
    struct list *all;
    struct list link;
    struct loop_timer timer;
};

bool turn_take(struct list *all, struct loop *loop, struct turn *t);
void turn_end(struct turn *t);            /* harmless on a zeroed one; others may get their turn */
void turns_end_waits(struct list *turns); /* the server has closed: all that wait fail */
