#pragma once

/*
 * The tokens of JSON text, for json_scan.c and json_mend.c. All but json_escape_at() require text
 * that json_scan_check() has accepted.
 */

#include <stdbool.h>
#include <stddef.h>

static inline bool json_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Returns the code unit of the \uXXXX at `p`, or -1. */
int json_unit_at(const char *p, const char *end);

/*
 * Returns the length of the escape at `p`, 0: not an escape. *ret_is_odd: well-formed, but NUL or
 * half a surrogate pair.
 */
size_t json_escape_at(const char *p, const char *end, bool *ret_is_odd);

const char *json_skip_string(const char *p, const char *end);
const char *json_skip_value(const char *p, const char *end);
