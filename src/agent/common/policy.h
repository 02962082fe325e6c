#pragma once

/*
 * What the server may have this host do: AGENT_POLICY, and the label that protects a container. One table in
 * policy.c names everything that can be asked for and its class; what is not in it is refused.
 *
 * A policy is `observe`, `operate`, `full`, or a list of these and of single actions: "observe,start,stop". What
 * the link itself lives on (ping, system information, the container list) is always allowed.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_TEXT  512
#define POLICY_LABEL "dockmon.protect"

enum policy_class {
    POLICY_BASIC,   /* always */
    POLICY_READ,    /* observe */
    POLICY_OPERATE, /* what can be taken back: start, stop, pause ... */
    POLICY_FULL,    /* the rest: remove, rename, shells, images, networks, volumes */
};

struct policy {
    uint64_t allowed;       /* by row of the table */
    char text[POLICY_TEXT]; /* its words, as in the configuration, without blanks */
};

/* -EINVAL: a word that is none; `ret` is untouched. */
int policy_parse(const char *text, struct policy *ret, struct error *err) _nodiscard_;

/* Each word of the policy's text. */
typedef void (*policy_word_fn)(void *owner, const char *word);
void policy_each_word(const struct policy *p, policy_word_fn fn, void *owner);

/* -EINVAL: `name` (an action, a command or "shell") is in no row of the table. */
int policy_class_of(const char *name, enum policy_class *ret) _nodiscard_;

/* NULL when the policy allows it, else why not, to be freed. */
char *policy_refusal(const struct policy *p, const char *name) _nodiscard_;

/* Whether a container's label can forbid it: everything that is more than looking. */
bool policy_minds_label(const char *name);
/*
 * The same for a container whose POLICY_LABEL is `label`, NULL: it has none. "false" and the like protect from
 * nothing, a list of actions from these, anything else from all that changes something.
 */
char *policy_label_refusal(const char *label, const char *container, const char *name) _nodiscard_;
