#pragma once

/*
 * Newer tags beside the one in use, by the rule of semantic versions. Pure functions.
 *
 * A tag is `[v]N[.N[.N]][-SUFFIX]`. Another tag is newer if it has the same prefix, as many numbers
 * and the same suffix (`-alpine`), so that a pre-release never replaces a release. Dates are not
 * compared with versions: a first number of 1000 or more is one.
 */

#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>

/*
 * The newest tag of each range, of an array of tags: {"patch", "minor", "major"}. "patch" keeps the
 * first two numbers, "minor" the first, and "major" none; ranges without a newer tag are left out.
 * An empty object for a tag that is no version.
 */
json_t *version_newer(const char *tag, const json_t *tags) _nodiscard_;
/* Returns whether tag `a` is the version of `b` or a newer one; false where they do not compare. */
bool version_reaches(const char *a, const char *b);
bool version_is(const char *tag);
