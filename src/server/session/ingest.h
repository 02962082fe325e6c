#pragma once

/*
 * Writes events and sightings of agents to the store without making sessions wait. Lives on the
 * loop.
 *
 *   ingest_event() --\
 *                     +--> queue, at most 20,000 items --> batch, at most 256 --> on_event
 *   ingest_seen() ---/                                     (one job at a time, one transaction)
 *
 * The queue bounds the memory that a slow disk costs. When it is full, events are refused with
 * -ENOBUFS (an agent that can replay events is disconnected and sends them again) and sightings
 * are dropped. When the store queue is full, the batch goes back to the front of the queue and is
 * tried again after 100 ms; the order is kept.
 *
 * A row that the store refuses (its host was deleted meanwhile, or a constraint) does not affect
 * the others of its batch. A batch that fails as a whole is lost, and an error is logged.
 *
 * on_event is called on the loop, in order, once for each event that is stored now and was not
 * before: an event whose deduplication key the store has already is a duplicate. The event is
 * borrowed.
 *
 *   sighting   the time at which an agent was last seen, for agents.last_seen_at
 *   item       an event or a sighting
 */

#include "net/loop.h"
#include "server/common/job.h"
#include "server/store/events.h"
#include "server/store/store.h"

#define INGEST_MAX_WAITING 20000

struct ingest;

/* `old_name` of a container that the event says was renamed, or NULL. */
typedef void (*ingest_event_fn)(void *owner, const struct event *e, const char *old_name);

struct ingest *ingest_new(struct loop *loop,
                          struct job_queue *jobs,
                          struct db *store,
                          ingest_event_fn on_event,
                          void *owner);
void ingest_free(struct ingest *in); /* the store queue must be drained; waiting items are lost */

/*
 * Takes ownership of the event's members in any case. -ENOBUFS: the queue is full, the event
 * lost.
 */
int ingest_event(struct ingest *in, struct event *e) _nodiscard_;
/*
 * The same for the event of a container that was renamed: if the event is not a duplicate, the
 * settings of the old name move to the new one. NULL: not renamed.
 */
int ingest_renamed(struct ingest *in, struct event *e, const char *old_name) _nodiscard_;
void ingest_seen(struct ingest *in, const char *agent_id, int64_t seen_at_ms); /* may be dropped */
void ingest_flush(struct ingest *in); /* submits a batch now, without waiting for the retry timer */
