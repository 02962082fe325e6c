#pragma once

/*
 * The followed logs of a session, at most 128. They end with it. Handles log_stream messages.
 *
 * Terms of this folder:
 *
 *   fetch    one read of a log that ends (the command get_logs)
 *   follow   the agent's side of a log that is followed; the wire calls it a stream (stream_id)
 *   channel  the id and the set that a follow has in common with a shell (agent/common/channel.h)
 *   body     the answer of the engine to one request for a log; a follow reads several, one by one
 *   reader   turns bodies into lines without loss or duplicates
 *   run      the time from a start of a container to its end
 *   position how far a follow has read (proto/log_stream.h); the server can resume from it
 *   note     a message about the log between its lines: "restarted", or one of the engine
 *   outbox   lines that wait for the window of the server or for the link
 *   window   bytes that may be sent before the server acknowledges them
 */

#include "agent/common/guard.h"
#include "agent/common/sender.h"
#include "agent/engine/events.h"
#include "docker/engine.h"

#define SESSION_LOGS_MAX 128

struct session_logs;

struct session_logs_options {
    struct engine *engine;
    struct guard *guard;
    struct sender sender;
};

struct session_logs *session_logs_new(const struct session_logs_options *o);
/* Ends all follows without notifying the server. */
void session_logs_free(struct session_logs *logs);
/* Ends all follows, notifies the server, and refuses new ones. */
void session_logs_close(struct session_logs *logs);

/* `payload` is that of a log_stream message. */
void session_logs_on_message(struct session_logs *logs, const json_t *payload);
void session_logs_on_event(struct session_logs *logs, const struct event *e);
void session_logs_on_gap(struct session_logs *logs); /* events may have been missed */
