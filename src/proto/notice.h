#pragma once

/*
 * Small messages that an agent sends without a request: heartbeat, progress and error (flat), and
 * the payloads of the events update_progress, selfupdate_progress and engine_state.
 */

#include "proto/codec.h"

struct msg_progress {
    char *container_id; /* NULL for a self-update */
    char *stage;
    double percent; /* 0 for stages without progress */
    char *message;
    char *error; /* NULL: none */
};

struct msg_error {
    char *error;
    char *details;      /* may be NULL */
    char *container_id; /* may be NULL */
};

/* The beginning of an engine_state whose host has no current list; others only explain. */
#define NOTICE_NO_ANSWER "the engine does not answer"

struct msg_engine_state {
    char *error; /* the reason why the engine does not answer; NULL: it answers */
};

json_t *msg_heartbeat_encode(void) _nodiscard_;

int msg_progress_decode(const json_t *v, struct msg_progress *ret, struct error *err) _nodiscard_;
json_t *msg_progress_encode(const struct msg_progress *m) _nodiscard_; /* without "type" */
void msg_progress_done(struct msg_progress *m);

int msg_error_decode(const json_t *v, struct msg_error *ret, struct error *err) _nodiscard_;
json_t *msg_error_encode(const struct msg_error *m) _nodiscard_; /* with "type" */
void msg_error_done(struct msg_error *m);

int msg_engine_state_decode(const json_t *v, struct msg_engine_state *ret, struct error *err)
    _nodiscard_;
json_t *msg_engine_state_encode(const struct msg_engine_state *m) _nodiscard_; /* the payload */
void msg_engine_state_done(struct msg_engine_state *m);
