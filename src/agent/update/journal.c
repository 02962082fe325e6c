#include "agent/update/journal.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE      ((size_t)64 << 20)
#define MAX_RECORDS   4096
#define RESERVED_SIZE ((off_t)1 << 20) /* more than a record and its next version need */

struct journal {
    char *path;
};

struct journal *journal_new(const char *path)
{
    struct journal *j = xcalloc(1, sizeof(*j));

    j->path = xstrdup(path);
    return j;
}

void journal_free(struct journal *j)
{
    if (!j)
        return;
    free(j->path);
    free(j);
}

static char *make_path(const struct journal *j, const char *id, const char *suffix)
{
    return xasprintf("%s/%s%s", j->path, id, suffix);
}

static int make_directory(const struct journal *j, struct error *err)
{
    int r = file_make_directory(j->path);

    if (r == 0)
        r = file_sync_directory_of(j->path);
    if (r < 0)
        return error_set(err, r, "create %s: %s", j->path, error_text(r));
    return 0;
}

int journal_reserve(struct journal *j, const char *id, struct error *err)
{
    _cleanup_free_ char *path = make_path(j, id, ".reserve");
    _cleanup_close_ int fd = -1;
    int r = make_directory(j, err);

    if (r < 0)
        return r;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_set(err, -errno, "create %s: %s", path, error_text(-errno));
    r = -posix_fallocate(fd, 0, RESERVED_SIZE);
    if (r < 0) {
        (void)unlink(path); /* best effort: the error below is the one to report */
        return error_set(err, r, "reserve %lld bytes in %s: %s", (long long)RESERVED_SIZE, j->path,
                         error_text(r));
    }
    return 0;
}

void journal_release(struct journal *j, const char *id)
{
    _cleanup_free_ char *path = make_path(j, id, ".reserve");

    if (unlink(path) < 0 && errno != ENOENT)
        log_warn(LOG_FIELDS("path", path), "cannot remove: %s", error_text(-errno));
}

int journal_save(struct journal *j, const struct journal_record *r, struct error *err)
{
    _cleanup_free_ char *path = make_path(j, r->id, ".json");
    json_auto_t *o = journal_record_encode(r);
    size_t size;
    _cleanup_free_ char *text = json_text_write(o, &size);
    int result = file_write_atomic(path, text, size, 0600, err);

    if (result == -ENOSPC || result == -EDQUOT) {
        journal_release(j, r->id);
        result = file_write_atomic(path, text, size, 0600, err);
    }
    return result;
}

void journal_remove(struct journal *j, const char *id)
{
    _cleanup_free_ char *path = make_path(j, id, ".json");

    if (unlink(path) < 0 && errno != ENOENT)
        log_warn(LOG_FIELDS("path", path), "cannot remove: %s", error_text(-errno));
    (void)file_sync_directory_of(path); /* a record that returns after a power cut is harmless */
    journal_release(j, id);
}

static int read_record(const char *path, struct journal_record **ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    json_auto_t *v = NULL;
    size_t size;
    int r = file_read(path, MAX_FILE, &text, &size, err);

    if (r < 0)
        return r;
    v = json_text_parse(text, size, 0, err);
    return v ? journal_record_decode(v, ret, err) : -EBADMSG;
}

static void load_file(const struct journal *j,
                      const char *file,
                      void (*found)(void *owner, struct journal_record *r),
                      void *owner)
{
    _cleanup_free_ char *path = make_path(j, file, "");
    struct journal_record *record = NULL;
    struct error err = ERROR_INIT;

    if (read_record(path, &record, &err) < 0) {
        log_error(
            LOG_FIELDS("path", path),
            "cannot read the record of an update, so what it left behind is not cleaned up: %s",
            err.msg);
        return;
    }
    found(owner, record);
}

void journal_load(struct journal *j,
                  void (*found)(void *owner, struct journal_record *r),
                  void *owner)
{
    DIR *dir = opendir(j->path);
    const struct dirent *e;
    size_t n = 0;

    if (!dir) {
        if (errno != ENOENT) {
            log_error(LOG_FIELDS("path", j->path), "cannot read the records of updates: %s",
                      error_text(-errno));
        }
        return;
    }
    while ((e = readdir(dir))) { // NOLINT(concurrency-mt-unsafe): one stream, one thread
        if (!str_ends_with(e->d_name, ".json"))
            continue;
        if (++n > MAX_RECORDS) {
            log_error(LOG_FIELDS("path", j->path), "more than %d records of updates", MAX_RECORDS);
            break;
        }
        load_file(j, e->d_name, found, owner);
    }
    (void)closedir(dir);
}
