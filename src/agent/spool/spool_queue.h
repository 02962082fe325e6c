#pragma once

/*
 * The two lists of a spool: batches in memory, and batches that were sent from disk. Both are in the order they were
 * made in, and none of either is acknowledged.
 */

#include "agent/spool/segments.h"
#include "proto/samples.h"

/* In memory. */
struct spool_item {
    uint64_t epoch, seq;
    uint64_t made_ms; /* monotonic */
    char *data;       /* of the record; the list's */
    size_t size;
    uint64_t receipt; /* the number that says the server has received it; 0: not asked for */
    bool is_sent, is_received;
    bool is_stored;
    struct segments_place begin, end; /* of its record, when it is stored */
};

struct spool_items { /* zeroed: empty */
    struct spool_item *list;
    size_t n, capacity;
    size_t bytes;
};

void spool_items_add(struct spool_items *q, const struct spool_item *item); /* data is copied */
void spool_items_drop(struct spool_items *q, size_t n);                     /* the oldest */
/* How many of the oldest an acknowledgement stands for: what was sent before a batch has arrived before it. */
size_t spool_items_covered(const struct spool_items *q, const struct msg_samples_ack *ack);
/* All that was asked for by then has been received. */
void spool_items_receive(struct spool_items *q, uint64_t receipt);
/* A new connection: nothing was sent on it yet. */
void spool_items_rewind(struct spool_items *q);
void spool_items_done(struct spool_items *q);

/* Sent from disk. */
struct spool_flight {
    uint64_t epoch, seq;
    size_t size;
    struct segments_place end; /* of its record */
};

struct spool_flights { /* zeroed: empty */
    struct spool_flight *list;
    size_t n, capacity;
    size_t bytes; /* that count against the window */
};

void spool_flights_add(struct spool_flights *q, const struct spool_flight *flight);
void spool_flights_drop(struct spool_flights *q, size_t n);
size_t spool_flights_covered(const struct spool_flights *q, const struct msg_samples_ack *ack);
void spool_flights_done(struct spool_flights *q);

bool spool_is_covered(const struct msg_samples_ack *ack, uint64_t epoch, uint64_t seq);
