#pragma once

/*
 * How this agent authenticates: the permanent token if it has one, else the registration token; the
 * latter also once after the permanent one was refused. It remembers which fields the server does not
 * know. Tokens are wiped when they go.
 */

#include "agent/config/config.h"
#include "agent/join/auth_reply.h"

#define CREDENTIALS_MAX_DROPPED 8

struct credentials {
    const struct config *config;
    char *permanent;         /* NULL: none yet */
    bool tries_registration; /* the permanent one was refused */
    struct strings dropped;  /* fields left out of register */
};

/* -ENOENT when there is no token at all. */
int credentials_init(struct credentials *c, const struct config *config, struct error *err)
    _nodiscard_;
void credentials_done(struct credentials *c);

const char *credentials_token(const struct credentials *c); /* for the next attempt; never NULL */
void credentials_attempt(const struct credentials *c, struct auth_attempt *ret);

/* Draws the consequences of a reply to that attempt for the next one. */
void credentials_apply(struct credentials *c, const struct auth_reply *reply);

/* A token the server issued: used from now on, and written to the token file if it is new. */
int credentials_keep(struct credentials *c, const char *token, struct error *err) _nodiscard_;

/*
 * One that replaces the present one: written first and used then, so that whichever the file holds is one that the
 * server takes. After a failure the present one stays. -EBUSY: it is fixed by PERMANENT_TOKEN.
 */
int credentials_rotate(struct credentials *c, const char *token, struct error *err) _nodiscard_;

/* The server may be another one by now. */
void credentials_forget_dropped(struct credentials *c);
