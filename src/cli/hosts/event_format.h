#pragma once

/*
 * Events as `docker events --format` has them: Type, Action, ID, Actor, Time and TimeNano; Host and
 * Message are ours.
 */

#include "cli/common/format.h"

extern const struct format_field event_fields[];

/* The caller's. */
json_t *event_describe(const json_t *event);
