#pragma once

/*
 * The constant responses of routes whose feature this server does not have. GET only.
 */

#include <stddef.h>

struct absent_route {
    const char *pattern;  /* of the route table */
    const char *response; /* JSON */
};

extern const struct absent_route absent_routes[];
extern const size_t n_absent_routes;
