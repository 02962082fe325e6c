#include "server/auth/credentials.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/store/secret.h"

#include <string.h>
#include <strings.h>

#define MAX_PATH       200 /* bytes of a path in the audit log */
#define SESSION_COOKIE "session_id"
#define BEARER         "Bearer "

bool credentials_are_bearer(const char *authorization)
{
    return strncasecmp(authorization, BEARER, strlen(BEARER)) == 0;
}

struct credentials *credentials_new(const struct http_request *r)
{
    const char *authorization = http_request_header(r, "authorization");
    struct credentials *c = xcalloc(1, sizeof(*c));

    c->session_id = http_request_cookie(r, SESSION_COOKIE);
    while (c->n_others < CREDENTIALS_MAX_COOKIES &&
           (c->others[c->n_others] = http_request_cookie_at(r, SESSION_COOKIE, c->n_others + 1)))
        c->n_others++;
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
