#pragma once

/*
 * Capabilities: the rights of a caller as DockMon's clients know them, by which they show and hide
 * their screens. They are computed from role and scope for display: a request is decided by its
 * route (api/route.h). Capabilities of features that do not exist are never given.
 */

#include "proto/role.h"
#include <stdbool.h>
#include <stddef.h>

/* The limits that a caller may have and still use the capability. */
enum capability_reach {
    REACH_OBJECTS,      /* any scope: it applies to the objects of the scope */
    REACH_INSTALLATION, /* no scope */
    REACH_USERS,        /* no scope, and no API key with an expiry or networks of its own */
};

struct capability {
    const char *name;
    enum role role; /* the minimum */
    enum capability_reach reach;
    const char *category, *title, *description; /* for display */
};

extern const struct capability capabilities[];
extern const size_t n_capabilities;

/* `is_limited_key` is identity_is_limited_key(). */
bool capability_is_given(const struct capability *c,
                         enum role role,
                         bool has_scope,
                         bool is_limited_key);
