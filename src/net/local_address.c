#include "net/local_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>

static bool is_local_v4(uint32_t address)
{
    return address >> 24 == 127 || address >> 24 == 0 || address >> 16 == 0xa9fe ||
           address >> 28 >= 0xe;
}

bool local_address_is(const struct sockaddr *address)
{
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    uint32_t v4;

    if (address->sa_family == AF_INET) {
        v4 = ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);
        return is_local_v4(v4);
    }
    if (address->sa_family != AF_INET6)
        return true;
    if (IN6_IS_ADDR_V4MAPPED(v6)) {
        v4 = ((uint32_t)v6->s6_addr[12] << 24) | ((uint32_t)v6->s6_addr[13] << 16) |
             ((uint32_t)v6->s6_addr[14] << 8) | v6->s6_addr[15];
        return is_local_v4(v4);
    }
    return IN6_IS_ADDR_LOOPBACK(v6) || IN6_IS_ADDR_LINKLOCAL(v6) || IN6_IS_ADDR_UNSPECIFIED(v6) ||
           IN6_IS_ADDR_MULTICAST(v6);
}

int local_address_socket(int family, int type, int protocol)
{
    return socket(family, type | SOCK_CLOEXEC, protocol);
}
