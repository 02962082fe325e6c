#pragma once

/*
 * What the files of logs/ share; nobody else includes it.
 *
 *     LOOKING -> STARTING -> LIVE -> LOOKING ...
 *             -> POLLING -> LOOKING ...             any of them -> ENDED
 *
 * LOOKING: for the host to be there, for the container, or for one of its name.
 */

#include "base/bucket.h"
#include "base/list.h"
#include "base/map.h"
#include "base/random.h"
#include "server/command/command.h"
#include "server/logs/source.h"

enum source_state { SOURCE_LOOKING, SOURCE_STARTING, SOURCE_LIVE, SOURCE_POLLING, SOURCE_ENDED };

struct log_poll;

struct log_source {
    struct list link;
    struct log_sources *owner;
    struct log_source_options o; /* texts are copied */
    char *host_id, *host_name, *ref, *name, *since, *until;
    int64_t since_ns, until_ns;
    enum source_state state;
    char agent_id[UUID_TEXT_SIZE * 2];
    char stream_id[UUID_TEXT_SIZE];
    char container_id[CONTAINER_ID_SIZE]; /* "": none was found yet */
    char gone_id[CONTAINER_ID_SIZE];      /* the agent says so; the fleet may not know yet */
    struct loop_timer timer;
    bool is_started, is_away, is_ready; /* is_ready: position or tail were used, go on from there */
    bool is_seeking;                    /* the container is gone, its successor is waited for */
    uint64_t seek_until_ms;
    bool is_blocked; /* LOOKING: until who watches has acknowledged more */
    struct log_position position;
    size_t n_outstanding; /* given, not acknowledged by who watches */
    size_t n_current;     /* ... of the stream that is open */
    size_t n_acked;       /* acknowledged, the agent was not told */
    struct bucket notes;  /* what the agent says beside the log */
    struct log_poll *poll;
};

struct log_sources {
    struct log_sources_options o;
    struct log_readings readings;
    struct list list;
    struct map by_id; /* stream id */
    bool is_stopping;
};

#define LOG_SOURCE_WINDOW ((size_t)256 * 1024)

void source_set_state(struct log_source *s, enum source_state state);
/* The source may be gone afterwards. */
void source_end(struct log_source *s,
                enum error_code code,
                const char *reason,
                const char *message);
void source_gone(struct log_source *s); /* its container */
void source_retry(struct log_source *s, uint64_t ms);
void source_started(struct log_source *s);
/* Hands one line on; counts it. */
void source_give(struct log_source *s, const struct msg_log_line *line);

/* poll.c: agents that cannot stream. */
void source_poll_start(struct log_source *s);
void source_poll_stop(struct log_source *s);
void source_poll_acked(struct log_source *s);
