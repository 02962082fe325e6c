#include "agent/spool/segments.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX      ".spool"
#define NAME_DIGITS 16
#define NAME_SIZE   (NAME_DIGITS + sizeof(SUFFIX))
#define MAX_FILE    (SEGMENTS_FILE_SIZE + SPOOL_RECORD_HEAD + SPOOL_RECORD_MAX)

struct segment {
    uint64_t number, size;
    uint64_t n_records;
};

struct segments {
    char *dir;
    uint64_t max_bytes, file_bytes;
    struct segment *list; /* oldest first */
    size_t n, capacity;
    uint64_t bytes, n_dropped, n_damaged, next_number;
    uint64_t last_epoch; /* of the records that existed when it was opened */
    uint64_t released;   /* bytes at the beginning of the first file */
    int fd;              /* the last file; -1: the next record begins a new one */
    int read_fd;         /* -1: no file is open */
    uint64_t read_number;
    bool is_unsynced, is_directory_unsynced;
    struct buf record; /* the last record that was read or written */
};

static char *make_path(const struct segments *s, uint64_t number)
{
    return xasprintf("%s/%016" PRIx64 SUFFIX, s->dir, number);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* errors that matter were reported by fdatasync() */
    *fd = -1;
}

static struct segment *add_segment(struct segments *s, uint64_t number)
{
    if (s->n == s->capacity) {
        s->capacity = s->capacity * 2 + 8;
        s->list = xrealloc(s->list, s->capacity, sizeof(*s->list));
    }
    s->list[s->n] = (struct segment){.number = number};
    if (number >= s->next_number)
        s->next_number = number + 1;
    return &s->list[s->n++];
}

static void remove_first(struct segments *s)
{
    _cleanup_free_ char *path = make_path(s, s->list[0].number);

    if (s->n == 1)
        close_fd(&s->fd);
    if (s->read_fd >= 0 && s->read_number == s->list[0].number)
        close_fd(&s->read_fd);
    (void)unlink(path); /* if this fails, records are sent again and recognised by their number */
    s->bytes -= s->list[0].size;
    s->released = 0;
    s->n--;
    memmove(s->list, s->list + 1, s->n * sizeof(s->list[0]));
}

/* Finds the end of the last intact record of a file, and cuts off the rest. */
static int check_file(struct segments *s, struct segment *g, struct error *err)
{
    _cleanup_free_ char *path = make_path(s, g->number);
    _cleanup_free_ char *data = NULL;
    struct spool_record r;
    size_t size = 0, offset = 0;
    int code = file_read(path, MAX_FILE, &data, &size, err);

    if (code == -EMSGSIZE) {
        size = 0; /* the file is not from segments.c */
    } else if (code < 0) {
        return code;
    }
    while (size > 0 && spool_record_next(data, size, &offset, &r) > 0) {
        g->n_records++;
        s->last_epoch = r.epoch > s->last_epoch ? r.epoch : s->last_epoch;
    }
    s->n_damaged += size - offset;
    if ((offset < size || code < 0) && truncate(path, (off_t)offset) < 0)
        return error_set(err, -errno, "cannot truncate %s: %s", path, error_text(-errno));
    g->size = offset;
    s->bytes += offset;
    return 0;
}

static bool parse_name(const char *name, uint64_t *ret)
{
    static const char digits[] = "0123456789abcdef";

    if (strlen(name) != NAME_DIGITS + strlen(SUFFIX) || !str_ends_with(name, SUFFIX))
        return false;
    *ret = 0;
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        const char *digit = strchr(digits, name[i]);

        if (!digit)
            return false;
        *ret = *ret << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static int list_files(struct segments *s, struct error *err)
{
    DIR *d = opendir(s->dir);
    const struct dirent *e;
    uint64_t number;
    int r = 0;

    if (!d)
        return error_set(err, -errno, "%s: %s", s->dir, error_text(-errno));
    while ((e = readdir(d))) { // NOLINT(concurrency-mt-unsafe): one thread
        if (parse_name(e->d_name, &number))
            (void)add_segment(s, number);
    }
    (void)closedir(d);
    if (s->n > 0)
        qsort(s->list, s->n, sizeof(*s->list), compare_numbers);
    for (size_t i = 0; r == 0 && i < s->n; i++)
        r = check_file(s, &s->list[i], err);
    while (r == 0 && s->n > 0 && (s->list[0].size == 0 || s->bytes > s->max_bytes)) {
        s->n_dropped += s->list[0].n_records;
        remove_first(s);
    }
    return r;
}

/* Also syncs the parent: otherwise a power cut could lose the directory itself. */
static int make_directory(const char *dir, struct error *err)
{
    int r;

    if (mkdir(dir, 0700) < 0) {
        return errno == EEXIST
                   ? 0
                   : error_set(err, -errno, "cannot create %s: %s", dir, error_text(-errno));
    }
    r = file_sync_directory_of(dir);
    return r < 0 ? error_set(err, r, "%s: %s", dir, error_text(r)) : 0;
}

int segments_open(struct segments **ret, const struct segments_options *o, struct error *err)
{
    struct segments *s = xcalloc(1, sizeof(*s));
    int r;

    s->dir = xstrdup(o->dir);
    s->max_bytes = o->max_bytes;
    s->file_bytes = o->file_bytes ? o->file_bytes : SEGMENTS_FILE_SIZE;
    if (!o->file_bytes && s->file_bytes > o->max_bytes / 8)
        s->file_bytes = o->max_bytes / 8; /* small files, because only whole files are dropped */
    s->fd = s->read_fd = -1;
    buf_init(&s->record, SPOOL_RECORD_HEAD + SPOOL_RECORD_MAX);
    r = make_directory(s->dir, err);
    if (r == 0)
        r = list_files(s, err);
    if (r < 0) {
        segments_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void segments_close(struct segments *s)
{
    if (!s)
        return;
    close_fd(&s->fd);
    close_fd(&s->read_fd);
    buf_done(&s->record);
    free(s->list);
    free(s->dir);
    free(s);
}

static int begin_file(struct segments *s, struct error *err)
{
    _cleanup_free_ char *path = make_path(s, s->next_number);

    close_fd(&s->fd);
    s->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return error_set(err, -errno, "cannot create %s: %s", path, error_text(-errno));
    (void)add_segment(s, s->next_number);
    s->is_directory_unsynced = true;
    return 0;
}

/* Writes all of a record or nothing: a partial record is cut off again. */
static int write_record(struct segments *s, struct segment *g, struct error *err)
{
    size_t done = 0;

    while (done < s->record.size) {
        ssize_t n = write(s->fd, s->record.data + done, s->record.size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int code = n < 0 ? -errno : -EIO;

            /* if that fails, too, the next record begins a new file */
            (void)!ftruncate(s->fd, (off_t)g->size);
            close_fd(&s->fd);
            return error_set(err, code, "cannot write to %s: %s", s->dir, error_text(code));
        }
        done += (size_t)n;
    }
    g->size += done;
    g->n_records++;
    s->bytes += done;
    s->is_unsynced = true;
    return 0;
}

static void make_room(struct segments *s, uint64_t size)
{
    while (s->n > 0 && s->bytes + size > s->max_bytes) {
        s->n_dropped += s->list[0].n_records;
        remove_first(s);
    }
}

int segments_append(struct segments *s, const struct spool_record *r, struct error *err)
{
    int code;

    buf_clear(&s->record);
    if (spool_record_append(&s->record, r) < 0 || s->record.size > s->max_bytes) {
        return error_set(err, -EMSGSIZE, "%s: a record exceeds the maximum size of all files",
                         s->dir);
    }
    if (s->fd >= 0 && s->list[s->n - 1].size + s->record.size > s->file_bytes) {
        code = segments_sync(s, err);
        if (code < 0)
            return code;
        close_fd(&s->fd);
    }
    make_room(s, s->record.size);
    if (s->fd < 0) {
        code = begin_file(s, err);
        if (code < 0)
            return code;
    }
    return write_record(s, &s->list[s->n - 1], err);
}

bool segments_is_unsynced(const struct segments *s)
{
    return s->is_unsynced;
}

int segments_sync(struct segments *s, struct error *err)
{
    if (!s->is_unsynced)
        return 0;
    s->is_unsynced = false;
    if (s->fd >= 0 && fdatasync(s->fd) < 0)
        return error_set(err, -errno, "cannot write to %s: %s", s->dir, error_text(-errno));
    if (s->is_directory_unsynced && s->n > 0) {
        _cleanup_free_ char *path = make_path(s, s->list[s->n - 1].number);
        int r = file_sync_directory_of(path);

        if (r < 0)
            return error_set(err, r, "%s: %s", s->dir, error_text(r));
    }
    s->is_directory_unsynced = false;
    return 0;
}

struct segments_place segments_begin(const struct segments *s)
{
    if (s->n == 0)
        return segments_end(s);
    return (struct segments_place){s->list[0].number, s->released};
}

struct segments_place segments_end(const struct segments *s)
{
    if (s->n == 0)
        return (struct segments_place){s->next_number, 0};
    return (struct segments_place){s->list[s->n - 1].number, s->list[s->n - 1].size};
}

/* The file that contains a place; the end of a file is the beginning of the next one. NULL: at the
 * end. */
static const struct segment *find_segment(const struct segments *s, struct segments_place *at)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct segment *g = &s->list[i];

        if (g->number < at->file || (g->number == at->file && at->offset >= g->size))
            continue;
        if (g->number > at->file)
            *at = (struct segments_place){g->number, 0};
        if (i == 0 && at->offset < s->released)
            at->offset = s->released;
        return g;
    }
    return NULL;
}

bool segments_is_end(const struct segments *s, struct segments_place at)
{
    return !find_segment(s, &at);
}

static bool read_bytes(struct segments *s, uint64_t offset, size_t size)
{
    char *data = xmalloc(size);
    ssize_t n = pread(s->read_fd, data, size, (off_t)offset);
    bool is_there = n == (ssize_t)size;

    buf_clear(&s->record);
    if (is_there && buf_append(&s->record, data, size) < 0)
        is_there = false;
    free(data);
    return is_there;
}

static bool open_to_read(struct segments *s, uint64_t number)
{
    _cleanup_free_ char *path = NULL;

    if (s->read_fd >= 0 && s->read_number == number)
        return true;
    close_fd(&s->read_fd);
    path = make_path(s, number);
    s->read_fd = open(path, O_RDONLY | O_CLOEXEC);
    s->read_number = number;
    return s->read_fd >= 0;
}

static bool read_at(struct segments *s, const struct segment *g, uint64_t offset)
{
    size_t size;

    if (!open_to_read(s, g->number) || !read_bytes(s, offset, SPOOL_RECORD_HEAD))
        return false;
    size = spool_record_size(s->record.data);
    return size > 0 && offset + size <= g->size && read_bytes(s, offset, size);
}

/* The rest of the file is damaged. Records appended to it could not be found: begin a new one. */
static void skip_damaged(struct segments *s, const struct segment *damaged, uint64_t offset)
{
    struct segment *g = &s->list[damaged - s->list];
    uint64_t rest = g->size - offset;

    if (g == &s->list[s->n - 1])
        close_fd(&s->fd);
    g->size -= rest;
    s->bytes -= rest;
    s->n_damaged += rest;
}

bool segments_read(struct segments *s, struct segments_place *at, struct spool_record *ret)
{
    const struct segment *g;
    size_t offset = 0;

    while ((g = find_segment(s, at))) {
        if (read_at(s, g, at->offset) &&
            spool_record_next(s->record.data, s->record.size, &offset, ret) > 0) {
            at->offset += offset;
            return true;
        }
        skip_damaged(s, g, at->offset);
    }
    return false;
}

void segments_release(struct segments *s, struct segments_place at)
{
    bool is_end = segments_is_end(s, at);

    while (s->n > 0 && (is_end || s->list[0].number < at.file ||
                        (s->list[0].number == at.file && at.offset >= s->list[0].size)))
        remove_first(s);
    if (s->n > 0 && s->list[0].number == at.file && at.offset > s->released)
        s->released = at.offset;
}

uint64_t segments_bytes(const struct segments *s)
{
    return s->bytes;
}

uint64_t segments_damaged(const struct segments *s)
{
    return s->n_damaged;
}

uint64_t segments_last_epoch(const struct segments *s)
{
    return s->last_epoch;
}

uint64_t segments_dropped(const struct segments *s)
{
    return s->n_dropped;
}
