#pragma once

/*
 * JSON values of database columns, and of times.
 */

#include "base/buf.h"
#include <jansson.h>
#include <stdint.h>

/* Returns "2026-...Z", or null for 0. */
json_t *json_value_time(int64_t utc_ms);
/* Returns a string, or null for NULL. */
json_t *json_value_string(const char *s);
/*
 * Returns the parsed JSON text of a column, or the fallback when it does not parse to a value of
 * the same type. Takes ownership of the fallback.
 */
json_t *json_value_column(const char *text, json_t *fallback);
/* Appends the member ,"name":"2026-...Z", or null for 0, to an open object. */
void json_append_time(struct buf *out, const char *name, int64_t utc_ms);
