#pragma once

/*
 * A scripted engine for tests: a thread that listens on a unix socket, answers /version by itself
 * and all other requests from the script. It can produce faults that a real engine does not:
 * partial answers, resets, garbage, silence.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>

struct engine;
struct fake_engine;
struct loop;

enum fake_how {
    FAKE_SEND,   /* the bytes, then close */
    FAKE_DRIP,   /* byte by byte */
    FAKE_RESET,  /* the bytes, then a reset */
    FAKE_HANG,   /* the bytes, then silence until the client closes */
    FAKE_ABSENT, /* 404 */
};

struct fake_line {
    /* Begin of the request, with or without version: "GET /containers/json", "GET /v1.44/info". */
    const char *request;
    enum fake_how how;
    const char *answer; /* head and body, \xfe is sent as NUL; NULL: 200 with `body` */
    const char *body;   /* JSON */
};

struct fake_engine *fake_engine_open(const struct fake_line *lines, size_t n);
void fake_engine_close(struct fake_engine *f);
DEFINE_CLEANUP(struct fake_engine *, fake_engine_close);

const char *fake_engine_address(const struct fake_engine *f); /* "unix:///..." */
struct engine *fake_engine_client(const struct fake_engine *f,
                                  struct loop *loop); /* the caller's */
/* Returns the number of requests so far that begin with `request`. */
unsigned fake_engine_count(struct fake_engine *f, const char *request);
/* Whether a request had exactly this body. */
bool fake_engine_received(struct fake_engine *f, const char *body);
/* Pauses listening: connections are refused. */
void fake_engine_pause(struct fake_engine *f);
void fake_engine_resume(struct fake_engine *f);
