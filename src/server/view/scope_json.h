#pragma once

/*
 * Scopes as the API shows them: the list of their rules, see rights/scope.h. An empty list allows everything.
 */

#include <jansson.h>

/* `text` as the store keeps it; may be NULL. */
json_t *scope_json(const char *text);
