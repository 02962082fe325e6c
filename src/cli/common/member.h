#pragma once

/*
 * Members of the JSON objects in the server's answers. A member that is absent, null or of another
 * type reads as the empty value, so that a newer or older server never breaks a table.
 */

#include <jansson.h>
#include <stdbool.h>

/* A string, else "". Borrowed from `object`. */
const char *member_text(const json_t *object, const char *name);
/*
 * The whole id of a container, `full_id`; `id` of objects that have no other, such as containers of
 * an older server. Borrowed from `object`.
 */
const char *member_full_id(const json_t *object);
/* The state of a container, or while its host is offline the last one known. Borrowed. */
const char *member_state(const json_t *container);
/* A whole number, else 0. */
json_int_t member_integer(const json_t *object, const char *name);
bool member_is_true(const json_t *object, const char *name);
