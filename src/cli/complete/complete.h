#pragma once

/*
 * What the shells' completion scripts ask for: `dockmon __complete WORD... LAST`, LAST being the word that is typed,
 * "" when none has begun. The answer is a line per candidate, "CANDIDATE<TAB>what it is", or ":files". A candidate
 * that ends with '/' or '=' goes on. Never says what went wrong, and takes a few seconds at most.
 */

#include "cli/common/args.h"

#define COMPLETE_WORD "__complete"

enum complete_what {
    COMPLETE_NOTHING,
    COMPLETE_VERBS,   /* the first word */
    COMPLETE_MEMBERS, /* the second word of `group` */
    COMPLETE_FLAGS,   /* of `verb` */
    COMPLETE_WORDS,   /* of the kind `words` */
};

struct complete {
    enum complete_what what;
    const char *group;
    const struct verb *verb;
    enum word_kind words;
    const char *typed;  /* the end of the last word, which candidates begin with */
    size_t prefix_size; /* of what stands before it in the last word, such as "--host=" */
};

/* n >= 1. Everything is borrowed. */
void complete_analyse(const char *const *words, size_t n, struct complete *ret);

int complete_run(const char *const *words, size_t n);

/* Where candidates go to. */
struct complete_sink {
    const char *prefix; /* of prefix_size */
    size_t prefix_size;
    const char *typed;
    struct buf out;
};

/* Leaves out what does not fit, and what a shell would not take as it is: names come from strangers. */
void complete_add(struct complete_sink *sink, const char *candidate, const char *description);

/* complete_values.c: asks the server, or knows by itself. */
void complete_values(struct complete_sink *sink, enum word_kind kind);
