#pragma once

/*
 * The question of the verbs that remove everything unused. It names the objects of each host,
 * because "all unused volumes" is not what users believe it to be until they see it.
 */

#include "base/error.h"
#include <jansson.h>

/*
 * `what` completes "This will remove ...". `previews` is an array of {"host", "names"}, one for
 * each host; names that are not an array are unknown. Returns 0 for yes, 1 for no, or a negative
 * errno if there is no terminal to ask on.
 */
int prune_ask(const char *what, const json_t *previews, struct error *err) _nodiscard_;
