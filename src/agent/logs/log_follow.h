#pragma once

/*
 * The log of one container as it grows, on the wire: log_stream and log_data of docs/protocol.md. It goes on when the
 * container or the engine is started anew: lines are read again from a little before the last one, and those that
 * were sent are left out. Lines are sent as far as the server's window and the link allow; until then the engine is
 * not read. Lives within a session.
 */

#include "agent/common/sender.h"
#include "base/list.h"
#include "docker/engine.h"
#include "proto/log_stream.h"

struct log_follow;

struct log_follow_options {
    struct engine *engine;
    const struct sender *sender; /* outlives the stream */
    /* It has said its last word (closed or error); log_follow_free() comes from here. */
    void (*done)(void *owner, struct log_follow *stream);
    void *owner;
};

/* `start` is checked but for its times, and copied; -EINVAL for a time that is none. */
int log_follow_new(struct log_follow **ret,
                   const struct log_follow_options *o,
                   const struct msg_log_stream *start,
                   struct error *err) _nodiscard_;
void log_follow_free(struct log_follow *s); /* without a word to the server */

const char *log_follow_id(const struct log_follow *s);
struct list *log_follow_link(struct log_follow *s); /* the owner's */
struct log_follow *log_follow_of_link(struct list *link);

void log_follow_ack(struct log_follow *s, int64_t bytes);
void log_follow_stop(struct log_follow *s, const char *reason); /* the stream is gone afterwards */
/* Something happened to this container (64 hex digits), or with NULL maybe to any. */
void log_follow_on_event(struct log_follow *s, const char *container_id, const char *action);
