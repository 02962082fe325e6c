#include "agent/engine/dead_socket.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNIX "unix://"

const char *dead_socket_advice(const char *address, int code)
{
    const char *path = address + strlen(UNIX);
    struct stat st;

    if (code != -ENOTCONN || !str_starts_with(address, UNIX) || access(path, W_OK) < 0 ||
        stat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return NULL;
    return "nothing listens on this socket: check that Docker or Podman is running; if it is, the "
           "socket that is mounted in this container is that of an earlier start: restart the "
           "container, or mount the directory of the socket";
}
