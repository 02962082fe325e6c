#include "net/dial.h"
#include "base/str.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>

static int dial(int *ret_fd, const struct sockaddr *to, socklen_t size)
{
    *ret_fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*ret_fd < 0)
        return -errno;
    if (to->sa_family != AF_UNIX) {
        const int one = 1;

        (void)setsockopt(*ret_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        (void)setsockopt(*ret_fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    }
    return connect(*ret_fd, to, size) < 0 ? -errno : 0;
}

int dial_unix(int *ret_fd, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    str_copy(to.sun_path, sizeof(to.sun_path), path);
    return dial(ret_fd, (const struct sockaddr *)&to, sizeof(to));
}

int dial_tcp(int *ret_fd, const struct sockaddr *to, socklen_t size, uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};

    *ret_fd = -1;
    if (size > sizeof(address))
        return -EAFNOSUPPORT;
    memcpy(&address, to, size);
    if (to->sa_family == AF_INET6) {
        address.v6.sin6_port = htons(port);
    } else {
        address.v4.sin_port = htons(port);
    }
    return dial(ret_fd, &address.any, size);
}
