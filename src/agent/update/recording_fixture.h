#pragma once

/* Recorded updates of six engines, in tests/integration/engines/updates. */

#include <jansson.h>

/* The recording NAME.json, to be released. The test fails if it cannot be read. */
json_t *recording_load(const char *name);
