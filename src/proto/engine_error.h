#pragma once

/*
 * Error codes for failures of the engine, which answers with an HTTP status and an English text.
 * Only this module matches its texts. The agent uses it for failed calls, and the server for
 * replies of agents without codes, which forward the engine's texts.
 */

#include "proto/error_code.h"

/*
 * Returns the code of a failure. `code` is the negative errno of the call, -EREMOTEIO if unknown;
 * `status` is the HTTP status of the engine, 0: none. A text that contradicts the status is
 * ignored. CODE_ENGINE_ERROR: nothing more precise is known.
 */
enum error_code engine_error_code(int code, int status, const char *text);
