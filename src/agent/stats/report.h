#pragma once

/*
 * Sends what the collector measures, for as long as a session lives: whole batches to servers that take samples,
 * container_stats and stats messages to the others. While much waits to be sent already, batches are left out: the next
 * one is newer anyway.
 */

#include "agent/sender.h"
#include "agent/stats/collector.h"

struct report;

struct report_options {
    struct collector *collector; /* outlives the report */
    const struct sender *sender; /* outlives the report */
    /* Queues one binary message; NULL: the server takes no samples. */
    int (*send_binary)(void *owner, const void *data, size_t size);
    void *owner;
};

struct report *report_new(const struct report_options *o);
void report_free(struct report *r); /* NULL is fine */
DEFINE_CLEANUP(struct report *, report_free);

/* The payload of stats_rate. */
void report_on_rate(struct report *r, const json_t *payload);
