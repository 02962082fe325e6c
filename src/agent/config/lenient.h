#pragma once

/*
 * Environment variables as they are found in the field: with the quotes that `docker run
 * --env-file` keeps, a number of seconds without its unit, a log level of other programs: each is
 * replaced with the value that was evidently meant, with a warning. A boolean with a value like
 * "yes" or "maybe" has its default instead, as in agents of DockMon. Any other value is left to the
 * checks of the options.
 */

#include "base/buf.h"
#include "base/options.h"

/*
 * Returns the variables of `specs` that are in `env`, corrected, as a NULL-terminated list for
 * lenient_free(). `notes` receives one line for each correction, without values of secrets.
 */
char **lenient_read(const struct option_spec *specs,
                    size_t n,
                    const char *const *env,
                    struct buf *notes) _nodiscard_;
void lenient_free(char **env); /* wipes the values */
