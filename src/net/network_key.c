#include "net/network_key.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <string.h>

#define V4_OFFSET 12 /* of an IPv4 address within its mapped form */

/* Keeps this many bytes of the address: of IPv4, or of IPv6. */
static void write_prefix(const char *address, size_t n_v4, size_t n_v6, char ret[NETWORK_KEY_SIZE])
{
    struct in_addr v4;
    struct in6_addr v6;
    uint8_t *bytes = (uint8_t *)&v4;

    if (inet_pton(AF_INET6, address, &v6) == 1) {
        if (!IN6_IS_ADDR_V4MAPPED(&v6)) {
            memset(v6.s6_addr + n_v6, 0, sizeof(v6.s6_addr) - n_v6);
            (void)inet_ntop(AF_INET6, &v6, ret, NETWORK_KEY_SIZE); /* it fits */
            return;
        }
        memcpy(&v4, v6.s6_addr + V4_OFFSET, sizeof(v4));
    } else if (inet_pton(AF_INET, address, &v4) != 1) {
        str_copy(ret, NETWORK_KEY_SIZE, address);
        return;
    }
    memset(bytes + n_v4, 0, sizeof(v4) - n_v4);
    (void)inet_ntop(AF_INET, &v4, ret, NETWORK_KEY_SIZE); /* it fits */
}

void network_key(const char *address, char ret[NETWORK_KEY_SIZE])
{
    write_prefix(address, sizeof(struct in_addr), 8, ret);
}

void network_group(const char *address, char ret[NETWORK_KEY_SIZE])
{
    write_prefix(address, 3, 6, ret);
}
