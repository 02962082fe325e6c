#pragma once

/*
 * Scopes: the hosts and containers that a user or an API key may see and change. A scope only
 * narrows what the role allows; a scope without rules is no restriction. It is a list of rules, of
 * which at least one must match. A rule consists of conditions separated by commas, all of which
 * must match:
 *
 *     host=ID          the host
 *     tag=TAG          a tag of the host
 *     label=KEY        a label of the container
 *     label=KEY=VALUE
 *
 * In the store, a scope is text with one rule per line. Hosts are stored by id: a renamed host
 * stays in the scope, and a rule for a deleted host matches nothing. Values contain neither commas
 * nor control characters. Plain data, so that an identity can be copied and passed between threads.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

#define SCOPE_MAX_RULES 32
#define SCOPE_MAX_PARTS 64
#define SCOPE_MAX_TEXT  1024
#define SCOPE_MAX_VALUE 255 /* bytes, of each key and value */

enum scope_part_kind { SCOPE_HOST, SCOPE_TAG, SCOPE_LABEL, SCOPE_KINDS };

struct scope_part {
    uint8_t rule, kind;
    uint16_t key, value; /* offsets in the text; 0: none */
};

struct scope_rules {
    uint8_t n_rules, n_parts; /* no rules: no restriction */
    uint16_t size;
    struct scope_part parts[SCOPE_MAX_PARTS];
    char text[SCOPE_MAX_TEXT];
};

/* Both sets of rules must allow the access. */
struct scope {
    struct scope_rules own;
    struct scope_rules ceiling; /* of an API key: the current scope of its creator */
};

/* Returns the id of the host with this id or name, or NULL when there is none. */
typedef const char *(*scope_host_fn)(void *arg, const char *ref);

/*
 * Adds a rule. With `find`, hosts are given by name or id and are looked up. Returns -EDOM when the
 * rule is invalid, exceeds a limit, or names an unknown host; *r is unchanged then.
 */
int scope_rules_add(struct scope_rules *r,
                    const char *rule,
                    scope_host_fn find,
                    void *arg,
                    struct error *err) _nodiscard_;
/* Parses the text of the store; NULL or "" is no restriction. -EDOM when the text is invalid. */
int scope_rules_parse(const char *text, struct scope_rules *ret, struct error *err) _nodiscard_;
/* Returns the text for the store, to be freed; NULL for no restriction. */
char *scope_rules_text(const struct scope_rules *r);

/* Returns whether any rule restricts the scope. */
bool scope_is_limited(const struct scope *s);
/* Compares the rules and their order, not the hosts and containers that match. */
bool scope_equal(const struct scope *a, const struct scope *b);
