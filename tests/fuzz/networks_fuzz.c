#include "base/alloc.h"
#include "fuzz.h"
#include "server/auth/networks.h"

#include <assert.h>
#include <string.h>

/* The input is a text that names networks, a line feed, and an address to search in them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = xstrndup((const char *)data, size);
    char *address = strchr(text, '\n');
    struct networks n;

    if (address)
        *address++ = '\0';
    if (networks_parse(text, &n, NULL) < 0)
        return 0;
    assert(n.n <= NETWORKS_MAX);
    for (size_t i = 0; i < n.n; i++)
        assert(n.items[i].bits <= 128);
    assert(!networks_have(&n, "no address") || n.n == 0);
    if (address)
        (void)networks_have(&n, address);
    return 0;
}
