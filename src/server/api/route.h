#pragma once

/*
 * Routes: method and path pattern, with the role they require, limits and the handler. A pattern
 * consists of literal segments and of `{name}` segments, which match anything but '/'; a final
 * `{name...}` matches slashes, too. The table is the only list of routes; the tests of roles and
 * scopes iterate over it.
 */

#include "proto/operation.h"
#include "server/auth/auth.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api_call;
typedef void (*route_fn)(struct api_call *call);

#define ROUTE_MAX_PARAMS 4

/* The object of a route, which decides what a caller with a scope (rights/scope.h) may access. */
enum route_object {
    OBJECT_UNDECIDED, /* unset: refused, and the tests of the table fail */
    OBJECT_NONE,      /* no object, or the caller's own */
    OBJECT_LIST,      /* a list: the handler omits objects out of scope */
    OBJECT_HOST,      /* the host in path parameter 0, without data of containers */
    /* The same with data that belongs to no container: 403 for a scope of labels. */
    OBJECT_WHOLE_HOST,
    OBJECT_CONTAINER,   /* path parameters 0 and 1 */
    OBJECT_AGENT,       /* OBJECT_HOST by the agent in path parameter 0 */
    OBJECT_WHOLE_AGENT, /* OBJECT_WHOLE_HOST by the agent in path parameter 0 */
    OBJECT_GLOBAL,      /* the installation: 403 with any scope */
    OBJECT_USERS,       /* OBJECT_GLOBAL, and 403 for any key with limits, which a user has not */
};

struct route {
    const char *method;
    const char *pattern;
    /* The minimum role; ROLE_NONE: no authentication. For an operation, the role of that
     * operation. */
    enum role role;
    route_fn handle;
    const char *action;  /* name in the audit log; NULL for reads */
    size_t max_body;     /* bytes; 0: a request with a body is refused */
    uint64_t timeout_ms; /* from request to response; 0: 60 s */
    enum route_object object;
    /* The operation that the agent is asked for, or OPERATION_NONE. */
    enum operation_id operation;
};

struct route_match {
    const struct route *route;
    char *params[ROUTE_MAX_PARAMS]; /* in the order of the pattern; owned */
    bool is_other_method;           /* the path exists, but only with other methods */
};

extern const struct route routes[];
extern const size_t n_routes;

/* Fills *ret; its route is NULL when no route matches. Call route_match_done() in either case. */
void route_find(const char *method, const char *path, struct route_match *ret);
/* Returns the part of the path that a final `{name...}` of its route stands for, or NULL. */
const char *route_find_rest(const struct route *route, const char *path) _nodiscard_;
void route_match_done(struct route_match *m);
/* Returns the methods that the path has, for the header Allow: "GET, HEAD, POST". */
char *route_methods(const char *path) _nodiscard_;
