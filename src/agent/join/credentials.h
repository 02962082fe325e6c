#pragma once

/*
 * The credentials of this agent: the permanent token if it has one, else the registration token.
 * The latter is also tried once after each refusal of the permanent one. They include the fields of
 * `register` that the server does not know. Tokens are wiped before they are freed.
 */

#include "agent/config/config.h"
#include "agent/join/auth_reply.h"

#define CREDENTIALS_MAX_DROPPED 8

struct credentials {
    const struct config *config;
    char *permanent;         /* NULL: none yet */
    bool tries_registration; /* the permanent token was refused */
    struct strings dropped;  /* fields left out of register */
};

/* -ENOENT: there is no token; other errors are those of token_load(). */
int credentials_init(struct credentials *c, const struct config *config, struct error *err)
    _nodiscard_;
void credentials_done(struct credentials *c);

const char *credentials_token(const struct credentials *c); /* of the next attempt; never NULL */
void credentials_attempt(const struct credentials *c, struct auth_attempt *ret);

/* Updates the parameters of the next attempt by the reply to the last one. */
void credentials_apply(struct credentials *c, const struct auth_reply *reply);

/* Uses a token that the server issued, and writes it to the token file if it is new. */
int credentials_keep(struct credentials *c, const char *token, struct error *err) _nodiscard_;

/*
 * Replaces the token: the new one is written first and used afterwards, so that the server accepts
 * the token in the file at any time. After a failure the old token stays. -EBUSY: the token is set
 * by PERMANENT_TOKEN.
 */
int credentials_rotate(struct credentials *c, const char *token, struct error *err) _nodiscard_;

/* Call it after a session: the next server may know the fields. */
void credentials_forget_dropped(struct credentials *c);
