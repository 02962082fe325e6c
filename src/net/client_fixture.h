#pragma once

/*
 * Shared by the tests of the client side: a loop with a guard against hanging, and a
 * scripted server in a thread of its own that plays one answer to every connection.
 */

#include "net/loop.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

enum test_server_flags {
    SERVE_BYTEWISE = 1 << 0, /* the next byte goes out when the client has taken the last one */
    SERVE_HANG = 1 << 1,     /* after the answer: wait for the client to close */
    SERVE_TCP = 1 << 2,      /* 127.0.0.1 instead of a unix socket */
    SERVE_TLS = 1 << 3,      /* self-signed for 127.0.0.1; implies SERVE_TCP */
    SERVE_RESET = 1 << 4,    /* ends with unread input, so that the client sees a reset */
    SERVE_DEAF = 1 << 5,     /* never reads the request */
    SERVE_ECHO = 1 << 6,     /* after the answer: echo the input until it ends */
    SERVE_SLOW_TLS = 1 << 7, /* accepts and never shakes hands */
};

struct test_server {
    pthread_t thread;
    int listen_fd;
    unsigned flags;
    const char *answer;
    size_t size;
    size_t repeat; /* the whole answer that many times; 0 is 1 */
    char directory[64];
    char address[128];
    char request[65536]; /* of the newest connection */
    size_t request_size;
    _Atomic size_t n_connections;
    void *tls;
};

void test_server_start(struct test_server *s, const char *answer, size_t size, unsigned flags);
void test_server_stop(struct test_server *s);
const char *test_ca_file(void); /* certificate of SERVE_TLS */

struct test_loop {
    struct loop *loop;
    struct loop_timer guard;
};

/* For cmocka: afterwards `test_loop` is the loop to use. */
extern struct test_loop *test_loop;
int test_loop_setup(void **state);
int test_loop_teardown(void **state);

#define TEST(f) cmocka_unit_test_setup_teardown(f, test_loop_setup, test_loop_teardown)
