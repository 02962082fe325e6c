#pragma once

/*
 * The engine's event stream, and the history of container events that sessions read.
 *
 * It lives as long as the process. After the stream breaks it is re-opened with
 * backoff and `since`, so that the engine repeats what was missed:
 *
 *   IDLE -start-> PROBING -engine answers-> OPENING -head of the stream-> LIVE
 *                    '-no answer-> WAITING     '-refused or late-> WAITING
 *   LIVE -stream ends or check fails-> WAITING -> PROBING
 *
 * While the stream is refused, as a proxy in front of the socket may do, each attempt counts as a
 * gap and they are 30 s apart, so that the lists are read then.
 *
 * While the stream is open the engine is asked every 15 s whether it still answers, because an idle
 * stream does not show that: events_trouble() is true at most 25 s after an engine hangs.
 *
 * History: each container event that is not noise gets a sequence number. [first, end) are kept in
 * memory, at most 1024 events or 4 MiB; the oldest are dropped first. An event also goes into the
 * event log on disk, if there is one. Sessions remember a sequence number, never a pointer; an
 * event that events_get() returned is valid until control returns to the loop.
 *
 *   gap         a time in which events may have been missed: the stream was re-opened, and the
 *               engine keeps only its newest 256 events, and none from before its own restart
 *   noise       an event that does not change a container's state (exec_*, top, resize, ...), or a
 *               health check with the result of the one before, or one of a probe
 *   sent        up to where events were sent to servers that keep no position of their own
 *   covered     the time since which the history has no holes
 *
 * Ownership: `engine` and `facts` outlive it, listeners remove themselves before it is freed. All
 * callbacks run on the loop; a callback may add and remove listeners, but must not free the events.
 */

#include "agent/engine/event_log.h"
#include "agent/engine/facts.h"
#include "base/listeners.h"
#include "docker/engine.h"
#include "docker/model/event.h"

struct events;

struct events_listener {
    struct listener base;
    /* A container event was appended to the history. */
    void (*on_event)(struct events_listener *l, const struct event *e);
    /* Events may have been missed: state that was derived from them must be read again. */
    void (*on_gap)(struct events_listener *l, const struct events *ev);
    /* The engine has stopped answering, or answers again: see events_trouble(). */
    void (*on_trouble)(struct events_listener *l, const struct events *ev);
};

struct events *events_new(struct engine *engine, struct facts *facts);
void events_free(struct events *ev);
DEFINE_CLEANUP(struct events *, events_free);

void events_start(struct events *ev); /* opens the stream; call it once */

/* Every event of the history is also written to `log`, which outlives it. */
void events_set_log(struct events *ev, struct event_log *log);
struct event_log *events_log(const struct events *ev); /* NULL: none */

void events_add_listener(struct events *ev, struct events_listener *l);
void events_remove_listener(struct events_listener *l); /* harmless if it was not added */

/* True for an event that does not change a container's state; the history omits it. */
bool events_is_noise(const struct event *e);

/* Sequence numbers: [first, end) is in the history. */
uint64_t events_first(const struct events *ev);
uint64_t events_end(const struct events *ev);
const struct event *events_get(const struct events *ev, uint64_t seq); /* NULL: not in it */
uint64_t events_seek(const struct events *ev, int64_t time_ns); /* first with time >= time_ns */

/*
 * The sequence number up to which events were sent to servers that keep no position of their own.
 * It survives sessions, and only grows.
 */
uint64_t events_sent(const struct events *ev);
void events_set_sent(struct events *ev, uint64_t seq);

/*
 * The time (nanoseconds) since which the history has no holes; 0 before the stream was first
 * opened.
 */
int64_t events_covered_since(const struct events *ev);
bool events_is_live(const struct events *ev); /* the stream is open */

/* The reason why the engine does not answer, or refuses its events; NULL: neither. */
const char *events_trouble(const struct events *ev);
