#include "server/history/disk.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_OPEN  8
#define HEAD_FILE "head.db"

struct open_file {
    struct tier_file *file; /* NULL: the slot is free */
    char name[TIER_FILE_NAME_SIZE];
    uint64_t last_use;
};

struct history_disk {
    struct history_disk_options options;
    char *dir;
    struct history_head *head;
    struct open_file files[MAX_OPEN];
    uint64_t n_uses;
    size_t n_damaged, n_left_out; /* n_left_out: by files that were closed since */
    char last_damaged[TIER_FILE_NAME_SIZE];
};

static char *make_path(const struct history_disk *d, const char *name, const char *suffix)
{
    return xasprintf("%s/%s%s", d->dir, name, suffix);
}

/* SQLite keeps two more files beside an open database. */
static const char *const companions[] = {"", "-wal", "-shm"};

static void remove_file(const struct history_disk *d, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(companions); i++) {
        _cleanup_free_ char *path = make_path(d, name, companions[i]);

        (void)unlink(path); /* the next expiry finds the file again if this fails */
    }
}

static void set_aside(struct history_disk *d, const char *name)
{
    _cleanup_free_ char *from = make_path(d, name, "");
    _cleanup_free_ char *to = make_path(d, name, ".damaged");

    if (rename(from, to) < 0)
        (void)unlink(from); /* keep the first damaged file of this name, remove this one */
    remove_file(d, name);
    d->n_damaged++;
    str_copy(d->last_damaged, sizeof(d->last_damaged), name);
}

/* A damaged head is set aside at once: SQLite's write-ahead log cannot be used without it. */
static int open_head(struct history_disk *d, struct error *err)
{
    _cleanup_free_ char *path = make_path(d, HEAD_FILE, "");
    int r = history_head_open(&d->head, d->dir, path, err);

    if (r != -EUCLEAN)
        return r;
    set_aside(d, HEAD_FILE);
    return history_head_open(&d->head, d->dir, path, err);
}

int history_disk_open(struct history_disk **ret,
                      const struct history_disk_options *o,
                      struct error *err)
{
    struct history_disk *d = xcalloc(1, sizeof(*d));
    int r;

    d->options = *o;
    d->options.dir = d->dir = xstrdup(o->dir);
    r = open_head(d, err);
    if (r < 0) {
        history_disk_close(d);
        return r;
    }
    *ret = d;
    return 0;
}

int history_disk_mend(struct history_disk *d, struct error *err)
{
    return d->head ? 0 : open_head(d, err);
}

static void close_file(struct history_disk *d, struct open_file *f)
{
    if (f->file)
        d->n_left_out += tier_file_n_left_out(f->file);
    tier_file_close(f->file);
    *f = (struct open_file){0};
}

void history_disk_close(struct history_disk *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < MAX_OPEN; i++)
        close_file(d, &d->files[i]);
    history_head_close(d->head);
    free(d->dir);
    free(d);
}

bool history_disk_makes(const struct history_disk *d, enum tier tier)
{
    return d->options.keep_ms[tier] > 0;
}

struct history_head *history_disk_head(struct history_disk *d)
{
    return d->head;
}

/* The open file of that name, or else a free slot for it; closes the least recently used file if
 * necessary. */
static struct open_file *find_slot(struct history_disk *d, const char *name)
{
    struct open_file *oldest = &d->files[0];

    for (size_t i = 0; i < MAX_OPEN; i++) {
        struct open_file *f = &d->files[i];

        if (f->file && str_eq(f->name, name))
            return f;
        if (!f->file || (oldest->file && f->last_use < oldest->last_use))
            oldest = f;
    }
    close_file(d, oldest);
    return oldest;
}

static size_t get_max_series(const struct history_disk *d, enum tier tier)
{
    size_t per_day = d->options.series_per_day ? d->options.series_per_day : TIER_SERIES_PER_DAY;

    return per_day * (size_t)(tiers[tier].file_ms / DAY_MS);
}

int history_disk_file(struct history_disk *d,
                      enum tier tier,
                      int64_t at_ms,
                      bool may_create,
                      struct tier_file **ret,
                      struct error *err)
{
    char name[TIER_FILE_NAME_SIZE];
    struct open_file *f;
    int r = 0;

    tier_file_name(tier, tier_file_start(tier, at_ms), name);
    f = find_slot(d, name);
    if (!f->file) {
        _cleanup_free_ char *path = make_path(d, name, "");

        r = tier_file_open(&f->file, d->dir, path, get_max_series(d, tier), may_create, err);
        str_copy(f->name, sizeof(f->name), name);
    }
    if (r == -EUCLEAN)
        set_aside(d, name);
    if (r < 0)
        return r;
    f->last_use = ++d->n_uses;
    *ret = f->file;
    return 0;
}

int history_disk_check(struct history_disk *d, struct tier_file *file, int code, struct error *err)
{
    if (code != -EUCLEAN)
        return code;
    if (!file) {
        history_head_close(TAKE_PTR(d->head));
        set_aside(d, HEAD_FILE);
        return open_head(d, err) < 0 ? -EIO : code;
    }
    for (size_t i = 0; i < MAX_OPEN; i++) {
        if (d->files[i].file == file) {
            char name[TIER_FILE_NAME_SIZE];

            str_copy(name, sizeof(name), d->files[i].name);
            close_file(d, &d->files[i]);
            set_aside(d, name);
        }
    }
    return code;
}

static int64_t get_size(const struct history_disk *d, const char *name)
{
    int64_t size = 0;

    for (size_t i = 0; i < ARRAY_LEN(companions); i++) {
        _cleanup_free_ char *path = make_path(d, name, companions[i]);
        struct stat st;

        if (stat(path, &st) == 0)
            size += st.st_size;
    }
    return size;
}

static int compare_starts(const void *a, const void *b)
{
    const struct history_disk_entry *x = a, *y = b;

    return x->start_ms < y->start_ms ? -1 : x->start_ms > y->start_ms;
}

static void list_file(const struct history_disk *d,
                      const char *name,
                      struct history_disk_listing *ret)
{
    struct history_disk_entry e;

    if (tier_file_parse(name, &e.tier, &e.start_ms) < 0)
        return;
    e.size = get_size(d, name);
    ret->entries = xrealloc(ret->entries, ret->n + 1, sizeof(*ret->entries));
    ret->entries[ret->n++] = e;
}

int history_disk_list(struct history_disk *d, struct history_disk_listing *ret, struct error *err)
{
    DIR *dir = opendir(d->dir);
    const struct dirent *e;

    *ret = (struct history_disk_listing){.head_size = get_size(d, HEAD_FILE)};
    if (!dir)
        return error_set(err, -errno, "read %s: %s", d->dir, error_text(-errno));
    while ((e = readdir(dir))) // NOLINT(concurrency-mt-unsafe): a directory stream of our own
        list_file(d, e->d_name, ret);
    (void)closedir(dir);
    if (ret->n > 0)
        qsort(ret->entries, ret->n, sizeof(*ret->entries), compare_starts);
    return 0;
}

void history_disk_listing_done(struct history_disk_listing *l)
{
    free(l->entries);
    *l = (struct history_disk_listing){0};
}

static void expire_file(struct history_disk *d, const struct history_disk_entry *e)
{
    char name[TIER_FILE_NAME_SIZE];

    tier_file_name(e->tier, e->start_ms, name);
    for (size_t i = 0; i < MAX_OPEN; i++) {
        if (d->files[i].file && str_eq(d->files[i].name, name))
            close_file(d, &d->files[i]);
    }
    remove_file(d, name);
}

int history_disk_expire(
    struct history_disk *d, int64_t now_ms, bool is_rolled, size_t *ret_n, struct error *err)
{
    struct history_disk_listing l;
    size_t n = 0;
    int r = history_disk_list(d, &l, err);

    for (size_t i = 0; r == 0 && i < l.n; i++) {
        const struct history_disk_entry *e = &l.entries[i];
        int64_t keep_ms = tier_keep(d->options.keep_ms, e->tier);

        if (e->tier == TIER_10S && !is_rolled)
            keep_ms *= 2;
        if (e->start_ms + tiers[e->tier].file_ms + keep_ms > now_ms)
            continue;
        expire_file(d, e);
        n++;
    }
    history_disk_listing_done(&l);
    if (ret_n)
        *ret_n = n;
    return r;
}

size_t history_disk_n_left_out(const struct history_disk *d)
{
    size_t n = d->n_left_out;

    for (size_t i = 0; i < MAX_OPEN; i++) {
        if (d->files[i].file)
            n += tier_file_n_left_out(d->files[i].file);
    }
    return n;
}

size_t history_disk_n_damaged(const struct history_disk *d, const char **ret_last)
{
    *ret_last = d->last_damaged;
    return d->n_damaged;
}
