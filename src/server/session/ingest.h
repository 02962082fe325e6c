#pragma once

/*
 * What sessions want stored without waiting for it: events, and when an agent was last seen. It is
 * collected and written in batches, one job at a time, so that a slow disk costs memory up to a limit
 * and never a reply. Lives on the loop.
 */

#include "net/loop.h"
#include "server/common/job.h"
#include "server/store/events.h"
#include "server/store/store.h"

#define INGEST_MAX_WAITING 20000

struct ingest;

/* An event that is stored now and was not before. */
typedef void (*ingest_event_fn)(void *owner, const struct event *e);

struct ingest *ingest_new(struct loop *loop,
                          struct job_queue *jobs,
                          struct db *store,
                          ingest_event_fn on_event,
                          void *owner);
void ingest_free(struct ingest *in); /* its queue must be idle; what waits is lost */

/* Takes the event's members in any case. -ENOBUFS: too many wait, the event is lost. */
int ingest_event(struct ingest *in, struct event *e) _nodiscard_;
void ingest_seen(struct ingest *in, const char *agent_id, int64_t seen_at_ms); /* may be dropped */
void ingest_flush(struct ingest *in); /* now, not when the store queue has room by itself */
