#pragma once

/*
 * Interprets the server's answer to `register`. The functions are pure decisions without state:
 * credentials.c keeps the consequences, and link.c acts on the verdict.
 */

#include "proto/auth.h"
#include <stdbool.h>

enum auth_verdict {
    AUTH_ACCEPTED,
    AUTH_DROP_FIELD, /* try again at once without newer fields: this server does not know `field` */
    AUTH_USE_PRESENT_ENGINE, /* kept engine id refused: try the engine's present one at once */
    AUTH_USE_OTHER_TOKEN,    /* permanent token refused: try the other one at once */
    AUTH_USE_REGISTRATION,   /* permanent token refused: try the registration token at once */
    AUTH_REFUSED,            /* only the administrator can resolve it: the slowest retry */
    AUTH_FAILED, /* invalid answer or temporary error of the server: retry with backoff */
};

/* The parameters of the attempt that the server answered. */
struct auth_attempt {
    bool with_permanent;           /* the permanent token was sent */
    bool has_other_token;          /* there is another permanent token that was not tried yet */
    bool has_registration;         /* there is a registration token */
    bool is_other_engine;          /* the engine id that was sent is not the engine's present one */
    bool force_unique;             /* FORCE_UNIQUE_REGISTRATION */
    const char *hostname;          /* that was sent; NULL: unknown */
    const struct strings *dropped; /* fields that were left out */
};

struct auth_reply {
    enum auth_verdict verdict;
    struct msg_auth_success success; /* AUTH_ACCEPTED */
    char *field;                     /* AUTH_DROP_FIELD */
    char *reason;                    /* for the log, with advice; NULL for AUTH_ACCEPTED */
};

/*
 * `text` is the first message the server sent. Fills *ret, to be released with auth_reply_done().
 */
void auth_reply_judge(const struct auth_attempt *attempt,
                      const char *text,
                      size_t size,
                      struct auth_reply *ret);
void auth_reply_done(struct auth_reply *r);
