#pragma once

/*
 * Client of one Docker Engine, over a unix socket, TCP or TLS. It converts failures of the engine
 * and of the connection to errno values and texts for humans.
 *
 * API version: the client negotiates it (1.41 to 1.55) with GET /version before the first call, and
 * again after the engine could not be reached or has refused the version: an engine may be
 * exchanged for another one behind a socket that stays open. Calls wait during the negotiation, and
 * one that was refused for its version is sent once more:
 *
 *   UNKNOWN -first call-> NEGOTIATING -answer-> READY -not reachable, or refused-> UNKNOWN
 *                              '-failure-> UNKNOWN; the waiting calls fail
 *
 * A call (struct engine_call) is one request:
 *
 *   WAITING -version known-> RUNNING -response complete, failure or deadline-> DONE
 *
 *   ordinary call   the response is collected, up to max_body, and passed to `done`
 *   stream          `on_data` receives the body while it arrives; `done` follows at its end.
 *                   engine_call_pause() applies back-pressure
 *   hijack          the connection becomes a byte stream (exec, attach); see net/hijack.h
 *
 * Ownership: a call belongs to the client, and the caller only borrows the pointer. It ends with
 * exactly one `done`, never before engine_call_start() has returned, and is freed when `done`
 * returns: the caller then drops its pointer. engine_call_cancel() frees the call at once, and
 * `done` is not called; inside `done` it has no effect. The reply is valid during `done` only.
 * engine_free() requires that no call is left.
 *
 * Paths contain only text that was checked by str_is_container_ref() and the like, or encoded by
 * engine_query_escape().
 */

#include "base/error.h"
#include "net/hijack.h"
#include "net/http_client.h"
#include "net/loop.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_API_MIN 41 /* 1.41, Docker 20.10 */
#define ENGINE_API_MAX 55 /* Docker 29.6 */

#define ENGINE_DEFAULT_TIMEOUT_MS 30000
#define ENGINE_DEFAULT_MAX_BODY   ((size_t)4 << 20)

struct engine;
struct engine_call;

struct engine_options {
    struct loop *loop;   /* outlives the engine */
    const char *address; /* "unix:///path", "tcp://host:port", ...; copied */
    /* For TLS on tcp://; NULL: no TLS. Outlives the engine. */
    struct tls_trust *trust;
    uint64_t timeout_ms; /* default of ordinary calls; 0: ENGINE_DEFAULT_TIMEOUT_MS */
    unsigned api_minor;  /* the only version to use; 0: the newest that both know */
};

int engine_new(struct engine **ret, const struct engine_options *o, struct error *err) _nodiscard_;
void engine_free(struct engine *engine); /* all its calls must be finished or cancelled */
DEFINE_CLEANUP(struct engine *, engine_free);

struct loop *engine_loop(const struct engine *engine);
const char *engine_address(const struct engine *engine); /* as given to engine_new() */
unsigned engine_api_minor(const struct engine *engine);  /* 0 until it is known */
bool engine_is_podman(const struct engine *engine);      /* false until it is known */
/* Grows with each negotiation, so an engine that was away since has another number. */
unsigned engine_generation(const struct engine *engine);

struct engine_reply {
    /*
     * 0 for 1xx, 2xx and 304; else -ENOENT (404), -EBUSY (409), -EINVAL (other 4xx), -EACCES (401,
     * 403), -EREMOTEIO (5xx), or a failure of the connection: -ENOTCONN (not reachable),
     * -ETIMEDOUT, -EMSGSIZE, -EPROTO (invalid response), -ECONNRESET; -EPROTONOSUPPORT: there is no
     * API version that both know.
     */
    int code;
    int status;          /* HTTP status, 0 without an answer */
    const char *message; /* for humans if code < 0; the text of the engine if there is one */
    const char *body;    /* NUL-terminated, never NULL; "" for streams */
    size_t size;
    const char *content_type; /* never NULL */
    const char *wanted;       /* value of engine_request.wanted, or NULL */
    /* With wants_json and code 0 the parsed body, else NULL; use json_incref() to keep it. */
    const json_t *json;
};

typedef void (*engine_done_fn)(void *owner, const struct engine_reply *reply);

struct engine_request {
    const char *method; /* NULL: GET */
    const char *path;   /* with query, without version prefix: "/containers/json?all=1" */
    const char *body;   /* JSON text or NULL; copied */
    /* Header X-Registry-Auth: a secret, which is copied and never logged; NULL: none. */
    const char *registry_auth;
    unsigned max_api_minor; /* sent through this API version if the engine's is newer; 0: none */
    /*
     * Ordinary calls: limit of the whole call; 0: the default of the engine. Streams: limit of the
     * time to the first byte and of each silence; 0: none.
     */
    uint64_t timeout_ms;
    size_t max_body;              /* 0: ENGINE_DEFAULT_MAX_BODY */
    bool wants_json;              /* parse the body; -EPROTO: it is invalid */
    http_data_fn on_data;         /* set: a stream; `done` follows at its end */
    void (*on_open)(void *owner); /* of a stream, optional: the engine has accepted it */
    /*
     * Not 0: an upload, whose body is written by engine_call_write(), at most so many bytes ahead
     * of the engine. timeout_ms limits how long the engine may leave it unread or unanswered.
     */
    size_t max_upload;
    const char *content_type;      /* of an upload; a literal */
    void (*on_drain)(void *owner); /* of an upload, optional: the engine has all that was written */
    const char *wanted;            /* the name of one more response header; a literal, or NULL */
    engine_done_fn done;
    void *owner;
};

int engine_call_start(struct engine_call **ret,
                      struct engine *engine,
                      const struct engine_request *request,
                      struct error *err) _nodiscard_;
void engine_call_cancel(struct engine_call *call);
void engine_call_pause(struct engine_call *call, bool is_paused); /* streams: back-pressure */
DEFINE_CLEANUP(struct engine_call *, engine_call_cancel);

/* Uploads: as http_call_write() and its neighbours; allowed from engine_call_start() on. */
int engine_call_write(struct engine_call *call, const void *data, size_t size) _nodiscard_;
int engine_call_end_upload(struct engine_call *call) _nodiscard_;
size_t engine_call_queued(const struct engine_call *call);

/*
 * Starts a hijacked connection (exec start, attach). The options are those of hijack_start(), but
 * the client sets `address`, and `path` has no version prefix.
 */
int engine_hijack_start(struct hijack **ret,
                        struct engine *engine,
                        const struct hijack_options *o,
                        struct error *err) _nodiscard_;

/* Returns percent-encoded text for a query, to be freed. */
char *engine_query_escape(const char *s);

/*
 * Fills `ret` with the engine's {"message": "..."}, or a text for its status. That of a
 * refusal by a proxy or an authorization plugin names it and the request. Engines always have a
 * message: a refusal without one is that of a proxy in between, such as those that filter a socket.
 * `path` may have a query.
 */
void engine_describe_refusal(const struct http_result *result,
                             const char *method,
                             const char *path,
                             struct error *ret);

/* The errno of an HTTP status, as in engine_reply.code. */
int engine_status_code(int status);
