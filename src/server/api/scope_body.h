#pragma once

/*
 * Scopes in request bodies: lists of rules as rights/scope.h describes them, where hosts may be given by
 * name. An empty list allows everything.
 */

#include "server/api/call.h"

/*
 * Reads the optional member `scope`: absent, null or a list of rules. *ret is the text for the store, to be
 * freed; NULL allows everything. -EDOM.
 */
int api_body_scope(const struct api_call *call, const json_t *body, char **ret, struct error *err)
    _nodiscard_;
