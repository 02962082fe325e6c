/* Files that are read without a trace, and copies of them for rehearsals. */

#include "base/alloc.h"
#include "server/sqlite/db_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool has_log(const char *path)
{
    static const char *const endings[] = {"-wal", "-journal"};

    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        _cleanup_free_ char *log = xasprintf("%s%s", path, endings[i]);
        struct stat st;

        if (stat(log, &st) == 0 && st.st_size > 0)
            return true;
    }
    return false;
}

/* A reader of a database in WAL mode creates an index beside it, unless the file is immutable. */
static char *make_uri(const char *absolute)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char prefix[] = "file:", suffix[] = "?immutable=1";
    char *uri = xmalloc(sizeof(prefix) + 3 * strlen(absolute) + sizeof(suffix)), *to = uri;

    to = stpcpy(to, prefix);
    for (const char *p = absolute; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '%' || c == '?' || c == '#' || c < ' ') {
            *to++ = '%';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        } else {
            *to++ = *p;
        }
    }
    (void)stpcpy(to, suffix);
    return uri;
}

/* Opens `file` under another name for errors. */
static int open_named(
    struct db **ret, const char *name, const char *file, int flags, struct error *err)
{
    struct db *d;
    int r = db_open_file(&d, file, flags, err);

    if (r < 0)
        return r;
    free(d->path);
    d->path = xstrdup(name);
    *ret = d;
    return 0;
}

int db_open_unchanged(struct db **ret, const char *path, struct error *err)
{
    _cleanup_free_ char *absolute = realpath(path, NULL), *uri = NULL;

    if (!absolute)
        return error_set(err, -errno, "%s: %s", path, error_text(-errno));
    if (has_log(absolute))
        return open_named(ret, path, absolute, SQLITE_OPEN_READONLY, err);
    uri = make_uri(absolute);
    return open_named(ret, path, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
}

int db_open_private(struct db **ret, const char *name, struct error *err)
{
    return open_named(ret, name, "", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
}

int db_copy(struct db *from, struct db *to, struct error *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to->handle, "main", from->handle, "main");
    int r;

    if (!backup)
        return db_error(to, sqlite3_extended_errcode(to->handle), err);
    r = sqlite3_backup_step(backup, -1);
    (void)sqlite3_backup_finish(backup); /* repeats the error of the step */
    return r == SQLITE_DONE ? 0 : db_error(from, r, err);
}
