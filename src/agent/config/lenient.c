#include "agent/config/lenient.h"
#include "base/alloc.h"
#include "base/macros.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

struct word {
    const char *found, *meant;
};

static const struct word levels[] = {
    {"trace", "debug"},
    {"fatal", "error"},
    {"panic", "error"},
};

/* NULL: the value is not among the words. */
static const char *find_meaning(const char *value, const struct word *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(value, words[i].found) == 0)
            return words[i].meant;
    }
    return NULL;
}

static bool is_number(const char *value)
{
    return strspn(value, "0123456789") == strlen(value) && value[strspn(value, "0")];
}

/* Returns the value that was meant, to be freed; NULL: `value` is left as it is. */
static char *correct(const struct option_spec *spec, const char *value)
{
    const char *meant = NULL;

    if (spec->type == OPTION_DURATION && is_number(value))
        return xasprintf("%ss", value);
    if (str_eq(spec->env, "LOG_LEVEL"))
        meant = find_meaning(value, levels, ARRAY_LEN(levels));
    return meant ? xstrdup(meant) : NULL;
}

/*
 * The default of a boolean whose value is none; NULL: the value is one, or the option is not a
 * boolean. No exception from encryption or verification is made on a guess.
 */
static const char *find_default(const struct option_spec *spec, const char *value)
{
    bool ignored;

    if (*value == '\0' || parse_bool(value, &ignored) == 0)
        return NULL;
    if (str_eq(spec->env, "DOCKER_TLS_VERIFY"))
        return "true";
    return spec->type == OPTION_BOOL ? spec->fallback : NULL;
}

static bool is_quoted(const char *value)
{
    size_t n = strlen(value);

    return n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n - 1] == value[0];
}

/* Returns "NAME=VALUE", to be freed. */
static char *read_variable(const struct option_spec *spec, const char *value, struct buf *notes)
{
    _cleanup_free_ char *bare = NULL;
    _cleanup_free_ char *meant = NULL;
    const char *fallback;
    char *variable;

    bare = is_quoted(value) ? xstrndup(value + 1, strlen(value) - 2) : xstrdup(value);
    if (is_quoted(value)) {
        (void)buf_printf(notes,
                         "%s: the quotes around the value are ignored; `docker run --env-file` "
                         "keeps them\n",
                         spec->env);
    }
    meant = correct(spec, bare);
    if (meant)
        (void)buf_printf(notes, "%s=%s is read as %s\n", spec->env, bare, meant);
    fallback = find_default(spec, bare);
    if (fallback) {
        (void)buf_printf(notes,
                         "%s=%.*s is no boolean, so it is %s, the default; accepted are 1, t, "
                         "true, 0, f and false\n",
                         spec->env, STR_CUT(bare, 100), fallback);
        meant = xstrdup(fallback);
    }
    variable = xasprintf("%s=%s", spec->env, meant ? meant : bare);
    explicit_bzero(bare, strlen(bare));
    return variable;
}

char **lenient_read(const struct option_spec *specs,
                    size_t n,
                    const char *const *env,
                    struct buf *notes)
{
    char **list = xcalloc(n + 1, sizeof(*list));
    size_t n_list = 0;

    for (size_t i = 0; i < n; i++) {
        size_t length = specs[i].env ? strlen(specs[i].env) : 0;

        for (const char *const *e = env; length && e && *e; e++) {
            if (strncmp(*e, specs[i].env, length) == 0 && (*e)[length] == '=') {
                list[n_list++] = read_variable(&specs[i], *e + length + 1, notes);
                break;
            }
        }
    }
    return list;
}

void lenient_free(char **env)
{
    for (size_t i = 0; env[i]; i++) {
        explicit_bzero(env[i], strlen(env[i]));
        free(env[i]);
    }
    free(env);
}
