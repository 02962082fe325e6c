#include "base/options.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_FILE      ((size_t)64 * 1024)
#define MAX_LINE      1024
#define MAX_SHOWN     120 /* of a bad value in an error */
#define DURATION_TEXT 32
#define HELP_COLUMNS  100

/* The values of one option in the flags and in the file; argv or the file's text owns them. */
struct found {
    const char *flag;
    const char *file;
    unsigned file_line;
};

struct parse {
    const struct option_spec *specs;
    size_t n;
    const struct option_source *source;
    struct found *found;
    const char *file;   /* path, or NULL */
    bool is_file_given; /* by --config: it must exist, and unknown keys are errors */
    char *file_text;
    void *config;
    struct buf *errors;
    bool has_failed;
};

/* The source of the value in use, for messages. */
struct origin {
    const char *value;
    char name[MAX_LINE / 2];
    const char *variable; /* the variable of the same option, for flags; or NULL */
};

static void _printf_(2, 3) report(struct parse *p, const char *fmt, ...)
{
    char line[MAX_LINE];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    p->has_failed = true;
    (void)buf_printf(p->errors, "%s\n", line); /* a full buffer keeps the first errors */
}

/* Copies a value for a message: one line, truncated, without control characters. */
static const char *shown(const char *value, char ret[MAX_SHOWN + 4])
{
    size_t n = strnlen(value, MAX_SHOWN);

    for (size_t i = 0; i < n; i++)
        ret[i] = (char)((unsigned char)value[i] < ' ' || value[i] == 0x7f ? '?' : value[i]);
    str_copy(ret + n, 4, value[n] ? "..." : "");
    return ret;
}

static const struct option_spec *find_flag(const struct parse *p, const char *name, size_t length)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *flag = p->specs[i].flag;

        if (flag && strlen(flag) == length && memcmp(flag, name, length) == 0)
            return &p->specs[i];
    }
    return NULL;
}

static const struct option_spec *find_key(const struct parse *p, const char *key)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->specs[i].env && str_eq(p->specs[i].env, key))
            return &p->specs[i];
    }
    return NULL;
}

static const char *find_env(const struct option_source *source, const char *name)
{
    size_t n = strlen(name);

    for (const char *const *e = source->env; e && *e; e++) {
        if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
            return *e + n + 1;
    }
    return NULL;
}

/* Reads a word that begins with "--". Returns the number of words that it used. */
static int take_flag(struct parse *p, int i)
{
    const char *name = p->source->argv[i] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] ? name + length + 1 : NULL;
    bool is_config = length == strlen("config") && strncmp(name, "config", length) == 0;
    const struct option_spec *spec = find_flag(p, name, length);
    int taken = 1;

    if (!spec && !is_config) {
        report(p, "--%.*s: unknown flag", (int)(length < MAX_SHOWN ? length : MAX_SHOWN), name);
        return 1;
    }
    if (!value && spec && spec->type == OPTION_BOOL) {
        value = "true";
    } else if (!value && i + 1 < p->source->argc) {
        value = p->source->argv[i + 1];
        taken = 2;
    }
    if (!value) {
        report(p, "--%s: needs a value", spec ? spec->flag : "config");
    } else if (spec) {
        p->found[spec - p->specs].flag = value;
    } else {
        p->file = value;
        p->is_file_given = true;
    }
    return taken;
}

/* Sorts argv: flags first, other words behind them, each in their order. */
static int read_flags(struct parse *p)
{
    int argc = p->source->argc, n_flags = 0, n_words = 0, i = 1;
    char **argv = p->source->argv;
    char **flags = xcalloc((size_t)argc + 1, sizeof(*flags));
    char **words = xcalloc((size_t)argc + 1, sizeof(*words));
    bool is_over = false;

    while (i < argc) {
        int taken = 1;

        if (is_over || argv[i][0] != '-' || !argv[i][1]) {
            words[n_words++] = argv[i++];
            continue;
        }
        if (str_eq(argv[i], "--")) {
            is_over = true;
        } else if (argv[i][1] == '-') {
            taken = take_flag(p, i);
        } else {
            char text[MAX_SHOWN + 4];

            report(p, "%s: unknown flag", shown(argv[i], text));
        }
        while (taken-- > 0)
            flags[n_flags++] = argv[i++];
    }
    for (int k = 0; k < n_flags; k++)
        argv[1 + k] = flags[k];
    for (int k = 0; k < n_words; k++)
        argv[1 + n_flags + k] = words[k];
    free(flags);
    free(words);
    return argc > 0 ? 1 + n_flags : 0;
}

/*
 * Removes the quotes, in place. NULL: the opening quote has no match at the end.
 */
static char *unquote(char *value)
{
    size_t n = strlen(value);

    if (value[0] != '"' && value[0] != '\'')
        return value;
    if (strchr(value + 1, value[0]) != value + n - 1)
        return NULL;
    value[n - 1] = '\0';
    return value + 1;
}

static void read_line(struct parse *p, char *line, unsigned number)
{
    const struct option_spec *spec;
    char text[MAX_SHOWN + 4];
    char *key = str_trim(line), *value;

    if (!*key || *key == '#')
        return;
    if (str_starts_with(key, "export ") || str_starts_with(key, "export\t"))
        key = str_trim(key + strlen("export "));

    value = strchr(key, '=');
    if (!value || value == key) {
        report(p, "%s line %u: expected KEY=value", p->file, number);
        return;
    }
    *value++ = '\0';
    key = str_trim(key);
    spec = find_key(p, key);
    if (!spec) {
        if (p->is_file_given)
            report(p, "%s line %u: unknown key %s", p->file, number, shown(key, text));
        return;
    }
    value = unquote(str_trim(value));
    if (!value) {
        report(p, "%s line %u: %s: unbalanced quotes", p->file, number, key);
        return;
    }
    p->found[spec - p->specs].file = value;
    p->found[spec - p->specs].file_line = number;
}

static void read_config_file(struct parse *p)
{
    struct error err = ERROR_INIT;
    unsigned number = 0;
    char *line;
    size_t size;
    int r;

    if (!p->file)
        return;
    r = file_read(p->file, MAX_FILE, &p->file_text, &size, &err);
    if (r == -ENOENT && !p->is_file_given)
        return;
    if (r < 0) {
        report(p, "%s", err.msg);
        return;
    }
    if (strlen(p->file_text) != size) {
        report(p, "%s: not a text file", p->file);
        return;
    }
    line = p->file_text;
    while (line) {
        char *next = strchr(line, '\n');

        if (next)
            *next++ = '\0';
        read_line(p, line, ++number);
        line = next;
    }
}

/*
 * Finds the value by precedence: flag, environment, file, default. An empty value in the last two
 * is unset.
 */
static bool resolve(const struct parse *p, size_t i, struct origin *ret)
{
    const struct option_spec *spec = &p->specs[i];
    const struct found *found = &p->found[i];
    const char *env = spec->env ? find_env(p->source, spec->env) : NULL;

    ret->variable = found->flag ? spec->env : NULL;
    if (found->flag) {
        ret->value = found->flag;
        (void)snprintf(ret->name, sizeof(ret->name), "--%s", spec->flag);
    } else if (!str_is_empty(env)) {
        ret->value = env;
        (void)snprintf(ret->name, sizeof(ret->name), "%s", spec->env);
    } else if (!str_is_empty(found->file)) {
        ret->value = found->file;
        (void)snprintf(ret->name, sizeof(ret->name), "%s line %u: %s", p->file, found->file_line,
                       spec->env);
    } else if (spec->fallback) {
        ret->value = spec->fallback;
        (void)snprintf(ret->name, sizeof(ret->name), "default of %s",
                       spec->flag ? spec->flag : spec->env);
    } else {
        return false;
    }
    return true;
}

static const char *duration_text(uint64_t ms, char ret[DURATION_TEXT])
{
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {
        {3600000, "h" },
        {60000,   "m" },
        {1000,    "s" },
        {1,       "ms"},
    };

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (ms && ms % units[i].ms == 0) {
            (void)snprintf(ret, DURATION_TEXT, "%" PRIu64 "%s", ms / units[i].ms, units[i].name);
            return ret;
        }
    }
    str_copy(ret, DURATION_TEXT, "0s");
    return ret;
}

static void expected(const struct option_spec *spec, struct buf *out)
{
    char low[DURATION_TEXT], high[DURATION_TEXT];

    switch (spec->type) {
    case OPTION_STRING: (void)buf_printf(out, "at most %" PRIu64 " bytes", spec->max); break;
    case OPTION_BOOL: (void)buf_printf(out, "true or false"); break;
    case OPTION_U64:
        (void)buf_printf(out, "a whole number");
        if (spec->max) {
            (void)buf_printf(out, " from %" PRIu64 " to %" PRIu64, spec->min, spec->max);
        } else if (spec->min) {
            (void)buf_printf(out, " of at least %" PRIu64, spec->min);
        }
        break;
    case OPTION_DURATION:
        (void)buf_printf(out, "a duration such as 1m30s");
        if (spec->max) {
            (void)buf_printf(out, ", from %s to %s", duration_text(spec->min, low),
                             duration_text(spec->max, high));
        } else if (spec->min) {
            (void)buf_printf(out, " of at least %s", duration_text(spec->min, low));
        }
        break;
    }
}

static int set_number(const struct option_spec *spec, const char *value, uint64_t *ret)
{
    uint64_t max = spec->max ? spec->max : UINT64_MAX;
    uint64_t v = 0;
    int r = spec->type == OPTION_DURATION ? parse_duration_ms(value, &v)
                                          : parse_u64(value, max, &v);

    if (r == 0 && (v < spec->min || v > max))
        r = -ERANGE;
    if (r == 0)
        *ret = v;
    return r;
}

static int set_value(const struct option_spec *spec, const char *value, void *config)
{
    void *member = (char *)config + spec->offset;

    switch (spec->type) {
    case OPTION_STRING:
        if (spec->max && strlen(value) > spec->max)
            return -ERANGE;
        *(char **)member = xstrdup(value);
        return 0;
    case OPTION_BOOL: return parse_bool(value, member);
    case OPTION_U64:
    case OPTION_DURATION: return set_number(spec, value, member);
    }
    return -EINVAL;
}

static void report_missing(struct parse *p, const struct option_spec *spec)
{
    report(p, "%s%s%s%s is required: %s", spec->env ? spec->env : "",
           spec->env && spec->flag ? " or " : "", spec->flag ? "--" : "",
           spec->flag ? spec->flag : "", spec->help);
}

static void apply(struct parse *p, size_t i)
{
    const struct option_spec *spec = &p->specs[i];
    struct buf wanted = BUF_INIT(MAX_LINE);
    char text[MAX_SHOWN + 4];
    struct origin origin;

    if (!resolve(p, i, &origin)) {
        if (spec->flags & OPTION_REQUIRED)
            report_missing(p, spec);
        return;
    }
    if (set_value(spec, origin.value, p->config) < 0) {
        expected(spec, &wanted);
        report(p, "%s=%s%s%s%s: expected %s", origin.name,
               spec->flags & OPTION_SECRET ? "(secret)" : shown(origin.value, text),
               origin.variable ? " (" : "", origin.variable ? origin.variable : "",
               origin.variable ? ")" : "", buf_str(&wanted));
    } else if ((spec->flags & OPTION_REQUIRED) && !*origin.value) {
        report_missing(p, spec);
    }
    buf_done(&wanted);
}

int options_parse(const struct option_spec *specs,
                  size_t n,
                  const struct option_source *source,
                  void *config,
                  int *ret_first,
                  struct buf *errors)
{
    struct parse p = {
        .specs = specs,
        .n = n,
        .source = source,
        .file = source->file,
        .config = config,
        .errors = errors,
        .found = xcalloc(n, sizeof(*p.found)),
    };
    int first = read_flags(&p);

    read_config_file(&p);
    for (size_t i = 0; i < n; i++)
        apply(&p, i);

    if (p.file_text)
        explicit_bzero(p.file_text, strlen(p.file_text));
    free(p.file_text);
    free(p.found);
    if (ret_first)
        *ret_first = first;
    return p.has_failed ? -EINVAL : 0;
}

void options_hide_secrets(const struct option_spec *specs,
                          size_t n,
                          const struct option_source *source)
{
    for (int i = 1; i < source->argc; i++) {
        char *word = source->argv[i];
        size_t length = strcspn(word, "=");

        for (size_t k = 0; k < n; k++) {
            char *value = NULL;

            if (!specs[k].flag || !(specs[k].flags & OPTION_SECRET) ||
                strlen(specs[k].flag) + 2 != length || !str_starts_with(word, "--") ||
                strncmp(word + 2, specs[k].flag, length - 2) != 0)
                continue;
            value = word[length] ? word + length + 1 : source->argv[i + 1]; /* NULL at the end */
            if (value)
                memset(value, 'x', strlen(value));
        }
    }
}

void options_done(const struct option_spec *specs, size_t n, void *config)
{
    for (size_t i = 0; i < n; i++) {
        char **member;

        if (specs[i].type != OPTION_STRING)
            continue;
        member = (char **)(void *)((char *)config + specs[i].offset);
        if (*member && (specs[i].flags & OPTION_SECRET))
            explicit_bzero(*member, strlen(*member));
        free(*member);
        *member = NULL;
    }
}

/* Wraps `text` between column `indent`, where the first line already is, and HELP_COLUMNS. */
static void append_wrapped(const char *text, size_t indent, struct buf *out)
{
    size_t column = indent;

    while (*text) {
        size_t word = strcspn(text, " ");

        if (column > indent && column + 1 + word >= HELP_COLUMNS) {
            (void)buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        (void)buf_printf(out, "%s%.*s", column > indent ? " " : "", (int)word, text);
        column += word + (column > indent);
        text += word;
        text += strspn(text, " ");
    }
    (void)buf_append_char(out, '\n');
}

static void append_option(const struct option_spec *spec, size_t width, struct buf *out)
{
    const char *fallback = spec->flags & OPTION_SECRET ? NULL : spec->fallback;
    const char *env = spec->flag && spec->env ? spec->env : "";
    int indent = (int)width + 4;

    (void)buf_printf(out, "  %s%-*s  ", spec->flag ? "--" : "", (int)width - (spec->flag ? 2 : 0),
                     spec->flag ? spec->flag : spec->env);
    append_wrapped(spec->help, (size_t)indent, out);
    if (spec->flag && spec->flags & OPTION_SECRET)
        (void)buf_printf(out, "%*s(as a flag it stays in the history of the shell)\n", indent, "");
    if (!str_is_empty(fallback)) {
        (void)buf_printf(out, "%*s[%s%sdefault %s]\n", indent, "", env, *env ? ", " : "", fallback);
    } else if (*env) {
        (void)buf_printf(out, "%*s[%s]\n", indent, "", env);
    }
}

void options_help(const struct option_spec *specs, size_t n, struct buf *out)
{
    size_t width = strlen("--config");

    for (size_t i = 0; i < n; i++) {
        size_t length = specs[i].flag ? strlen(specs[i].flag) + 2 : strlen(specs[i].env);

        if (length > width && !(specs[i].flags & OPTION_UNLISTED))
            width = length;
    }
    for (size_t i = 0; i < n; i++) {
        if (!(specs[i].flags & OPTION_UNLISTED))
            append_option(&specs[i], width, out);
    }
    (void)buf_printf(out, "  %-*s  FILE of KEY=value lines to read\n", (int)width, "--config");
}
