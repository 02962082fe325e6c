#pragma once

/*
 * The REST API as the verbs see it: a batch of requests that run side by side and are all answered when
 * client_run() returns. Errors come in words that say what happened and what to do.
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
    json_t *body; /* owned; NULL none */

    /* The answer. */
    int code;      /* 0 for a 2xx status, else negative errno */
    int status;    /* HTTP status, 0 if none came */
    json_t *json;  /* owned; NULL when code < 0 */
    char *error;   /* owned; for humans when code < 0 */
    char *session; /* owned; session id that the server set, or NULL */
};

int client_open(struct client **ret, const struct config *config, struct error *err) _nodiscard_;
/* Fingerprint of the server's key when the last connection failed because of it, otherwise "". */
const char *client_refused_key(const struct client *c);
void client_close(struct client *c);
DEFINE_CLEANUP(struct client *, client_close);

/* How long each request may take from now on; 12 minutes else, because stopping a container may. */
void client_set_timeout(struct client *c, uint64_t timeout_ms);

/* Runs all of them, a few at a time. */
void client_run(struct client *c, struct client_request *requests, size_t n);
void client_request_done(struct client_request *r);

/* One GET; *ret is the caller's. `path` is taken. */
int client_get(struct client *c, char *path, json_t **ret, struct error *err) _nodiscard_;
/* One request with a body, which is taken like `path`. `ret` may be NULL. */
int client_send(
    struct client *c, const char *method, char *path, json_t *body, json_t **ret, struct error *err)
    _nodiscard_;

/* For what is no request: the loop, and a WebSocket at `path` as the same user. */
struct loop *client_loop(const struct client *c);
int client_dial(struct client *c,
                const char *path,
                const struct ws_dial *dial, /* url and headers are ours to fill */
                struct ws **ret,
                struct error *err) _nodiscard_;
/* Why such a WebSocket has ended, and what to do about it; to be freed. */
char *client_explain_close(const struct client *c, const struct ws_close *why);

/* Opens with the user's configuration. Prints what is wrong and returns NULL on failure. */
struct client *client_open_configured(void);
