#pragma once

/*
 * One API request on its way: what was asked, by whom, and the one answer. A handler receives it when
 * authentication and role are settled and ends it with exactly one api_reply*() or api_fail*(), at once
 * or later; after that the call is gone. If the client has left, the answer goes nowhere.
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
    struct http_server *http;
    size_t n_log_viewers;    /* http_log_viewer.c */
    struct bucket strangers; /* audit.c: what is recorded of them, and what not */
    unsigned n_strangers_left_out;
};

struct api_call {
    struct api *api;
    uint64_t request_id;
    struct route_match match;
    struct identity who;
    char *query; /* raw */
    char *body;
    size_t body_size;
    char *peer;
    struct credentials *credentials;
    bool is_tls;
    bool accepts_events; /* Accept: text/event-stream */
    bool accepts_csv;    /* Accept: text/csv */
    char *last_event_id; /* where such a stream broke off, or NULL */
    json_t *json;        /* the parsed body after api_body() */
    char *target;        /* for the audit log: what the action was about, or NULL */
    bool is_logged;      /* its failure was: what went wrong is known better elsewhere */
};

/* The n-th path parameter. */
const char *api_param(const struct api_call *call, size_t n);
/* Decoded query parameter to be freed, NULL when absent. */
char *api_query(const struct api_call *call, const char *name);

/* Parsers of query parameters: the fallback when absent; -EDOM naming the parameter and what it may be. */
struct api_number {
    const char *name;
    uint64_t fallback, min, max;
};
int api_query_u64(const struct api_call *call,
                  const struct api_number *number,
                  uint64_t *ret,
                  struct error *err) _nodiscard_;
int api_query_bool(const struct api_call *call,
                   const char *name,
                   bool fallback,
                   bool *ret,
                   struct error *err) _nodiscard_;
/* RFC 3339 or unix seconds; *ret 0 when absent. */
int api_query_time(const struct api_call *call,
                   const char *name,
                   int64_t *ret_ms,
                   struct error *err) _nodiscard_;

/* Parses the body as a JSON object; an empty body is an empty object. Borrowed, lives with the call. */
int api_body(struct api_call *call, const json_t **ret, struct error *err) _nodiscard_;
/* Members of the body: -EDOM naming the field when missing, of the wrong type or longer than max bytes. */
int api_body_string(const json_t *body,
                    const char *name,
                    size_t max,
                    const char **ret,
                    struct error *err) _nodiscard_;
/* Absent or null: fallback. */
int api_body_bool(const json_t *body, const char *name, bool fallback, bool *ret, struct error *err)
    _nodiscard_;

void api_reply(struct api_call *call, int status, json_t *body /* stolen */);
void api_reply_headers(struct api_call *call,
                       int status,
                       json_t *body /* stolen */,
                       const char *const *headers);
/* JSON that is text already; copied. */
void api_reply_text(struct api_call *call, int status, const char *text, size_t size);
/* 200 with something else than JSON; copied. */
void api_reply_as(struct api_call *call, const char *content_type, const char *text, size_t size);
/* An answer that comes bit by bit, under the call's request id; false when the client has left. */
bool api_reply_stream(struct api_call *call, const struct http_stream *stream);
/*
 * Answers with {"detail": ..., "code": ...} and the HTTP status of the code (proto/error_code.h): for an errno its
 * general code, for an error the one that it remembers, with the text of the error.
 */
void api_fail(struct api_call *call, int error, const char *fmt, ...) _printf_(3, 4);
void api_fail_code(struct api_call *call, enum error_code code, const char *fmt, ...)
    _printf_(3, 4);
void api_fail_error(struct api_call *call, const struct error *err);
/* The default text of the code. */
void api_fail_default(struct api_call *call, enum error_code code);
/* The body of a failure, for answers that need more than that. */
json_t *api_error_json(enum error_code code, const char *detail) _nodiscard_;
/* With a status that somebody else chose: the engine. */
void api_fail_as(struct api_call *call, int status, enum error_code code, const char *fmt, ...)
    _printf_(4, 5);

/* The failures that several handlers have, in one wording. */
void api_fail_no_host(struct api_call *call, const char *ref);
void api_fail_no_agent(struct api_call *call, const char *ref);
void api_fail_deleted_host(struct api_call *call); /* while the call was waiting */
/* Path parameter 1 names no container (-ENOENT), or more than one (-EEXIST). */
void api_fail_container(struct api_call *call, const struct fleet_host *h, int error);

/* The host of path parameter n, or NULL after the call was answered with 404. */
struct fleet_host *api_host(struct api_call *call, size_t n);
