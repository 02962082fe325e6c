#include "server/api/route.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

#include <string.h>

#define METHODS_MAX 128 /* bytes of a list with all methods */

/* Compares one segment of the pattern with one of the path; both end at '/' or NUL. */
static bool segment_matches(const char *pattern,
                            size_t pattern_size,
                            const char *path,
                            size_t path_size)
{
    if (pattern_size > 1 && pattern[0] == '{')
        return path_size > 0;
    return pattern_size == path_size && memcmp(pattern, path, path_size) == 0;
}

static bool is_rest(const char *segment, size_t size)
{
    return size > 4 && memcmp(segment + size - 4, "...}", 4) == 0;
}

static bool path_matches(const char *pattern, const char *path)
{
    while (*pattern && *path) {
        size_t n, m;

        if (*pattern++ != '/' || *path++ != '/')
            return false;
        n = strcspn(pattern, "/");
        m = is_rest(pattern, n) ? strlen(path) : strcspn(path, "/");
        if (!segment_matches(pattern, n, path, m))
            return false;
        pattern += n;
        path += m;
    }
    return *pattern == *path;
}

/* The path must match the pattern. */
static void take_params(const char *pattern, const char *path, struct route_match *ret)
{
    size_t count = 0;

    while (*pattern) {
        size_t n = strcspn(++pattern, "/"), m;

        path++;
        m = is_rest(pattern, n) ? strlen(path) : strcspn(path, "/");

        if (pattern[0] == '{' && count < ROUTE_MAX_PARAMS)
            ret->params[count++] = xstrndup(path, m);
        pattern += n;
        path += m;
    }
}

/* A trailing slash names the same resource, as in the API we are compatible with. */
static char *trim_slash(const char *path)
{
    size_t n = strlen(path);

    return xstrndup(path, n > 1 && path[n - 1] == '/' ? n - 1 : n);
}

void route_find(const char *method, const char *path, struct route_match *ret)
{
    *ret = (struct route_match){0};

    _cleanup_free_ char *trimmed = trim_slash(path);

    if (str_eq(method, "HEAD"))
        method = "GET";

    for (size_t i = 0; i < n_routes; i++) {
        if (!path_matches(routes[i].pattern, trimmed))
            continue;
        if (!str_eq(routes[i].method, method)) {
            ret->is_other_method = true;
            continue;
        }
        ret->route = &routes[i];
        ret->is_other_method = false;
        take_params(routes[i].pattern, trimmed, ret);
        return;
    }
}

const char *route_find_rest(const struct route *route, const char *path)
{
    if (!str_ends_with(route->pattern, "...}"))
        return NULL;
    for (const char *p = route->pattern; *p; p++) {
        if (*p == '/')
            path = strchr(path, '/') + 1; /* the path matches the pattern */
    }
    return path;
}

char *route_methods(const char *path)
{
    _cleanup_free_ char *trimmed = trim_slash(path);
    struct buf list = BUF_INIT(METHODS_MAX);

    for (size_t i = 0; i < n_routes; i++) {
        const char *method = routes[i].method;

        if (!path_matches(routes[i].pattern, trimmed))
            continue;
        if (strstr(buf_str(&list), method))
            continue; /* another pattern of the same path */
        (void)buf_printf(&list, "%s%s%s", list.size ? ", " : "", method,
                         str_eq(method, "GET") ? ", HEAD" : "");
    }
    return list.data ? list.data : xstrdup("");
}

void route_match_done(struct route_match *m)
{
    for (size_t i = 0; i < ROUTE_MAX_PARAMS; i++)
        free(TAKE_PTR(m->params[i]));
}
