#pragma once

/*
 * For tests of WebSocket peers: a server and a client on one loop, each an `end` that logs its
 * callbacks as text.
 */

#include "net/http_server.h"
#include "net/ws.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LARGE ((size_t)5 * 1024 * 1024)

/* One side of a connection, and what happened to it, as text. */
struct end {
    struct fixture *f;
    struct ws *ws;
    struct buf log;
    const char *wanted;  /* the loop stops when the log contains it */
    const char *free_at; /* the peer is freed inside the callback that logs this */
    bool is_echo;
    bool is_pausing; /* after the first message */
    uint64_t sum;    /* of all bytes of large messages */
};

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct ws_limits limits; /* of accepted peers */
    struct loop_timer patience;
    bool was_patient;
    struct end client, accepted;
};

int ws_fixture_set_up(void **state);
int ws_fixture_tear_down(void **state);

/* Runs the loop for some time; false: the time is over. */
bool run_for(struct fixture *f, uint64_t ms);
/* Runs the loop until the end's log contains the text; fails the test after five seconds. */
void run_until(struct end *e, const char *wanted);
void assert_log(const struct end *e, const char *want);

/* Dials 127.0.0.1 as the client end; NULL limits: wide ones. */
int dial(struct fixture *f, uint16_t port, const char *path, const struct ws_limits *limits);
void connect_ends(struct fixture *f); /* both ends up, their logs empty */
int send_text(struct end *e, const char *text);
extern const struct ws_handler ws_fixture_handler; /* notes what happens to an end, its owner */
