#pragma once

/*
 * A stream that stays open (a feed, a shell, a followed log) was allowed by an identity that can end or change under
 * it: logout, a new password, a deleted user or key, another role or scope, an expired session. A watch tells when.
 */

#include "server/auth/auth.h"

struct auth_watch;

/*
 * Called once at most, from the loop and never before auth_watch_start() has returned: what was proved then is not
 * true any more. `why` is for the client, who may log in and try again. Within moments of a change made here, within
 * half a minute of what time or another process does.
 */
typedef void (*auth_watch_fn)(void *owner, const char *why);

/* `who` is what auth_check() made of the proof; both are copied. NULL when there is no proof. */
struct auth_watch *auth_watch_start(struct auth *a,
                                    const struct auth_proof *proof,
                                    const struct identity *who,
                                    auth_watch_fn ended,
                                    void *owner);
/* Frees it; NULL is fine. Also from within `ended`, and after auth_free(). */
void auth_watch_cancel(struct auth_watch *w);
DEFINE_CLEANUP(struct auth_watch *, auth_watch_cancel);
