#pragma once

/*
 * The clients of a WebSocket endpoint: accepting, admission, limits, closing and the end of the
 * server are done here once, for the live feed, log viewers, shells and the stats channel of Go
 * agents.
 *
 *     ADMITTING --> ADMITTED --> CLOSING --> gone          any state may end in gone
 *          \------------------------^
 *
 * ADMITTING  the upgrade was answered; credentials are being checked (admission.h) and nothing is
 *            read. With ROLE_NONE in the rules a client passes through it at once
 * ADMITTED   identity and role are fine; messages are delivered
 * CLOSING    a close frame was queued; messages that still come are dropped
 * gone       the socket has closed; the module frees its object
 *
 * A module embeds `struct ws_client` as a member of its own object, and `struct ws_clients` in its
 * list. The object is created before the upgrade is answered and given to ws_clients_accept(),
 * which owns it from then on: `gone` is called exactly once, also when the handshake fails or the
 * list is freed, and it is the only place where the object may be freed. No other function
 * is called after it, and none before `ws` is set.
 *
 * `closing` is called exactly once for every client that was accepted, always before `gone`. There
 * the module ends what it does for the client. The module may call ws_client_close() from any
 * handler function, and more than once: only the first call counts. The client still exists when
 * it returns, because `gone` never runs inside ws_client_close(). The admission is cancelled by
 * the close, so that `admitted` and `refused` are not called behind it.
 *
 * Glossary
 *   upgrade    the HTTP request that becomes a WebSocket
 *   admission  the check of session cookie or API key, and the watch that ends the client when its
 *              rights end
 *   rules      the least role and the limits, from the endpoint's row in api/ws_endpoints.h
 *   open       a client that is not closing; only these count for the maximum
 *   refused    a client whose credentials, role or password state do not suffice
 *   closing    the client is not served any more
 *   gone       the socket has closed, and so does the life of the object
 */

#include "base/list.h"
#include "net/http_server.h"
#include "server/auth/admission.h"

struct ws_client;

struct ws_rules {
    enum role role;          /* the least one; ROLE_NONE: the peer has proven itself already */
    struct ws_limits limits; /* of a message from a client, and of the queue to it */
};

struct ws_client_handler {
    /* Optional. The client is admitted, and its `who` is set (zero with ROLE_NONE). */
    void (*admitted)(struct ws_client *c);
    /*
     * Optional: replaces ws_client_close() with this code and reason, and must close the client.
     * `who` is NULL when the identity is unknown.
     */
    void (*refused)(struct ws_client *c,
                    const struct identity *who,
                    unsigned code,
                    const char *why);
    /* Optional. `reason` is NULL when the socket has closed or is dropped without a close frame. */
    void (*closing)(struct ws_client *c, unsigned code, const char *reason);
    void (*on_message)(struct ws_client *c, const char *data, size_t size, bool is_binary);
    void (*on_drain)(struct ws_client *c); /* optional; the send queue has become empty */
    void (*gone)(struct ws_client *c);     /* frees the object */
};

struct ws_clients {
    const char *name;  /* of one client, in texts: "log viewer" */
    struct auth *auth; /* NULL exactly when the role in the rules is ROLE_NONE */
    size_t max;        /* open clients; 0: no maximum. More are refused with 1013 */
    const struct ws_client_handler *handler;
    struct list list; /* of struct ws_client, those that are closing included */
    size_t n_open;
    bool is_stopping;
};

enum ws_client_state { WS_CLIENT_ADMITTING, WS_CLIENT_ADMITTED, WS_CLIENT_CLOSING };

struct ws_client {
    struct list link;
    struct ws_clients *clients;
    const struct ws_rules *rules;
    enum ws_client_state state;
    struct ws *ws;                   /* NULL until the upgrade is answered */
    struct credentials *credentials; /* until the admission takes them */
    struct admission *admission;
    struct identity who; /* once it is known */
};

/* `o` has name, auth, max and handler; the rest is initialised. */
void ws_clients_init(struct ws_clients *cs, const struct ws_clients *o);
/* Closes all clients with 1001; clients that are accepted later are closed at once. */
void ws_clients_stop(struct ws_clients *cs);
/* Drops the clients that are still there, each with `closing` and `gone`. */
void ws_clients_free_all(struct ws_clients *cs);

/*
 * Fills the accept options of an upgrade request, and takes ownership of the client, a zeroed
 * member of the module's object. The credentials are copied from the request; `rules` must outlive
 * the client.
 */
void ws_clients_accept(struct ws_clients *cs,
                       struct ws_client *c,
                       const struct http_request *r,
                       const struct ws_rules *rules,
                       struct ws_accept *ret);

/* Queues a close frame behind what was sent. The reason is cut to the size of a close frame. */
void ws_client_close(struct ws_client *c, unsigned code, const char *reason);

static inline bool ws_client_is_admitted(const struct ws_client *c)
{
    return c->state == WS_CLIENT_ADMITTED;
}
