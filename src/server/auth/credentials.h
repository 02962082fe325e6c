#pragma once

/*
 * What a request carries to prove who sends it: session cookie or API key. Copied, and wiped when freed.
 */

#include "net/http_server.h"
#include "server/auth/auth.h"

struct credentials {
    char *session_id; /* or NULL */
    char *bearer;     /* or NULL; wins over the cookie */
    char *peer;       /* address that the request comes from */
    char *request;    /* "METHOD PATH" */
};

struct credentials *credentials_new(const struct http_request *r);
/* Borrowed from `c`. */
static inline struct auth_proof credentials_proof(const struct credentials *c)
{
    return (struct auth_proof){
        .session_id = c->session_id, .bearer = c->bearer, .peer = c->peer, .request = c->request};
}
void credentials_free(struct credentials *c); /* NULL is fine */

/*
 * A browser says which site a request comes from. One from another site must not use the cookie that the
 * browser adds by itself (cross-site request forgery, cross-site WebSocket hijacking).
 */
bool credentials_is_foreign_origin(const struct http_request *r);
