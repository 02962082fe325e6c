#include "net/http_request.h"
#include "base/alloc.h"
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

char *http_request_cookie_at(const struct http_request *r, const char *name, size_t n)
{
    const char *at = http_request_header(r, "cookie");
    size_t length = strlen(name);

    while (at && *at) {
        size_t size;

        at += strspn(at, " \t;");
        size = strcspn(at, ";");
        if (size > length && strncmp(at, name, length) == 0 && at[length] == '=' && n-- == 0) {
            char *value;

            if (url_decode(at + length + 1, size - length - 1, false, &value) < 0)
                value = xstrndup(at + length + 1, size - length - 1);
            return value;
        }
        at += size;
    }
    return NULL;
}
