#pragma once

/*
 * For tests of HTTP calls: the outcome of a call, and a call to a scripted server of its own.
 */

#include "base/buf.h"
#include "net/client_fixture.h"
#include "net/http_client.h"

#define HELLO                                                                               \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nSet-Cookie: a=b; " \
    "Path=/\r\nSet-Cookie: c=d\r\nContent-Length: 5\r\n\r\nhello"

/* The result of a call. */
struct outcome {
    struct http_call *call;
    int n_done;
    int code;
    int status;
    char content_type[128];
    char set_cookie[128];
    char wanted[128];
    char message[512];
    struct buf body;   /* as given to done */
    struct buf stream; /* as given to outcome_on_data() */
    size_t n_streamed; /* for a test's own on_data */
    struct loop_timer resume;
};

/* Starts a call on test_loop. Defaults: GET /x, 1 MB; done and owner are the outcome's. */
void outcome_start(struct outcome *o, const char *address, const struct http_call_options *with);
/* The same and runs the loop until every outcome that was started has its result. */
void outcome_run(struct outcome *o, const char *address, const struct http_call_options *with);
void outcome_done(struct outcome *o); /* asserts that `done` ran once */

void outcome_on_done(void *owner, const struct http_result *r);
void outcome_on_data(void *owner, const void *data, size_t size);

struct served {
    struct test_server *server;
    struct outcome o;
};

void served_run(struct served *s,
                const char *answer,
                size_t size,
                unsigned flags,
                const struct http_call_options *with);
void served_done(struct served *s);
