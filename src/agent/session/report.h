#pragma once

/*
 * Reports samples to the server during a session. It connects the spool with the link, in one of
 * two ways, depending on the capabilities of the server:
 *
 *   - batches: the spool, which receives every batch of the collector, sends to the batch_sink of
 *     the link. This module forwards the server's acknowledgements, receipts and rates;
 *   - single messages (container_stats, stats), for servers without batches: this module listens to
 *     the collector, requests all samples at the shorter interval, and disables the spool. Samples
 *     are skipped while the send queue is long. Those of containers are also sent on the
 *     channel of stats_channel.h, which has a queue of its own.
 */

#include "agent/common/sender.h"
#include "agent/session/stats_channel.h"
#include "agent/spool/spool.h"
#include "agent/stats/collector.h"

struct report;

struct report_options {
    struct collector *collector; /* outlives the report */
    struct spool *spool;         /* outlives the report; the collector's batches go there */
    const struct sender *sender; /* outlives the report */
    struct msg_samples_ack has;  /* position of the samples that the server has; epoch 0: none */
    struct batch_sink *sink;     /* outlives the report; NULL: a server without batches */
    const struct stats_channel_options *channel; /* for a server without batches; NULL: none */
};

struct report *report_new(const struct report_options *o);
void report_free(struct report *r); /* NULL is fine */
DEFINE_CLEANUP(struct report *, report_free);

/* Messages of the server. An invalid one is logged and ignored. */
void report_on_ack(struct report *r, const json_t *message); /* samples_ack */
void report_on_receipt(struct report *r, uint64_t number);
void report_on_rate(struct report *r, const json_t *payload); /* of stats_rate */
