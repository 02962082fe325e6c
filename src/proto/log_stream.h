#pragma once

/*
 * Followed logs: log_stream is sent by the server, log_data by the agent. Both are extensions, used
 * with agents that have the capability "log_stream".
 */

#include "proto/codec.h"

#define LOG_STREAM_CAPABILITY "log_stream"
#define LOG_STREAM_MAX_WINDOW ((int64_t)4 << 20)
#define LOG_STREAM_MAX_LINE \
    ((size_t)64 * 1024)         /* bytes of text; a longer line is split into pieces */
#define LOG_STREAM_LINE_COST 64 /* bytes of the window per line, in addition to its text */
#define LOG_STREAM_MAX_TAIL  10000

/* The numbers are those of the engine. */
enum log_kind {
    LOG_KIND_NOTE,
    LOG_KIND_STDOUT,
    LOG_KIND_STDERR,
    LOG_KIND_UNKNOWN /* a line of an agent that does not say it; in no message */
};
#define LOG_N_KINDS LOG_KIND_UNKNOWN

/*
 * The position of a reader in a log: for each output stream the time of the newest line, and the
 * number of lines with exactly this time. Times within a stream never decrease, but the two streams
 * may be out of order with each other. With one mark per stream, a reader that continues from a
 * position neither loses nor repeats lines. After the clock was set back, lines may be lost.
 */
struct log_position {
    struct log_mark {
        int64_t time_ns; /* 0: no line was read */
        int64_t n_same;
    } streams[2]; /* stdout, stderr */
};
#define LOG_POSITION_TEXT_SIZE 96

void log_position_add(struct log_position *p, enum log_kind kind, int64_t time_ns);
bool log_position_is_empty(const struct log_position *p);
int64_t log_position_newest(const struct log_position *p);
/*
 * Returns the time from which to read the lines behind the position: lines of stdout and stderr may
 * be out of order by 5 s.
 */
int64_t log_position_from(const struct log_position *p, int64_t floor_ns);
/* Text of a position: "TIME.N,TIME.N". -EINVAL: malformed. */
const char *log_position_format(const struct log_position *p, char ret[LOG_POSITION_TEXT_SIZE]);
int log_position_parse(const char *text, struct log_position *ret) _nodiscard_;

struct msg_log_stream {
    char *stream_id;
    char *action; /* "start", "ack", "stop" */
    /* Of start: */
    char *container_id;
    int64_t tail;        /* number of past lines; -1: all */
    char *since, *until; /* RFC 3339 or unix seconds; NULL: no limit */
    bool no_out, no_err; /* "stdout": false, "stderr": false */
    bool has_details;    /* "details": the attributes of the engine come before each text */
    bool until_exit;     /* end with the run of the container, when its log is read */
    char *position;      /* continue from here and ignore `tail`; NULL: a new follow */
    int64_t window;      /* maximum number of unacknowledged bytes */
    int64_t bytes;       /* ack */
};

int msg_log_stream_decode(const json_t *payload, struct msg_log_stream *ret, struct error *err)
    _nodiscard_;
void msg_log_stream_done(struct msg_log_stream *m);
/* Returns the whole message; takes ownership of `fields`, which may be NULL. */
json_t *msg_log_stream_encode(const char *stream_id, const char *action, json_t *fields)
    _nodiscard_;

struct msg_log_data {
    char *stream_id;
    char *action;     /* "started", "lines", "closed", "error" */
    json_t *lines;    /* lines: for msg_log_line_read() */
    int64_t bytes;    /* lines: the bytes of the window that they use */
    char *reason;     /* closed: "gone", "until", "exited", "stopped" */
    char *error;      /* error */
    char *error_type; /* error: "permission_denied" or "docker_error" */
    int64_t status;   /* error: HTTP status of the engine, 0: none */
    char *code;       /* error: a name of proto/error_code.h, or NULL */
};

/* Checks all lines, so that msg_log_line_read() cannot fail on them. */
int msg_log_data_decode(const json_t *payload, struct msg_log_data *ret, struct error *err)
    _nodiscard_;
void msg_log_data_done(struct msg_log_data *m);

struct msg_log_line {
    enum log_kind kind; /* a note is about the stream: "restarted" */
    int64_t time_ns;    /* 0: unknown */
    const char *text;   /* borrowed; may contain NUL */
    size_t size;
    bool is_partial; /* the line continues in the next one of its kind */
};

/* -EINVAL: it is not a line. */
int msg_log_line_read(const json_t *line, struct msg_log_line *ret) _nodiscard_;
