#include "net/http_request.h"
#include "base/alloc.h"
#include "base/str.h"
#include "net/http_head.h"
#include "net/url.h"

#include <string.h>

const char *http_request_header(const struct http_request *r, const char *name)
{
    return http_head_find_field(r->head, name);
}

char *http_request_query(const struct http_request *r, const char *name)
{
    return url_query_get(r->query, name);
}

char *http_request_cookie(const struct http_request *r, const char *name)
{
    return http_request_cookie_at(r, name, 0);
}

char *http_request_list(const struct http_request *r, const char *name)
{
    const char *value;
    char *list = NULL;

    for (size_t n = 0; (value = http_head_find_field_at(r->head, name, n)); n++) {
        _cleanup_free_ char *before = TAKE_PTR(list);

        list = before ? xasprintf("%s, %s", before, value) : xstrdup(value);
    }
    return list;
}

bool http_request_accepts_gzip(const struct http_request *r)
{
    _cleanup_free_ char *list = http_request_list(r, "accept-encoding");
    char *rest = list, *coding;

    while ((coding = strsep(&rest, ","))) {
        char *weight = strchr(coding, ';');

        if (weight)
            *weight++ = '\0';
        if (str_eq(str_trim(coding), "gzip"))
            return !weight || strpbrk(weight, "123456789");
    }
    return false;
}

/* The n-th cookie of the name in one Cookie line; *n is lowered by those that were there. */
static char *find_cookie(const char *at, const char *name, size_t *n)
{
    size_t length = strlen(name);

    while (*at) {
        size_t size;

        at += strspn(at, " \t;");
        size = strcspn(at, ";");
        if (size > length && strncmp(at, name, length) == 0 && at[length] == '=' && (*n)-- == 0) {
            char *value;

            if (url_decode(at + length + 1, size - length - 1, false, &value) < 0)
                value = xstrndup(at + length + 1, size - length - 1);
            return value;
        }
        at += size;
    }
    return NULL;
}

/* HTTP/2 clients send a line for each cookie, and some proxies pass them on like that. */
char *http_request_cookie_at(const struct http_request *r, const char *name, size_t n)
{
    const char *line;

    for (size_t i = 0; (line = http_head_find_field_at(r->head, "cookie", i)); i++) {
        char *value = find_cookie(line, name, &n);

        if (value)
            return value;
    }
    return NULL;
}
