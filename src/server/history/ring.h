#pragma once

/*
 * The last 15 minutes of one series in memory, as often as samples come: blocks of rows, packed as differences
 * from row to row. What is older goes block by block, and so does what would be more than RING_MAX_BLOCKS blocks.
 * Blocks are of one size, so that 200,000 rings leave no holes in the heap.
 * Pure data; a zeroed struct is an empty ring.
 *
 * All rings of a pool have a maximum together. A ring that needs room when it is taken gives up its oldest block, and
 * the others, when they need room, what is as old as that: all reach back less far. The block that is being written
 * stays, so that what is newest is always there.
 *
 * A row is its time and RING_COLUMNS values, METRIC_NONE for what is not known. Values beyond +-2^59 count as
 * not known.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_COLUMNS    8
#define RING_SPAN_MS    (INT64_C(15) * 60 * 1000)
#define RING_MIN_GAP_MS 250 /* rows that are closer are left out: two channels that tell the same */
#define RING_BLOCK_DATA 476 /* bytes of rows: with what malloc() adds, a block has 512 */
#define RING_MAX_BLOCKS 32

struct ring_row {
    int64_t at_ms;
    int64_t values[RING_COLUMNS];
};

struct ring_block {
    struct ring_block *next; /* newer; NULL: this one is open */
    int64_t first_ms, last_ms;
    uint16_t n, size;
    uint8_t data[RING_BLOCK_DATA];
};

/* What the next row of a block is told as a difference to. */
struct ring_state {
    int64_t at_ms, gap_ms;
    int64_t values[RING_COLUMNS]; /* that were known last */
    uint8_t known, changed;       /* a bit for each column, as of the row before */
};

struct ring {
    struct ring_block *oldest, *open; /* NULL: it is empty */
    size_t n_blocks;
    struct ring_state newest;
};

struct ring_pool {
    size_t max_bytes; /* 0: as much as it takes */
    size_t bytes; /* of all blocks of its rings; beyond the maximum by one block of each at most */
    int64_t cut_ms; /* what is not newer went because of the maximum; 0: nothing yet */
};

void ring_done(struct ring *r, struct ring_pool *pool); /* ready for use again */

/*
 * False when the row was left out: it is not newer than the newest one. One that is older by more than a ring holds
 * is taken as a clock that was set back, and the ring begins anew.
 */
bool ring_add(struct ring *r, struct ring_pool *pool, const struct ring_row *row);

bool ring_is_empty(const struct ring *r);

/* Reads the rows after a time, and of the last 15 minutes at most, oldest first. The ring must not change meanwhile. */
struct ring_reader {
    int64_t after_ms;
    const struct ring_block *block; /* NULL: at the end */
    size_t n;                       /* rows read of it */
    const uint8_t *at;
    struct ring_state state;
};

void ring_read_start(struct ring_reader *reader, const struct ring *ring, int64_t after_ms);
bool ring_read_next(struct ring_reader *reader, struct ring_row *ret);
