#include "agent/common/host_ips.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#define MAX_FIB_TRIE ((size_t)4 * 1024 * 1024)

static const char *const engine_names[] = {"docker0", "docker_gwbridge", "cni0"};
static const char *const engine_prefixes[] = {
    "veth", "br-", "virbr", "flannel", "cali", "cni-", "weave", "podman", "vxlan", "tunl",
};

static bool is_in(uint32_t address, const struct subnet *s)
{
    return (address & s->mask) == s->address;
}

int subnet_parse(const char *text, struct subnet *ret)
{
    _cleanup_free_ char *address = NULL;
    const char *slash = strchr(text, '/');
    struct in_addr in;
    uint64_t bits;

    if (!slash || parse_u64(slash + 1, 32, &bits) < 0)
        return -EINVAL;
    address = xstrndup(text, (size_t)(slash - text));
    if (inet_pton(AF_INET, address, &in) != 1)
        return -EINVAL;
    ret->mask = bits ? UINT32_MAX << (32 - bits) : 0;
    ret->address = ntohl(in.s_addr) & ret->mask;
    return 0;
}

void host_ips_add(struct host_ips *h, uint32_t address)
{
    static const struct subnet useless[] = {
        {0x00000000, 0xff000000}, /* 0.0.0.0/8 */
        {0x7f000000, 0xff000000}, /* 127.0.0.0/8 */
        {0xa9fe0000, 0xffff0000}, /* 169.254.0.0/16 */
    };
    struct in_addr in = {.s_addr = htonl(address)};
    char text[HOST_IP_SIZE];

    for (size_t i = 0; i < ARRAY_LEN(useless); i++) {
        if (is_in(address, &useless[i]))
            return;
    }
    if (!inet_ntop(AF_INET, &in, text, sizeof(text)) || h->n == HOST_IPS_MAX)
        return;
    for (size_t i = 0; i < h->n; i++) {
        if (str_eq(h->ips[i], text))
            return;
    }
    str_copy(h->ips[h->n++], HOST_IP_SIZE, text);
}

bool host_ips_is_engine_interface(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(engine_names); i++) {
        if (str_eq(name, engine_names[i]))
            return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(engine_prefixes); i++) {
        if (str_starts_with(name, engine_prefixes[i]))
            return true;
    }
    return false;
}

/* Parses a line such as "   |-- 10.0.0.5"; the lines below it describe the address. */
static bool parse_leaf(const char *line, uint32_t *ret)
{
    const char *mark = strstr(line, "|-- ");
    struct in_addr in;

    if (!mark || inet_pton(AF_INET, mark + strlen("|-- "), &in) != 1)
        return false;
    *ret = ntohl(in.s_addr);
    return true;
}

void host_ips_from_fib_trie(struct host_ips *h,
                            const char *text,
                            const struct subnet *excluded,
                            size_t n_excluded)
{
    _cleanup_free_ char *copy = xstrdup(text);
    char *line = copy, *next;
    uint32_t address = 0;

    for (; line; line = next) {
        size_t i = 0;

        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (parse_leaf(str_trim(line), &address) || !strstr(line, "/32 host LOCAL"))
            continue;
        while (i < n_excluded && !is_in(address, &excluded[i]))
            i++;
        if (i == n_excluded)
            host_ips_add(h, address);
    }
}

/* Returns whether there is a bridge of an engine: then the interfaces are those of the host. */
static bool add_interfaces(struct host_ips *h)
{
    struct ifaddrs *all = NULL;
    bool has_bridge = false;

    if (getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        struct sockaddr_in in;

        if (host_ips_is_engine_interface(i->ifa_name)) {
            has_bridge = true;
            continue;
        }
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
            (i->ifa_flags & IFF_LOOPBACK))
            continue;
        memcpy(&in, i->ifa_addr, sizeof(in));
        host_ips_add(h, ntohl(in.sin_addr.s_addr));
    }
    freeifaddrs(all);
    return has_bridge;
}

static void add_routes(struct host_ips *h, const char *text, char *const *subnets, size_t n)
{
    _cleanup_free_ struct subnet *excluded = xcalloc(n + 1, sizeof(*excluded));
    size_t n_excluded = 0;

    for (size_t i = 0; i < n; i++) {
        if (subnet_parse(subnets[i], &excluded[n_excluded]) == 0)
            n_excluded++;
    }
    host_ips_from_fib_trie(h, text, excluded, n_excluded);
}

void host_ips_find(struct host_ips *ret,
                   const char *root,
                   bool is_in_container,
                   char *const *subnets,
                   size_t n_subnets)
{
    _cleanup_free_ char *path = xasprintf("%s%s", root, HOST_FIB_TRIE);
    _cleanup_free_ char *text = NULL;
    struct host_ips own = {0};
    bool has_bridge;

    *ret = (struct host_ips){0};
    if (is_in_container && file_read(path, MAX_FIB_TRIE, &text, NULL, NULL) == 0) {
        add_routes(ret, text, subnets, n_subnets);
        return;
    }
    if (!str_is_empty(root))
        return;
    has_bridge = add_interfaces(&own);
    if (!is_in_container || has_bridge)
        *ret = own;
}
