#include "agent/stats/cgroup.h"

#include "agent/stats/cgroup_files.h"
#include "agent/stats/cgroup_path.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#define READ_SIZE       ((size_t)32 * 1024)
#define RESERVED_FDS    256
#define USUAL_FDS       1024
#define NOT_OPEN        (-1)
#define NOT_THERE       (-2)
#define NOTICEABLE_PART 256                /* a fraction of the memory in use */
#define NOTICEABLE_MIN  ((int64_t)1 << 20) /* bytes */

struct cgroup_fs {
    const struct cgroup_version *version;
    struct cgroup_places *places;
    const char *notes[CGROUP_MAX_NOTES];
    size_t n_open, max_open;
    char *text; /* buffer for the file that was read last */
};

struct cgroup {
    struct cgroup_fs *fs;
    char *dirs[CGROUP_CONTROLLERS]; /* NULL: there is no such controller */
    int fds[CGROUP_MAX_FILES];      /* an open file, NOT_OPEN or NOT_THERE */
    bool is_read;                   /* a thorough reading was done */
    int64_t usage_then;             /* memory in use at the last thorough reading */
    struct cgroup_values values;
};

static size_t get_default_max_open(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        limit.rlim_cur = USUAL_FDS; /* a system call filter may forbid getrlimit() */
    if (limit.rlim_cur <= RESERVED_FDS)
        return 0;
    return limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)limit.rlim_cur - RESERVED_FDS;
}

int cgroup_fs_new(struct cgroup_fs **ret, const char *root, struct error *err)
{
    _cleanup_(cgroup_fs_freep) struct cgroup_fs *fs = xcalloc(1, sizeof(*fs));
    int r;

    fs->text = xmalloc(READ_SIZE);
    fs->max_open = get_default_max_open();
    r = cgroup_version_find(root, &fs->version, fs->notes, err);
    if (r < 0)
        return r;
    fs->places = cgroup_places_new(fs->version, root);
    *ret = TAKE_PTR(fs);
    return 0;
}

void cgroup_fs_free(struct cgroup_fs *fs)
{
    if (!fs)
        return;
    cgroup_places_free(fs->places);
    free(fs->text);
    free(fs);
}

const char *cgroup_fs_name(const struct cgroup_fs *fs)
{
    return fs->version->name;
}

const char *cgroup_fs_note(const struct cgroup_fs *fs, size_t i)
{
    return i < CGROUP_MAX_NOTES ? fs->notes[i] : NULL;
}

void cgroup_fs_set_max_open(struct cgroup_fs *fs, size_t max)
{
    fs->max_open = max;
}

size_t cgroup_fs_n_open(const struct cgroup_fs *fs)
{
    return fs->n_open;
}

int cgroup_open(
    struct cgroup **ret, struct cgroup_fs *fs, int64_t pid, const char *id, struct error *err)
{
    _cleanup_(cgroup_closep) struct cgroup *cg = xcalloc(1, sizeof(*cg));
    int r;

    cg->fs = fs;
    for (size_t i = 0; i < CGROUP_MAX_FILES; i++)
        cg->fds[i] = NOT_OPEN;
    cgroup_values_clear(&cg->values);
    r = cgroup_places_find(fs->places, pid, id, cg->dirs, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(cg);
    return 0;
}

bool cgroup_has_process(const struct cgroup_fs *fs, int64_t pid, const char *id)
{
    return cgroup_places_has_process(fs->places, pid, id);
}

void cgroup_close(struct cgroup *cg)
{
    if (!cg)
        return;
    for (size_t i = 0; i < CGROUP_MAX_FILES; i++) {
        if (cg->fds[i] >= 0) {
            close(cg->fds[i]);
            cg->fs->n_open--;
        }
    }
    for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
        free(cg->dirs[i]);
    free(cg);
}

/* A file that is missing was never there, unless its directory is missing, too: then the container
 * has ended. */
static int handle_missing_file(struct cgroup *cg, size_t i, const char *dir)
{
    if (access(dir, F_OK) < 0)
        return -ENODEV;
    cg->fds[i] = NOT_THERE;
    return -ENOENT;
}

static int open_file(struct cgroup *cg, size_t i)
{
    const struct cgroup_file *file = &cg->fs->version->files[i];
    const char *dir = cg->dirs[file->controller];
    int fd = -1;

    if (!dir) {
        cg->fds[i] = NOT_THERE;
        return -ENOENT;
    }
    for (size_t k = 0; fd < 0 && k < ARRAY_LEN(file->names) && file->names[k]; k++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, file->names[k]);

        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT)
            return errno == ENODEV ? -ENODEV : -errno;
    }
    return fd < 0 ? handle_missing_file(cg, i, dir) : fd;
}

/* Reads a file into fs->text. -ENODEV: the container has ended; other errors: the file cannot be
 * read. */
static int read_file(struct cgroup *cg, size_t i)
{
    struct cgroup_fs *fs = cg->fs;
    int fd = cg->fds[i];
    ssize_t n;
    int r;

    if (fd == NOT_THERE)
        return -ENOENT;
    if (fd == NOT_OPEN)
        fd = open_file(cg, i);
    if (fd < 0)
        return fd;
    n = pread(fd, fs->text, READ_SIZE - 1, 0);
    r = n < 0 ? -errno : 0;
    fs->text[n < 0 ? 0 : n] = '\0';
    if (cg->fds[i] == NOT_OPEN && fs->n_open < fs->max_open && r == 0) {
        cg->fds[i] = fd;
        fs->n_open++;
    } else if (cg->fds[i] == NOT_OPEN) {
        close(fd);
    }
    return r;
}

static int read_files(struct cgroup *cg, bool is_hot)
{
    const struct cgroup_version *version = cg->fs->version;

    for (size_t i = 0; i < version->n_files; i++) {
        const struct cgroup_file *file = &version->files[i];
        int r;

        if (file->is_hot != is_hot)
            continue;
        r = read_file(cg, i);
        if (r == -ENODEV)
            return r;
        if (r == 0)
            file->read(cg->fs->text, &cg->values);
    }
    return 0;
}

static bool has_changed_much(const struct cgroup *cg)
{
    int64_t now = cg->values.mem_usage, then = cg->usage_then;
    int64_t limit;

    if (now == METRIC_NONE || then == METRIC_NONE)
        return now != then;
    limit = then / NOTICEABLE_PART > NOTICEABLE_MIN ? then / NOTICEABLE_PART : NOTICEABLE_MIN;
    return now > then ? now - then > limit : then - now > limit;
}

int cgroup_read(struct cgroup *cg, bool is_thorough, int64_t *values)
{
    int r = read_files(cg, true);

    if (r == 0 && (is_thorough || !cg->is_read || has_changed_much(cg))) {
        r = read_files(cg, false);
        cg->is_read = true;
        cg->usage_then = cg->values.mem_usage;
    }
    if (r < 0)
        return r;
    cgroup_values_use(&cg->values);
    for (size_t i = 0; i < CONTAINER_METRICS; i++) {
        if (cg->values.metrics[i] != METRIC_NONE)
            values[i] = cg->values.metrics[i];
    }
    return 0;
}
