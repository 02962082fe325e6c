#pragma once

/*
 * Roles of users and API keys, in the order of their rights.
 */

#include "base/macros.h"

enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN }; /* ordered */

int role_parse(const char *s, enum role *ret) _nodiscard_; /* "viewer", "operator", "admin" */
const char *role_name(enum role r);                        /* "none" for ROLE_NONE */
const char *role_with_article(enum role r); /* "an operator"; "without a role" for ROLE_NONE */
