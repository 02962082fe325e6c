#pragma once

/*
 * Verbs and their command lines.
 *
 * A verb is one command of the program, such as `ps` or `network create`. Its struct verb is the
 * only description of it: parsing, --help, completion, the manual page and the dispatch in main.c
 * all read the same table, so that none of them can miss a flag. Each verb is a constant in the
 * file that runs it and is listed in verbs.c.
 *
 * The flags of a verb fill a struct of its own: a row of the flag table gives the type and the
 * offset of the member. args_parse() allocates that struct zeroed, so a member that no flag sets is
 * false, 0 or NULL; verbs put their defaults in place of these when they run. Strings and words are
 * borrowed from argv and live as long as the process.
 *
 * Flags and words may be mixed, short flags may be joined (-aq, -n5), and "--" ends the flags. Of a
 * verb with is_command (exec) the flags end at the first word, because the words after it are a
 * command line of their own. Numbers and booleans are checked here, everything else by the verb. A
 * command line that is wrong ends the program before anything is sent, with docker's exit codes:
 * EXIT_USAGE for a flag, 1 for the number of words, an unknown command, filter, template or time.
 */

#include "base/buf.h"
#include "base/error.h"
#include "proto/operation.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct args_list {
    const char **items; /* borrowed from argv */
    size_t n;
};

enum flag_type {
    FLAG_BOOL,   /* bool */
    FLAG_STRING, /* const char *, borrowed from argv */
    FLAG_LIST,   /* struct args_list: the flag may be given several times */
    FLAG_NUMBER, /* int64_t */
};

struct flag {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    enum flag_type type;
    size_t offset;     /* of the member in the options struct of the verb */
    const char *value; /* placeholder of the value in --help: "SECONDS"; NULL for FLAG_BOOL */
    const char *help;
};

/* The kind of thing that the words of a verb name, for completion. */
enum word_kind {
    WORDS_OTHER, /* cannot be completed */
    WORDS_CONTAINERS,
    WORDS_ALIVE,   /* containers that are running or paused */
    WORDS_RUNNING, /* containers in this state */
    WORDS_STOPPED,
    WORDS_PAUSED,
    WORDS_IMAGES,
    WORDS_NETWORKS,
    WORDS_VOLUMES,
    WORDS_HOSTS,    /* or "all" */
    WORDS_ONE_HOST, /* a host by name; "all" is no host here */
    WORDS_USERS,
    WORDS_KEYS,
    WORDS_SESSIONS,
    WORDS_ROLES,
    WORDS_SHELLS,
    WORDS_FILES,
    WORDS_FILTERS, /* values of --filter: the keys in the help of the flag, then known values */
    WORDS_COLUMNS, /* values of --sort */
};

struct verb {
    const char *name;
    const char *usage;    /* the rest of the usage line: "[OPTIONS] CONTAINER [CONTAINER...]" */
    const char *summary;  /* one line */
    const char *examples; /* lines, each "  dockmon ..."; NULL: none */
    const struct flag *flags;
    size_t n_flags;
    /*
     * Words are arguments that are not flags. max 0 means no limit, but no words if min is 0, too.
     */
    size_t min_words, max_words;
    enum word_kind words; /* of the first word, and of the others when there is no limit */
    bool is_command;      /* flags end at the first word */
    size_t options_size;  /* of the struct that the flags fill; 0: there is none */
    /* Returns the exit code. The verb prints its own errors. */
    int (*run)(const struct verb *verb, void *options, const struct args_list *words);
    const void *data; /* for verbs that share `run`: distinguishes them */
    /* The operation that the verb asks an agent for, or OPERATION_NONE. */
    enum operation_id operation;
};

/* The two members of a verb that a named table of flags fills. */
#define VERB_FLAGS(table) .flags = (table), .n_flags = ARRAY_LEN(table)

/* Of an unknown flag or a value that a flag cannot have, as with docker. */
#define EXIT_USAGE 125

/* A parsed command line. */
struct args {
    void *options; /* the verb's options struct, owned */
    struct args_list words;
    bool wants_help;
};

/*
 * argv[0] is the verb. Returns the reason in `err` and -EINVAL for a flag that is wrong, -E2BIG for
 * too few or too many words. Call args_done() in any case.
 */
int args_parse(struct args *ret, const struct verb *verb, int argc, char **argv, struct error *err)
    _nodiscard_;
void args_done(struct args *a, const struct verb *verb);

/* Appends the text of `dockmon VERB --help`. */
void args_help(const struct verb *verb, struct buf *out);

/* The flag of that name (of `size` bytes) or letter, or NULL. */
const struct flag *args_find_flag(const struct verb *verb, const char *name, size_t size);
const struct flag *args_find_letter(const struct verb *verb, char letter);

/* For the value of a FLAG_STRING that must be a number within bounds. -EINVAL names the flag. */
int args_read_number(const char *flag,
                     const char *value,
                     uint64_t min,
                     uint64_t max,
                     uint64_t *ret,
                     struct error *err) _nodiscard_;
