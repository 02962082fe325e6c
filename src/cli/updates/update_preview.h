#pragma once

#include <jansson.h>

/*
 * Prints the answer of POST .../update/preview for people. Returns the exit code: 1 if the agent
 * would refuse the update. `image` is that of the request, or NULL.
 */
int update_preview_print(const char *word, const char *image, const json_t *preview);
