#pragma once

/*
 * Sends what the collector measures, for as long as a session lives: whole batches to servers that take samples, by way
 * of the spool, container_stats and stats messages to the others. While much waits to be sent already, the latter are
 * left out: the next ones are newer anyway.
 */

#include "agent/common/sender.h"
#include "agent/spool/spool.h"
#include "agent/stats/collector.h"

struct report;

struct report_options {
    struct collector *collector; /* outlives the report */
    struct spool *spool;         /* outlives the report; the collector's batches go there */
    const struct sender *sender; /* outlives the report */
    struct msg_samples_ack has;  /* what the server has for good; epoch 0: nothing */
    /* Queues one binary message; NULL: the server takes no samples. */
    int (*send_binary)(void *owner, const void *data, size_t size);
    /* With it: report_on_receipt() follows when the server has received what was sent before. */
    int (*ask_receipt)(void *owner, uint64_t number);
    void *owner;
};

struct report *report_new(const struct report_options *o);
void report_free(struct report *r); /* NULL is fine */
DEFINE_CLEANUP(struct report *, report_free);

void report_on_ack(struct report *r, const json_t *message); /* samples_ack */
void report_on_receipt(struct report *r, uint64_t number);
/* The payload of stats_rate. */
void report_on_rate(struct report *r, const json_t *payload);
