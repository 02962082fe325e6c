#pragma once

/*
 * State machines as data. The states of an object are one enum, and a table has one row per
 * state: its name and the states that may follow it. The object's only setter calls state_check()
 * before it assigns:
 *
 *     static const struct state_row rows[] = {
 *         STATE_ROW(LINK_IDLE, "idle", STATE_TO(LINK_DIALING) | STATE_TO(LINK_STOPPED)),
 *         STATE_ROW(LINK_DIALING, "dialing", STATE_TO(LINK_STOPPED)),
 *         STATE_ROW(LINK_STOPPED, "stopped", 0),
 *     };
 *     static const struct state_machine machine = STATE_MACHINE("link", rows);
 *
 *     static void set_state(struct link *l, enum link_state state)
 *     {
 *         state_check(&machine, NULL, l->state, state);
 *         l->state = state;
 *     }
 */

#include "base/macros.h"
#include <stddef.h>
#include <stdint.h>

struct state_row {
    const char *name;
    uint32_t next; /* STATE_TO() of each state that may follow; staying in a state counts, too */
};

struct state_machine {
    const char *name; /* of the kind of object, for the log */
    const struct state_row *rows;
    size_t n_rows;
};

#define STATE_TO(state)                          (UINT32_C(1) << (state))
#define STATE_ROW(state, state_name, successors) [state] = {(state_name), (successors)}
#define STATE_MACHINE(kind, state_rows)             \
    {                                               \
        (kind), (state_rows), ARRAY_LEN(state_rows) \
    }

/*
 * Aborts when `to` may not follow `from`, else logs the transition at debug. `id` names the object
 * in the log and may be NULL.
 */
void state_check(const struct state_machine *m, const char *id, unsigned from, unsigned to);
const char *state_name(const struct state_machine *m, unsigned state);
