#pragma once

/*
 * Routes: method and path pattern -> who may call it, with what limits, and the handler. A pattern is
 * literal segments and `{name}` segments that match anything but '/'; `{name...}` at its end matches
 * that, too. The table is the only list of routes there is; the tests for roles and scopes walk it.
 */

#include "proto/operation.h"
#include "server/auth/auth.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api_call;
typedef void (*route_fn)(struct api_call *call);

#define ROUTE_MAX_PARAMS 4

/* What a route is about: what of it a caller with a scope (auth/scope.h) may reach. */
enum route_object {
    OBJECT_UNDECIDED, /* nothing: refused, and the tests of the table fail */
    OBJECT_NONE,      /* nobody's, or the caller's own */
    OBJECT_LIST,      /* many: the handler leaves out what the scope does */
    OBJECT_HOST,      /* a host, path parameter 0; what is shown of it belongs to no container */
    OBJECT_WHOLE_HOST, /* the same, but what is on it belongs to no container: 403 for a scope of labels */
    OBJECT_CONTAINER,   /* path parameters 0 and 1 */
    OBJECT_AGENT,       /* OBJECT_HOST by the agent in path parameter 0 */
    OBJECT_WHOLE_AGENT, /* OBJECT_WHOLE_HOST by the agent in path parameter 0 */
    OBJECT_GLOBAL,      /* the installation: 403 with any scope */
};

struct route {
    const char *method;
    const char *pattern;
    enum role role; /* the least role; ROLE_NONE: no authentication. With an operation: its role */
    route_fn handle;
    const char *action; /* name in the audit log of a call that changes something; NULL for reads */
    size_t max_body;    /* bytes; 0: no body expected, a small one is ignored */
    uint64_t timeout_ms; /* from request to answer; 0: 60 s */
    enum route_object object;
    enum operation_id operation; /* the agent is asked for; OPERATION_NONE: another kind of route */
};

struct route_match {
    const struct route *route;
    char *params[ROUTE_MAX_PARAMS]; /* in pattern order, owned */
    bool is_other_method;           /* the path exists, with other methods only */
};

extern const struct route routes[];
extern const size_t n_routes;

/* Fills *ret; route is NULL when nothing matches. */
void route_find(const char *method, const char *path, struct route_match *ret);
void route_match_done(struct route_match *m);
