#include "server/auth/credentials.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/store/secret.h"

#include <string.h>
#include <strings.h>

#define MAX_PATH 200 /* bytes of a path in the audit log */
#define BEARER   "Bearer "

bool credentials_are_bearer(const char *authorization)
{
    return strncasecmp(authorization, BEARER, strlen(BEARER)) == 0;
}

/* Other services of the host name cannot plant a cookie with the prefix "__Host-". */
static void read_cookies(struct credentials *c, const struct http_request *r)
{
    static const char *const names[] = {CREDENTIALS_SAFE_COOKIE, CREDENTIALS_COOKIE};
    char *found[CREDENTIALS_MAX_COOKIES + 1], *value;
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        for (size_t j = 0; n < ARRAY_LEN(found) && (value = http_request_cookie_at(r, names[i], j));
             j++)
            found[n++] = value;
    }
    if (n > 0)
        c->session_id = found[0];
    while (n > 1)
        c->others[c->n_others++] = found[--n];
}

struct credentials *credentials_new(const struct http_request *r)
{
    const char *authorization = http_request_header(r, "authorization");
    struct credentials *c = xcalloc(1, sizeof(*c));

    read_cookies(c, r);
    if (authorization && credentials_are_bearer(authorization))
        c->bearer = xstrdup(authorization + strlen(BEARER));
    c->peer = xstrdup(r->peer);
    c->request = xasprintf("%s %.*s", r->method, STR_CUT(r->path, MAX_PATH));
    return c;
}

void credentials_free(struct credentials *c)
{
    if (!c)
        return;
    secret_free(c->session_id);
    for (size_t i = 0; i < c->n_others; i++)
        secret_free(c->others[i]);
    secret_free(c->bearer);
    free(c->peer);
    free(c->request);
    free(c);
}
