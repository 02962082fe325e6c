#include "agent/stats/text.h"

#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>

/* The kernel returns large files in pieces. */
int text_pread(int fd, char *to, size_t size)
{
    size_t n = 0;
    ssize_t r = 1;

    while (r > 0 && n < size - 1) {
        r = pread(fd, to + n, size - 1 - n, (off_t)n);
        if (r < 0 && errno != EINTR) {
            to[0] = '\0';
            return -errno;
        }
        n += r > 0 ? (size_t)r : 0;
    }
    to[n] = '\0';
    return 0;
}

int text_read(const char *path, char *to, size_t size)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

    to[0] = '\0';
    return fd < 0 ? -errno : text_pread(fd, to, size);
}
