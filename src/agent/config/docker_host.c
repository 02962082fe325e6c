#include "agent/config/docker_host.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define PORT     2375
#define TLS_PORT 2376

static int parse_tcp(const char *rest, bool is_tls, char **ret, struct error *err)
{
    size_t n = strcspn(rest, "/");
    const char *end, *path = rest + n;
    _cleanup_free_ char *authority = xstrndup(rest, n);
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *host = NULL;
    uint16_t port;

    if (path[strspn(path, "/")])
        return error_set(err, -EINVAL, "expected tcp://HOST:PORT without a path");
    end = strrchr(authority, ']');
    text = strchr(end ? end : authority, ':')
               ? xstrdup(authority)
               : xasprintf("%s:%d", authority, is_tls ? TLS_PORT : PORT);
    if (parse_host_port(text, &host, &port) < 0 || str_is_empty(host) || port == 0)
        return error_set(err, -EINVAL, "expected unix:///PATH or tcp://HOST:PORT");
    *ret = xasprintf("tcp://%s", text);
    return 0;
}

static const char *skip_scheme(const char *text, const char *scheme)
{
    size_t n = strlen(scheme);

    return strncasecmp(text, scheme, n) == 0 ? text + n : NULL;
}

int docker_host_parse(const char *text, bool is_tls, char **ret, struct error *err)
{
    const char *rest = skip_scheme(text, "unix://");

    if (rest && rest[0] == '/' && rest[1]) {
        *ret = xasprintf("unix://%s", rest);
        return 0;
    }
    if (skip_scheme(text, "https://")) {
        return error_set(err, -EINVAL,
                         "expected tcp://HOST:PORT; DOCKER_TLS_VERIFY=true or DOCKER_CERT_PATH "
                         "enables TLS");
    }
    rest = skip_scheme(text, "tcp://");
    if (!rest)
        rest = skip_scheme(text, "http://");
    if (!rest)
        return error_set(err, -EINVAL, "expected unix:///PATH or tcp://HOST:PORT");
    return parse_tcp(rest, is_tls, ret, err);
}
