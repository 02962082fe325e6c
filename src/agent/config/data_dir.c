#include "agent/config/data_dir.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char advice[] =
    "make it writable for the agent, or set DATA_PATH to a writable directory";

int data_dir_prepare(const char *path, struct error *err)
{
    _cleanup_free_ char *probe = xasprintf("%s/.writable.%d", path, (int)getpid());
    _cleanup_close_ int fd = -1;

    int r = file_make_directory(path);

    if (r < 0)
        return error_set(err, r, "cannot create it: %s; %s", error_text(r), advice);
    fd = open(probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, -errno, "cannot write to it: %s; %s", error_text(-errno), advice);
    (void)unlink(probe); /* nothing depends on it */
    return 0;
}

/* Links are not followed, and files of others are left alone. */
static void make_private(const char *dir, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || !(st.st_mode & 0077))
        return;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        (void)fchmod(fd, st.st_mode & 0700);
}

char *data_dir_protect(const char *path)
{
    static const char *const names[] = {"permanent_token", "engine_id",    "spool",
                                        "events",          "network_undo", "updates"};
    struct stat st;
    const char *who;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        make_private(path, names[i]);
    if (stat(path, &st) < 0 || (st.st_mode & S_ISVTX))
        return NULL;
    if (st.st_mode & S_IWOTH) {
        who = "every user of this machine";
    } else if (st.st_mode & S_IWGRP && st.st_gid != getegid() && st.st_gid != 0) {
        who = "its group";
    } else {
        return NULL;
    }
    return xasprintf("%s can write to the data directory, and replace the token of this agent: "
                     "chmod go-w %s",
                     who, path);
}
