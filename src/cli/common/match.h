#pragma once

/*
 * References of users to things in a list of the server. A reference is a name, an id or the
 * beginning of an id, and a better kind of match hides the others: a container named "abc" is meant
 * even if an id begins with "abc", as with docker.
 */

#include <jansson.h>
#include <stdbool.h>

/*
 * A word of at least MATCH_AMBIGUOUS_MIN characters that is one thing's name and the beginning of
 * another one's id is no coincidence: it is ambiguous, so that no name can hide an id.
 */
#define MATCH_AMBIGUOUS_MIN 8

/* Better kinds come first. */
enum match { MATCH_ID, MATCH_NAME, MATCH_PREFIX, N_MATCHES };

/* Whether `ref` names the element in this way. */
typedef bool (*match_fn)(const json_t *element, const void *ref, enum match how);

/*
 * All elements with the best kind of match that any of them has, in the order of the list; the
 * caller's. `word` is the user's word in `ref`. The array is empty when nothing matches. Its
 * elements live as long as `list`.
 */
json_t *match_best(const json_t *list, match_fn matches, const void *ref, const char *word);
