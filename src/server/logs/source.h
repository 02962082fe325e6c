#pragma once

/*
 * A source: one container's log as it grows, for one viewer. It opens a stream at an agent that can
 * (LOG_STREAM_CAPABILITY), and polls another once a second. It continues without loss or duplicates
 * when the agent was away, when the container starts again, and when another container has its name
 * after it was removed; marks report each of these.
 *
 *     LOOKING --> STARTING --> LIVE --> LOOKING       the agent streams
 *             --> POLLING ----> LOOKING               the agent cannot stream
 *             --> OFFLINE ----> LOOKING               waits until the host is online
 *             --> SEEKING ----> LOOKING               waits for a container of the same name
 *             --> BLOCKED ----> LOOKING               waits until the viewer acknowledges
 *     any of these --> ENDED
 *
 * In LOOKING the source finds its container again, at once or after a short delay. The viewer frees
 * the source in on_end(), which is its last call, or at any time outside of the callbacks. The
 * sources of a server outlive all of them.
 *
 * Terms of this folder:
 *
 *   viewer   a client of the server that reads logs, over /ws/logs (ws_viewer.h) or over HTTP
 *            (server/api/http_log_viewer.c)
 *   source   one container's log for one viewer, over several streams and containers
 *   follow   the agent's side of a stream (src/agent/logs/)
 *   stream   log_stream and log_data messages with one stream_id, between a source and a follow
 *   poll     the replacement of a stream, with the command get_logs
 *   line     one line of the log, with its cost; the viewer acknowledges the cost
 *   mark     a message to the viewer about the log, between the lines: "away", "restarted"
 *   note     a mark that the agent sends between the lines
 *   position how far the log was read (proto/log_stream.h); with the container's id, a cursor
 *   window   the cost that may be outstanding, between agent and server and up to the viewer
 */

#include "net/loop.h"
#include "proto/error_code.h"
#include "proto/log_stream.h"
#include "server/fleet/fleet.h"
#include "server/rights/scope.h"

struct log_source;
struct log_sources;

struct log_source_line {
    struct msg_log_line line;
    size_t cost; /* to be acknowledged */
};

/* Why the source ended. */
struct log_source_end {
    enum error_code code; /* CODE_NONE: the log is complete */
    const char *reason;   /* "removed", "until", "exited", "stopped", "error" */
    const char *message;  /* for users */
};

/*
 * None is called from inside the functions below. on_end() must free the source; the others must
 * not.
 */
struct log_source_handler {
    void (*on_started)(void *owner); /* once: the log is there and may be read */
    void (*on_line)(void *owner, const struct log_source_line *line);
    void (*on_batch)(void *owner); /* after the lines that came together */
    /* "restarted", "recreated", "away", "back", "gap", "engine" */
    void (*on_mark)(void *owner, const char *event, const char *message);
    void (*on_end)(void *owner, const struct log_source_end *end);
};

struct log_source_options {
    const char *host_id, *container; /* the container by id or name; it is followed by name */
    int64_t tail;                    /* -1: all, at most LOG_STREAM_MAX_TAIL */
    const char *since, *until;       /* RFC 3339; NULL open */
    bool no_out, no_err;
    bool has_details;          /* the attributes of the engine come before each text */
    bool until_exit;           /* end with the container instead of waiting for its next start */
    bool waits;                /* for a host that is offline; otherwise the source ends */
    const char *cursor;        /* to resume from; NULL: begins with `tail` */
    const struct scope *scope; /* of the user who views; outlives the source */
    const struct log_source_handler *handler;
    void *owner;
};

/* Texts are copied. -EINVAL: the cursor is invalid. */
int log_source_new(struct log_source **ret,
                   struct log_sources *ss,
                   const struct log_source_options *o,
                   struct error *err) _nodiscard_;
void log_source_free(struct log_source *s);

void log_source_ack(struct log_source *s, size_t cost);

/* Of the container as it is now; the id is "" before the first one is found. */
const char *log_source_container_id(const struct log_source *s);
const char *log_source_name(const struct log_source *s);
const char *log_source_host(const struct log_source *s); /* the name of the host */
const char *log_source_host_id(const struct log_source *s);
char *log_source_target(const struct log_source *s); /* HOST/CONTAINER by name, to be freed */
