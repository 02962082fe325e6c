#include "server/store/backup_files.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "server/sqlite/db_internal.h"
#include "server/sqlite/query.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE    ((size_t)1 << 20)
#define TLS      "tls"
#define HISTORY  "history"
#define MAX_NAME 100

static const char create_sql[] =
    "CREATE TABLE IF NOT EXISTS backup_files (path TEXT NOT NULL, position INTEGER NOT NULL, "
    "data BLOB NOT NULL, PRIMARY KEY (path, position)) STRICT";
static const char insert_sql[] =
    "INSERT INTO backup_files (path, position, data) VALUES (:path, :position, :data)";
static const char select_sql[] =
    "SELECT path, position, data FROM backup_files ORDER BY path, position";
static const char exists_sql[] =
    "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'backup_files'";
static const char drop_sql[] = "DROP TABLE IF EXISTS backup_files";

/* Saving */

static int insert_piece(struct db *copy,
                        const char *path,
                        int64_t position,
                        const void *data,
                        size_t size,
                        struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, copy, insert_sql, err);

    if (r < 0)
        return r;
    query_text(&q, ":path", path);
    query_i64(&q, ":position", position);
    query_blob(&q, ":data", data, size);
    return query_run(&q, NULL, err);
}

/* An empty file has one empty piece. */
static int insert_file(struct db *copy, const char *file, const char *path, struct error *err)
{
    _cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_free_ char *piece = xmalloc(PIECE);
    int64_t position = 0;
    ssize_t n;
    int r;

    if (fd < 0)
        return error_set(err, -errno, "open %s: %s", file, error_text(-errno));
    do {
        n = pread(fd, piece, PIECE, position);
        if (n < 0)
            return error_set(err, -errno, "read %s: %s", file, error_text(-errno));
        r = n > 0 || position == 0 ? insert_piece(copy, path, position, piece, (size_t)n, err) : 0;
        position += n;
    } while (r == 0 && n > 0);
    return r;
}

static void remove_scratch(const char *scratch)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        _cleanup_free_ char *name = xasprintf("%s%s", scratch, suffixes[i]);

        (void)unlink(name); /* most do not exist */
    }
}

/* Copies a database that the server may be writing: the copy has the content of one moment. */
static int copy_database(const char *file, const char *scratch, struct error *err)
{
    _cleanup_(db_closep) struct db *from = NULL, *to = NULL;
    _cleanup_close_ int fd = -1;
    sqlite3_backup *handle;
    int r, code;

    remove_scratch(scratch);
    fd = open(scratch, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_set(err, -errno, "create %s: %s", scratch, error_text(-errno));
    r = db_open_file(&from, file, SQLITE_OPEN_READWRITE, err);
    if (r < 0)
        return r;
    r = db_open_file(&to, scratch, SQLITE_OPEN_READWRITE, err);
    if (r < 0)
        return r;
    handle = sqlite3_backup_init(to->handle, "main", from->handle, "main");
    if (!handle)
        return db_error(to, sqlite3_extended_errcode(to->handle), err);
    (void)sqlite3_backup_step(handle, -1); /* its error is repeated by the next call */
    code = sqlite3_backup_finish(handle);
    if (code == SQLITE_OK)
        return 0;
    return db_error((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB ? from : to,
                    code, err);
}

static int save_history_file(struct db *copy,
                             const struct backup_files_options *o,
                             const char *name,
                             struct backup_contents *contents,
                             struct error *err)
{
    _cleanup_free_ char *file = xasprintf("%s/" HISTORY "/%s", o->data_dir, name);
    _cleanup_free_ char *path = xasprintf(HISTORY "/%s", name);
    int r = copy_database(file, o->scratch, err);

    if (r == 0)
        r = insert_file(copy, o->scratch, path, err);
    remove_scratch(o->scratch);
    if (r == -EUCLEAN && access(file, F_OK) == 0) {
        contents->n_skipped++; /* the server sets it aside, too */
        return 0;
    }
    if (r < 0 && access(file, F_OK) < 0)
        return 0; /* it has expired meanwhile */
    contents->n_history += r == 0;
    return r;
}

static int save_history(struct db *copy,
                        const struct backup_files_options *o,
                        struct backup_contents *contents,
                        struct error *err)
{
    _cleanup_free_ char *dir = xasprintf("%s/" HISTORY, o->data_dir);
    DIR *handle = opendir(dir);
    const struct dirent *e;
    int r = 0;

    if (!handle)
        return errno == ENOENT ? 0 : error_set(err, -errno, "%s: %s", dir, error_text(-errno));
    while (r == 0 &&
           (e = readdir(handle))) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        if (!str_ends_with(e->d_name, ".db"))
            continue;
        r = o->is_cancelled && *o->is_cancelled
                ? error_set(err, -ECANCELED, "cancelled")
                : save_history_file(copy, o, e->d_name, contents, err);
    }
    (void)closedir(handle);
    return r;
}

static int save_tls(struct db *copy,
                    const struct backup_files_options *o,
                    struct backup_contents *contents,
                    struct error *err)
{
    static const char *const names[] = {TLS "/key.pem", TLS "/cert.pem"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        _cleanup_free_ char *file = xasprintf("%s/%s", o->data_dir, names[i]);
        int r = access(file, F_OK) < 0 && errno == ENOENT ? 0
                                                          : insert_file(copy, file, names[i], err);

        if (r < 0)
            return r;
        contents->has_tls |= access(file, F_OK) == 0;
    }
    return 0;
}

int backup_files_save(struct db *copy,
                      const struct backup_files_options *o,
                      struct backup_contents *ret,
                      struct error *err)
{
    struct backup_contents contents = {0};
    int r;

    r = db_exec(copy, "BEGIN", err);
    if (r == 0)
        r = db_exec(copy, create_sql, err);
    if (r == 0 && !o->without_tls)
        r = save_tls(copy, o, &contents, err);
    if (r == 0 && !o->without_history)
        r = save_history(copy, o, &contents, err);
    if (r == 0)
        r = db_exec(copy, "COMMIT", err);
    if (r == 0)
        *ret = contents;
    return r;
}

/* Extracting */

struct extraction {
    const char *staging;
    uid_t uid;
    gid_t gid;
    int fd; /* of the file that is written, or -1 */
    char *path;
};

static void extraction_done(struct extraction *x)
{
    if (x->fd >= 0)
        (void)close(TAKE_FD(x->fd));
    free(TAKE_PTR(x->path));
}

/* The backup may come from anywhere: a file has one of two directories and a plain name. */
static bool is_valid_path(const char *path)
{
    const char *slash = strchr(path, '/'), *name = slash ? slash + 1 : "";
    size_t n = slash ? (size_t)(slash - path) : 0;

    return ((n == strlen(TLS) && memcmp(path, TLS, n) == 0) ||
            (n == strlen(HISTORY) && memcmp(path, HISTORY, n) == 0)) &&
           *name != '\0' && *name != '.' && strlen(name) <= MAX_NAME &&
           name[strspn(
               name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

static int make_directory(const struct extraction *x, const char *path, struct error *err)
{
    int r = file_make_directory(path);

    if (r == 0 && geteuid() == 0 && chown(path, x->uid, x->gid) < 0)
        r = -errno;
    return r < 0 ? error_set(err, r, "create %s: %s", path, error_text(r)) : 0;
}

static int finish_file(struct extraction *x, struct error *err)
{
    if (x->fd >= 0 && fsync(x->fd) < 0)
        return error_set(err, -errno, "write %s: %s", x->path, error_text(-errno));
    extraction_done(x);
    return 0;
}

static int start_file(struct extraction *x, const char *path, struct error *err)
{
    _cleanup_free_ char *file = xasprintf("%s/%s", x->staging, path), *dir = xstrdup(file);
    int r;

    *strrchr(dir, '/') = '\0';
    r = finish_file(x, err);
    if (r == 0)
        r = make_directory(x, x->staging, err);
    if (r == 0)
        r = make_directory(x, dir, err);
    if (r < 0)
        return r;
    x->fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (x->fd < 0 || (geteuid() == 0 && fchown(x->fd, x->uid, x->gid) < 0))
        return error_set(err, -errno, "create %s: %s", file, error_text(-errno));
    x->path = xstrdup(path);
    return 0;
}

static int write_piece(struct extraction *x, const struct query *q, struct error *err)
{
    _cleanup_free_ char *path = query_column_text(q, 0);
    int64_t position = query_column_i64(q, 1);
    size_t size = 0, done = 0;
    const char *data = query_column_blob(q, 2, &size);
    int r;

    if (!path || !is_valid_path(path) || position < 0)
        return error_set(err, -EDOM, "the backup has a file with an invalid name");
    r = str_eq(path, x->path) ? 0 : start_file(x, path, err);
    while (r == 0 && done < size) {
        ssize_t n = pwrite(x->fd, data + done, size - done, position + (int64_t)done);

        if (n < 0) {
            r = error_set(err, -errno, "write %s: %s", path, error_text(-errno));
        } else {
            done += (size_t)n;
        }
    }
    return r;
}

static int has_files(struct db *backup, bool *ret, struct error *err)
{
    int64_t n = 0;
    int r = query_number(backup, exists_sql, &n, err);

    *ret = n > 0;
    return r;
}

int backup_files_extract(struct db *backup,
                         const char *data_dir,
                         const char *staging,
                         struct error *err)
{
    _cleanup_(extraction_done) struct extraction x = {.staging = staging, .fd = -1};
    _cleanup_(query_done) struct query q = {0};
    struct stat st;
    bool has = false;
    int r = has_files(backup, &has, err);

    if (r < 0 || !has)
        return r;
    if (stat(data_dir, &st) < 0)
        return error_set(err, -errno, "%s: %s", data_dir, error_text(-errno));
    x.uid = st.st_uid;
    x.gid = st.st_gid;
    r = query_init_once(&q, backup, select_sql, err);
    while (r == 0 && (r = query_step(&q, err)) > 0)
        r = write_piece(&x, &q, err);
    return r < 0 ? r : finish_file(&x, err);
}

int backup_files_drop(struct db *copy, struct error *err)
{
    bool has = false;
    int r = has_files(copy, &has, err);

    if (r == 0 && has)
        r = db_exec(copy, drop_sql, err);
    return r == 0 && has ? db_exec(copy, "VACUUM", err) : r;
}
