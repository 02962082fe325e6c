#pragma once

/*
 * A ring holds the last 15 minutes of one series in memory, at the rate at which samples arrive. It
 * consists of blocks of rows, packed as differences from row to row. Whole blocks are dropped when
 * they are older than that, or when there are more than RING_MAX_BLOCKS. All blocks have the same
 * size, so that 200,000 rings do not fragment the heap. Pure data; a zeroed struct is an empty
 * ring.
 *
 * The rings of a pool share a maximum of memory. When a ring needs a block and the pool is full, it
 * drops its oldest block; other rings then drop blocks of that age when they need one, so that all
 * of them reach back less far. The open block is never dropped, so that the newest rows are always
 * available.
 *
 * A row consists of its time and RING_COLUMNS values; METRIC_NONE: unknown. Values beyond +-2^59
 * become unknown.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_COLUMNS    8
#define RING_SPAN_MS    (INT64_C(15) * 60 * 1000)
#define RING_MIN_GAP_MS 250 /* closer rows are ignored: two channels carry the same samples */
#define RING_BLOCK_DATA 476 /* bytes of rows; a block takes 512 with the overhead of malloc() */
#define RING_MAX_BLOCKS 32

struct ring_row {
    int64_t at_ms;
    int64_t values[RING_COLUMNS];
};

struct ring_block {
    struct ring_block *next; /* the next newer one; NULL: this one is open */
    int64_t first_ms, last_ms;
    uint16_t n, size;
    uint8_t data[RING_BLOCK_DATA];
};

/* The row before the next one of a block, which is stored as a difference to it. */
struct ring_state {
    int64_t at_ms, gap_ms;
    int64_t values[RING_COLUMNS]; /* the last known ones */
    uint8_t known, changed;       /* one bit per column, of the row before */
};

struct ring {
    struct ring_block *oldest, *open; /* NULL: the ring is empty */
    size_t n_blocks;
    struct ring_state newest;
};

struct ring_pool {
    size_t max_bytes; /* 0: no maximum */
    size_t bytes;     /* of all blocks of its rings; may exceed the maximum by one block per ring */
    int64_t cut_ms;   /* rows up to this time were dropped because of the maximum; 0: none */
};

void ring_done(struct ring *r, struct ring_pool *pool); /* leaves it ready for use */

/*
 * Returns false if the row was ignored, as it is not newer than the newest one. A row that is older
 * than the span of the ring means that the clock was set back: the ring is emptied first.
 */
bool ring_add(struct ring *r, struct ring_pool *pool, const struct ring_row *row);

bool ring_is_empty(const struct ring *r);

/* Reads the rows after a time, at most the last 15 minutes, oldest first. The ring must not change
 * meanwhile. */
struct ring_reader {
    int64_t after_ms;
    const struct ring_block *block; /* NULL: no more rows */
    size_t n;                       /* rows read from the block */
    const uint8_t *at;
    struct ring_state state;
};

void ring_read_start(struct ring_reader *reader, const struct ring *ring, int64_t after_ms);
/*
 * Starts at the block with the n-th newest row, without those before it. Returns the number of rows
 * from there on, which may be more than n.
 */
size_t ring_read_newest(struct ring_reader *reader, const struct ring *ring, size_t n);
bool ring_read_next(struct ring_reader *reader, struct ring_row *ret);
