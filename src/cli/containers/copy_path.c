#include "cli/containers/copy_path.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

bool copy_path_split_word(const char *word, char **ret_container, char **ret_path)
{
    const char *colon = strchr(word, ':');

    if (!colon || colon == word || word[0] == '/' || word[0] == '.')
        return false;
    *ret_container = xstrndup(word, (size_t)(colon - word));
    *ret_path = xstrdup(colon + 1);
    return true;
}

bool copy_path_names_dir(const char *path)
{
    size_t n = strlen(path);

    return n == 0 || path[n - 1] == '/' || str_eq(path, ".") ||
           (n >= 2 && str_eq(path + n - 2, "/."));
}

bool copy_path_names_content(const char *path)
{
    size_t n = strlen(path);

    return str_eq(path, "/") || str_eq(path, ".") || (n >= 2 && str_eq(path + n - 2, "/."));
}

static void drop_last(struct buf *b)
{
    while (b->size > 0 && b->data[b->size - 1] != '/')
        buf_truncate(b, b->size - 1);
    if (b->size > 0)
        buf_truncate(b, b->size - 1);
}

char *copy_path_clean(const char *path)
{
    struct buf b = BUF_INIT(SIZE_MAX / 2); /* the user's own text */
    bool is_content = copy_path_names_content(path);
    bool is_dir = copy_path_names_dir(path);
    int r = 0;

    for (const char *s = path; *s && r == 0;) {
        size_t n = strcspn(s, "/");

        if (n == 2 && memcmp(s, "..", 2) == 0) {
            drop_last(&b);
        } else if (n > 0 && !(n == 1 && *s == '.')) {
            r = buf_printf(&b, "/%.*s", (int)n, s);
        }
        s += n;
        s += *s == '/';
    }
    if (r == 0 && b.size == 0) {
        r = buf_append_char(&b, '/');
    } else if (r == 0 && is_dir) {
        r = buf_append_str(&b, is_content ? "/." : "/");
    }
    if (r < 0)
        abort(); /* out of memory */
    return buf_take(&b);
}

/* Without a trailing "/" or "/."; at least "/". */
static char *strip(const char *path)
{
    char *clean = copy_path_clean(path);
    size_t n = strlen(clean);

    if (n > 2 && str_eq(clean + n - 2, "/."))
        n -= 2;
    while (n > 1 && clean[n - 1] == '/')
        n--;
    clean[n] = '\0';
    return clean;
}

char *copy_path_parent(const char *path)
{
    char *clean = strip(path);
    char *slash = strrchr(clean, '/');

    slash[slash == clean ? 1 : 0] = '\0';
    return clean;
}

char *copy_path_name(const char *path)
{
    _cleanup_free_ char *clean = strip(path);

    if (copy_path_names_content(path) || str_eq(clean, "/"))
        return xstrdup(".");
    return xstrdup(strrchr(clean, '/') + 1);
}

void copy_plan_done(struct copy_plan *plan)
{
    free(TAKE_PTR(plan->dir));
    free(TAKE_PTR(plan->name));
}

int copy_plan_make(const struct copy_end *from,
                   const struct copy_end *to,
                   struct copy_plan *ret,
                   struct error *err)
{
    _cleanup_free_ char *plain = strip(to->path);

    if (to->exists && to->is_dir) {
        *ret = (struct copy_plan){xstrdup(plain),
                                  from->name ? xstrdup(from->name) : copy_path_name(from->path)};
        return 0;
    }
    if (to->exists && from->is_dir)
        return error_set(err, -EISDIR, "cannot copy a directory to %s, which is a file", to->path);
    if (!from->is_dir && copy_path_names_dir(to->path))
        return error_set(err, -ENOENT, "no such directory: %s", to->path);
    *ret = (struct copy_plan){copy_path_parent(plain), copy_path_name(plain)};
    return 0;
}
