#include "agent/engine/process_mark.h"
#include "base/alloc.h"
#include "base/macros.h"
#include "base/str.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_ENVIRON ((size_t)256 * 1024)

static bool has_mark(const char *pid, const char *mark, char *room)
{
    char path[64];
    _cleanup_close_ int fd = -1;
    size_t size = 0;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%.16s/environ", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (size < MAX_ENVIRON && (n = read(fd, room + size, MAX_ENVIRON - size)) > 0)
        size += (size_t)n;
    return size > 0 && memmem(room, size, mark, strlen(mark));
}

/*
 * The descriptor of the process is opened before its environment is read, so that the signal never
 * reaches another process that got the same number in between. Kernels before 5.3 have none.
 */
static bool signal_if_marked(const char *name, const char *mark, char *room, int number)
{
    _cleanup_close_ int fd = -1;
    uint64_t pid;

    if (!isdigit((unsigned char)name[0]) || parse_u64(name, INT32_MAX, &pid) < 0)
        return false;
    fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (fd < 0 && errno != ENOSYS && errno != EPERM)
        return false; /* it has ended */
    if (!has_mark(name, mark, room))
        return false;
    return (fd >= 0 ? syscall(SYS_pidfd_send_signal, fd, number, NULL, 0)
                    : kill((pid_t)pid, number)) == 0;
}

unsigned process_mark_signal(const char *mark, int number)
{
    _cleanup_free_ char *room = xmalloc(MAX_ENVIRON);
    DIR *dir = opendir("/proc");
    const struct dirent *e;
    unsigned n = 0;

    while (dir && (e = readdir(dir))) { // NOLINT(concurrency-mt-unsafe): the stream is our own
        n += signal_if_marked(e->d_name, mark, room, number);
    }
    if (dir)
        (void)closedir(dir);
    return n;
}
