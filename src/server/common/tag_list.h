#pragma once

/*
 * Lists of tags as users set them, of hosts and of containers: in lower case, each tag once, in the
 * order of the user. They are JSON arrays of strings.
 */

#include "base/error.h"
#include <jansson.h>

#define TAG_LIST_MAX 50 /* tags */
#define TAG_MAX      64 /* bytes */

/* Checks a list from a client. -EDOM: not a list, too many tags, or a tag that is none. */
int tag_list_check(const json_t *tags, struct error *err) _nodiscard_;
/* Appends the tags, without those of `except`, which may be NULL. */
void tag_list_add(json_t *to, const json_t *tags, const json_t *except);
/* Returns the tags `now` without `remove` and with `add`; each may be NULL. The caller owns it. */
json_t *tag_list_merge(const json_t *now, const json_t *add, const json_t *remove) _nodiscard_;
