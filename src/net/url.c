#include "net/url.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define URL_MAX 2048

static const struct {
    const char *name;
    uint16_t port;
    bool is_tls;
} schemes[] = {
    {"http",  80,  false},
    {"https", 443, true },
    {"ws",    80,  false},
    {"wss",   443, true },
};

static bool is_clean(const char *text)
{
    for (; *text; text++) {
        if (*text <= ' ' || *text > '~')
            return false;
    }
    return true;
}

static int parse_authority(const char *text, size_t size, struct url *u)
{
    _cleanup_free_ char *authority = xstrndup(text, size);
    const char *colon = strrchr(authority, ':');
    const char *bracket = strrchr(authority, ']');

    if (strchr(authority, '@'))
        return -EINVAL;
    if (colon && (!bracket || colon > bracket))
        return parse_host_port(authority, &u->host, &u->port) == 0 && *u->host ? 0 : -EINVAL;
    if (authority[0] == '[') {
        if (!bracket || bracket[1])
            return -EINVAL;
        u->host = xstrndup(authority + 1, (size_t)(bracket - authority) - 1);
    } else {
        u->host = xstrdup(authority);
    }
    return *u->host ? 0 : -EINVAL;
}

static int parse(const char *text, struct url *u)
{
    const char *rest = strstr(text, "://");
    size_t length;

    if (!rest || strlen(text) > URL_MAX || !is_clean(text) || strchr(text, '#'))
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_LEN(schemes) && !u->scheme; i++) {
        length = strlen(schemes[i].name);
        if (length != (size_t)(rest - text) || strncasecmp(text, schemes[i].name, length) != 0)
            continue;
        u->scheme = xstrdup(schemes[i].name);
        u->port = schemes[i].port;
        u->is_tls = schemes[i].is_tls;
    }
    if (!u->scheme)
        return -EINVAL;

    rest += strlen("://");
    length = strcspn(rest, "/?");
    if (parse_authority(rest, length, u) < 0)
        return -EINVAL;
    rest += length;
    u->path = *rest == '/' ? xstrdup(rest) : xasprintf("/%s", rest);
    return 0;
}

int url_parse(const char *text, struct url *ret, struct error *err)
{
    struct url u = {0};

    if (parse(text, &u) < 0) {
        url_done(&u);
        return error_set(err, -EINVAL, "%s: not a valid URL", text);
    }
    *ret = u;
    return 0;
}

void url_done(struct url *u)
{
    free(u->scheme);
    free(u->host);
    free(u->path);
    *u = (struct url){0};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int url_decode(const char *text, size_t size, bool is_query, char **ret)
{
    _cleanup_free_ char *out = xmalloc(size + 1);
    size_t n = 0;

    for (size_t i = 0; i < size; i++) {
        int c = (unsigned char)text[i];

        if (c == '%') {
            int high = i + 2 < size ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < size ? hex_digit(text[i + 2]) : -1;

            if (high < 0 || low < 0)
                return -EINVAL;
            c = high << 4 | low;
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        if (c < ' ' || c == 0x7f)
            return -EINVAL;
        out[n++] = (char)c;
    }
    if (!str_is_utf8(out, n))
        return -EINVAL;
    out[n] = '\0';
    *ret = TAKE_PTR(out);
    return 0;
}

char *url_query_get(const char *query, const char *name)
{
    return url_query_get_nth(query, name, 0);
}

char *url_query_get_nth(const char *query, const char *name, size_t n)
{
    while (*query) {
        _cleanup_free_ char *key = NULL;
        size_t length = strcspn(query, "&");
        const char *equals = memchr(query, '=', length);
        size_t key_length = equals ? (size_t)(equals - query) : length;

        if (url_decode(query, key_length, true, &key) == 0 && str_eq(key, name) && n-- == 0) {
            char *value;

            if (!equals)
                return xstrdup("");
            if (url_decode(equals + 1, length - key_length - 1, true, &value) < 0)
                return NULL;
            return value;
        }
        query += length;
        if (*query == '&')
            query++;
    }
    return NULL;
}
