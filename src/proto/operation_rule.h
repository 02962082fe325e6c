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
 *   kill with another signal       runs beside such an operation, which goes on; several wait for
 *     than SIGKILL                 each other
 *   pause, unpause                 are refused during such an operation
 *   all other pairs                the one that arrived later waits, up to its deadline
 *
 * Those that wait run in the order of their arrival after all that run, also those that have
 * overtaken: of stop, start and kill, the start runs last.
 */

#include "proto/operation.h"

/* Ordered: of several, the greatest counts. */
enum operation_rule {
    RULE_BESIDE,   /* starts at once */
    RULE_OVERTAKE, /* starts at once; the running one ends early and reports that */
    RULE_WAIT,     /* starts after the running one */
    RULE_REFUSE,   /* is refused: CODE_OPERATION_IN_PROGRESS */
};

/* An operation and those of its arguments that the rules depend on. */
struct rule_subject {
    enum operation_id id;
    bool is_forced; /* `force` is set */
    bool is_mild;   /* `signal` is another one than SIGKILL */
};

enum operation_rule operation_rule(struct rule_subject running, struct rule_subject arriving);
