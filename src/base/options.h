#pragma once

/*
 * Configuration options: one table serves flags, environment variables, a KEY=value file and
 * --help. Precedence: flag, environment, file, default. All errors are collected, so that one start
 * shows them all. Each names the source of the value, the value (not of secrets) and the expected
 * form:
 *
 *     --workers=0 (DOCKMON_WORKERS): expected a whole number from 1 to 16
 */

#include "base/buf.h"
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

enum option_type {
    OPTION_STRING,   /* char *, owned by the config struct; NULL while unset */
    OPTION_BOOL,     /* bool, as Go's ParseBool; a flag without value means true */
    OPTION_U64,      /* uint64_t within [min, max] */
    OPTION_DURATION, /* uint64_t milliseconds within [min, max], Go syntax */
};

enum option_flags {
    OPTION_SECRET = 1 << 0,   /* the value never appears in an error or a dump */
    OPTION_REQUIRED = 1 << 1, /* empty or unset is an error */
    OPTION_UNLISTED = 1 << 2, /* accepted and checked, but not in --help */
};

struct option_spec {
    const char *flag; /* long flag without the dashes: "listen" */
    const char *env;  /* environment variable and key in the file: "DOCKMON_LISTEN" */
    enum option_type type;
    size_t offset; /* of the member in the config struct */
    unsigned flags;
    const char *fallback; /* default as text; NULL: unset */
    uint64_t min, max;    /* numbers and durations (ms); strings: longest length; max 0: no limit */
    const char *help;     /* one line that names the value: "ADDR:PORT to listen on" */
};

struct option_source {
    int argc;
    char **argv;      /* argv[0] is skipped */
    const char *file; /* KEY=value file to read, or NULL; `--config FILE` in argv names another */
    const char *const *env; /* environ, or a test's own NULL-terminated list */
};

/*
 * Fills `config`, which must be zeroed. Returns 0, or -EINVAL with one line per problem in
 * `errors`. Valid values are filled in then, too (so that --help works beside errors); call
 * options_done() in either case. An empty environment variable or file value counts as unset.
 * Unknown keys are errors in a file named by --config, and ignored in the default file, which may
 * also be missing. Words in argv that are no flags are moved to the end in order; *ret_first is the
 * index of the first.
 */
int options_parse(const struct option_spec *specs,
                  size_t n,
                  const struct option_source *source,
                  void *config,
                  int *ret_first,
                  struct buf *errors) _nodiscard_;
/* Frees the strings of `config`; secrets are wiped first. */
void options_done(const struct option_spec *specs, size_t n, void *config);

/*
 * Overwrites the values of secret flags in argv, which the process list shows. Call it after
 * options_parse(). The overwritten values still parse, as a reload needs.
 */
void options_hide_secrets(const struct option_spec *specs,
                          size_t n,
                          const struct option_source *source);

/* The options part of --help: two columns, with environment variable and default. */
void options_help(const struct option_spec *specs, size_t n, struct buf *out);
