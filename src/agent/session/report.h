#pragma once

/*
 * Reports samples to the server while a session lives. This is the place where the spool and the link
 * are joined; which of two ways is taken depends on what the server understands:
 *
 *   - batches: the spool, which gets every batch of the collector anyway, is connected with the link's
 *     batch_sink. The server's acknowledgements, receipts and rates are passed on from here;
 *   - single messages (container_stats, stats), for servers that take no batches: this module listens
 *     to the collector itself, asks it for everything at the faster interval, and tells the spool to
 *     keep nothing. While much waits to be sent, samples are skipped: the next ones are newer anyway.
 */

#include "agent/common/sender.h"
#include "agent/spool/spool.h"
#include "agent/stats/collector.h"

struct report;

struct report_options {
    struct collector *collector; /* outlives the report */
    struct spool *spool;         /* outlives the report; the collector's batches go there */
    const struct sender *sender; /* outlives the report */
    struct msg_samples_ack has;  /* samples that the server has for good; epoch 0: none */
    struct batch_sink *sink;     /* outlives the report; NULL: the server takes no batches */
};

struct report *report_new(const struct report_options *o);
void report_free(struct report *r); /* NULL is fine */
DEFINE_CLEANUP(struct report *, report_free);

void report_on_ack(struct report *r, const json_t *message); /* samples_ack */
void report_on_receipt(struct report *r, uint64_t number);
/* The payload of stats_rate. */
void report_on_rate(struct report *r, const json_t *payload);
