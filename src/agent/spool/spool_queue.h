#pragma once

/*
 * The two lists of a spool: batches in memory (items), and batches that were sent from disk
 * (flights). Both are in order of creation, and contain unacknowledged batches only.
 */

#include "agent/spool/segments.h"
#include "proto/samples.h"

/* A batch in memory. */
struct spool_item {
    uint64_t epoch, seq;
    uint64_t made_ms; /* monotonic */
    char *data;       /* of the record; owned by the list */
    size_t size;
    uint64_t receipt; /* number of the receipt that was asked for; 0: none */
    bool is_sent, is_received;
    bool is_stored;
    struct segments_place begin, end; /* of its record, if it is stored on disk */
};

struct spool_items { /* zeroed: empty */
    struct spool_item *list;
    size_t n, capacity;
    size_t bytes;
};

void spool_items_add(struct spool_items *q, const struct spool_item *item); /* data is copied */
void spool_items_drop(struct spool_items *q, size_t n);                     /* drops the oldest */
/* The number of oldest items that an acknowledgement covers: batches arrive in the order they were
 * sent in. */
size_t spool_items_covered(const struct spool_items *q, const struct msg_samples_ack *ack);
/* Marks all items as received that a receipt with this number, or an earlier one, was asked for. */
void spool_items_receive(struct spool_items *q, uint64_t receipt);
/* A new connection: marks all items as not sent. */
void spool_items_rewind(struct spool_items *q);
void spool_items_done(struct spool_items *q);

/* A batch that was sent from disk. */
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
