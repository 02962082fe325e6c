#pragma once

/*
 * Scopes: which hosts and containers a user or an API key may see and touch. A scope only narrows what the role
 * allows; without rules it is everything. It is a list of rules, of which one has to match; a rule is conditions
 * separated by commas, all of which have to match:
 *
 *     host=ID          the host
 *     tag=TAG          a tag of the host
 *     label=KEY        a label of the container
 *     label=KEY=VALUE
 *
 * As text, in the store, the rules stand on lines of their own. Hosts are kept by id: a host that is renamed stays
 * in the scope, a rule for a deleted one matches nothing. No value contains a comma or a control character.
 * Plain data, so that an identity can be copied and cross threads.
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
    uint16_t key, value; /* into the text; 0: none */
};

struct scope_rules {
    uint8_t n_rules, n_parts; /* no rules: everything */
    uint16_t size;
    struct scope_part parts[SCOPE_MAX_PARTS];
    char text[SCOPE_MAX_TEXT];
};

/* Both have to allow. */
struct scope {
    struct scope_rules own;
    struct scope_rules ceiling; /* of a key: what its creator is limited to now */
};

/* The id of the host that has this id or name, NULL when there is none. */
typedef const char *(*scope_host_fn)(void *arg, const char *ref);

/*
 * Adds a rule. With `find`, hosts are given by name or id, and looked up. -EDOM: it is no rule, it is one too many,
 * or there is no such host; *r is unchanged then.
 */
int scope_rules_add(struct scope_rules *r,
                    const char *rule,
                    scope_host_fn find,
                    void *arg,
                    struct error *err) _nodiscard_;
/* The text of the store, NULL or "" for everything. -EDOM. */
int scope_rules_parse(const char *text, struct scope_rules *ret, struct error *err) _nodiscard_;
/* The text for the store, to be freed; NULL for everything. */
char *scope_rules_text(const struct scope_rules *r);

bool scope_is_limited(const struct scope *s);
bool scope_equal(const struct scope *a, const struct scope *b);
