#include "server/download/join_line.h"
#include "base/alloc.h"
#include "base/str.h"
#include "net/address.h"
#include "net/own_address.h"

#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define PREFIX     "sha256:"
#define HASH_BYTES 32
#define MAX_HOST   255
#define LINE(curl) curl " -H 'Authorization: Bearer %s' %s/install.sh | sh"

/* The line is pasted into a shell, and the host may come from a client. */
static bool is_valid_host(const char *host)
{
    return *host && strlen(host) <= MAX_HOST &&
           host[strspn(host,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]")] ==
               '\0' &&
           *host != '-';
}

/* Returns whether "host", "host:port" or "[v6]:port" is this machine. */
static bool is_loopback(const char *authority)
{
    const char *start = authority + (authority[0] == '[');
    bool is_bare_v6 = authority[0] != '[' && strchr(authority, ':') != strrchr(authority, ':');
    size_t n = is_bare_v6 ? strlen(start) : strcspn(start, authority[0] == '[' ? "]" : ":");
    _cleanup_free_ char *host = xstrndup(start, n);

    return address_is_loopback(host);
}

static bool is_any(const char *host)
{
    return str_is_empty(host) || str_eq(host, "0.0.0.0") || str_eq(host, "::");
}

/* Returns the host that the server listens on, as others reach it: "address", to be freed. */
static char *find_reachable_host(const char *listen_host)
{
    char address[OWN_ADDRESS_SIZE], name[MAX_HOST + 1] = "";

    if (!is_any(listen_host))
        return xstrdup(listen_host);
    if (own_address_find(address))
        return xstrdup(address);
    if (gethostname(name, sizeof(name) - 1) < 0 || !*name)
        str_copy(name, sizeof(name), "localhost");
    return xstrdup(name);
}

/* Returns host and port, to be freed. */
static char *find_authority(const struct join_server *server)
{
    _cleanup_free_ char *host = NULL;

    if (server->host && (!is_loopback(server->host) || is_loopback(server->listen_host)))
        return xstrdup(server->host);
    host = find_reachable_host(server->listen_host);
    return strchr(host, ':') ? xasprintf("[%s]:%u", host, server->port)
                             : xasprintf("%s:%u", host, server->port);
}

char *join_url(const struct join_server *server)
{
    _cleanup_free_ char *authority = NULL;

    if (server->public_url)
        return xstrdup(server->public_url);
    authority = find_authority(server);
    if (!is_valid_host(authority) || (!server->is_tls && !is_loopback(authority)))
        return NULL;
    return xasprintf("%s://%s%s", server->is_tls ? "https" : "http", authority,
                     server->base_path ? server->base_path : "");
}

const char *join_fingerprint(const struct join_server *server)
{
    return server->public_url && server->has_proxies ? NULL : server->fingerprint;
}

char *join_curl_pin(const char *fingerprint)
{
    char base64[sodium_base64_ENCODED_LEN(HASH_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    unsigned char hash[HASH_BYTES];
    size_t n = 0;

    if (!fingerprint || !str_starts_with(fingerprint, PREFIX) ||
        sodium_hex2bin(hash, sizeof(hash), fingerprint + strlen(PREFIX),
                       strlen(fingerprint) - strlen(PREFIX), NULL, &n, NULL) != 0 ||
        n != sizeof(hash))
        return NULL;
    (void)sodium_bin2base64(base64, sizeof(base64), hash, sizeof(hash),
                            sodium_base64_VARIANT_ORIGINAL);
    return xasprintf("sha256//%s", base64);
}

char *join_line(const struct join_server *server, const char *token)
{
    _cleanup_free_ char *url = join_url(server), *pin = join_curl_pin(join_fingerprint(server));

    if (!url)
        return NULL;
    if (!pin)
        return xasprintf(LINE("curl -sS"), token, url);
    return xasprintf(LINE("curl -sSk --pinnedpubkey '%s'"), pin, token, url);
}
