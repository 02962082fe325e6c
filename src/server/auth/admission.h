#pragma once

/*
 * Lets a WebSocket in: finds out whose it is, reads nothing of it until that is known, and watches that what let it in
 * stays true (auth/watch.h). One per socket, made when that is accepted; lives on the loop.
 */

#include "net/ws.h"
#include "server/auth/auth.h"
#include "server/auth/credentials.h"

#define WS_CLOSE_FORBIDDEN 4003

struct admission;

/* The owner may be closing already, for another reason. */
struct admission_handler {
    /* Once at most; the socket counts as trusted and is read from now on. What `who` may do is the owner's to decide. */
    void (*admitted)(void *owner, const struct identity *who);
    /*
     * Once at most, before or after: to close the socket with this code. `who` is NULL when that is not known, or when
     * it has been told.
     */
    void (*refused)(void *owner, const struct identity *who, unsigned code, const char *why);
};

/* Takes the credentials. The handler may be called before it returns, when *ret is set. */
void admission_start(struct admission **ret,
                     struct auth *auth,
                     struct ws *ws,
                     struct credentials *credentials,
                     const struct admission_handler *handler,
                     void *owner);
/* The handler is not called any more. NULL is fine. The queues of the auth end before the auth does. */
void admission_cancel(struct admission *a);
