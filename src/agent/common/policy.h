#pragma once

/*
 * The policy of a host: which operations the server may ask for. It consists of AGENT_POLICY and
 * of the label that protects a container; guard.h applies it. Classes and words are those of
 * proto/operation.h; an operation that is not in that table cannot be asked for.
 *
 * A policy is `observe`, `operate`, `full`, or a list of these and of single operations:
 * "observe,start,stop". Operations of the class POLICY_BASIC are always allowed, because the link
 * depends on them.
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

/* -EINVAL: a word is unknown; `ret` is untouched. */
int policy_parse(const char *text, struct policy *ret, struct error *err) _nodiscard_;

/* Calls `fn` with each word of the policy's text. */
typedef void (*policy_word_fn)(void *owner, const char *word);
void policy_each_word(const struct policy *p, policy_word_fn fn, void *owner);

/* NULL when the policy allows the operation, else the reason, to be freed. */
char *policy_refuse(const struct policy *p, enum operation_id operation) _nodiscard_;

/* Whether the label of a container can forbid the operation: all that do more than read. */
bool policy_heeds_label(enum operation_id operation);
/*
 * The same for a container whose POLICY_LABEL is `label`; NULL: it has none. "false" and the like
 * protect from nothing, a list of operations from these, any other text from all that change
 * something.
 */
char *policy_refuse_label(const char *label, const char *container, enum operation_id operation)
    _nodiscard_;
