#include "cli/common/args.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/messages.h"

#include <errno.h>
#include <string.h>

/* The state of args_parse(). */
struct parser {
    const struct verb *verb;
    char **argv;
    int argc;
    int next;
    struct args *args;
};

static void add_item(struct args_list *l, const char *item)
{
    l->items = xrealloc(l->items, l->n + 1, sizeof(*l->items));
    l->items[l->n++] = item;
}

const struct flag *args_find_flag(const struct verb *verb, const char *name, size_t size)
{
    for (size_t i = 0; i < verb->n_flags; i++) {
        const char *own = verb->flags[i].name;

        if (strlen(own) == size && strncmp(own, name, size) == 0)
            return &verb->flags[i];
    }
    return NULL;
}

const struct flag *args_find_letter(const struct verb *verb, char letter)
{
    for (size_t i = 0; i < verb->n_flags; i++) {
        if (letter && verb->flags[i].letter == letter)
            return &verb->flags[i];
    }
    return NULL;
}

static int set_flag(struct parser *p, const struct flag *f, const char *value, struct error *err)
{
    void *member = (char *)p->args->options + f->offset;
    int64_t number;

    switch (f->type) {
    case FLAG_BOOL:
        *(bool *)member = true;
        if (value && parse_bool(value, member) < 0) {
            return error_set(err, -EINVAL, "--%s: " MSG_NOT_A_BOOL, f->name, value);
        }
        return 0;
    case FLAG_STRING: *(const char **)member = value; return 0;
    case FLAG_LIST: add_item(member, value); return 0;
    case FLAG_NUMBER:
        if (parse_i64(value, &number) < 0)
            return error_set(err, -EINVAL, MSG_NOT_A_NUMBER, f->name, value);
        *(int64_t *)member = number;
        return 0;
    }
    return -EINVAL;
}

/* Sets the flag; a value that is not `own` (in the same word) is taken from the next word. */
static int take_value(struct parser *p, const struct flag *f, const char *own, struct error *err)
{
    if (!own && f->type != FLAG_BOOL) {
        if (p->next == p->argc)
            return error_set(err, -EINVAL, "--%s requires a value: %s", f->name, f->value);
        own = p->argv[p->next++];
    }
    return set_flag(p, f, own, err);
}

/* "--name", "--name=value" or "--name value". */
static int read_long_flag(struct parser *p, const char *word, struct error *err)
{
    size_t size = strcspn(word, "=");
    const struct flag *f = args_find_flag(p->verb, word, size);

    if (str_eq(word, "help")) {
        p->args->wants_help = true;
        return 0;
    }
    if (!f)
        return error_set(err, -EINVAL, "unknown flag: --%.*s", (int)size, word);
    return take_value(p, f, word[size] == '=' ? word + size + 1 : NULL, err);
}

/* "-aq", "-n5", "-n=5": only the last flag of a word can take a value. */
static int read_letters(struct parser *p, const char *word, struct error *err)
{
    for (; *word; word++) {
        const struct flag *f = args_find_letter(p->verb, *word);

        if (!f && *word == 'h') {
            p->args->wants_help = true;
            continue;
        }
        if (!f)
            return error_set(err, -EINVAL, "unknown flag: -%c", *word);
        if (f->type != FLAG_BOOL) {
            if (word[1] == '=')
                word++;
            return take_value(p, f, word[1] ? word + 1 : NULL, err);
        }
        if (set_flag(p, f, NULL, err) < 0)
            return -EINVAL;
    }
    return 0;
}

static int check_word_count(const struct parser *p, struct error *err)
{
    const struct verb *v = p->verb;
    bool is_limited = v->max_words > 0 || v->min_words == 0;

    if (p->args->wants_help)
        return 0;
    if (p->args->words.n < v->min_words) {
        return error_set(err, -E2BIG, "%s %zu argument%s required",
                         v->min_words == v->max_words ? "exactly" : "at least", v->min_words,
                         v->min_words == 1 ? " is" : "s are");
    }
    if (is_limited && p->args->words.n > v->max_words) {
        return error_set(err, -E2BIG, "unexpected argument: %s",
                         p->args->words.items[v->max_words]);
    }
    return 0;
}

int args_parse(struct args *ret, const struct verb *verb, int argc, char **argv, struct error *err)
{
    struct parser p = {verb, argv, argc, 1, ret};
    bool flags_ended = false;
    int r = 0;

    *ret = (struct args){.options = xcalloc(1, verb->options_size ? verb->options_size : 1)};
    while (p.next < argc && r == 0) {
        const char *word = argv[p.next++];

        if (flags_ended || word[0] != '-' || word[1] == '\0') {
            add_item(&ret->words, word);
            flags_ended = flags_ended || verb->is_command;
        } else if (str_eq(word, "--")) {
            flags_ended = true;
        } else {
            r = word[1] == '-' ? read_long_flag(&p, word + 2, err)
                               : read_letters(&p, word + 1, err);
        }
    }
    return r < 0 ? r : check_word_count(&p, err);
}

void args_done(struct args *a, const struct verb *verb)
{
    for (size_t i = 0; i < verb->n_flags && a->options; i++) {
        if (verb->flags[i].type == FLAG_LIST)
            free(((struct args_list *)(void *)((char *)a->options + verb->flags[i].offset))->items);
    }
    free(TAKE_PTR(a->options));
    free(a->words.items);
    a->words = (struct args_list){0};
}

void args_help(const struct verb *verb, struct buf *out)
{
    (void)buf_printf(out, "Usage:  dockmon %s %s\n\n%s\n", verb->name, verb->usage, verb->summary);
    if (verb->n_flags > 0)
        (void)buf_append_str(out, "\nOptions:\n");
    for (size_t i = 0; i < verb->n_flags; i++) {
        const struct flag *f = &verb->flags[i];
        char letter[4] = "   ";
        _cleanup_free_ char *name = xasprintf("--%s%s%s", f->name, f->value ? " " : "",
                                              f->value ? f->value : "");

        if (f->letter) {
            letter[0] = '-';
            letter[1] = f->letter;
            letter[2] = ',';
        }
        (void)buf_printf(out, "  %s %-26s %s\n", letter, name, f->help);
    }
    if (verb->examples)
        (void)buf_printf(out, "\nExamples:\n%s", verb->examples);
}

int args_read_number(const char *flag,
                     const char *value,
                     uint64_t min,
                     uint64_t max,
                     uint64_t *ret,
                     struct error *err)
{
    uint64_t number;

    if (parse_u64(value, max, &number) < 0 || number < min) {
        return error_set(err, -EINVAL, MSG_NOT_A_NUMBER " from %ju to %ju", flag, value,
                         (uintmax_t)min, (uintmax_t)max);
    }
    *ret = number;
    return 0;
}
