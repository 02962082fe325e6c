#pragma once

/*
 * The names and addresses under which this machine can be reached, for its certificate.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>

#define HOST_NAMES_MAX 100

struct host_names {
    char *items[HOST_NAMES_MAX];
    size_t n;
};

/* Takes a copy unless it is there already, no name, or one too many. */
void host_names_add(struct host_names *names, const char *name);
bool host_names_has(const struct host_names *names, const char *name);
/* Host name, localhost, loopback and the addresses of all interfaces but link-local ones. */
void host_names_collect(struct host_names *names);
/* The full name that DNS has for the host name. Blocks. */
void host_names_collect_dns(struct host_names *names);
void host_names_done(struct host_names *names);
