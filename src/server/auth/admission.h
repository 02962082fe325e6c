#pragma once

/*
 * The admission of one WebSocket: checks the credentials of the upgrade request, reads nothing from
 * the socket until the identity is known, and then watches whether the rights that admitted it
 * still hold (auth/watch.h). Used by ws_client.h. Lives on the loop.
 */

#include "net/ws.h"
#include "server/auth/auth.h"
#include "server/auth/credentials.h"

struct admission;

struct admission_handler {
    /*
     * At most once: the identity is known and the socket is read from now on. Whether the role of
     * `who` suffices is decided by the owner.
     */
    void (*admitted)(void *owner, const struct identity *who);
    /*
     * At most once, in place of `admitted` or when the rights end: the owner closes the socket with
     * this code. `who` is NULL when the identity is unknown, or was reported by `admitted`.
     */
    void (*refused)(void *owner, const struct identity *who, unsigned code, const char *why);
};

/*
 * Takes ownership of the credentials. The handler may be called before it returns; *ret is set
 * then. The handler may call admission_cancel().
 */
void admission_start(struct admission **ret,
                     struct auth *auth,
                     struct ws *ws,
                     struct credentials *credentials,
                     const struct admission_handler *handler,
                     void *owner);
/*
 * The handler is not called any more; a check that is under way goes on without it. NULL is fine.
 */
void admission_cancel(struct admission *a);
