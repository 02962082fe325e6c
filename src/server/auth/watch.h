#pragma once

/*
 * Watches of open streams. A stream that stays open (a feed, a shell, a followed log) was allowed
 * by an identity that can end or change: by logout, a new password, a deleted user or key, another
 * role or scope, or the expiry of the session. A watch reports when that happens.
 */

#include "server/auth/auth.h"

struct auth_watch;

/*
 * Called at most once, on the loop and never before auth_watch_start() has returned: the identity
 * has ended or changed. `why` is for the client, who may log in and try again. A change made
 * through auth is reported immediately, expiry and a change by another process within half a
 * minute.
 */
typedef void (*auth_watch_fn)(void *owner, const char *why);

/* `who` is the identity that auth_check() returned for the proof; both are copied. Returns NULL
 * when there is no proof. */
struct auth_watch *auth_watch_start(struct auth *a,
                                    const struct auth_proof *proof,
                                    const struct identity *who,
                                    auth_watch_fn ended,
                                    void *owner);
/* Frees the watch; NULL is fine. May be called from within `ended`, and after auth_free(). */
void auth_watch_cancel(struct auth_watch *w);
DEFINE_CLEANUP(struct auth_watch *, auth_watch_cancel);
