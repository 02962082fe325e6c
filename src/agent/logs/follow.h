#pragma once

/*
 * A follow: the log of one container as it grows, sent to the server on a channel (log_stream and
 * log_data of docs/protocol.md). It continues when the container or the engine is started again.
 *
 *     NEW --> INSPECTING --> SEEKING ----> INSPECTING        tail 0: finds the newest line
 *                        --> FOLLOWING --> INSPECTING        the container runs
 *                        --> READING ----> INSPECTING        it has ended: reads what is left
 *                        --> WAITING ----> INSPECTING        for its next start
 *     any of these but NEW and WAITING --> RETRYING --> INSPECTING
 *     any of these --> FLUSHING --> DONE
 *     any of these --> DONE
 *
 * The engine ends the body of a log when the container ends, and may cut off the last lines of it.
 * So the log of a container that has ended is read once more (READING) before the follow waits for
 * the next start. RETRYING waits after a failure of the engine. In FLUSHING the end is certain and
 * the lines that the window holds back are still sent. A follow that was stopped or has failed
 * skips it.
 *
 * Lines go out as far as the window of the server and the link allow; until then the engine is not
 * read. A follow frees itself when it has sent its last event (closed or error), so it may be freed
 * by any function here that says so. log_follow_free() ends it without an event.
 */

#include "agent/common/channel.h"
#include "docker/engine.h"
#include "proto/log_stream.h"

struct log_follow;

/*
 * Adds a follow to the set. `start` is checked but for its times, and copied; -EINVAL for an
 * invalid time. The set and the engine outlive the follow.
 */
int log_follow_start(struct engine *engine,
                     struct channel_set *set,
                     const struct msg_log_stream *start,
                     struct error *err) _nodiscard_;
void log_follow_free(struct log_follow *f);

struct log_follow *log_follow_of_channel(struct channel *c);

/* The follow may be freed by all of these; log_follow_stop() always frees it. */
void log_follow_ack(struct log_follow *f, int64_t bytes);
void log_follow_stop(struct log_follow *f, const char *reason);
/* An event of this container (64 hex digits); NULL: events of any may have been missed. */
void log_follow_on_event(struct log_follow *f, const char *container_id, const char *action);
