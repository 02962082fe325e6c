#pragma once

/*
 * Questions on the terminal, and secrets from standard input.
 */

#include "base/error.h"
#include <stdbool.h>

/*
 * A line from the terminal, without the line end; `is_secret`: without echo. -ENOTTY without a
 * terminal, -ECANCELED on ^C or ^D.
 */
int prompt_line(const char *question, bool is_secret, char **ret, struct error *err) _nodiscard_;
/*
 * The next line of standard input, at most 4096 bytes. `what` is the name of the value in errors.
 */
int prompt_read_stdin(const char *what, char **ret, struct error *err) _nodiscard_;
/* Overwrites and frees. NULL is allowed. */
void prompt_free_secret(char *secret);
DEFINE_CLEANUP(char *, prompt_free_secret);
