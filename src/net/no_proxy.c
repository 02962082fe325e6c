#include "net/no_proxy.h"
#include "base/alloc.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>

#define V4_BITS   32
#define V6_BITS   128
#define V4_OFFSET 12 /* of an IPv4 address within its mapped form */

/* An IP of either family, IPv4 in its mapped form. */
struct ip {
    uint8_t bytes[16];
    bool is_v4;
};

static bool parse_ip(const char *text, struct ip *ret)
{
    struct in6_addr v6;

    if (inet_pton(AF_INET, text, &ret->bytes[V4_OFFSET]) == 1) {
        memset(ret->bytes, 0, V4_OFFSET);
        ret->bytes[10] = ret->bytes[11] = 0xff;
        ret->is_v4 = true;
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return false;
    memcpy(ret->bytes, v6.s6_addr, sizeof(ret->bytes));
    ret->is_v4 = IN6_IS_ADDR_V4MAPPED(&v6);
    return true;
}

static bool has_prefix(const struct ip *ip, const struct ip *network, uint64_t bits)
{
    size_t n = (size_t)bits / 8;
    uint8_t mask = (uint8_t)(0xff00 >> (bits % 8));

    return memcmp(ip->bytes, network->bytes, n) == 0 &&
           (bits % 8 == 0 || ((ip->bytes[n] ^ network->bytes[n]) & mask) == 0);
}

/* False: `entry` is no network. */
static bool parse_network(char *entry, struct ip *ret, uint64_t *ret_bits)
{
    char *slash = strchr(entry, '/');
    bool is_network;
    uint64_t bits;

    if (!slash)
        return false;
    *slash = '\0';
    is_network = parse_ip(entry, ret) &&
                 parse_u64(slash + 1, ret->is_v4 ? V4_BITS : V6_BITS, &bits) == 0;
    *slash = '/';
    if (is_network)
        *ret_bits = ret->is_v4 ? bits + V6_BITS - V4_BITS : bits;
    return is_network;
}

static bool matches_name(const char *entry, const char *host)
{
    bool is_below = false; /* only names below it match */
    size_t n = strlen(host), length;

    if (str_starts_with(entry, "*."))
        entry++;
    if (entry[0] == '.') {
        entry++;
        is_below = true;
    }
    length = strlen(entry);
    if (length == 0 || length > n || !str_eq(host + n - length, entry))
        return false;
    return length == n ? !is_below : host[n - length - 1] == '.';
}

static bool matches_entry(char *entry, const char *host, uint16_t port, const struct ip *ip)
{
    _cleanup_free_ char *name = NULL;
    struct ip other;
    uint64_t bits;
    uint16_t only = 0;

    if (parse_network(entry, &other, &bits))
        return ip && ip->is_v4 == other.is_v4 && has_prefix(ip, &other, bits);
    if (parse_ip(entry, &other) || parse_host_port(entry, &name, &only) < 0)
        name = xstrdup(entry);
    if (only && only != port)
        return false;
    if (parse_ip(name, &other))
        return ip && has_prefix(ip, &other, V6_BITS);
    return matches_name(name, host);
}

static void make_lower(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

bool no_proxy_matches(const char *list, const struct address *to)
{
    _cleanup_free_ char *copy = xstrdup(list ? list : "");
    _cleanup_free_ char *host = xstrdup(to->host);
    struct ip ip;
    bool has_ip = parse_ip(host, &ip);
    char *rest = copy;

    make_lower(copy);
    make_lower(host);
    while (rest) {
        char *entry = str_trim(strsep(&rest, ","));

        if (str_eq(entry, "*") ||
            (*entry && matches_entry(entry, host, to->port, has_ip ? &ip : NULL)))
            return true;
    }
    return false;
}
