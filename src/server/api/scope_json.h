#pragma once

/*
 * Scopes in the API: lists of rules as auth/scope.h describes them, where hosts may be given by name. An empty list
 * is everything.
 */

#include "server/api/call.h"

/* Of the text that the store keeps. */
json_t *scope_json(const char *text);
/*
 * The optional member `scope` of a body: absent, null or a list of rules. *ret is the text for the store, to be freed;
 * NULL for everything. -EDOM.
 */
int api_body_scope(const struct api_call *call, const json_t *body, char **ret, struct error *err)
    _nodiscard_;
