#include "server/maintenance/scheduled_backup.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "server/common/repeated_job.h"
#include "server/store/backup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define MISSED_AFTER_MS 5000
#define RETRY_MIN_MS    10000
#define RETRY_MAX_MS    (UINT64_C(10) * 60 * 1000)
#define NAME_SIZE       40
#define NAME_FORMAT     "dockmon-%Y%m%d-%H%M%S.backup"
#define NAME_PATTERN    "dockmon-########-######.backup" /* '#': a digit */
#define UNFINISHED      ".unfinished"

struct scheduled_backup {
    struct scheduled_backup_options o;
    char *data_dir, *dir;
    struct job_queue *jobs;
    struct repeated_job job;
    uint64_t retry_ms; /* of the next failure */
    _Atomic bool is_cancelled;
};

struct run {
    const struct scheduled_backup *owner; /* outlives the job: scheduled_backup_free() waits */
    char name[NAME_SIZE];
    struct backup_contents contents;
    uint64_t size;
    size_t n_removed;
    int code;
    struct error err;
};

/* The files of earlier backups */

static bool is_backup(const char *name)
{
    const char *p = NAME_PATTERN;

    for (; *p && *name; p++, name++) {
        if (*p == '#' ? !isdigit((unsigned char)*name) : *p != *name)
            return false;
    }
    return *p == *name;
}

static int filter_backup(const struct dirent *e)
{
    return is_backup(e->d_name);
}

/* Returns the number of backups, oldest first in *ret, to be freed with free_list(). */
static int list_backups(const char *dir, struct dirent ***ret)
{
    int n = scandir(dir, ret, filter_backup, alphasort);

    return n < 0 ? 0 : n;
}

static void free_list(struct dirent **list, int n)
{
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

static void format_name(int64_t at_ms, char ret[NAME_SIZE])
{
    time_t at_s = (time_t)(at_ms / 1000);
    struct tm tm = {0};

    (void)gmtime_r(&at_s, &tm);
    (void)strftime(ret, NAME_SIZE, NAME_FORMAT, &tm);
}

static bool has_missed_one(const struct scheduled_backup *s, int64_t now_ms)
{
    struct dirent **list = NULL;
    int n = list_backups(s->dir, &list);
    char due[NAME_SIZE];
    bool has_missed;

    format_name(backup_plan_last_ms(&s->o.plan, now_ms), due);
    has_missed = n == 0 || strcmp(list[n - 1]->d_name, due) < 0;
    free_list(list, n);
    return has_missed;
}

/* The job */

static uint64_t count_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static uint64_t count_needed(const struct scheduled_backup *s)
{
    static const char *const databases[] = {"dockmon.db", "dockmon.db-wal"};
    _cleanup_free_ char *history = xasprintf("%s/history", s->data_dir);
    DIR *dir = s->o.without_history ? NULL : opendir(history);
    uint64_t needed = 0;
    const struct dirent *e;

    for (size_t i = 0; i < ARRAY_LEN(databases); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", s->data_dir, databases[i]);

        needed += count_size(path);
    }
    while (dir && (e = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        _cleanup_free_ char *path = xasprintf("%s/%s", history, e->d_name);

        if (e->d_name[0] != '.')
            needed += count_size(path);
    }
    if (dir)
        (void)closedir(dir);
    return needed;
}

static int check_room(const struct scheduled_backup *s, struct error *err)
{
    uint64_t needed = count_needed(s), available;
    struct statvfs fs;

    if (statvfs(s->dir, &fs) < 0)
        return error_set(err, -errno, "%s: %s", s->dir, error_text(-errno));
    available = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (available >= needed + SCHEDULED_BACKUP_RESERVE)
        return 0;
    return error_set(err, -ENOSPC, "%s has %ju MiB left; %ju MiB are needed, and %ju MiB stay free",
                     s->dir, (uintmax_t)(available >> 20), (uintmax_t)(needed >> 20) + 1,
                     (uintmax_t)(SCHEDULED_BACKUP_RESERVE >> 20));
}

/* Left by a server that was killed. */
static void remove_unfinished(const char *dir)
{
    DIR *handle = opendir(dir);
    const struct dirent *e;

    while (handle &&
           (e = readdir(handle))) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, e->d_name);

        if (str_starts_with(e->d_name, "dockmon-") && strstr(e->d_name, ".backup" UNFINISHED))
            (void)unlink(path); /* the next run tries again */
    }
    if (handle)
        (void)closedir(handle);
}

static size_t remove_old(const struct scheduled_backup *s)
{
    struct dirent **list = NULL;
    int n = list_backups(s->dir, &list);
    size_t n_removed = 0;

    for (int i = 0; i + (int)s->o.keep < n; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", s->dir, list[i]->d_name);

        n_removed += unlink(path) == 0;
    }
    free_list(list, n);
    return n_removed;
}

static int write_backup(struct run *run)
{
    const struct scheduled_backup *s = run->owner;
    _cleanup_free_ char *path = xasprintf("%s/%s", s->dir, run->name);
    int r = file_make_directory(s->dir);

    if (r < 0)
        return error_set(&run->err, r, "create %s: %s", s->dir, error_text(r));
    remove_unfinished(s->dir);
    r = check_room(s, &run->err);
    if (r == 0) {
        r = backup_save(
            &(struct backup_options){
                .data_dir = s->data_dir,
                .file = path,
                .without_history = s->o.without_history,
                .is_cancelled = &s->is_cancelled,
                .ret_contents = &run->contents,
            },
            &run->err);
    }
    if (r < 0)
        return r;
    run->size = count_size(path);
    run->n_removed = remove_old(s);
    return 0;
}

static void work(void *arg)
{
    struct run *run = arg;

    run->code = write_backup(run);
}

/* The loop */

static void *make(struct repeated_job *j)
{
    struct scheduled_backup *s = CONTAINER_OF(j, struct scheduled_backup, job);
    struct run *run = xcalloc(1, sizeof(*run));

    run->owner = s;
    format_name(time_utc_ms(), run->name);
    return run;
}

static uint64_t count_ms_to_next(const struct scheduled_backup *s)
{
    int64_t now_ms = time_utc_ms();

    return (uint64_t)(backup_plan_next_ms(&s->o.plan, now_ms) - now_ms);
}

static void log_written(const struct scheduled_backup *s, const struct run *run)
{
    char bytes[24], n_history[24], n_removed[24];

    (void)snprintf(bytes, sizeof(bytes), "%ju", (uintmax_t)run->size);
    (void)snprintf(n_history, sizeof(n_history), "%zu", run->contents.n_history);
    (void)snprintf(n_removed, sizeof(n_removed), "%zu", run->n_removed);
    log_info(LOG_FIELDS("dir", s->dir, "file", run->name, "bytes", bytes, "history_files",
                        n_history, "removed", n_removed),
             "backup written and verified");
    if (run->contents.n_skipped > 0) {
        log_warn(LOG_FIELDS("file", run->name), "the backup lacks %zu damaged files of the history",
                 run->contents.n_skipped);
    }
}

static uint64_t done(struct repeated_job *j, void *arg)
{
    const struct run *run = arg;
    struct scheduled_backup *s;
    uint64_t next_ms, retry_ms;

    if (!j)
        return 0;
    s = CONTAINER_OF(j, struct scheduled_backup, job);
    next_ms = count_ms_to_next(s);
    if (run->code == 0) {
        s->retry_ms = RETRY_MIN_MS;
        log_written(s, run);
        return next_ms;
    }
    retry_ms = s->retry_ms < next_ms ? s->retry_ms : next_ms;
    s->retry_ms = s->retry_ms * 2 < RETRY_MAX_MS ? s->retry_ms * 2 : RETRY_MAX_MS;
    log_error(LOG_FIELDS("dir", s->dir), "no backup was written: %s; tried again in %ju s",
              run->err.msg, (uintmax_t)(retry_ms / 1000));
    return retry_ms;
}

static uint64_t on_busy(struct repeated_job *j)
{
    (void)j;
    return RETRY_MIN_MS;
}

static const struct repeated_job_ops ops = {
    .make = make,
    .work = work,
    .done = done,
    .busy = on_busy,
};

struct scheduled_backup *scheduled_backup_new(const struct scheduled_backup_options *o)
{
    struct scheduled_backup *s = xcalloc(1, sizeof(*s));

    s->o = *o;
    s->jobs = job_queue_new(o->loop, 1, 1);
    if (!s->jobs) {
        free(s);
        return NULL;
    }
    s->data_dir = xstrdup(o->data_dir);
    s->dir = xstrdup(o->dir);
    s->retry_ms = RETRY_MIN_MS;
    repeated_job_start(&s->job, o->loop, s->jobs, &ops,
                       has_missed_one(s, time_utc_ms()) ? MISSED_AFTER_MS : count_ms_to_next(s));
    return s;
}

void scheduled_backup_stop(struct scheduled_backup *s)
{
    if (!s)
        return;
    s->is_cancelled = true;
    repeated_job_stop(&s->job);
}

void scheduled_backup_free(struct scheduled_backup *s)
{
    if (!s)
        return;
    job_queue_drain(s->jobs);
    job_queue_free(s->jobs);
    free(s->data_dir);
    free(s->dir);
    free(s);
}
