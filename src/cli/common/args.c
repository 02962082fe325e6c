#include "cli/common/args.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

/* One walk over argv. */
struct walk {
    const struct verb *verb;
    char **argv;
    int argc;
    int next;
    struct args *args;
};

static void list_add(struct args_list *l, const char *item)
{
    l->items = xrealloc(l->items, l->n + 1, sizeof(*l->items));
    l->items[l->n++] = item;
}

static const struct flag *find_flag(const struct verb *v,
                                    const char *name,
                                    size_t size,
                                    char letter)
{
    for (size_t i = 0; i < v->n_flags; i++) {
        const struct flag *f = &v->flags[i];

        if (letter ? f->letter == letter
                   : strlen(f->name) == size && strncmp(f->name, name, size) == 0)
            return f;
    }
    return NULL;
}

static int set_flag(struct walk *w, const struct flag *f, const char *value, struct error *err)
{
    void *member = (char *)w->args->options + f->offset;
    int64_t number;

    switch (f->type) {
    case FLAG_BOOL:
        *(bool *)member = true;
        if (value && parse_bool(value, member) < 0) {
            return error_set(err, -EINVAL, "--%s: \"%s\" is neither true nor false", f->name,
                             value);
        }
        return 0;
    case FLAG_STRING: *(const char **)member = value; return 0;
    case FLAG_LIST: list_add(member, value); return 0;
    case FLAG_NUMBER:
        if (parse_i64(value, &number) < 0)
            return error_set(err, -EINVAL, "--%s: \"%s\" is no number", f->name, value);
        *(int64_t *)member = number;
        return 0;
    }
    return -EINVAL;
}

/* The value that stands in the next word, if the flag takes one and has none of its own. */
static int take_value(struct walk *w, const struct flag *f, const char *own, struct error *err)
{
    if (!own && f->type != FLAG_BOOL) {
        if (w->next == w->argc)
            return error_set(err, -EINVAL, "--%s needs a value: %s", f->name, f->value);
        own = w->argv[w->next++];
    }
    return set_flag(w, f, own, err);
}

static int read_long(struct walk *w, const char *word, struct error *err)
{
    size_t size = strcspn(word, "=");
    const struct flag *f = find_flag(w->verb, word, size, 0);

    if (str_eq(word, "help")) {
        w->args->wants_help = true;
        return 0;
    }
    if (!f)
        return error_set(err, -EINVAL, "unknown flag: --%.*s", (int)size, word);
    return take_value(w, f, word[size] == '=' ? word + size + 1 : NULL, err);
}

static int read_letters(struct walk *w, const char *word, struct error *err)
{
    for (; *word; word++) {
        const struct flag *f = find_flag(w->verb, NULL, 0, *word);

        if (!f && *word == 'h') {
            w->args->wants_help = true;
            continue;
        }
        if (!f)
            return error_set(err, -EINVAL, "unknown flag: -%c", *word);
        if (f->type != FLAG_BOOL) {
            if (word[1] == '=')
                word++;
            return take_value(w, f, word[1] ? word + 1 : NULL, err);
        }
        if (set_flag(w, f, NULL, err) < 0)
            return -EINVAL;
    }
    return 0;
}

static int check_count(const struct walk *w, struct error *err)
{
    const struct verb *v = w->verb;
    bool is_limited = v->max_words > 0 || v->min_words == 0;

    if (w->args->wants_help)
        return 0;
    if (w->args->words.n < v->min_words) {
        return error_set(err, -EINVAL, "at least %zu argument%s required", v->min_words,
                         v->min_words == 1 ? " is" : "s are");
    }
    if (is_limited && w->args->words.n > v->max_words) {
        return error_set(err, -EINVAL, "unexpected argument: %s",
                         w->args->words.items[v->max_words]);
    }
    return 0;
}

int args_parse(struct args *ret, const struct verb *verb, int argc, char **argv, struct error *err)
{
    struct walk w = {verb, argv, argc, 1, ret};
    bool is_flags_end = false;
    int r = 0;

    *ret = (struct args){.options = xcalloc(1, verb->options_size ? verb->options_size : 1)};
    while (w.next < argc && r == 0) {
        const char *word = argv[w.next++];

        if (is_flags_end || word[0] != '-' || word[1] == '\0') {
            list_add(&ret->words, word);
            is_flags_end = is_flags_end || verb->is_command;
        } else if (str_eq(word, "--")) {
            is_flags_end = true;
        } else {
            r = word[1] == '-' ? read_long(&w, word + 2, err) : read_letters(&w, word + 1, err);
        }
    }
    return r < 0 ? r : check_count(&w, err);
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
