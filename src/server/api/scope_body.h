#pragma once

/*
 * Scopes in request bodies: lists of rules (rights/scope.h) that may name hosts by name. An empty
 * list is no restriction.
 */

#include "server/api/call.h"

/*
 * Reads the optional member `scope`: absent, null or a list of rules. *ret is the text for the
 * store, to be freed; NULL means no restriction. -EDOM when the list is invalid.
 */
int api_body_scope(const struct api_call *call, const json_t *body, char **ret, struct error *err)
    _nodiscard_;
