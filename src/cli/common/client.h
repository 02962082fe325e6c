#pragma once

/*
 * The REST API as the verbs see it: functions that return when the answer is there.
 *
 * A client owns an event loop and the credentials of one server. client_run() starts the requests
 * of an array, a few at a time, and runs the loop until each of them has an answer or an error; it
 * is how a verb asks many hosts side by side. client_get() and client_send() are the same for one
 * request. Nothing else happens in the loop meanwhile, so a verb reads from top to bottom.
 *
 * Verbs that stay connected (logs -f, exec, stats) use the loop themselves: they open a WebSocket
 * with client_dial() and call loop_run(client_loop()). Neither client_run() nor client_close() may
 * be called from a callback of that loop.
 *
 * Ownership: the caller owns the array of requests, each request owns its path, body and answer
 * until client_request_done(). A config may be freed after client_open(). The client outlives its
 * WebSockets.
 *
 * Errors are sentences for the user that say what happened and what to do: of the connection they
 * are made in client.c, of a refusal in api_error.c.
 */

#include "base/error.h"
#include "cli/common/config.h"
#include "net/ws.h"
#include <jansson.h>
#include <stdint.h>

#define CLIENT_MAX_BODY (UINT64_C(64) << 20)

struct client;

struct client_request {
    const char *method;
    char *path;   /* owned */
    json_t *body; /* owned; NULL: none */

    /* The answer. */
    int code;      /* 0 for a 2xx status, else negative errno */
    json_t *json;  /* owned; NULL when code < 0 */
    char *error;   /* owned; a sentence for the user when code < 0 */
    char *session; /* owned; the session id that the server set, or NULL */
};

/* Copies what it needs from `config`. Connects only when a request is made. */
int client_open(struct client **ret, const struct config *config, struct error *err) _nodiscard_;
/* Opens with the user's configuration. Prints what is wrong and returns NULL on failure. */
struct client *client_open_configured(void);
void client_close(struct client *c);
DEFINE_CLEANUP(struct client *, client_close);

/* The limit for each later request. The default of 12 minutes is for stopping a container. */
void client_set_timeout(struct client *c, uint64_t timeout_ms);

/* Returns when each of the requests has `code` set. They are started in order, 16 at a time. */
void client_run(struct client *c, struct client_request *requests, size_t n);
/* Releases what the request owns. */
void client_request_done(struct client_request *r);

/* One GET; *ret is the caller's. Takes ownership of `path`. */
int client_get(struct client *c, char *path, json_t **ret, struct error *err) _nodiscard_;
/* One request with a body. Takes ownership of `path` and `body`. `ret` may be NULL. */
int client_send(
    struct client *c, const char *method, char *path, json_t *body, json_t **ret, struct error *err)
    _nodiscard_;

/* The client's event loop, for verbs that stay connected. */
struct loop *client_loop(const struct client *c);
/* A WebSocket at `path`, as the same user. */
int client_dial(struct client *c,
                const char *path,
                const struct ws_dial *dial, /* url and headers are filled in here */
                struct ws **ret,
                struct error *err) _nodiscard_;
/* Why such a WebSocket was closed, and what to do about it; to be freed. */
char *client_explain_close(const struct client *c, const struct ws_close *why);

/* The fingerprint of the server's key if the last connection failed because of it, else "". */
const char *client_refused_key(const struct client *c);
