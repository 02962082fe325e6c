#pragma once

/*
 * The policy of a host limits the operations that the server can request. It consists of
 * AGENT_POLICY and of the label that protects a container; guard.h applies it. Classes and words
 * are those of proto/operation.h; the agent executes no operation that is not in that table.
 *
 *   class    how much an operation can change: POLICY_BASIC < READ < OPERATE < FULL
 *   level    `observe`, `operate` or `full`: allows all operations up to a class
 *   word     the name of a single operation, or of a group of them: "stop"
 *
 * AGENT_POLICY is a list of levels and words: "observe,start,stop". Operations of the class
 * POLICY_BASIC are always allowed, because the link depends on them. A policy is parsed once at the
 * start; it is plain data without a destructor.
 */

#include "base/error.h"
#include "proto/operation.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_TEXT  512
#define POLICY_LABEL "dockmon.protect"

struct policy {
    uint64_t allowed;       /* one bit for each enum operation_id */
    char text[POLICY_TEXT]; /* the words of the configuration, without blanks */
};

/* -EINVAL: a word is unknown; `ret` is unchanged. */
int policy_parse(const char *text, struct policy *ret, struct error *err) _nodiscard_;

/* Calls `fn` with each word of the policy's text. */
typedef void (*policy_word_fn)(void *owner, const char *word);
void policy_each_word(const struct policy *p, policy_word_fn fn, void *owner);

/* Returns why the policy forbids the operation, as text to be freed; NULL: it is allowed. */
char *policy_refuse(const struct policy *p, enum operation_id operation) _nodiscard_;

/* Whether the label of a container can forbid the operation: true for all that change something. */
bool policy_heeds_label(enum operation_id operation);
/*
 * The same as policy_refuse() for a container with this value of POLICY_LABEL; NULL: no label.
 * "false", "no", "off" and "0" forbid nothing, a list of words forbids these operations, and any
 * other text forbids all operations that change something.
 */
char *policy_refuse_label(const char *label, const char *container, enum operation_id operation)
    _nodiscard_;
