#include "cli/complete/complete.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/output.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"

#include <string.h>

#define MAX_OUTPUT ((size_t)4 << 20)
#define MAX_TEXT   4096

/* --- what the last word may be ---------------------------------------------------------------- */

static enum word_kind find_value_kind(const struct flag *f)
{
    static const struct {
        const char *value;
        enum word_kind kind;
    } map[] = {
        {"HOST",      WORDS_HOSTS  },
        {"ROLE",      WORDS_ROLES  },
        {"USER",      WORDS_USERS  },
        {"FILE",      WORDS_FILES  },
        {"KEY=VALUE", WORDS_FILTERS},
        {"COLUMN",    WORDS_COLUMNS},
    };

    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        if (str_eq(f->value, map[i].value))
            return map[i].kind;
    }
    return WORDS_OTHER;
}

/* The flag in this word whose value is the next word, or NULL. */
static const struct flag *find_waiting(const struct verb *v, const char *word)
{
    const struct flag *f = NULL;

    if (str_starts_with(word, "--")) {
        f = strchr(word, '=') ? NULL : args_find_flag(v, word + 2, strlen(word + 2));
        return f && f->type != FLAG_BOOL ? f : NULL;
    }
    for (word++; *word; word++) {
        f = args_find_letter(v, *word);
        if (f && f->type != FLAG_BOOL)
            return word[1] ? NULL : f;
    }
    return NULL;
}

static void want_words(struct complete *c, enum word_kind kind)
{
    c->what = kind == WORDS_OTHER ? COMPLETE_NOTHING : COMPLETE_WORDS;
    c->words = kind;
}

/* The last word begins with a dash: it is a flag, or a flag with the value after '='. */
static void want_flag(struct complete *c, const char *word)
{
    const char *equals = strchr(word, '=');
    const struct flag *f;

    if (!equals) {
        c->what = COMPLETE_FLAGS;
        return;
    }
    f = str_starts_with(word, "--") ? args_find_flag(c->verb, word + 2, (size_t)(equals - word) - 2)
                                    : NULL;
    if (f && f->type != FLAG_BOOL) {
        c->typed = equals + 1;
        c->prefix_size = (size_t)(c->typed - word);
        c->flag = f;
        want_words(c, find_value_kind(f));
    }
}

/* All words are of the same kind. The second word of `rename`, a new name, is not. */
static bool takes_many(const struct verb *v)
{
    return !v->is_command && (v->max_words == SIZE_MAX || (v->max_words == 0 && v->min_words > 0));
}

/* Walks over the words before the last one as args_parse() would. */
static void analyse_verb(struct complete *c, const char *const *words, size_t n)
{
    const struct verb *v = c->verb;
    const struct flag *waiting = NULL;
    bool flags_ended = false;
    size_t n_words = 0;

    for (size_t i = 0; i + 1 < n; i++) {
        if (waiting) {
            waiting = NULL;
        } else if (flags_ended || words[i][0] != '-' || !words[i][1]) {
            n_words++;
            flags_ended = flags_ended || v->is_command;
        } else if (str_eq(words[i], "--")) {
            flags_ended = true;
        } else {
            waiting = find_waiting(v, words[i]);
        }
    }
    if (waiting) {
        c->flag = waiting;
        want_words(c, find_value_kind(waiting));
    } else if (c->typed[0] == '-' && !flags_ended) {
        want_flag(c, words[n - 1]);
    } else if (n_words == 0 || takes_many(v)) {
        want_words(c, v->words);
    }
}

void complete_analyse(const char *const *words, size_t n, struct complete *ret)
{
    size_t n_taken = 0;

    *ret = (struct complete){.typed = words[n - 1]};
    if (n > 1 && str_eq(words[0], "help")) {
        words++;
        n--;
    }
    ret->verb = verb_find(words, n - 1, &n_taken);
    if (ret->verb) {
        analyse_verb(ret, words + n_taken, n - n_taken);
    } else if (n == 1) {
        ret->what = COMPLETE_VERBS;
    } else if (n == 2 && verb_each_of_group(words[0], NULL, NULL) > 0) {
        ret->what = COMPLETE_MEMBERS;
        ret->group = words[0];
    }
}

/* --- candidates ------------------------------------------------------------------------------- */

void complete_add(struct complete_sink *sink, const char *candidate, const char *description)
{
    static const char harmless[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/@=,+-";
    _cleanup_free_ char *text = text_escape_str(description);
    size_t size = strlen(candidate);

    if (size == 0 || strspn(candidate, harmless) != size ||
        !str_starts_with(candidate, sink->typed))
        return;
    (void)buf_printf(&sink->out, "%.*s%s\t%s\n", (int)sink->prefix_size, sink->prefix, candidate,
                     text);
}

static void add_flags(struct complete_sink *sink, const struct verb *v)
{
    for (size_t i = 0; i < v->n_flags; i++) {
        _cleanup_free_ char *name = xasprintf("--%s", v->flags[i].name);

        complete_add(sink, name, v->flags[i].help);
    }
    complete_add(sink, "--help", "show the help of this command");
}

static void add_member(void *owner, const char *second, const struct verb *v)
{
    complete_add(owner, second, v->summary);
}

static void append_member(void *owner, const char *second, const struct verb *v)
{
    struct buf *text = owner;

    (void)v;
    (void)buf_printf(text, "%s%s", text->size ? ", " : "", second);
}

/* Adds a group, such as "network", once, described by its members. */
static void add_group(struct complete_sink *sink, const char *name, struct buf *seen)
{
    _cleanup_free_ char *group = xstrndup(name, strcspn(name, " "));
    _cleanup_free_ char *mark = xasprintf("\n%s\n", group);
    struct buf text = BUF_INIT(MAX_TEXT);

    if (strstr(buf_str(seen), mark))
        return;
    (void)buf_append_str(seen, mark);
    (void)verb_each_of_group(group, append_member, &text);
    complete_add(sink, group, buf_str(&text));
    buf_done(&text);
}

static void add_verbs(struct complete_sink *sink)
{
    struct buf seen = BUF_INIT(MAX_TEXT);

    for (size_t i = 0; i < n_verb_sections; i++) {
        for (const struct verb *const *v = verb_sections[i].verbs; *v; v++) {
            if (strchr((*v)->name, ' ')) {
                add_group(sink, (*v)->name, &seen);
            } else {
                complete_add(sink, (*v)->name, (*v)->summary);
            }
        }
    }
    for (size_t i = 0; i < n_verb_aliases; i++) {
        if (strchr(verb_aliases[i].name, ' ')) {
            add_group(sink, verb_aliases[i].name, &seen);
        } else {
            complete_add(sink, verb_aliases[i].name, verb_aliases[i].verb->summary);
        }
    }
    complete_add(sink, "help", "Show the help of a command");
    buf_done(&seen);
}

int complete_run(const char *const *words, size_t n)
{
    struct complete_sink sink = {.out = BUF_INIT(MAX_OUTPUT)};
    struct complete c;

    if (n == 0)
        return EXIT_USAGE;
    complete_analyse(words, n, &c);
    sink.prefix = words[n - 1];
    sink.prefix_size = c.prefix_size;
    sink.typed = c.typed;
    switch (c.what) {
    case COMPLETE_NOTHING: break;
    case COMPLETE_VERBS: add_verbs(&sink); break;
    case COMPLETE_MEMBERS: (void)verb_each_of_group(c.group, add_member, &sink); break;
    case COMPLETE_FLAGS: add_flags(&sink, c.verb); break;
    case COMPLETE_WORDS: complete_values(&sink, &c); break;
    }
    output_raw(buf_str(&sink.out), sink.out.size);
    buf_done(&sink.out);
    return 0;
}
