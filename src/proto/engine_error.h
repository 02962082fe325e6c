#pragma once

/*
 * The engine has no error codes: it answers with an HTTP status and English. This is the one place that knows its
 * words. The agent finds the code of a failed call here; the server does so for agents that send no codes and
 * pass on the engine's words.
 */

#include "proto/error_code.h"

/*
 * `code` is the negative errno of the call, -EREMOTEIO if unknown; `status` what the engine answered, 0 for none.
 * With a status, words count only where they agree with it. CODE_ENGINE_ERROR when nothing says more.
 */
enum error_code engine_error_code(int code, int status, const char *text);
