#pragma once

/*
 * The command line of one verb: a table of flags gives parsing and --help. Flags and other words may be
 * mixed, short flags may be joined (-aq, -n5), "--" ends the flags. Numbers and lists are checked here.
 */

#include "base/buf.h"
#include "base/error.h"
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
    FLAG_LIST,   /* struct args_list: may be given several times */
    FLAG_NUMBER, /* int64_t */
};

struct flag {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    enum flag_type type;
    size_t offset;
    const char *value; /* what the value is, for --help: "SECONDS"; NULL for FLAG_BOOL */
    const char *help;
};

/* What the words of a verb name, for completion. With several words the last kind of word is repeated. */
enum word_kind {
    WORDS_OTHER, /* nothing that could be guessed */
    WORDS_CONTAINERS,
    WORDS_RUNNING, /* containers in this state */
    WORDS_STOPPED,
    WORDS_PAUSED,
    WORDS_IMAGES,
    WORDS_NETWORKS,
    WORDS_VOLUMES,
    WORDS_HOSTS,
    WORDS_USERS,
    WORDS_KEYS,
    WORDS_ROLES,
    WORDS_SHELLS,
    WORDS_FILES,
};

struct verb {
    const char *name;
    const char *usage;    /* what follows the name: "[OPTIONS] CONTAINER [CONTAINER...]" */
    const char *summary;  /* one line */
    const char *examples; /* lines, each "  dockmon ..."; NULL none */
    const struct flag *flags;
    size_t n_flags;
    size_t min_words, max_words; /* other than flags; max 0: no limit unless min is 0, too */
    enum word_kind words;        /* the first of them, and the others when there is no limit */
    bool is_command; /* flags end at the first other word: what follows is a command of its own */
    size_t options_size; /* of the struct that the flags fill */
    /* Returns the exit code. `options` is zeroed before the flags are read. */
    int (*run)(const struct verb *verb, void *options, const struct args_list *words);
    const void *data; /* of the verb: what tells apart the verbs that share `run` */
};

#define EXIT_USAGE 125

/* What the command line of a verb says. */
struct args {
    void *options; /* the verb's options struct, owned */
    struct args_list words;
    bool wants_help;
};

/* argv[0] is the verb. -EINVAL with `err` saying what is wrong; `ret` must be done in any case. */
int args_parse(struct args *ret, const struct verb *verb, int argc, char **argv, struct error *err)
    _nodiscard_;
void args_done(struct args *a, const struct verb *verb);
void args_help(const struct verb *verb, struct buf *out);
