#include "server/sqlite/data_dir.h"
#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int prepare_directory(const char *path, struct stat *ret, struct error *err)
{
    int r = file_make_directory(path);

    if (r < 0)
        return error_set(err, r, "create data directory %s: %s", path, error_text(r));
    if (stat(path, ret) < 0)
        return error_set(err, -errno, "data directory %s: %s", path, error_text(-errno));
    if (!S_ISDIR(ret->st_mode))
        return error_set(err, -ENOTDIR, "data directory %s is not a directory", path);
    if (ret->st_mode & S_IWOTH) {
        return error_set(
            err, -EDOM,
            "data directory %s can be written by every user of this machine, who could "
            "replace the database: chmod 700 %s",
            path, path);
    }
    return 0;
}

/* SQLite would create a file that all users can read. Its -wal and -shm files inherit the mode. */
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
    /* Root may open a data directory before the daemon, which runs as another user. */
    if (st.st_size == 0 && geteuid() == 0 && fchown(fd, dir->st_uid, dir->st_gid) < 0) {
        return error_set(err, -errno, "give %s to the owner of its directory: %s", path,
                         error_text(-errno));
    }
    if ((st.st_mode & 0077) != 0 && fchmod(fd, 0600) < 0) {
        return error_set(err, -errno, "%s is readable for others, and chmod failed: %s", path,
                         error_text(-errno));
    }
    return 0;
}

int data_dir_prepare(const char *dir, const char *path, struct error *err)
{
    struct stat st = {0};
    int r;

    r = prepare_directory(dir, &st, err);
    return r < 0 || !path ? r : prepare_file(path, &st, err);
}

int data_dir_lock(const char *dir, int *ret_fd, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/dockmond.lock", dir);
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;

    if (fd < 0)
        return error_set(err, -errno, "open %s: %s", path, error_text(-errno));
    /* A lock file created by root must belong to the user that the daemon runs as. */
    if (geteuid() == 0 && stat(dir, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) < 0)
        return error_set(err, -errno, "chown %s: %s", path, error_text(-errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) {
            return error_set(err, -EBUSY, "another dockmond is running on the data directory %s",
                             dir);
        }
        return error_set(err, -errno, "lock %s: %s", path, error_text(-errno));
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}
