#pragma once

/*
 * What the server's answer to `register` means for this agent. Pure decisions, no state: link.c
 * remembers and acts.
 */

#include "proto/auth.h"
#include <stdbool.h>

enum auth_verdict {
    AUTH_ACCEPTED,
    AUTH_DROP_FIELD,       /* try again at once without `field`, which this server does not know */
    AUTH_USE_REGISTRATION, /* the permanent token is refused: try again at once with the other one */
    AUTH_REFUSED,          /* only a human can mend it: the slowest retry */
    AUTH_NONSENSE, /* not an answer, or the server's own trouble: retry as after any failure */
};

/* How the refused or accepted attempt was made. */
struct auth_attempt {
    bool with_permanent;           /* the permanent token was sent */
    bool has_registration;         /* there is a registration token to try instead */
    bool force_unique;             /* FORCE_UNIQUE_REGISTRATION */
    const struct strings *dropped; /* fields that were left out */
};

struct auth_reply {
    enum auth_verdict verdict;
    struct msg_auth_success success; /* AUTH_ACCEPTED */
    char *field;                     /* AUTH_DROP_FIELD */
    char *reason; /* all but AUTH_ACCEPTED: for the log, with what to do about it */
};

/* `text` is the first message the server sent. Fills *ret, to be released with auth_reply_done(). */
void auth_reply_judge(const struct auth_attempt *attempt,
                      const char *text,
                      size_t size,
                      struct auth_reply *ret);
void auth_reply_done(struct auth_reply *r);
