#pragma once

/*
 * Container events on disk (spool/segments.h), as text of the engine, oldest first. They are for
 * servers that were disconnected for longer than the history in memory (events.h) and that of the
 * engine (256 events, none from before its restart) go back. Events are written as they arrive and
 * synced once a second. The oldest are dropped beyond EVENT_LOG_BYTES.
 */

#include "docker/model/event.h"
#include "net/loop.h"

#define EVENT_LOG_BYTES ((uint64_t)4 << 20) /* about 8,000 events; a server takes 10,000 at once */

struct event_log;

struct event_log_options {
    struct loop *loop;
    const char *dir; /* borrowed; created with the first event */
};

struct event_log *event_log_new(const struct event_log_options *o);
void event_log_free(struct event_log *log); /* NULL is fine */
DEFINE_CLEANUP(struct event_log *, event_log_free);

/*
 * Appends an event, given with the text it was decoded from. A failure of the disk is logged once;
 * events are then in memory only.
 */
void event_log_add(struct event_log *log, const struct event *e, const char *text, size_t size);

/* A position of a reader; {0, 0} is the begin. */
struct event_log_place {
    uint64_t file, offset;
};
/*
 * Reads the next event from since_ns on, and advances `at`. Call engine_event_done() on it. False: no
 * more.
 */
bool event_log_next(struct event_log *log,
                    struct event_log_place *at,
                    int64_t since_ns,
                    struct event *ret);
/* Drops events at the begin that are older than before_ns. */
void event_log_forget(struct event_log *log, int64_t before_ns);
