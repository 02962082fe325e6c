#pragma once

/*
 * The names and addresses of this machine, for its certificate.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>

#define HOST_NAMES_MAX 100

struct host_names {
    char *items[HOST_NAMES_MAX];
    size_t n;
};

/* Adds a copy of the name. Ignores duplicates, invalid names, and names beyond HOST_NAMES_MAX. */
void host_names_add(struct host_names *names, const char *name);
/* Compares names without regard to case. */
bool host_names_has(const struct host_names *names, const char *name);
/* Adds the host name, localhost, loopback, and the addresses of all interfaces except link-local
 * ones. */
void host_names_collect(struct host_names *names);
/* Adds the canonical DNS name of the host name. Blocks. */
void host_names_collect_dns(struct host_names *names);
void host_names_done(struct host_names *names);
