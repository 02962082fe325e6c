#include "base/str.h"
#include "fuzz.h"
#include "net/http_head.h"
#include "net/http_request.h"

#include <assert.h>
#include <string.h>

/* Checks the guarantees of http_head.h about an accepted request. */
static void check(const struct http_head *h)
{
    const struct http_request r = {.head = h, .query = h->query};

    assert(h->path[0] == '/');
    assert(!strstr(h->path, "//") && !strstr(h->path, "/../"));
    assert(!str_ends_with(h->path, "/.."));
    assert(str_is_utf8(h->path, strlen(h->path)));
    for (const char *c = h->path; *c; c++)
        assert((unsigned char)*c >= ' ' && *c != 0x7f);
    assert(h->body_size <= INT64_MAX);
    assert(!h->is_websocket || str_eq(h->method, "GET"));
    for (size_t i = 0; i < h->n_fields; i++)
        assert(!strpbrk(h->fields[i].value, "\r\n") && h->fields[i].name[0]);
    free(http_request_cookie(&r, "sid"));
    free(http_request_query(&r, "x"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_head h = {0};
    size_t whole = 0, scanned = 0;
    const char *why = NULL;
    int r = http_head_find((const char *)data, size, &whole);
    int piecewise = 0;
    int status;

    for (size_t n = 1; n <= size && !piecewise; n++)
        piecewise = http_head_find((const char *)data, n, &scanned);
    assert(piecewise == r);
    if (r <= 0)
        return 0;
    assert((size_t)r <= size);
    status = http_head_parse(&h, (const char *)data, (size_t)r, &why);
    assert(status == 0 || (status >= 400 && status < 600 && why));
    if (!status)
        check(&h);
    http_head_done(&h);
    return 0;
}
