#include "server/store/backup.h"
#include "base/alloc.h"
#include "base/file.h"
#include "server/sqlite/data_dir.h"
#include "server/sqlite/db_internal.h"
#include "server/sqlite/migrate.h"
#include "server/sqlite/query.h"
#include "server/store/store.h"
#include "server/store/user_sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define STEP_PAGES 1024 /* 4 MiB: short steps, for the progress */
#define KEPT       ".before-restore"
#define MAX_KEPT   1000

struct copy {
    const struct backup_options *o;
    struct db *from, *to;
    sqlite3_backup *handle;
    int percent;
};

static void copy_done(struct copy *c)
{
    if (c->handle)
        (void)sqlite3_backup_finish(c->handle); /* repeats the error of the last step */
    c->handle = NULL;
    db_close(TAKE_PTR(c->to));
    db_close(TAKE_PTR(c->from));
}

static void report_progress(struct copy *c, int64_t page_size)
{
    int total = sqlite3_backup_pagecount(c->handle);
    int done = total - sqlite3_backup_remaining(c->handle);
    int percent = total > 0 ? (int)((int64_t)done * 100 / total) : 100;

    if (!c->o->on_progress || percent == c->percent)
        return;
    c->percent = percent;
    c->o->on_progress(c->o->owner, (uint64_t)(done * page_size), (uint64_t)(total * page_size));
}

/* An error of the copy is one of the written file, unless the file that is read is damaged. */
static int set_copy_error(struct copy *c, int code, struct error *err)
{
    int what = code & 0xff;

    return db_error(what == SQLITE_CORRUPT || what == SQLITE_NOTADB ? c->from : c->to, code, err);
}

static bool is_cancelled(const struct backup_options *o)
{
    return o->is_cancelled && *o->is_cancelled;
}

static int copy_pages(struct copy *c, struct error *err)
{
    static const char page_size_sql[] = "SELECT page_size FROM pragma_page_size";
    int64_t page_size = 0;
    int r;

    /* One read transaction around all steps: they read the same state, although others write. */
    r = db_exec(c->from, "BEGIN", err);
    if (r == 0)
        r = query_number(c->from, page_size_sql, &page_size, err);
    if (r == 0)
        r = db_exec(c->from, "SELECT count(*) FROM sqlite_schema", err);
    if (r < 0)
        return r;
    c->handle = sqlite3_backup_init(c->to->handle, "main", c->from->handle, "main");
    if (!c->handle)
        return db_error(c->to, sqlite3_extended_errcode(c->to->handle), err);
    c->percent = -1;
    do {
        r = sqlite3_backup_step(c->handle, STEP_PAGES);
        if (r == SQLITE_OK || r == SQLITE_DONE)
            report_progress(c, page_size);
    } while (r == SQLITE_OK && !is_cancelled(c->o));
    (void)sqlite3_backup_finish(TAKE_PTR(c->handle)); /* repeats the error of the last step */
    if (r == SQLITE_OK)
        return error_set(err, -ECANCELED, "cancelled");
    return r == SQLITE_DONE ? 0 : set_copy_error(c, r, err);
}

/* Verifies a copy. Errors name its original, `from`, which is the damaged file. */
static int verify(struct db *s, const char *from, struct error *err)
{
    static const char integrity_sql[] = "SELECT integrity_check FROM pragma_integrity_check(1)";
    static const char keys_sql[] = "SELECT count(*) FROM pragma_foreign_key_check";
    _cleanup_(query_done) struct query q = {0};
    _cleanup_free_ char *verdict = NULL;
    int64_t n_orphans = 0;
    int r;

    r = migrate_check(s, err);
    if (r == 0)
        r = query_init(&q, s, integrity_sql, err);
    if (r == 0)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    verdict = query_column_text(&q, 0);
    if (!verdict || strcmp(verdict, "ok") != 0)
        return error_set(err, -EUCLEAN, "%s is damaged: %s", from, verdict ? verdict : "unread");
    r = query_number(s, keys_sql, &n_orphans, err);
    if (r < 0)
        return r;
    if (n_orphans > 0) {
        return error_set(err, -EUCLEAN, "%s is damaged: %d rows refer to nothing", from,
                         (int)n_orphans);
    }
    return 0;
}

/* Copies into the empty file `to`, verifies it, syncs it, and removes its companion files. */
static int copy_verified(const struct backup_options *o,
                         const char *from,
                         const char *to,
                         struct error *err)
{
    _cleanup_(copy_done) struct copy c = {.o = o};
    int r;

    /* `from` cannot be opened read-only: a reader of a database in WAL mode writes its index. */
    r = db_open_file(&c.from, from, SQLITE_OPEN_READWRITE, err);
    if (r == 0)
        r = db_open_file(&c.to, to, SQLITE_OPEN_READWRITE, err);
    if (r == 0)
        r = db_exec(c.to, "PRAGMA synchronous = FULL", err);
    if (r == 0)
        r = copy_pages(&c, err);
    if (r == 0)
        r = db_exec(c.to, "PRAGMA journal_mode = DELETE", err);
    if (r == 0)
        r = verify(c.to, from, err); /* before pages are dropped, which may be the damaged ones */
    if (r == 0)
        r = backup_files_drop(c.to, err);
    return r < 0 ? r : verify(c.to, from, err);
}

/* Adds the other files to a verified copy of the database. */
static int add_files(const struct backup_options *o, const char *copy, struct error *err)
{
    _cleanup_free_ char *scratch = xasprintf("%s.part", copy);
    _cleanup_(db_closep) struct db *d = NULL;
    struct backup_contents contents = {0};
    int r;

    r = db_open_file(&d, copy, SQLITE_OPEN_READWRITE, err);
    if (r == 0)
        r = db_exec(d, "PRAGMA synchronous = FULL", err);
    if (r == 0) {
        r = backup_files_save(d,
                              &(struct backup_files_options){
                                  .data_dir = o->data_dir,
                                  .scratch = scratch,
                                  .without_tls = o->without_tls,
                                  .without_history = o->without_history,
                                  .is_cancelled = o->is_cancelled,
                              },
                              &contents, err);
    }
    if (r == 0 && o->ret_contents)
        *o->ret_contents = contents;
    return r;
}

static void remove_with_companions(const char *path)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        _cleanup_free_ char *name = xasprintf("%s%s", path, suffixes[i]);

        (void)unlink(name); /* most do not exist; a failure does no harm */
    }
}

/* Refuses the database itself and everything but a regular file as the target of a backup. */
static int check_target(const char *file, const char *database, struct error *err)
{
    struct stat a, b;

    if (stat(database, &b) < 0)
        return error_set(err, -errno, "%s: %s", database, error_text(-errno));
    if (stat(file, &a) < 0)
        return errno == ENOENT ? 0 : error_set(err, -errno, "%s: %s", file, error_text(-errno));
    if (!S_ISREG(a.st_mode))
        return error_set(err, -EEXIST, "%s exists and is not a regular file", file);
    if (a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return error_set(err, -EEXIST, "%s is the database itself", file);
    return 0;
}

static int create_private(const char *path, struct error *err)
{
    _cleanup_close_ int fd = -1;

    remove_with_companions(path); /* left by an attempt that was killed */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_set(err, -errno, "create %s: %s", path, error_text(-errno));
    return 0;
}

int backup_save(const struct backup_options *o, struct error *err)
{
    _cleanup_free_ char *database = xasprintf("%s/" STORE_FILE, o->data_dir);
    _cleanup_free_ char *unfinished = xasprintf("%s.unfinished", o->file);
    int r;

    r = check_target(o->file, database, err);
    if (r == 0)
        r = create_private(unfinished, err);
    if (r < 0)
        return r;

    r = copy_verified(o, database, unfinished, err);
    if (r == 0)
        r = add_files(o, unfinished, err);
    if (r == 0 && rename(unfinished, o->file) < 0)
        r = error_set(err, -errno, "rename to %s: %s", o->file, error_text(-errno));
    if (r < 0) {
        remove_with_companions(unfinished);
        return r;
    }
    r = file_sync_directory_of(o->file);
    return r < 0 ? error_set(err, r, "sync the directory of %s: %s", o->file, error_text(r)) : 0;
}

/* Writes the WAL of the old database back into its file. -EBUSY: another process has it open. */
static int checkpoint_old(const char *path, struct error *err)
{
    _cleanup_(db_closep) struct db *s = NULL;
    int r;

    if (access(path, F_OK) < 0)
        return 0;
    r = db_open_file(&s, path, SQLITE_OPEN_READWRITE, NULL);
    if (r == 0)
        r = db_exec(s, "PRAGMA journal_mode = DELETE", NULL);
    if (r == -ENOBUFS)
        return error_set(err, -EBUSY, "another process has %s open", path);
    return 0; /* other failures (damaged, disk full) are reasons to restore */
}

/* Returns the first free name for what `path` has been, to be freed: earlier copies stay. */
static char *find_kept_name(const char *path)
{
    char *name = xasprintf("%s" KEPT, path);

    for (unsigned n = 2; n <= MAX_KEPT; n++) {
        _cleanup_free_ char *wal = xasprintf("%s-wal", name);

        if (access(name, F_OK) < 0 && access(wal, F_OK) < 0)
            break;
        free(name);
        name = xasprintf("%s" KEPT ".%u", path, n);
    }
    return name;
}

/* Moves or links a file of the old database to its kept name. A missing file is no error. */
static int keep_file(
    const char *path, const char *kept, const char *suffix, bool is_moved, struct error *err)
{
    _cleanup_free_ char *from = xasprintf("%s%s", path, suffix);
    _cleanup_free_ char *to = xasprintf("%s%s", kept, suffix);

    if ((is_moved ? rename(from, to) : link(from, to)) < 0 && errno != ENOENT)
        return error_set(err, -errno, "keep %s as %s: %s", from, to, error_text(-errno));
    return 0;
}

/*
 * Moves the WAL away first: it must never be applied to the new file. The old file has its name
 * until the new one replaces it.
 */
static int replace_database(const char *path, const char *fresh, char **ret_kept, struct error *err)
{
    _cleanup_free_ char *kept = find_kept_name(path);
    bool is_old = access(path, F_OK) == 0;
    int r;

    r = keep_file(path, kept, "", false, err);
    if (r == 0)
        r = keep_file(path, kept, "-wal", true, err);
    if (r == 0)
        r = keep_file(path, kept, "-shm", true, err);
    if (r < 0)
        return r;
    if (rename(fresh, path) < 0)
        return error_set(err, -errno, "rename %s to %s: %s", fresh, path, error_text(-errno));
    r = file_sync_directory_of(path);
    if (r < 0)
        return error_set(err, r, "sync the directory of %s: %s", path, error_text(r));
    if (ret_kept)
        *ret_kept = is_old ? TAKE_PTR(kept) : NULL;
    return 0;
}

/* Checks and changes a verified copy before it becomes the database. */
static int admit_copy(const char *path, struct error *err)
{
    _cleanup_(db_closep) struct db *d = NULL;
    int r;

    r = db_open_file(&d, path, SQLITE_OPEN_READWRITE, err);
    if (r == 0)
        r = migrate_check_schema(d, err);
    if (r == 0) /* sessions that have ended since must not be valid again: all end */
        r = user_sessions_purge(d, INT64_MAX, err);
    return r;
}

static int extract_files(const struct backup_options *o, const char *staging, struct error *err)
{
    _cleanup_(db_closep) struct db *d = NULL;
    int r = db_open_file(&d, o->file, SQLITE_OPEN_READWRITE, err);

    file_remove_tree(staging); /* left by an attempt that was killed */
    return r < 0 ? r : backup_files_extract(d, o->data_dir, staging, err);
}

/* Moves a directory out of `staging` to its place, and keeps the one that was there. */
static int replace_directory(const char *data_dir,
                             const char *staging,
                             const char *name,
                             struct error *err)
{
    _cleanup_free_ char *from = xasprintf("%s/%s", staging, name);
    _cleanup_free_ char *to = xasprintf("%s/%s", data_dir, name);
    _cleanup_free_ char *kept = find_kept_name(to);

    if (access(from, F_OK) < 0)
        return 0; /* the backup has none: what is there stays */
    if (rename(to, kept) < 0 && errno != ENOENT)
        return error_set(err, -errno, "keep %s as %s: %s", to, kept, error_text(-errno));
    if (rename(from, to) < 0)
        return error_set(err, -errno, "rename %s to %s: %s", from, to, error_text(-errno));
    return 0;
}

static int replace_all(const struct backup_options *o,
                       const char *path,
                       const char *fresh,
                       const char *staging,
                       struct error *err)
{
    static const char *const directories[] = {"tls", "history"};
    int r = replace_database(path, fresh, o->ret_kept, err);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(directories); i++)
        r = replace_directory(o->data_dir, staging, directories[i], err);
    return r;
}

int backup_restore(const struct backup_options *o, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" STORE_FILE, o->data_dir);
    _cleanup_free_ char *fresh = xasprintf("%s.restoring", path);
    _cleanup_free_ char *staging = xasprintf("%s/restoring", o->data_dir);
    _cleanup_close_ int claim = -1;
    int r;

    if (access(o->file, R_OK) < 0) /* checked before files are created */
        return error_set(err, -errno, "%s: %s", o->file, error_text(-errno));
    r = data_dir_prepare(o->data_dir, NULL, err);
    if (r == 0)
        r = data_dir_lock(o->data_dir, &claim, err);
    if (r < 0)
        return r;

    remove_with_companions(fresh); /* left by an attempt that was killed */
    r = data_dir_prepare(o->data_dir, fresh, err);
    if (r == 0)
        r = copy_verified(o, o->file, fresh, err);
    if (r == 0)
        r = admit_copy(fresh, err);
    if (r == 0)
        r = extract_files(o, staging, err);
    if (r == 0)
        r = checkpoint_old(path, err);
    if (r == 0)
        r = replace_all(o, path, fresh, staging, err);
    if (r < 0)
        remove_with_companions(fresh);
    file_remove_tree(staging);
    return r;
}
