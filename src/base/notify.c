#include "base/notify.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#define MAX_TEXT 1024

static const char *env_get(const char *const *env, const char *name)
{
    size_t length = strlen(name);

    for (; env && *env; env++) {
        if (strncmp(*env, name, length) == 0 && (*env)[length] == '=' && (*env)[length + 1])
            return *env + length + 1;
    }
    return NULL;
}

static int parse_address(struct notify *n, const char *path, struct error *err)
{
    size_t length = strlen(path);

    if ((*path != '/' && *path != '@') || length < 2 || length >= sizeof(n->address.sun_path)) {
        return error_set(err, -EINVAL,
                         "NOTIFY_SOCKET=%s: expected a path or @name of at most %zu bytes", path,
                         sizeof(n->address.sun_path) - 1);
    }
    n->address.sun_family = AF_UNIX;
    memcpy(n->address.sun_path, path, length + 1);
    n->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    if (*path == '@') { /* abstract: a NUL in front and none at the end */
        n->address.sun_path[0] = '\0';
        n->address_size--;
    }
    return 0;
}

static int parse_watchdog(struct notify *n, const char *const *env, struct error *err)
{
    const char *usec_text = env_get(env, "WATCHDOG_USEC"), *pid_text = env_get(env, "WATCHDOG_PID");
    uint64_t usec, pid;

    if (!usec_text)
        return 0;
    if (parse_u64(usec_text, UINT64_MAX, &usec) < 0 || usec == 0) {
        return error_set(err, -EINVAL, "WATCHDOG_USEC=%s: expected a number of microseconds",
                         usec_text);
    }
    if (pid_text) {
        if (parse_u64(pid_text, INT32_MAX, &pid) < 0)
            return error_set(err, -EINVAL, "WATCHDOG_PID=%s: expected a process id", pid_text);
        if (pid != (uint64_t)getpid())
            return 0; /* inherited: the watchdog is for another process */
    }
    n->watchdog_ms = usec / 1000 ? usec / 1000 : 1;
    return 0;
}

int notify_init(struct notify *n, const char *const *env, struct error *err)
{
    const char *path = env_get(env, "NOTIFY_SOCKET");
    struct timeval limit = {.tv_sec = 1};
    int r;

    *n = (struct notify){.fd = -1};
    if (!path)
        return 0;
    r = parse_address(n, path, err);
    if (r == 0)
        r = parse_watchdog(n, env, err);
    if (r < 0)
        return r;
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (n->fd < 0)
        return error_set(err, -errno, "create a socket: %s", error_text(-errno));
    (void)setsockopt(n->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* cannot fail here */
    return 0;
}

void notify_done(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    *n = (struct notify){.fd = -1};
}

bool notify_is_wanted(const struct notify *n)
{
    return n->fd >= 0;
}

int notify_send(const struct notify *n, const char *fmt, ...)
{
    char text[MAX_TEXT];
    va_list ap;
    ssize_t sent;
    int length;

    if (n->fd < 0)
        return 0;
    va_start(ap, fmt);
    length = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (length < 0 || (size_t)length >= sizeof(text))
        return -EMSGSIZE;
    do {
        sent = sendto(n->fd, text, (size_t)length, MSG_NOSIGNAL,
                      (const struct sockaddr *)&n->address, n->address_size);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}
