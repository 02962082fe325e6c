#pragma once

/*
 * docs/api/openapi.json as the build put it into the program; not terminated. What it says of routes is
 * compared with the route table by openapi_test.c.
 */

#include <stddef.h>

extern const char openapi_json[];
extern const size_t openapi_json_size;
