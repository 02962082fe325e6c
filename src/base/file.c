#include "base/file.h"
#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int file_read(const char *path, size_t max, char **ret, size_t *ret_size, struct error *err)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct buf b = BUF_INIT(max);
    char chunk[4096];
    ssize_t n;

    if (fd < 0)
        return error_set(err, -errno, "open %s: %s", path, error_text(-errno));

    while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && buf_append(&b, chunk, (size_t)n) < 0) {
            buf_done(&b);
            return error_set(err, -EMSGSIZE, "%s is larger than %zu bytes", path, max);
        }
    }
    if (n < 0) {
        int r = -errno;

        buf_done(&b);
        return error_set(err, r, "read %s: %s", path, error_text(r));
    }
    if (ret_size)
        *ret_size = b.size;
    *ret = buf_take(&b);
    return 0;
}

int file_write_all(int fd, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        ssize_t n = write(fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int file_sync_directory_of(const char *path)
{
    _cleanup_free_ char *dir = xstrdup(path);
    _cleanup_close_ int fd = -1;
    char *slash = strrchr(dir, '/');

    if (slash == dir)
        slash++;
    if (slash)
        *slash = '\0';
    fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

int file_write_atomic(
    const char *path, const void *data, size_t size, mode_t mode, struct error *err)
{
    _cleanup_free_ char *tmp = xasprintf("%s.tmp", path);
    _cleanup_close_ int fd = -1;
    int r;

    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return error_set(err, -errno, "create %s: %s", tmp, error_text(-errno));

    r = fchmod(fd, mode) < 0 ? -errno : file_write_all(fd, data, size);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlink(tmp); /* best effort: the error below is the one to report */
        return error_set(err, r, "write %s: %s", path, error_text(r));
    }
    r = file_sync_directory_of(path);
    if (r < 0)
        return error_set(err, r, "sync the directory of %s: %s", path, error_text(r));
    return 0;
}

int file_make_directory(const char *path)
{
    _cleanup_free_ char *part = xstrdup(path);

    for (char *p = *part ? strchr(part + 1, '/') : NULL; p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (access(part, F_OK) < 0 && mkdir(part, p[1] ? 0755 : 0700) < 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    (void)remove(path); /* a file that cannot be removed keeps its parents */
    return 0;
}

void file_remove_tree(const char *path)
{
    /* Fails if it is missing. NOLINTNEXTLINE(concurrency-mt-unsafe): it keeps the directory */
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
