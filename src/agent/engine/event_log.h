#pragma once

/*
 * Container events on disk (segments.h), as the engine told them, oldest first: for servers that were away longer than the
 * history in memory (events.h) and the engine's own (256 events, none from before its restart) go back. Written as they
 * come and made safe against a power cut once a second; the oldest go when there are too many.
 */

#include "docker/model/event.h"
#include "net/loop.h"

#define EVENT_LOG_BYTES ((uint64_t)4 << 20) /* some 8,000 events; a server takes 10,000 at once */

struct event_log;

struct event_log_options {
    struct loop *loop;
    const char *dir; /* borrowed; made with the first event */
};

struct event_log *event_log_new(const struct event_log_options *o);
void event_log_free(struct event_log *log); /* NULL is fine */
DEFINE_CLEANUP(struct event_log *, event_log_free);

/* One event, and the text it was made of. A disk that fails is said once; events are then in memory only. */
void event_log_add(struct event_log *log, const struct event *e, const char *text, size_t size);

/* Reading goes on from a place; {0, 0} is the begin. */
struct event_log_place {
    uint64_t file, offset;
};
/* The next event that is not older than since_ns, to be given to event_done(); false: no more. */
bool event_log_next(struct event_log *log,
                    struct event_log_place *at,
                    int64_t since_ns,
                    struct event *ret);
/* What is at the begin and older is not wanted any more. */
void event_log_forget(struct event_log *log, int64_t before_ns);
