#pragma once

/*
 * Logs that somebody watches. A source is one container's log as it grows: streamed by agents that can
 * (LOG_STREAM_CAPABILITY), else asked for once a second. It goes on, without loss or doubles, when the agent was away,
 * when the container starts again, and when another container has its name after it is gone; marks tell of it.
 * Whoever watches acknowledges what it is done with; what is not acknowledged is bounded, and the engine
 * waits. Lives on the loop.
 */

#include "net/loop.h"
#include "proto/log_stream.h"
#include "server/fleet/fleet.h"
#include "server/logs/readings.h"
#include "server/rights/scope.h"
#include "server/session/session.h"

struct log_sources;
struct log_source;

struct log_sources_options {
    struct loop *loop;
    struct fleet *fleet;
    struct sessions *sessions;
    struct db *store; /* for the audit log */
    struct job_queue *store_jobs;
};

struct log_sources *log_sources_new(const struct log_sources_options *o);
void log_sources_stop(struct log_sources *ss); /* ends them all, and every new one */
/* All sources are freed; the sessions still exist. */
void log_sources_free(struct log_sources *ss);

/* Who begins to watch a source, or reads a log at once, is added here. */
struct log_readings *log_sources_readings(struct log_sources *ss);

/* From the sessions. */
void log_sources_on_data(struct log_sources *ss, const char *agent_id, const json_t *payload);
void log_sources_on_agent_gone(struct log_sources *ss, const char *agent_id);
void log_sources_on_host(struct log_sources *ss,
                         const char *host_id); /* it or its containers changed */

struct log_source_line {
    struct msg_log_line line;
    size_t cost; /* to be acknowledged */
};

/* Why it ended. */
struct log_source_end {
    enum error_code code; /* CODE_NONE: there is nothing more to come */
    const char *reason;   /* "removed", "until", "stopped", "error" */
    const char *message;  /* for humans */
};

/* None is called from inside the functions below. Only on_end may free the source, and has to. */
struct log_source_handler {
    void (*on_started)(void *owner); /* once: the log is there and may be read */
    void (*on_line)(void *owner, const struct log_source_line *line); /* notes come as marks */
    void (*on_batch)(void *owner);                                    /* no more lines for now */
    /* "restarted", "recreated", "away", "back", "gap", "engine" */
    void (*on_mark)(void *owner, const char *event, const char *message);
    void (*on_end)(void *owner, const struct log_source_end *end);
};

struct log_source_options {
    const char *host_id, *container; /* the container by id or name; it is followed by name */
    int64_t tail;                    /* -1: all, at most LOG_STREAM_MAX_TAIL */
    const char *since, *until;       /* RFC 3339; NULL open */
    bool no_out, no_err;
    bool waits;                /* for a host that is offline; otherwise it ends */
    const char *cursor;        /* goes on from there; NULL: begins */
    const struct scope *scope; /* of who watches; outlives the source */
    const struct log_source_handler *handler;
    void *owner;
};

/* -EINVAL: the cursor is none. */
int log_source_new(struct log_source **ret,
                   struct log_sources *ss,
                   const struct log_source_options *o,
                   struct error *err) _nodiscard_;
void log_source_free(struct log_source *s);

void log_source_ack(struct log_source *s, size_t cost);
/* The id now; "" before the first one is found. */
const char *log_source_container_id(const struct log_source *s);
const char *log_source_name(const struct log_source *s); /* of the container */
const char *log_source_host(const struct log_source *s); /* name of the host */
const char *log_source_host_id(const struct log_source *s);
char *log_source_target(const struct log_source *s); /* HOST/CONTAINER by name, to be freed */

/* "ID:TIME.N,TIME.N": for those who keep a position of their own. */
#define LOG_CURSOR_SIZE (CONTAINER_ID_SIZE + LOG_POSITION_TEXT_SIZE)
const char *log_cursor_format(const char *container_id,
                              const struct log_position *p,
                              char ret[LOG_CURSOR_SIZE]);
int log_cursor_parse(const char *cursor, char ret_id[CONTAINER_ID_SIZE], struct log_position *ret)
    _nodiscard_;
