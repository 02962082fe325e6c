#pragma once

/*
 * Scopes as the API shows them: a list of rules (rights/scope.h). An empty list is no restriction.
 */

#include <jansson.h>

/* `text` is the text of the store; it may be NULL. */
json_t *scope_json(const char *text);
