#include "net/address.h"
#include "base/alloc.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

static const struct scheme {
    const char *prefix;
    uint16_t port; /* when the text has none; 0: it must */
    bool is_unix;
    bool is_tls;
} schemes[] = {
    {"unix://",  0,   true,  false},
    {"tcp://",   0,   false, false},
    {"http://",  80,  false, false},
    {"https://", 443, false, true },
};

static int bad(struct error *err, const char *text)
{
    return error_set(err, -EINVAL,
                     "address \"%.200s\": expected unix:///path, tcp://host:port, http://host or "
                     "https://host",
                     text);
}

static int parse_unix(struct address *a, const char *path)
{
    if (path[0] != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return -EINVAL;
    str_copy(a->host, sizeof(a->host), path);
    str_copy(a->display, sizeof(a->display), path);
    str_copy(a->header, sizeof(a->header), "localhost");
    return 0;
}

static bool is_host(const char *s)
{
    return s[0] != '\0' && strlen(s) < sizeof(((struct address *)NULL)->host) &&
           s[strcspn(s, "/?#@ \t\r\n[]")] == '\0';
}

/* "host", "host:port", "[v6]", "[v6]:port", each with an optional '/' behind it. */
static int parse_tcp(struct address *a, const char *text, uint16_t default_port)
{
    _cleanup_free_ char *s = xstrdup(text);
    _cleanup_free_ char *host = NULL;
    size_t n = strlen(s);
    bool has_port;
    const char *open;
    const char *close;
    uint16_t port = default_port;

    if (n > 0 && s[n - 1] == '/')
        s[--n] = '\0';
    has_port = n > 0 && s[0] == '[' ? s[n - 1] != ']' : strchr(s, ':') != NULL;
    if (has_port) {
        if (parse_host_port(s, &host, &port) < 0)
            return -EINVAL;
    } else if (s[0] == '[' && s[n - 1] == ']') {
        host = xstrndup(s + 1, n - 2);
    } else {
        host = xstrdup(s);
    }
    if (port == 0 || !is_host(host))
        return -EINVAL;
    a->port = port;
    str_copy(a->host, sizeof(a->host), host);
    open = strchr(host, ':') ? "[" : "";
    close = *open ? "]" : "";
    (void)snprintf(a->display, sizeof(a->display), "%s%s%s:%u", open, host, close, port);
    if (port == default_port) {
        (void)snprintf(a->header, sizeof(a->header), "%s%s%s", open, host, close);
    } else {
        str_copy(a->header, sizeof(a->header), a->display);
    }
    return 0;
}

int address_parse(struct address *ret, const char *text, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        const struct scheme *s = &schemes[i];
        struct address a = {.is_unix = s->is_unix, .is_tls = s->is_tls};
        const char *rest;
        int r;

        if (!str_starts_with(text, s->prefix))
            continue;
        rest = text + strlen(s->prefix);
        r = s->is_unix ? parse_unix(&a, rest) : parse_tcp(&a, rest, s->port);
        if (r < 0)
            return bad(err, text);
        *ret = a;
        return 0;
    }
    return bad(err, text);
}

static bool is_loopback_v4(const void *octets)
{
    return *(const uint8_t *)octets == IN_LOOPBACKNET;
}

bool address_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return is_loopback_v4(&v4);
    if (inet_pton(AF_INET6, host, &v6) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&v6) ||
               (IN6_IS_ADDR_V4MAPPED(&v6) && is_loopback_v4(&v6.s6_addr[12]));
    }
    return strcasecmp(host, "localhost") == 0 || strcasecmp(host, "localhost.") == 0;
}
