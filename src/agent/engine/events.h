#pragma once

/*
 * The engine's event stream. It lives as long as the process: opened once, re-opened with backoff and
 * `since` after it broke, and kept in a bounded history while no server is connected (the oldest are
 * dropped first). A session reads from it by sequence number.
 */

#include "agent/engine/event_log.h"
#include "agent/engine/facts.h"
#include "docker/engine.h"
#include "docker/model/event.h"

struct events;

struct events_listener {
    /* A container event was appended to the history. */
    void (*on_event)(void *owner);
    /* Events may have been missed: what was derived from them must be read anew. */
    void (*on_gap)(void *owner);
    /* The engine has stopped answering, or answers again: see events_trouble(). May be NULL. */
    void (*on_trouble)(void *owner);
};

struct events *events_new(struct engine *engine, struct facts *facts); /* both outlive it */
void events_free(struct events *ev);
DEFINE_CLEANUP(struct events *, events_free);

void events_start(struct events *ev); /* opens the stream; once */

/* Where each event of the history is written, too; outlives it. */
void events_set_log(struct events *ev, struct event_log *log);
struct event_log *events_log(const struct events *ev); /* NULL: none */

/* One listener at a time; NULL removes it. */
void events_listen(struct events *ev, const struct events_listener *listener, void *owner);
/* One more, for what lives as long as the process; it is told first. */
void events_listen_always(struct events *ev, const struct events_listener *listener, void *owner);

/* An event that says nothing about the life of a container (exec_* and such); it is in no history. */
bool events_is_noise(const struct event *e);

/* Sequence numbers: [first, end) is in the history. */
uint64_t events_first(const struct events *ev);
uint64_t events_end(const struct events *ev);
const struct event *events_get(const struct events *ev, uint64_t seq); /* NULL outside of it */
uint64_t events_seek(const struct events *ev, int64_t time_ns); /* first with time >= time_ns */

/* What was sent to servers that keep no position of their own; survives sessions. */
uint64_t events_sent(const struct events *ev);
void events_set_sent(struct events *ev, uint64_t seq);

/* Start of the time that the history covers without holes, 0 while the stream never ran. */
int64_t events_covered_since(const struct events *ev);
bool events_is_live(const struct events *ev);

/*
 * Why the engine does not answer, NULL while it does. While the stream is open the engine is asked every
 * 15 s, so that one which hangs, or has gone behind a broken network, is known of after at most 25 s.
 */
const char *events_trouble(const struct events *ev);
