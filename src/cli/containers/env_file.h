#pragma once

/*
 * Environment variables of a command: --env and --env-file, read as docker reads them.
 */

#include "cli/common/args.h"

/* Variables "NAME=VALUE"; the strings are owned. */
struct env_list {
    char **items;
    size_t n;
};

void env_list_done(struct env_list *l);

/*
 * Appends the variables of the files, then those of `words`, so that the latter win. A name alone
 * has its value from our own environment, and is left out if it is not set there. In a file,
 * blank lines and lines that begin with "#" are ignored, and quotes are part of the value.
 */
int env_list_read(struct env_list *l,
                  const struct args_list *files,
                  const struct args_list *words,
                  struct error *err) _nodiscard_;
