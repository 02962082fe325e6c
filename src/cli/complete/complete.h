#pragma once

/*
 * Completion of the command line: the answer to `dockmon __complete WORD... LAST`, which the
 * shells' completion scripts run. LAST is the word that is being typed, "" if it has not begun. The
 * answer has one line for each candidate, "CANDIDATE<TAB>description", or the line ":files" for
 * names of files. A candidate that ends with '/' is the beginning of a longer one.
 *
 * Nothing is printed on errors, because it would appear in the line that the user types. The server
 * is given two seconds.
 */

#include "cli/common/args.h"

#define COMPLETE_WORD "__complete" /* a verb of the program that --help does not list */

/* The kinds of the last word. */
enum complete_what {
    COMPLETE_NOTHING,
    COMPLETE_VERBS,   /* the first word */
    COMPLETE_MEMBERS, /* the second word of a verb of `group` */
    COMPLETE_FLAGS,   /* of `verb` */
    COMPLETE_WORDS,   /* of the kind `words` */
};

struct complete {
    enum complete_what what;
    const char *group;
    const struct verb *verb;
    enum word_kind words;
    const struct flag *flag; /* the flag that the last word is a value of, or NULL */
    const char *typed;       /* the part of the last word that candidates begin with */
    size_t prefix_size;      /* size of the part before it, such as "--host=" */
};

/* Decides from the words, n >= 1, without asking the server. The result borrows from the words. */
void complete_analyse(const char *const *words, size_t n, struct complete *ret);

/* Prints the candidates; returns the exit code. */
int complete_run(const char *const *words, size_t n);

/* Collects candidates. */
struct complete_sink {
    const char *prefix; /* of prefix_size */
    size_t prefix_size;
    const char *typed;
    struct buf out;
};

/*
 * Adds the candidate if it begins with `typed`. Drops candidates with characters that are special
 * to a shell, because names are untrusted and the shell puts them on the command line.
 */
void complete_add(struct complete_sink *sink, const char *candidate, const char *description);

/* In complete_values.c: adds the candidates of COMPLETE_WORDS, from the server or from a fixed list. */
void complete_values(struct complete_sink *sink, const struct complete *what);
