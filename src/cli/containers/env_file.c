#include "cli/containers/env_file.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)1 << 20)

void env_list_done(struct env_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(TAKE_PTR(l->items));
    l->n = 0;
}

/* Takes the variable; NULL: none. */
static void append(struct env_list *l, char *variable)
{
    if (!variable)
        return;
    l->items = xrealloc(l->items, l->n + 1, sizeof(*l->items));
    l->items[l->n++] = variable;
}

/* To be freed; NULL if the name is not set. */
static char *complete(const char *word)
{
    const char *value;

    if (strchr(word, '='))
        return xstrdup(word);
    value = secure_getenv(word);
    return value ? xasprintf("%s=%s", word, value) : NULL;
}

static int read_line(struct env_list *l, const char *file, char *line, struct error *err)
{
    size_t n = strlen(line);

    if (n > 0 && line[n - 1] == '\r')
        line[n - 1] = '\0';
    line += strspn(line, " \t");
    if (*line == '\0' || *line == '#')
        return 0;
    if (*line == '=' || strcspn(line, " \t") < strcspn(line, "=")) {
        return error_set(err, -EINVAL, "--env-file: %s: \"%s\" is not NAME=VALUE", file, line);
    }
    append(l, complete(line));
    return 0;
}

static int read_file(struct env_list *l, const char *file, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    char *next;
    size_t size;
    int r = file_read(file, MAX_FILE, &text, &size, err);

    if (r < 0)
        return error_wrap(err, r, "--env-file");
    for (char *line = text; r == 0 && line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        r = read_line(l, file, line, err);
    }
    return r;
}

int env_list_read(struct env_list *l,
                  const struct args_list *files,
                  const struct args_list *words,
                  struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < files->n; i++)
        r = read_file(l, files->items[i], err);
    for (size_t i = 0; r == 0 && i < words->n; i++)
        append(l, complete(words->items[i]));
    if (r < 0)
        env_list_done(l);
    return r;
}
