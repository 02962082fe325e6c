#pragma once

/*
 * Client of one Docker Engine. It negotiates the API version (1.41 to 1.52) before the first call and
 * again after the engine could not be reached, and turns the engine's answers into errno and text.
 *
 * A call is an engine_call: it has a deadline, ends with exactly one `done`, never before
 * engine_call_start() returned, and is gone afterwards. engine_call_cancel() before that means `done`
 * never runs; inside `done` it is harmless. Callers put only text checked by str_is_container_ref() or
 * engine_query_escape() into a path.
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
#define ENGINE_API_MAX 52

#define ENGINE_DEFAULT_TIMEOUT_MS 30000
#define ENGINE_DEFAULT_MAX_BODY   ((size_t)4 << 20)

struct engine;
struct engine_call;

struct engine_options {
    struct loop *loop;   /* outlives the engine */
    const char *address; /* "unix:///path", "tcp://host:port", ...; copied */
    struct tls_trust
        *trust; /* speak TLS on tcp:// and believe this; NULL: plain. Outlives the engine */
    uint64_t timeout_ms; /* of ordinary calls that name none; 0: ENGINE_DEFAULT_TIMEOUT_MS */
};

int engine_new(struct engine **ret, const struct engine_options *o, struct error *err) _nodiscard_;
void engine_free(struct engine *engine); /* all its calls must be finished or cancelled */
DEFINE_CLEANUP(struct engine *, engine_free);

struct loop *engine_loop(const struct engine *engine);
unsigned engine_api_minor(const struct engine *engine); /* 0 until it is known */

struct engine_reply {
    /* 0 for 1xx, 2xx and 304; else -ENOENT (404), -EBUSY (409), -EINVAL (other 4xx), -EACCES (401, 403),
     * -EREMOTEIO (5xx), or a transport failure: -ENOTCONN (not reachable), -ETIMEDOUT, -EMSGSIZE,
     * -EPROTO (nonsense), -ECONNRESET. */
    int code;
    int status;          /* HTTP status, 0 without an answer */
    const char *message; /* for humans when code < 0; the engine's own words when it gave some */
    const char *body;    /* NUL-terminated, never NULL; "" for streams */
    size_t size;
    const char *content_type; /* never NULL */
    const json_t
        *json; /* with wants_json and code 0: the parsed body, else NULL; json_incref to keep */
};

typedef void (*engine_done_fn)(void *owner, const struct engine_reply *reply);

struct engine_request {
    const char *method; /* NULL: GET */
    const char *path;   /* with query, without version prefix: "/containers/json?all=1" */
    const char *body;   /* JSON text or NULL; copied */
    /*
     * whole call; streams: time to the first byte of the answer and longest silence, 0 for none;
     * ordinary calls: 0 selects that of the engine
     */
    uint64_t timeout_ms;
    size_t max_body;      /* 0: ENGINE_DEFAULT_MAX_BODY */
    bool wants_json;      /* parse the body; an unparsable one is -EPROTO */
    http_data_fn on_data; /* set: streaming; `done` comes at its end */
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

/* A hijacked connection (exec start, attach): options as for hijack_start(), but `address` is ours to fill
 * and `path` comes without version prefix. */
int engine_hijack_start(struct hijack **ret,
                        struct engine *engine,
                        const struct hijack_options *o,
                        struct error *err) _nodiscard_;

/* Percent-encodes text for a query value; to be freed. */
char *engine_query_escape(const char *s);

/* "-ENOENT" and friends from an HTTP status as described at engine_reply.code. */
int engine_status_code(int status);
