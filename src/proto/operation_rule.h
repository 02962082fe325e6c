#pragma once

/*
 * Two operations on one container: what happens to one that arrives while another one runs. Agents
 * apply it to their commands, and the server for agents that do not.
 *
 * The rule follows from the columns of the operations' table:
 *
 *   reads                          runs beside anything
 *   the same word                  is refused; its end is under way already
 *   kill, remove with force        overtake an operation that waits for a process to end, that is,
 *                                  stop and restart, and end it
 *   pause, unpause                 are refused during such an operation
 *   all other pairs                the one that arrived later waits, up to its deadline
 */

#include "proto/operation.h"

/* Ordered: of several, the greatest counts. */
enum operation_rule {
    RULE_BESIDE,   /* starts at once */
    RULE_OVERTAKE, /* starts at once; the running one ends early and reports that */
    RULE_WAIT,     /* starts after the running one */
    RULE_REFUSE,   /* is refused: CODE_OPERATION_IN_PROGRESS */
};

/* `is_forced`: the arriving operation has `force` set. */
enum operation_rule operation_rule(enum operation_id running,
                                   enum operation_id arriving,
                                   bool is_forced);
