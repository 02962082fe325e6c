#pragma once

/*
 * Registrations through the real decoder, for the unit tests of registration.h.
 */

#include "server/session/registration.h"

#define NOW INT64_C(1790000000000) /* of all registrations */

/* Registers with a token and extra fields (a JSON object). */
int join(struct db *s,
         const char *token,
         const char *engine_id,
         const char *extra,
         struct registration *ret,
         struct error *err);
void join_ok(struct db *s,
             const char *token,
             const char *engine_id,
             const char *extra,
             struct registration *ret);
/* The registration is refused with a text that contains `why`. */
void join_refused(
    struct db *s, const char *token, const char *engine_id, const char *extra, const char *why);
unsigned count_hosts(struct db *s);
