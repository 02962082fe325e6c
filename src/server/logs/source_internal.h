#pragma once

/* The parts of a source, shared by source*.c only. source.h describes the states. */

#include "base/bucket.h"
#include "base/list.h"
#include "base/map.h"
#include "base/random.h"
#include "server/command/command.h"
#include "server/fleet/fleet_listener.h"
#include "server/logs/cursor.h"
#include "server/logs/reply_memory.h"
#include "server/logs/sources.h"

enum source_state {
    SOURCE_LOOKING,
    SOURCE_OFFLINE,
    SOURCE_SEEKING,
    SOURCE_BLOCKED,
    SOURCE_STARTING,
    SOURCE_LIVE,
    SOURCE_POLLING,
    SOURCE_ENDED,
};

struct source_poll;

struct log_source {
    struct list link;
    struct log_sources *owner;
    struct log_source_options o; /* its texts are not used; the copies follow */
    char *host_id, *host_name, *ref, *name, *since, *until;
    int64_t since_ns, until_ns;

    enum source_state state;
    struct loop_timer timer; /* of the state */
    struct source_poll *poll;
    struct reply_memory memory; /* of the polls of one container */
    char memory_id[CONTAINER_ID_SIZE];

    char agent_id[UUID_TEXT_SIZE * 2];
    char stream_id[UUID_TEXT_SIZE];       /* "": no stream is open */
    char container_id[CONTAINER_ID_SIZE]; /* "": none was found yet */
    char gone_id[CONTAINER_ID_SIZE];      /* removed, which the fleet may not know yet */
    uint64_t seek_until_ms;               /* 0: the container is there, or was not missed yet */

    bool is_started;  /* the viewer knows that the log is there */
    bool is_away;     /* the last mark was "away": the next start is marked "back" */
    bool is_resuming; /* `tail` was used: continue from the position */
    struct log_position position;

    size_t n_outstanding; /* given to the viewer, not acknowledged by it */
    size_t n_current;     /* of these: from the stream that is open */
    size_t n_acked;       /* acknowledged by the viewer, but not to the agent yet */
    struct bucket notes;  /* limits the notes of the agent */
};

struct log_sources {
    struct log_sources_options o;
    struct fleet_listener fleet;
    struct sessions_listener sessions;
    struct log_read_audit audit;
    struct list list;
    struct map by_stream; /* stream id: source */
    bool is_stopping;
};

#define LOG_SOURCE_WINDOW   ((size_t)256 * 1024)
#define LOG_SOURCE_RETRY_MS 1000

/* source.c. The timer of the state before is stopped. */
void source_set_state(struct log_source *s, enum source_state state);
/* Closes the stream or the poll; a stream is stopped at the agent only if `notifies`. */
void source_close(struct log_source *s, bool notifies);
/* Closes, and reports the end, which frees the source. */
void source_end(struct log_source *s,
                enum error_code code,
                const char *reason,
                const char *message);
/* The same, with the sentence of the code. */
void source_fail(struct log_source *s, enum error_code code);
/* Its container was removed. Closes, and looks for a successor. */
void source_lose_container(struct log_source *s);
/* Looks for the container in `ms`. */
void source_look_in(struct log_source *s, uint64_t ms);
/* The log is there: reports the start, or that it is back. */
void source_started(struct log_source *s);
/* Marks that the log is interrupted, once until it is back. */
void source_mark_away(struct log_source *s, const char *message);
/* Gives one line to the viewer, and counts it. */
void source_give(struct log_source *s, const struct msg_log_line *line);

/* source_find.c. Finds the container, and opens its log; may free the source. */
void source_look(struct log_source *s);

/* source_stream.c: agents that stream. */
void source_stream_open(struct log_source *s);
/* Sends an action of the open stream to the agent; takes `fields`. */
int source_stream_send(const struct log_source *s, const char *action, json_t *fields) _nodiscard_;
/* May free the source. */
void source_stream_on_data(struct log_source *s, const struct msg_log_data *m);

/* source_poll.c: agents that cannot stream. */
void source_poll_start(struct log_source *s);
void source_poll_stop(struct log_source *s);
void source_poll_acked(struct log_source *s);
