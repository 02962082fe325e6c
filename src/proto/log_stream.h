#pragma once

/*
 * A container's log as it grows: log_stream, what the server asks for, and log_data, what the agent tells.
 * Both are ours, used with agents that have the capability "log_stream".
 */

#include "proto/codec.h"

#define LOG_STREAM_CAPABILITY "log_stream"
#define LOG_STREAM_MAX_WINDOW ((int64_t)4 << 20)
#define LOG_STREAM_MAX_LINE   ((size_t)64 * 1024) /* bytes of text; a longer line comes in pieces */
#define LOG_STREAM_LINE_COST  64 /* what a line takes of the window beside its text */
#define LOG_STREAM_MAX_TAIL   10000

/* As the engine numbers them. */
enum log_kind { LOG_KIND_NOTE, LOG_KIND_STDOUT, LOG_KIND_STDERR };
#define LOG_N_KINDS 3

/*
 * How far a log was read: for each output stream the time of the newest line, and how many lines of that very
 * time. Times of one stream never fall, those of two may cross; so lines are neither lost nor doubled when a
 * reader goes on. A clock that is set back may cost lines.
 */
struct log_position {
    struct log_mark {
        int64_t time_ns; /* 0: nothing yet */
        int64_t n_same;
    } streams[2]; /* stdout, stderr */
};
#define LOG_POSITION_TEXT_SIZE 96

void log_position_add(struct log_position *p, enum log_kind kind, int64_t time_ns);
bool log_position_is_empty(const struct log_position *p);
int64_t log_position_newest(const struct log_position *p);
/* From when on to read for what comes behind it: lines of stdout and stderr may be out of order by 5 s. */
int64_t log_position_from(const struct log_position *p, int64_t floor_ns);
/* "TIME.N,TIME.N"; -EINVAL. */
const char *log_position_format(const struct log_position *p, char ret[LOG_POSITION_TEXT_SIZE]);
int log_position_parse(const char *text, struct log_position *ret) _nodiscard_;

struct msg_log_stream {
    char *stream_id;
    char *action; /* "start", "ack", "stop" */
    /* Of start: */
    char *container_id;
    int64_t tail;        /* lines of the past; -1: all */
    char *since, *until; /* RFC 3339 or unix seconds; NULL open */
    bool no_out, no_err; /* "stdout": false, "stderr": false */
    char *position;      /* goes on from there, whatever tail says; NULL: it begins */
    int64_t window;      /* bytes that may be under way without an ack */
    int64_t bytes;       /* ack */
};

int msg_log_stream_decode(const json_t *payload, struct msg_log_stream *ret, struct error *err)
    _nodiscard_;
void msg_log_stream_done(struct msg_log_stream *m);
/* The whole frame; takes `fields`, which may be NULL. */
json_t *msg_log_stream_encode(const char *stream_id, const char *action, json_t *fields)
    _nodiscard_;

struct msg_log_data {
    char *stream_id;
    char *action;     /* "started", "lines", "closed", "error" */
    json_t *lines;    /* lines: for msg_log_line_read() */
    int64_t bytes;    /* lines: what they take of the window */
    char *reason;     /* closed: "gone", "until", "stopped" */
    char *error;      /* error */
    char *error_type; /* error: "permission_denied" or "docker_error" */
    int64_t status;   /* error: the engine's, 0: none */
    char *code;       /* error: a name of proto/error_code.h, or NULL */
};

/* All lines are checked. */
int msg_log_data_decode(const json_t *payload, struct msg_log_data *ret, struct error *err)
    _nodiscard_;
void msg_log_data_done(struct msg_log_data *m);

struct msg_log_line {
    enum log_kind kind; /* a note is a word about the stream: "restarted" */
    int64_t time_ns;
    const char *text; /* borrowed; may hold NUL */
    size_t size;
    bool is_partial; /* the line goes on in the next one of its kind */
};

/* -EINVAL when it is none. */
int msg_log_line_read(const json_t *line, struct msg_log_line *ret) _nodiscard_;
