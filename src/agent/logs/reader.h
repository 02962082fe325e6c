#pragma once

/*
 * Turns the log that the engine sends into lines for the server. The engine sends a log in one body
 * after another, because it ends a body with the container or its own process; a later body begins
 * a little before the end of the one before it. The reader leaves out the lines that it has passed
 * on already, so that a follow neither loses nor repeats lines, and puts a note where the container
 * was started again. Lines go into an outbox, except those of a seek, which only move the position.
 *
 * A member of the follow; the outbox must outlive it.
 */

#include "agent/logs/outbox.h"
#include "agent/logs/recent.h"
#include "docker/log_assembler.h"

struct log_reader {
    struct log_outbox *box;
    struct log_demux demux;
    struct log_assembler *lines;
    struct log_recent recent;
    struct log_position position; /* behind the newest line */
    struct log_position skip;     /* the position when this body began: lines before it are known */
    int64_t floor_ns;             /* time of the oldest line passed on: `tail` cut off older ones */
    int64_t until_ns;             /* 0: open */
    int64_t started_ns;           /* State.StartedAt; 0: not known yet */
    int64_t run_ns;               /* a note goes before the first line of this time; 0: none */
    size_t n_lines;               /* new ones of this body */
    bool is_tty;
    bool has_failed; /* the engine ended this body with a message of its own */
    char *said;      /* that message, passed on once until a body ends without one; or NULL */
    bool is_seek;    /* this body only moves the position */
};

void log_reader_init(struct log_reader *r, struct log_outbox *box);
void log_reader_done(struct log_reader *r);

/* Takes over what an inspection says about the terminal and about the current run. */
void log_reader_set_container(struct log_reader *r, struct json_span inspect);

/* Begins a new body; what is left of the one before it without a newline is dropped. */
void log_reader_begin(struct log_reader *r, bool is_seek);
/* -EPROTO: the body is not a sequence of frames. */
int log_reader_feed(struct log_reader *r, const void *data, size_t size) _nodiscard_;
/* The body has ended: what has no newline yet is dropped, as the next body repeats it. */
void log_reader_drop(struct log_reader *r);
/* Whether the engine has reported no error in this body, which has ended. */
bool log_reader_is_sound(struct log_reader *r);
/* A seek has ended: what has no newline yet counts as a line. */
void log_reader_end_seek(struct log_reader *r);
/* The container has ended: what it wrote without a newline is a line of its own. */
void log_reader_end_run(struct log_reader *r);

bool log_reader_is_empty(const struct log_reader *r); /* there was no line yet */
/* Unix seconds from which the engine is asked, when there was a line. */
void log_reader_format_since(const struct log_reader *r, char *ret, size_t size);
