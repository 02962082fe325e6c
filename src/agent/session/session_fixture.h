#pragma once

/*
 * Fixture for tests of sessions: a scripted engine, and the parsed messages that the session sends.
 */

#include "agent/session/session.h"
#include "docker/fake_engine.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define MAX_SENT    4096
#define PATIENCE_MS 60000

#define STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
#define EVENT(action, id, time)                                                 \
    "{\"Type\":\"container\",\"Action\":\"" action "\",\"Actor\":{\"ID\":\"" id \
    "\",\"Attributes\":{\"name\":\"n\",\"image\":\"i\"}},\"time\":1,\"timeNano\":" time "}\n"

struct fixture {
    struct loop *loop;
    struct fake_engine *fake;
    struct engine *engine;
    struct facts *facts;
    struct events *events;
    struct exec_killer *killer;
    struct policy policy;
    struct session *session;
    json_t *sent[MAX_SENT];
    size_t n_sent, n_wanted;
    const char *wanted; /* part of the awaited message */
    int send_result;
    bool is_timed_out, is_stopped;
    struct completion_wait stopped;
    struct loop_timer patience;
};

void set_up(struct fixture *f, const struct fake_line *lines, size_t n);
void tear_down(struct fixture *f);
void open_session(struct fixture *f, struct session_options o);

void run(struct fixture *f, uint64_t ms);
/* Runs until `n` messages were sent since the last forget_sent(). */
void wait_sent(struct fixture *f, size_t n);
/* Runs until a message that contains `text` is sent, and returns it. */
const json_t *wait_for(struct fixture *f, const char *text);
void forget_sent(struct fixture *f);

void say(struct fixture *f, const char *text);               /* delivers a message of the server */
const char *text_of(const json_t *message, const char *key); /* "": missing */
