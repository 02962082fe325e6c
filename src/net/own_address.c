#include "net/own_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Finds the address of this machine on the way to other networks: the kernel chooses it when a
 * datagram socket is connected, and nothing is sent.
 */
static bool find_routed_address(int family, char ret[OWN_ADDRESS_SIZE])
{
    const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(9)};
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    struct sockaddr_in to4 = v4;
    struct sockaddr_in6 to6 = v6;
    bool is_v4 = family == AF_INET, has = false;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } own = {0};
    socklen_t size = sizeof(own);
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    (void)inet_pton(AF_INET, "192.0.2.1", &to4.sin_addr); /* reserved for documentation */
    (void)inet_pton(AF_INET6, "2001:db8::1", &to6.sin6_addr);
    if (connect(fd, is_v4 ? (const struct sockaddr *)&to4 : (const struct sockaddr *)&to6,
                is_v4 ? sizeof(to4) : sizeof(to6)) == 0 &&
        getsockname(fd, &own.any, &size) == 0) {
        has = inet_ntop(family, is_v4 ? (const void *)&own.v4.sin_addr : &own.v6.sin6_addr, ret,
                        OWN_ADDRESS_SIZE) != NULL;
    }
    (void)close(fd);
    return has;
}

/* Without a route to other networks: the first address of a network interface. */
static bool find_interface_address(char ret[OWN_ADDRESS_SIZE])
{
    struct ifaddrs *list = NULL;
    bool has = false;

    if (getifaddrs(&list) < 0)
        return false;
    for (const struct ifaddrs *at = list; at && !has; at = at->ifa_next) {
        if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET && (at->ifa_flags & IFF_UP) &&
            !(at->ifa_flags & IFF_LOOPBACK)) {
            has = inet_ntop(AF_INET, &((const struct sockaddr_in *)at->ifa_addr)->sin_addr, ret,
                            OWN_ADDRESS_SIZE) != NULL;
        }
    }
    freeifaddrs(list);
    return has;
}

bool own_address_find(char ret[OWN_ADDRESS_SIZE])
{
    return find_routed_address(AF_INET, ret) || find_routed_address(AF_INET6, ret) ||
           find_interface_address(ret);
}
