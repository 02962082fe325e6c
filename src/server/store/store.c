#include "server/store/store.h"
#include "base/alloc.h"
#include "server/sqlite/db.h"
#include "server/sqlite/internal.h"
#include "server/sqlite/migrate.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define BUSY_TIMEOUT_MS  5000
#define PROBE_TIMEOUT_MS 100

static const char connection_setup[] = "PRAGMA journal_mode = WAL;"
                                       "PRAGMA synchronous = NORMAL;"
                                       "PRAGMA foreign_keys = ON;"
                                       "PRAGMA journal_size_limit = 16777216;";

static int prepare_directory(const char *path, struct stat *ret, struct error *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_set(err, -errno, "create data directory %s: %s", path, error_text(-errno));
    if (stat(path, ret) < 0)
        return error_set(err, -errno, "data directory %s: %s", path, error_text(-errno));
    if (!S_ISDIR(ret->st_mode))
        return error_set(err, -ENOTDIR, "data directory %s is not a directory", path);
    return 0;
}

/* SQLite would create the file readable for all; its -wal and -shm files take over this one's mode. */
static int prepare_file(const char *path, const struct stat *dir, struct error *err)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;

    if (fd < 0) {
        return error_set(err, -errno, "open %s: %s; it must be readable and writable", path,
                         error_text(-errno));
    }
    if (fstat(fd, &st) < 0)
        return error_set(err, -errno, "stat %s: %s", path, error_text(-errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, -EDOM, "%s is not a regular file", path);
    /* Root may be the first to look into a data directory that the daemon's own user will work in. */
    if (st.st_size == 0 && geteuid() == 0 && fchown(fd, dir->st_uid, dir->st_gid) < 0) {
        return error_set(err, -errno, "give %s to the owner of its directory: %s", path,
                         error_text(-errno));
    }
    if ((st.st_mode & 0077) != 0 && fchmod(fd, 0600) < 0) {
        return error_set(err, -errno, "%s is readable for others and cannot be changed: %s", path,
                         error_text(-errno));
    }
    return 0;
}

int store_prepare(const char *data_dir, const char *path, struct error *err)
{
    struct stat dir = {0};
    int r;

    r = prepare_directory(data_dir, &dir, err);
    return r < 0 || !path ? r : prepare_file(path, &dir, err);
}

int store_open_file(struct store **ret, const char *path, int flags, struct error *err)
{
    _cleanup_(store_closep) struct store *s = xcalloc(1, sizeof(*s));
    int r;

    s->claim_fd = -1;
    s->max_agents = STORE_MAX_AGENTS;
    s->path = xstrdup(path);
    r = sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (r != SQLITE_OK)
        return db_error(s, r, err);
    (void)sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS); /* fails for closed handles only */
    *ret = TAKE_PTR(s);
    return 0;
}

int store_open_side_file(
    struct store **ret, const char *dir, const char *path, const char *schema, struct error *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    int r = store_prepare(dir, path, err);

    if (r == 0)
        r = store_open_file(&s, path, SQLITE_OPEN_READWRITE, err);
    if (r == 0)
        r = db_exec(s, schema, err);
    if (r == 0)
        r = db_exec(s, connection_setup, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

int store_open(struct store **ret, const char *data_dir, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" STORE_FILE, data_dir);
    _cleanup_(store_closep) struct store *s = NULL;
    int r;

    r = store_prepare(data_dir, path, err);
    if (r == 0)
        r = store_open_file(&s, path, SQLITE_OPEN_READWRITE, err);
    if (r == 0) {
        s->data_dir = xstrdup(data_dir);
        r = db_exec(s, connection_setup, err);
    }
    if (r == 0)
        r = migrate_run(s, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < STORE_MAX_STATEMENTS; i++)
        (void)sqlite3_finalize(s->statements[i].stmt); /* repeats an error that was reported */
    (void)sqlite3_close(s->db); /* fails only with statements left over, and there are none */
    if (s->claim_fd >= 0)
        close(TAKE_FD(s->claim_fd));
    free(s->path);
    free(s->data_dir);
    free(s);
}

int store_lock_directory(const char *data_dir, int *ret_fd, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/dockmond.lock", data_dir);
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat dir;

    if (fd < 0)
        return error_set(err, -errno, "open %s: %s", path, error_text(-errno));
    /* Made by root for a daemon that runs as somebody else, the file must be that user's. */
    if (geteuid() == 0 && stat(data_dir, &dir) == 0 && fchown(fd, dir.st_uid, dir.st_gid) < 0)
        return error_set(err, -errno, "chown %s: %s", path, error_text(-errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) {
            return error_set(err, -EBUSY, "another dockmond is running on the data directory %s",
                             data_dir);
        }
        return error_set(err, -errno, "lock %s: %s", path, error_text(-errno));
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int store_claim(struct store *s, struct error *err)
{
    return store_lock_directory(s->data_dir, &s->claim_fd, err);
}

int store_check(struct store *s, struct error *err)
{
    static const char sql[] = "SELECT quick_check FROM pragma_quick_check(1)";
    _cleanup_(query_done) struct query q = {0};
    _cleanup_free_ char *verdict = NULL;
    int r;

    r = query_init(&q, s, sql, err);
    if (r < 0)
        return r;
    r = query_step(&q, err);
    if (r < 0)
        return r;
    verdict = query_column_text(&q, 0);
    if (!verdict || strcmp(verdict, "ok") != 0) {
        return error_set(err, -EUCLEAN, "%s is damaged (%s); restore it from a backup", s->path,
                         verdict ? verdict : "no verdict");
    }
    return 0;
}

/* What is damaged in one place does not heal because another can be written. */
void store_wrote(struct store *s)
{
    if (s->state != -EUCLEAN)
        s->state = 0;
}

void store_set_max_agents(struct store *s, uint64_t max)
{
    s->max_agents = max;
}

uint64_t store_max_agents(const struct store *s)
{
    return s->max_agents;
}

int store_state(const struct store *s)
{
    return s->state;
}

static int rewrite_version(struct store *s, void *arg, struct error *err)
{
    static const char sql[] = "SELECT user_version FROM pragma_user_version";
    _cleanup_(query_done) struct query q = {0};
    char pragma[64];
    int r;

    (void)arg;
    r = query_init(&q, s, sql, err);
    if (r == 0)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d",
                   (int)query_column_i64(&q, 0));
    query_done(&q);
    return db_exec(s, pragma, err);
}

int store_probe(struct store *s, struct error *err)
{
    int r;

    if (s->state != 0) /* others need not wait behind somebody who only wants to know */
        (void)sqlite3_busy_timeout(s->db, PROBE_TIMEOUT_MS); /* fails for closed handles only */
    r = store_tx(s, rewrite_version, NULL, err);
    (void)sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    return r;
}

int store_tx(struct store *s, store_tx_fn fn, void *arg, struct error *err)
{
    int r;

    assert(
        !store_in_tx(s)); /* transactions belong to the use case, table modules never begin one */
    r = db_exec(s, "BEGIN IMMEDIATE", err);
    if (r < 0)
        return r;

    r = fn(s, arg, err);
    if (r >= 0)
        r = db_exec(s, "COMMIT", err);
    if (r < 0 && store_in_tx(s))
        (void)db_exec(s, "ROLLBACK", NULL); /* the error that led here is the one to report */
    if (r >= 0)
        store_wrote(s);
    return r;
}
