#pragma once

/*
 * Counts of outdated images for other handlers.
 */

#include "server/api/call.h"
#include <stddef.h>

/* The number of containers with an outdated image that the caller may see. */
size_t api_count_outdated(struct api_call *call);
