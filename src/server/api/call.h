#pragma once

/*
 * One API request until its response: its parameters, its authenticated caller, and the one answer.
 * A handler gets the call after the checks of authentication, role and scope. It ends the call with
 * exactly one api_reply*() or api_fail*(), at once or later; these free the call. If the client has
 * disconnected, the response is dropped.
 */

#include "base/bucket.h"
#include "base/error.h"
#include "base/list.h"
#include "proto/error_code.h"
#include "server/api/api.h"
#include "server/api/route.h"
#include "server/auth/credentials.h"
#include <jansson.h>

struct api {
    struct api_options o;
    struct bulk *bulk;
    struct list waiting_changes; /* change.c: that wait to ask for a list */
    struct list turns;           /* turn.c */
    struct http_server *http;
    struct downloads *downloads;
    size_t n_log_viewers; /* http_log_viewer.c */
    size_t n_exports;     /* audit_export.c */
    struct rate_limits *rate_limits;
    struct bucket unauthenticated; /* audit.c: limits the rows of refused calls */
    unsigned n_unrecorded;
};

struct api_call {
    struct api *api;
    uint64_t request_id;
    struct route_match match;
    struct identity who;
    char *query; /* not decoded */
    char *body;
    size_t body_size;
    char *peer;
    char *host; /* the header Host, or NULL */
    struct credentials *credentials;
    bool is_tls;
    bool is_forwarded;   /* by a trusted proxy */
    bool is_local;       /* of a program on this machine, as far as known not a proxy */
    bool is_head;        /* HEAD: the answer has no body */
    bool accepts_events; /* Accept: text/event-stream */
    bool accepts_csv;    /* Accept: text/csv */
    bool accepts_gzip;   /* Accept-Encoding: gzip */
    char *last_event_id; /* the last event that the client has received, or NULL */
    json_t *json;        /* the parsed body, after api_body() */
    char *target;        /* the object of the action, for the audit log; or NULL */
    bool is_logged;      /* the failure was already logged where it happened */
};

/* Returns the n-th path parameter. */
const char *api_param(const struct api_call *call, size_t n);
/* Returns a decoded query parameter, to be freed, or NULL when it is absent. */
char *api_query(const struct api_call *call, const char *name);

/* Query parameters: the fallback when absent; -EDOM with a message that names the parameter and its
 * valid values. */
struct api_number {
    const char *name;
    uint64_t fallback, min, max;
};
int api_query_u64(const struct api_call *call,
                  const struct api_number *number,
                  uint64_t *ret,
                  struct error *err) _nodiscard_;
/* Accepts "true" and "false"; the fallback applies when the parameter is absent. */
int api_query_bool(const struct api_call *call,
                   const char *name,
                   bool fallback,
                   bool *ret,
                   struct error *err) _nodiscard_;
/* Parses RFC 3339 or unix seconds; *ret is 0 when the parameter is absent. */
int api_query_time(const struct api_call *call,
                   const char *name,
                   int64_t *ret_ms,
                   struct error *err) _nodiscard_;

/* Parses the body as a JSON object; an empty body is an empty object. The result belongs to the
 * call. */
int api_body(struct api_call *call, const json_t **ret, struct error *err) _nodiscard_;
/* Members of the body. -EDOM names a member that is missing, of the wrong type or longer than max
 * bytes. */
int api_body_string(const json_t *body,
                    const char *name,
                    size_t max,
                    const char **ret,
                    struct error *err) _nodiscard_;
/* The same for a member that may be missing or null: *ret is NULL then. */
int api_body_optional_string(const json_t *body,
                             const char *name,
                             size_t max,
                             const char **ret,
                             struct error *err) _nodiscard_;
/* The fallback is used for a member that is absent or null. */
int api_body_bool(const json_t *body, const char *name, bool fallback, bool *ret, struct error *err)
    _nodiscard_;

void api_reply(struct api_call *call, int status, json_t *body /* takes ownership */);
/* Answers with JSON and additional headers: names and values in turn, NULL at the end. */
void api_reply_headers(struct api_call *call,
                       int status,
                       json_t *body /* takes ownership */,
                       const char *const *headers);
/* Answers with text that already is JSON; the text is copied. */
void api_reply_text(struct api_call *call, int status, const char *text, size_t size);
/* Answers 200 with another content type than JSON; the text is copied. */
void api_reply_as(struct api_call *call, const char *content_type, const char *text, size_t size);
/* Answers with this response; its body is copied. */
void api_respond(struct api_call *call, const struct http_response *response);
/* Answers with a stream, under the call's request id. Returns false when the client has
 * disconnected. */
bool api_reply_stream(struct api_call *call, const struct http_stream *stream);
/*
 * Answers with {"detail": ..., "code": ...} and the HTTP status of the code (proto/error_code.h).
 * An errno has a general code; a struct error brings its own code and text.
 */
void api_fail(struct api_call *call, int error, const char *fmt, ...) _printf_(3, 4);
void api_fail_code(struct api_call *call, enum error_code code, const char *fmt, ...)
    _printf_(3, 4);
void api_fail_error(struct api_call *call, const struct error *err);
/* Answers with the default text of the code. */
void api_fail_default(struct api_call *call, enum error_code code);
/* Returns the body of a failure, for responses with additional members. */
json_t *api_error_json(enum error_code code, const char *detail) _nodiscard_;
/* Answers with a status that the engine has chosen. */
void api_fail_as(struct api_call *call, int status, enum error_code code, const char *fmt, ...)
    _printf_(4, 5);

/* Failures that several handlers have, so that they are worded once. */
void api_fail_no_host(struct api_call *call, const char *ref);
void api_fail_no_agent(struct api_call *call, const char *ref);
void api_fail_deleted_host(struct api_call *call); /* deleted while the call was waiting */
/* Path parameter 1 matches no container (-ENOENT) or several (-EEXIST). */
void api_fail_container(struct api_call *call, const struct fleet_host *h, int error);

/*
 * Replaces path parameter 0 by the id of the host if it names a host that the caller may see:
 * scope_find_host(). False after answering the call with 409: several match. A host that does not
 * exist is left to the checks that follow.
 */
bool api_resolve_host(struct api_call *call);
/* Returns a query parameter in the same way, to be freed: the id if there is such a host, else the
 * text; NULL when it is absent. */
char *api_query_host(const struct api_call *call, const char *name);

/* Returns the host of path parameter n, or NULL after answering the call with 404. */
struct fleet_host *api_host(struct api_call *call, size_t n);
/*
 * Returns the container of path parameters 0 and 1, also on a host that is offline, and stores the
 * host in *ret; NULL after answering the call.
 */
struct fleet_container *api_container(struct api_call *call, struct fleet_host **ret);
