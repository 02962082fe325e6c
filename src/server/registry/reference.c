#include "server/registry/reference.h"
#include "base/alloc.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define HEX_DIGITS    64 /* of an id */
#define MAX_PORT_SIZE 5

/* Former and alternative names of Docker Hub. */
static const char *const hub_names[] = {
    REFERENCE_HUB,
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
};

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_tag(const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > REFERENCE_MAX_TAG || is_one_of(text[0], ".-"))
        return false;
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text) && !is_one_of(*text, "_.-"))
            return false;
    }
    return true;
}

bool reference_is_digest(const char *text)
{
    if (!text)
        return false;
    if (str_starts_with(text, "sha256:"))
        return str_is_hex(text + strlen("sha256:"), 64);
    return str_starts_with(text, "sha512:") && str_is_hex(text + strlen("sha512:"), 128);
}

/* A dot, one or two underscores, or any number of dashes. Returns its size; 0: there is none. */
static size_t measure_separator(const char *p)
{
    if (*p == '.')
        return 1;
    if (*p == '_')
        return p[1] == '_' ? 2 : 1;
    return strspn(p, "-");
}

/* Letters and digits with separators between them, and slashes between the components. */
static bool is_path(const char *p)
{
    for (;;) {
        if (!is_lower_alnum(*p))
            return false;
        while (is_lower_alnum(*p))
            p++;
        if (*p == '\0')
            return true;
        if (*p == '/') {
            p++;
            continue;
        }
        p += measure_separator(p);
    }
}

static bool is_port(const char *text)
{
    size_t n = strspn(text, "0123456789");

    return n > 0 && n <= MAX_PORT_SIZE && text[n] == '\0';
}

/* A name, an IPv4 address or an IPv6 address in brackets, with or without a port. */
static bool is_domain(const char *text)
{
    const char *end = text[0] == '[' ? strchr(text, ']') : text + strcspn(text, ":");
    const char *p = text;

    if (!end || end == text)
        return false;
    if (text[0] == '[') {
        p++;
        if (end == p || strspn(p, "0123456789abcdefABCDEF:") != (size_t)(end - p))
            return false;
        end++;
    } else {
        for (; p < end; p++) {
            bool is_edge = p == text || p == end - 1 || p[-1] == '.' || p[1] == '.';

            if (!isalnum((unsigned char)*p) && (is_edge || !is_one_of(*p, "-")) &&
                (*p != '.' || p == text || p == end - 1 || p[1] == '.'))
                return false;
        }
    }
    return *end == '\0' || (*end == ':' && is_port(end + 1));
}

static char *lower(const char *text, size_t size)
{
    char *copy = xstrndup(text, size);

    for (char *p = copy; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

static bool is_hub(const char *domain)
{
    for (size_t i = 0; i < ARRAY_LEN(hub_names); i++) {
        if (str_eq(domain, hub_names[i]))
            return true;
    }
    return false;
}

static char *normalise_domain(const char *text, size_t size)
{
    char *domain = lower(text, size);

    if (!is_hub(domain))
        return domain;
    free(domain);
    return xstrdup(REFERENCE_HUB);
}

char *reference_domain(const char *text)
{
    const char *host = str_starts_with(text, "https://")  ? text + strlen("https://")
                       : str_starts_with(text, "http://") ? text + strlen("http://")
                                                          : text;
    _cleanup_free_ char *domain = xstrndup(host, strcspn(host, "/"));

    if (strlen(domain) > REFERENCE_MAX_NAME || !is_domain(domain))
        return NULL;
    return normalise_domain(domain, strlen(domain));
}

const char *reference_registry_host(const char *domain)
{
    return str_eq(domain, REFERENCE_HUB) ? "registry-1.docker.io" : domain;
}

bool reference_is_loopback(const char *domain)
{
    size_t n = strcspn(domain, ":");

    if (domain[0] == '[')
        return str_starts_with(domain, "[::1]");
    return (n == strlen("localhost") && strncmp(domain, "localhost", n) == 0) ||
           str_starts_with(domain, "127.");
}

/* Cuts the digest and the tag off, so that `rest` is a name. */
static int cut_suffixes(char *rest, struct reference *r, struct error *err)
{
    char *at = strchr(rest, '@'), *colon, *slash;

    if (at) {
        *at = '\0';
        if (!reference_is_digest(at + 1))
            return error_set(err, -EINVAL, "the digest is not valid");
        r->digest = xstrdup(at + 1);
    }
    colon = strrchr(rest, ':');
    slash = strrchr(rest, '/');
    if (colon && (!slash || colon > slash)) {
        *colon = '\0';
        if (!is_tag(colon + 1))
            return error_set(err, -EINVAL, "the tag is not valid");
        r->tag = xstrdup(colon + 1);
    } else if (!r->digest) {
        r->tag = xstrdup("latest");
    }
    return 0;
}

static int split_name(const char *name, struct reference *r, struct error *err)
{
    const char *slash = strchr(name, '/');
    size_t n = slash ? (size_t)(slash - name) : 0;
    _cleanup_free_ char *first = xstrndup(name, n);
    bool has_domain = n > 0 && (strpbrk(first, ".:") || str_eq(first, "localhost"));
    const char *path = has_domain ? slash + 1 : name;

    if (has_domain && !is_domain(first))
        return error_set(err, -EINVAL, "the host of the registry is not valid");
    if (!is_path(path))
        return error_set(err, -EINVAL, "the name is not valid");
    r->domain = has_domain ? normalise_domain(first, n) : xstrdup(REFERENCE_HUB);
    r->path = str_eq(r->domain, REFERENCE_HUB) && !strchr(path, '/') ? xasprintf("library/%s", path)
                                                                     : xstrdup(path);
    if (strlen(r->domain) + 1 + strlen(r->path) > REFERENCE_MAX_NAME)
        return error_set(err, -EINVAL, "the name is longer than %d bytes", REFERENCE_MAX_NAME);
    return 0;
}

int reference_parse(const char *text, struct reference *ret, struct error *err)
{
    struct reference r = {0};
    _cleanup_free_ char *rest = NULL;
    int code;

    if (str_is_empty(text))
        return error_set(err, -EINVAL, "image reference: it is empty");
    if (strlen(text) > REFERENCE_MAX)
        return error_set(err, -EINVAL, "image reference: longer than %d bytes", REFERENCE_MAX);
    if (str_is_hex(text, HEX_DIGITS) ||
        (str_starts_with(text, "sha256:") && str_is_hex(text + strlen("sha256:"), HEX_DIGITS))) {
        *ret = (struct reference){.is_id = true};
        return 0;
    }
    rest = xstrdup(text);
    code = cut_suffixes(rest, &r, err);
    if (code == 0)
        code = split_name(rest, &r, err);
    if (code < 0) {
        reference_done(&r);
        return error_wrap(err, code, "image reference");
    }
    *ret = r;
    return 0;
}

void reference_done(struct reference *r)
{
    free(r->domain);
    free(r->path);
    free(r->tag);
    free(r->digest);
    *r = (struct reference){0};
}

char *reference_repository(const struct reference *r)
{
    return xasprintf("%s/%s", r->domain, r->path);
}

char *reference_key(const struct reference *r)
{
    return xasprintf("%s/%s%s%s", r->domain, r->path, r->tag ? ":" : "", r->tag ? r->tag : "");
}
