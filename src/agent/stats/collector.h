#pragma once

/*
 * The collector measures the host and its containers and emits one batch of samples per tick.
 *
 * It lives as long as the process, also while no server is connected, so that counters continue
 * across connections. Per tick:
 *
 *   1. schedule: two intervals run side by side, whose ticks are merged when they are close;
 *   2. read: cgroup files of each container that is due, network counters, /proc of the host;
 *   3. emit: everything that was read becomes one batch with the next sequence number;
 *   4. ask the Engine API for the containers whose files cannot be read.
 *
 * Terms:
 *
 *   rest        the slow interval (stats_interval_ms): everything is read
 *   live        the fast one (stats_live_interval_ms, or what the server asks for): only what the
 *               server currently shows to somebody
 *   demand      what is read at the live interval: the server's rate, which expires by itself
 *               (`ttl`), or eager mode, which is everything
 *   thorough    a reading that includes expensive or slowly changing values; at most every 5 s
 *   target      one running container with its open files
 *   source      where values come from: cgroup v1 or v2 files, or the Engine API. Files are used if
 *               they can be read and agree with one sample of the API (source.h); the API is asked
 *               at most every 10 s (schedule.h)
 *   epoch, seq  the place of a batch: the epoch of this process, and a number that grows by one
 *
 * Ownership: everything in the options is borrowed and outlives the collector. A batch, and all it
 * points to, is valid only during the callback. Listeners may be added and removed at any time,
 * also from within on_batch; they must not free the collector.
 */

#include "agent/config/config.h"
#include "agent/engine/events.h"
#include "base/listeners.h"
#include "proto/samples.h"

struct collector;

struct collector_options {
    struct loop *loop;
    struct engine *engine;
    struct events *events;
    const struct config *config;
    uint64_t epoch;   /* of this run; 0: from the clock */
    const char *root; /* of sys/ and proc/; NULL: detected; tests set it */
};

struct collector_listener {
    struct listener base;
    /* Batches come in order. The source is set in the first one and whenever it has changed. */
    void (*on_batch)(struct collector_listener *l, const struct samples *batch);
};

struct collector *collector_new(const struct collector_options *o);
void collector_free(struct collector *c);
DEFINE_CLEANUP(struct collector *, collector_free);

void collector_add_listener(struct collector *c, struct collector_listener *l);
void collector_remove_listener(struct collector_listener *l); /* harmless if it was not added */

/* A session begins or has ended: drops its demand; the next batch has the source again. */
void collector_reset_demand(struct collector *c);
/* Sets what is read at the live interval, as the server asks; copied. */
void collector_set_rate(struct collector *c, const struct msg_stats_rate *rate);
/* For servers that send no rate: everything at the live interval. */
void collector_set_eager(struct collector *c, bool is_eager);

/* A text that is reported with the source, "" for none. Borrowed, and read again for each batch. */
void collector_set_note(struct collector *c, const char *note);
/* Texts are borrowed until the next tick. */
void collector_source(const struct collector *c, struct samples_source *ret);
