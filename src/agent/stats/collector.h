#pragma once

/*
 * Measures the host and its containers and makes one batch per tick of it. Lives as long as the process, also
 * while no server is connected, so that nothing has to start anew with a connection.
 *
 * Figures come from the kernel's files; where these cannot be read, or do not agree with one sample of the Engine
 * API, from the API, and then not more often than every 10 s.
 */

#include "agent/config/config.h"
#include "agent/engine/events.h"
#include "proto/samples.h"

struct collector;

#define COLLECTOR_API_MS 10000

struct collector_options { /* everything is borrowed and outlives the collector */
    struct loop *loop;
    struct engine *engine;
    struct events *events;
    const struct config *config;
    uint64_t epoch;   /* of this run; 0: the time */
    const char *root; /* NULL: found out; tests: a folder with sys/ and proc/ */
};

struct collector *collector_new(const struct collector_options *o);
void collector_free(struct collector *c);
DEFINE_CLEANUP(struct collector *, collector_free);

/*
 * Who gets the batches; one at a time, NULL removes it, and with it what it had asked for by collector_set_rate().
 * What `batch` points to is gone after the call. The first batch has the source, for later ones it
 * is set when it has changed.
 */
typedef void (*collector_fn)(void *owner, const struct samples *batch);
void collector_listen(struct collector *c, collector_fn fn, void *owner);
/* One more, for what lives as long as the process; it is told first, and takes nothing away when it is set. */
void collector_listen_always(struct collector *c, collector_fn fn, void *owner);
/* What else is to be said with the source, "" nothing; borrowed, asked at each batch. */
void collector_set_note(struct collector *c, const char *note);

/* What somebody looks at; copied. */
void collector_set_rate(struct collector *c, const struct msg_stats_rate *rate);
/* For servers that cannot say what they look at: everything at the faster pace. */
void collector_set_eager(struct collector *c, bool is_eager);

/* Texts are borrowed, until the next tick. */
void collector_source(const struct collector *c, struct samples_source *ret);
