#pragma once

/*
 * All log streams of a session: at most 128. They end with it.
 */

#include "agent/common/guard.h"
#include "agent/engine/events.h"
#include "agent/logs/log_follow.h"

#define LOG_FOLLOWS_MAX 128

struct log_follows;

struct log_follows_options {
    struct engine *engine;
    struct guard *guard;
    struct sender sender;
};

struct log_follows *log_follows_new(const struct log_follows_options *o);
void log_follows_free(struct log_follows *ss); /* without a word */
void log_follows_close(
    struct log_follows *ss); /* tells the server that they end; new ones are refused */

/* The payload of a log_stream message. */
void log_follows_on_message(struct log_follows *ss, const json_t *payload);
void log_follows_on_event(struct log_follows *ss, const struct event *e);
void log_follows_on_gap(struct log_follows *ss); /* events may have been missed */
