#pragma once

/*
 * The last 15 minutes of one series in memory, as often as samples come: blocks of rows, packed as differences
 * from row to row. What is older goes block by block, and so does what would be more than RING_MAX_BLOCKS blocks.
 * Pure data; a zeroed struct is an empty ring.
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
#define RING_BLOCK_ROWS 60
#define RING_BLOCK_SIZE 1024 /* bytes at most */
#define RING_MAX_BLOCKS 16

struct ring_row {
    int64_t at_ms;
    int64_t values[RING_COLUMNS];
};

struct ring_block {
    int64_t first_ms, last_ms;
    uint16_t n, size, capacity;
    uint8_t data[];
};

struct ring {
    struct ring_block *blocks[RING_MAX_BLOCKS]; /* oldest first; the last one is open */
    size_t n_blocks;
    struct ring_row newest;
    int64_t
        bases[RING_COLUMNS]; /* what the next row of the open block is told as a difference to */
    int64_t gap_ms;
};

void ring_done(struct ring *r); /* ready for use again */

/*
 * False when the row was left out: it is not newer than the newest one. One that is older by more than a ring holds
 * is taken as a clock that was set back, and the ring begins anew.
 */
bool ring_add(struct ring *r, const struct ring_row *row);

bool ring_is_empty(const struct ring *r);
size_t ring_size(const struct ring *r); /* bytes of it all */

/* Reads the rows after a time, oldest first. The ring must not change meanwhile. */
struct ring_reader {
    const struct ring *ring;
    int64_t after_ms;
    size_t block, n; /* rows read of it */
    const uint8_t *at;
    struct ring_row row;
    int64_t bases[RING_COLUMNS], gap_ms;
};

void ring_read_start(struct ring_reader *reader, const struct ring *ring, int64_t after_ms);
bool ring_read_next(struct ring_reader *reader, struct ring_row *ret);
