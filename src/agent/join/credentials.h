#pragma once

/*
 * The credentials of this agent: the permanent token if it has one, else the registration token.
 * The latter is also tried once after each refusal of the permanent one. With PERMANENT_TOKEN set
 * there may be two permanent tokens, because a server has issued a newer one in exchange: the set
 * one is tried first, and then the one in the file. The credentials include the engine id of the
 * registration (kept_engine.h) and the fields of `register` that the server does not know, which
 * are omitted together (kept_era.h). Tokens are wiped before they are freed.
 */

#include "agent/config/config.h"
#include "agent/join/auth_reply.h"
#include "agent/join/kept_engine.h"
#include "agent/join/kept_era.h"

#define CREDENTIALS_MAX_DROPPED 8

struct credentials {
    const struct config *config;
    char *permanent;         /* NULL: none yet */
    char *other;             /* a second permanent token, or NULL */
    bool tries_other;        /* the first one was refused, and they were exchanged */
    bool tries_registration; /* the permanent tokens were refused */
    bool is_unsaved;         /* `permanent` is not in the file, as it could not be written */
    struct kept_engine engine;
    struct kept_era era;
    struct strings dropped; /* fields left out of register */
};

/* -ENOENT: there is no token; other errors are those of token_load(). */
int credentials_init(struct credentials *c, const struct config *config, struct error *err)
    _nodiscard_;
void credentials_done(struct credentials *c);

const char *credentials_token(const struct credentials *c); /* of the next attempt; never NULL */
/*
 * The engine id for the next attempt; `present` is the engine's own. Valid until the next call.
 */
const char *credentials_engine_id(struct credentials *c, const char *present);
void credentials_attempt(const struct credentials *c, struct auth_attempt *ret);

/* Updates the parameters of the next attempt by the reply to the last one. */
void credentials_apply(struct credentials *c, const struct auth_reply *reply);

/*
 * Call it after AUTH_ACCEPTED. Uses a token that the server issued (NULL: none) and stores what is
 * new: the engine id and the token. After a failed write both are used nevertheless, and
 * credentials_save() tries again.
 */
int credentials_keep(struct credentials *c, const char *token, struct error *err) _nodiscard_;
/* Writes what could not be stored before; does nothing if there is nothing. */
int credentials_save(struct credentials *c, struct error *err) _nodiscard_;

/*
 * Replaces the token: the new one is written first and used afterwards, so that the server accepts
 * the token in the file at any time. After a failure the old token stays. -EBUSY: the token in
 * use is the one in PERMANENT_TOKEN.
 */
int credentials_rotate(struct credentials *c, const char *token, struct error *err) _nodiscard_;

/* Call it after a session: after a day the server may know the fields that it refused. */
void credentials_review_dropped(struct credentials *c);
