#pragma once

/*
 * Errors of the REST API in words for the user. Only this file reads the body of a refusal and
 * knows HTTP status numbers: verbs see a negative errno and a finished sentence, and print that
 * sentence with output_failure().
 */

#include <jansson.h>

/*
 * Negative errno of a refusal: that of its code, or of servers without codes that of its HTTP
 * status. -ENOSYS: the agent is too old for this.
 */
int api_error_code(int status, const json_t *body);

/* The refusal and advice on it (proto/error_code.h). `path` is that of the request. To be freed. */
char *api_error_text(int status, const json_t *body, const char *path);

/*
 * The same of one item of a bulk job ({"status", "error"}), which has no HTTP status. To be freed.
 */
char *api_error_item_text(const json_t *item);
