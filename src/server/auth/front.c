#include "server/auth/front.h"
#include "base/alloc.h"
#include "base/str.h"
#include "net/address.h"
#include "net/url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define MAX_ADDRESS 64

/* Cuts the last element off a comma-separated list; NULL: there is none. */
static char *take_last(char *list)
{
    char *comma = strrchr(list, ',');

    if (!comma)
        return NULL;
    *comma = '\0';
    return str_trim(comma + 1);
}

/* Returns the last element of a list header in `ret`, "" if there is none or it is too long. */
static void find_last(const struct http_request *r, const char *name, char ret[FRONT_TEXT_SIZE])
{
    _cleanup_free_ char *list = http_request_list(r, name);
    const char *comma = list ? strrchr(list, ',') : NULL;
    const char *word = list ? str_trim(comma ? (char *)(uintptr_t)comma + 1 : list) : "";

    ret[0] = '\0';
    if (strlen(word) < FRONT_TEXT_SIZE)
        str_copy(ret, FRONT_TEXT_SIZE, word);
}

/* Copies the value of a parameter of a Forwarded element (RFC 7239), "" if it is absent. */
static void find_parameter(const char *element, const char *name, char ret[FRONT_TEXT_SIZE])
{
    _cleanup_free_ char *copy = xstrdup(element);
    char *rest = copy, *word;

    ret[0] = '\0';
    while ((word = strsep(&rest, ";"))) {
        char *value = strchr(word, '=');
        size_t n;

        if (!value)
            continue;
        *value++ = '\0';
        if (strcasecmp(str_trim(word), name) != 0)
            continue;
        value = str_trim(value);
        n = strlen(value);
        if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
            value[n - 1] = '\0';
            value++;
        }
        if (strlen(value) < FRONT_TEXT_SIZE)
            str_copy(ret, FRONT_TEXT_SIZE, value);
        return;
    }
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80"; false: no address. */
static bool read_address(const char *word, char ret[FRONT_TEXT_SIZE])
{
    const char *start = word + (*word == '[');
    const char *colon = strchr(word, ':');
    size_t n = strlen(start);
    unsigned char bytes[16];
    char text[MAX_ADDRESS];

    if (*word == '[') {
        n = strcspn(start, "]");
    } else if (colon && colon == strrchr(word, ':')) {
        n = (size_t)(colon - word);
    }
    if (n >= sizeof(text))
        return false;
    str_copy(text, n + 1, start);
    if (inet_pton(AF_INET, text, bytes) != 1 && inet_pton(AF_INET6, text, bytes) != 1)
        return false;
    str_copy(ret, FRONT_TEXT_SIZE, text);
    return true;
}

/* Walks from the server to the client until an address is not trusted, or nothing valid follows. */
static void find_client(const struct front *f,
                        char *chain,
                        bool is_rfc7239,
                        struct front_request *q)
{
    char *word, parameter[FRONT_TEXT_SIZE];

    while (networks_have(&f->trusted, q->address) && (word = take_last(chain))) {
        if (is_rfc7239) {
            find_parameter(word, "for", parameter);
            word = parameter;
        }
        if (!read_address(word, q->address))
            return;
    }
}

static void read_chain(const struct front *f, const struct http_request *r, struct front_request *q)
{
    static const char *const names[] = {"x-forwarded-for", "forwarded", "x-real-ip"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        _cleanup_free_ char *list = http_request_list(r, names[i]);
        _cleanup_free_ char *chain = NULL;

        if (!list)
            continue;
        chain = xasprintf(",%s", list);
        find_client(f, chain, i == 1, q);
        return;
    }
}

/* Scheme and host as the nearest proxy has seen them. Returns whether it reports the scheme. */
static bool read_target(const struct http_request *r, struct front_request *q)
{
    char forwarded[FRONT_TEXT_SIZE], proto[FRONT_TEXT_SIZE], host[FRONT_TEXT_SIZE];

    find_last(r, "forwarded", forwarded);
    find_last(r, "x-forwarded-proto", proto);
    find_last(r, "x-forwarded-host", host);
    if (!*proto)
        find_parameter(forwarded, "proto", proto);
    if (!*host)
        find_parameter(forwarded, "host", host);
    if (*host) {
        str_copy(q->host, sizeof(q->host), host);
        q->r.host = q->host;
    }
    if (strcasecmp(proto, "https") == 0 || strcasecmp(proto, "wss") == 0) {
        q->r.is_tls = true;
    } else if (strcasecmp(proto, "http") == 0 || strcasecmp(proto, "ws") == 0) {
        q->r.is_tls = false;
    }
    return *proto != '\0';
}

/* Parses the header Host as a URL; url_done() in either case. */
static bool read_host(const char *host, bool is_tls, struct url *ret)
{
    _cleanup_free_ char *url = xasprintf("%s://%s", is_tls ? "https" : "http", host);

    return url_parse(url, ret, NULL) == 0 && str_eq(ret->path, "/");
}

/* Whether the header Host names the host of an absolute URL. Proxies may leave out the port. */
static bool is_host_of(const char *host, const char *url)
{
    struct url a = {0}, b = {0};
    bool is_same = read_host(host, true, &a) && url_parse(url, &b, NULL) == 0 &&
                   strcasecmp(a.host, b.host) == 0;

    url_done(&a);
    url_done(&b);
    return is_same;
}

void front_apply(const struct front *f, const struct http_request *r, struct front_request *ret)
{
    size_t n = strlen(f->base_path ? f->base_path : "");
    bool has_scheme = false;

    ret->r = *r;
    ret->r.host = http_request_header(r, "host");
    ret->is_forwarded = f->trusted.n > 0 && networks_have(&f->trusted, r->peer);
    str_copy(ret->address, sizeof(ret->address), r->peer);
    if (ret->is_forwarded) {
        read_chain(f, r, ret);
        has_scheme = read_target(r, ret);
    }
    /* A proxy that passes the host on, but reports no scheme. */
    if (!has_scheme && ret->r.host && f->public_url && str_starts_with(f->public_url, "https:") &&
        is_host_of(ret->r.host, f->public_url))
        ret->r.is_tls = true;
    ret->r.peer = ret->address;
    if (n > 0 && strncmp(r->path, f->base_path, n) == 0 && (r->path[n] == '/' || !r->path[n]))
        ret->r.path = r->path[n] ? r->path + n : "/";
}

/* Origins of browsers have no port if it is the scheme's; the header Host may have it. */
static bool is_same_origin(const char *origin, const struct url *own)
{
    struct url a = {0};
    bool is_same = url_parse(origin, &a, NULL) == 0 && str_eq(a.scheme, own->scheme) &&
                   strcasecmp(a.host, own->host) == 0 && a.port == own->port && str_eq(a.path, "/");

    url_done(&a);
    return is_same;
}

static bool is_own_origin(const struct front *f, const struct front_request *q, const char *origin)
{
    struct url host = {0}, public = {0};
    bool is_own = (q->r.host && read_host(q->r.host, q->r.is_tls, &host) &&
                   is_same_origin(origin, &host)) ||
                  (f->public_url && url_parse(f->public_url, &public, NULL) == 0 &&
                   is_same_origin(origin, &public));

    url_done(&host);
    url_done(&public);
    return is_own;
}

bool front_is_foreign_origin(const struct front *f, const struct front_request *q)
{
    const char *origin = http_request_header(&q->r, "origin");
    _cleanup_free_ char *list = xstrdup(f->origins ? f->origins : "");
    char *rest = list, *word;

    if (!origin || is_own_origin(f, q, origin))
        return false;
    while ((word = strsep(&rest, ","))) {
        word = str_trim(word);
        if (*word && strcasecmp(word, origin) == 0)
            return false;
    }
    return true;
}

static bool is_address(const char *host)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static bool is_in_origins(const char *host, const char *origins)
{
    _cleanup_free_ char *list = xstrdup(origins);
    char *rest = list, *word;

    while ((word = strsep(&rest, ","))) {
        if (is_host_of(host, str_trim(word)))
            return true;
    }
    return false;
}

static bool is_own_address(const char *address, const char *listen_host)
{
    return address_is_loopback(address) || str_eq(address, listen_host);
}

bool front_is_local(const struct front_request *q, const char *listen_host)
{
    static const char *const names[] = {"forwarded",        "via",       "x-forwarded-for",
                                        "x-forwarded-host", "x-real-ip", "x-forwarded-proto"};
    struct url host = {0};
    bool is_local = is_own_address(q->r.peer, listen_host) && q->r.host &&
                    read_host(q->r.host, q->r.is_tls, &host) &&
                    is_own_address(host.host, listen_host);

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        is_local = is_local && !http_request_header(&q->r, names[i]);
    url_done(&host);
    return is_local;
}

bool front_is_unknown_host(const struct front *f,
                           const struct front_request *q,
                           bool (*is_own_name)(const void *arg, const char *name),
                           const void *arg)
{
    const char *host = q->r.host;
    struct url u = {0};
    bool is_known;

    if ((!f->public_url && !f->origins) || !host) /* browsers send a Host */
        return false;
    is_known = read_host(host, q->r.is_tls, &u) &&
               (is_address(u.host) || strcasecmp(u.host, "localhost") == 0 ||
                (f->public_url && is_host_of(host, f->public_url)) ||
                (f->origins && is_in_origins(host, f->origins)) ||
                (is_own_name && is_own_name(arg, u.host)));
    url_done(&u);
    return !is_known;
}

bool front_base_path_is_valid(const char *path)
{
    return *path == '/' && path[1] && !str_ends_with(path, "/") && !strstr(path, "//") &&
           !strstr(path, "/.") &&
           path[strspn(
               path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./")] == '\0';
}

bool front_origins_are_valid(const char *origins)
{
    _cleanup_free_ char *copy = xstrdup(origins);
    char *rest = copy, *word;

    while ((word = strsep(&rest, ","))) {
        struct url u = {0};
        bool is_valid;

        word = str_trim(word);
        is_valid = url_parse(word, &u, NULL) == 0 && str_starts_with(word, "http") &&
                   str_eq(u.path, "/") && !str_ends_with(word, "/");
        url_done(&u);
        if (!is_valid)
            return false;
    }
    return true;
}
