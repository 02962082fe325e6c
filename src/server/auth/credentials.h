#pragma once

/*
 * The credentials of a request: session cookie or API key. They are copied, and erased when freed.
 */

#include "net/http_server.h"
#include "server/auth/auth.h"

#define CREDENTIALS_MAX_COOKIES 3
#define CREDENTIALS_COOKIE      "session_id"
#define CREDENTIALS_SAFE_COOKIE "__Host-" CREDENTIALS_COOKIE /* for TLS and Path=/ only */

struct credentials {
    char *session_id; /* or NULL; after credentials_check() the one that is valid */
    /* Further cookies, not tried yet, the next one last: other services of the same host name can
     * plant them, and which one comes first is up to them. */
    char *others[CREDENTIALS_MAX_COOKIES];
    size_t n_others;
    char *bearer;  /* or NULL; takes precedence over the cookie */
    char *peer;    /* address of the client */
    char *request; /* "METHOD PATH" */

    /* Of credentials_check(). */
    struct auth *auth;
    auth_identity_fn done;
    void *owner;
};

/* Whether a header Authorization has a bearer token. */
bool credentials_are_bearer(const char *authorization);
/* Copies the credentials from the headers Cookie and Authorization. */
struct credentials *credentials_new(const struct http_request *r);
/* The result borrows from `c`. */
static inline struct auth_proof credentials_proof(const struct credentials *c)
{
    return (struct auth_proof){
        .session_id = c->session_id, .bearer = c->bearer, .peer = c->peer, .request = c->request};
}
void credentials_free(struct credentials *c); /* NULL is fine */
/* auth_check() with each of the session cookies until one is valid. The credentials must not be freed
 * before `done` is called. */
void credentials_check(struct credentials *c,
                       struct auth *auth,
                       auth_identity_fn done,
                       void *owner);
