#include "server/tls/host_names.h"
#include "base/alloc.h"
#include "base/str.h"
#include "net/certificate.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <strings.h>
#include <unistd.h>

#define NAME_SIZE 256

bool host_names_has(const struct host_names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcasecmp(names->items[i], name) == 0)
            return true;
    }
    return false;
}

void host_names_add(struct host_names *names, const char *name)
{
    if (names->n < HOST_NAMES_MAX && certificate_name_is_valid(name) &&
        !host_names_has(names, name))
        names->items[names->n++] = xstrdup(name);
}

static void add_address(struct host_names *names, const struct sockaddr *a)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
    char text[INET6_ADDRSTRLEN];
    const void *ip;

    if (!a || (a->sa_family != AF_INET && a->sa_family != AF_INET6))
        return;
    if (a->sa_family == AF_INET) {
        ip = &((const struct sockaddr_in *)a)->sin_addr;
    } else if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) {
        return;
    } else {
        ip = &v6->sin6_addr;
    }
    if (inet_ntop(a->sa_family, ip, text, sizeof(text)))
        host_names_add(names, text);
}

void host_names_collect(struct host_names *names)
{
    char name[NAME_SIZE] = "";
    struct ifaddrs *list = NULL;

    if (gethostname(name, sizeof(name) - 1) == 0)
        host_names_add(names, name);
    host_names_add(names, "localhost");
    host_names_add(names, "127.0.0.1");
    host_names_add(names, "::1");
    if (getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *at = list; at; at = at->ifa_next)
        add_address(names, at->ifa_addr);
    freeifaddrs(list);
}

void host_names_collect_dns(struct host_names *names)
{
    const struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char name[NAME_SIZE] = "";

    if (gethostname(name, sizeof(name) - 1) < 0 || getaddrinfo(name, NULL, &hints, &list) != 0)
        return;
    if (list->ai_canonname)
        host_names_add(names, list->ai_canonname);
    freeaddrinfo(list);
}

void host_names_done(struct host_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->items[i]);
    names->n = 0;
}
