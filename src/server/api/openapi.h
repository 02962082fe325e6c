#pragma once

/*
 * docs/api/openapi.json, embedded by the build; not NUL-terminated. openapi_test.c compares its
 * routes with the route table.
 */

#include <stddef.h>

extern const char openapi_json[];
extern const size_t openapi_json_size;
