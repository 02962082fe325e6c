#include "server/history/ring.h"
#include "base/alloc.h"
#include "proto/metric.h"
#include "server/history/varint.h"

#include <assert.h>
#include <string.h>

#define MAX_VALUE   (INT64_C(1) << 59)
#define MAX_ROW     ((size_t)(VARINT_MAX_SIZE + 1 + RING_COLUMNS * VARINT_MAX_SIZE))
#define FIRST_BYTES 96
#define PAGE        4096

/*
 * A row: the difference of its gap to the gap before, a bit for each column that is not as in the row before, and
 * a number for each of these: 0 it is not known any more; else 1 + the difference to what was known last, where memory
 * comes in pages: a difference in whole pages is even, and counts pages.
 */

static uint64_t pack(int64_t difference)
{
    return difference % PAGE == 0 ? zigzag(difference / PAGE) << 1 : zigzag(difference) << 1 | 1;
}

static int64_t unpack(uint64_t v)
{
    return v & 1 ? unzigzag(v >> 1) : unzigzag(v >> 1) * PAGE;
}

void ring_done(struct ring *r)
{
    for (size_t i = 0; i < r->n_blocks; i++)
        free(r->blocks[i]);
    *r = (struct ring){0};
}

bool ring_is_empty(const struct ring *r)
{
    return r->n_blocks == 0;
}

size_t ring_size(const struct ring *r)
{
    size_t size = sizeof(*r);

    for (size_t i = 0; i < r->n_blocks; i++)
        size += sizeof(struct ring_block) + r->blocks[i]->capacity;
    return size;
}

static void drop_first(struct ring *r)
{
    free(r->blocks[0]);
    r->n_blocks--;
    memmove(r->blocks, r->blocks + 1, r->n_blocks * sizeof(struct ring_block *));
}

/* A block that gets no more rows keeps no room for them. */
static void seal_last(struct ring *r)
{
    struct ring_block **b = &r->blocks[r->n_blocks - 1];

    *b = xrealloc(*b, 1, sizeof(**b) + (*b)->size);
    (*b)->capacity = (*b)->size;
}

static void open_block(struct ring *r, int64_t at_ms)
{
    struct ring_block *b = xmalloc(sizeof(*b) + FIRST_BYTES);

    if (r->n_blocks == RING_MAX_BLOCKS)
        drop_first(r);
    *b = (struct ring_block){.first_ms = at_ms, .last_ms = at_ms, .capacity = FIRST_BYTES};
    r->blocks[r->n_blocks++] = b;
    r->newest = (struct ring_row){.at_ms = at_ms};
    for (size_t c = 0; c < RING_COLUMNS; c++) {
        r->newest.values[c] = METRIC_NONE;
        r->bases[c] = 0;
    }
    r->gap_ms = 0;
}

static size_t pack_row(struct ring *r, const struct ring_row *row, uint8_t out[MAX_ROW])
{
    int64_t gap = row->at_ms - r->newest.at_ms;
    size_t n = varint_write(out, zigzag(gap - r->gap_ms));
    uint8_t *mask = &out[n++];

    *mask = 0;
    r->gap_ms = gap;
    for (size_t c = 0; c < RING_COLUMNS; c++) {
        int64_t v = row->values[c];

        if (v == r->newest.values[c])
            continue;
        *mask = (uint8_t)(*mask | 1u << c);
        n += varint_write(out + n, v == METRIC_NONE ? 0 : 1 + pack(v - r->bases[c]));
        if (v != METRIC_NONE)
            r->bases[c] = v;
    }
    return n;
}

static struct ring_block *make_room(struct ring *r)
{
    struct ring_block *b = r->blocks[r->n_blocks - 1];
    size_t capacity = b->capacity;

    if (b->size + MAX_ROW <= capacity)
        return b;
    capacity = capacity * 2 < RING_BLOCK_SIZE ? capacity * 2 : RING_BLOCK_SIZE;
    b = xrealloc(b, 1, sizeof(*b) + capacity);
    b->capacity = (uint16_t)capacity;
    r->blocks[r->n_blocks - 1] = b;
    return b;
}

static void append(struct ring *r, const struct ring_row *row)
{
    struct ring_block *b = ring_is_empty(r) ? NULL : r->blocks[r->n_blocks - 1];

    if (b && (b->n == RING_BLOCK_ROWS || b->size + MAX_ROW > RING_BLOCK_SIZE)) {
        seal_last(r);
        b = NULL;
    }
    if (!b)
        open_block(r, row->at_ms);
    b = make_room(r);
    b->size = (uint16_t)(b->size + pack_row(r, row, b->data + b->size));
    b->last_ms = row->at_ms;
    b->n++;
    r->newest = *row;
}

bool ring_add(struct ring *r, const struct ring_row *given)
{
    struct ring_row row = *given;

    if (!ring_is_empty(r) && row.at_ms < r->newest.at_ms - RING_SPAN_MS)
        ring_done(r);
    if (!ring_is_empty(r) && row.at_ms - r->newest.at_ms < RING_MIN_GAP_MS)
        return false;
    for (size_t c = 0; c < RING_COLUMNS; c++) {
        if (row.values[c] > MAX_VALUE || row.values[c] < -MAX_VALUE)
            row.values[c] = METRIC_NONE;
    }
    append(r, &row);
    while (r->blocks[0]->last_ms < row.at_ms - RING_SPAN_MS)
        drop_first(r); /* never the open one: its last row is this one */
    return true;
}

/* --- reading ------------------------------------------------------------------------------------ */

static void enter_block(struct ring_reader *reader)
{
    const struct ring_block *b = reader->ring->blocks[reader->block];

    reader->n = 0;
    reader->at = b->data;
    reader->row.at_ms = b->first_ms;
    reader->gap_ms = 0;
    for (size_t c = 0; c < RING_COLUMNS; c++) {
        reader->row.values[c] = METRIC_NONE;
        reader->bases[c] = 0;
    }
}

void ring_read_start(struct ring_reader *reader, const struct ring *ring, int64_t after_ms)
{
    *reader = (struct ring_reader){.ring = ring, .after_ms = after_ms};
    while (reader->block < ring->n_blocks && ring->blocks[reader->block]->last_ms <= after_ms)
        reader->block++;
    if (reader->block < ring->n_blocks)
        enter_block(reader);
}

static uint64_t read_number(struct ring_reader *reader)
{
    const struct ring_block *b = reader->ring->blocks[reader->block];
    struct bytes bytes = {reader->at, b->data + b->size};
    uint64_t v = 0;
    int r = varint_read(&bytes, &v);

    assert(r == 0); /* it is what ring_add() wrote */
    (void)r;
    reader->at = bytes.at;
    return v;
}

static void unpack_row(struct ring_reader *reader)
{
    uint8_t mask;

    reader->gap_ms += unzigzag(read_number(reader));
    reader->row.at_ms += reader->gap_ms;
    mask = *reader->at++;
    for (size_t c = 0; c < RING_COLUMNS; c++) {
        uint64_t v;

        if (!(mask >> c & 1))
            continue;
        v = read_number(reader);
        if (v > 0)
            reader->bases[c] += unpack(v - 1);
        reader->row.values[c] = v > 0 ? reader->bases[c] : METRIC_NONE;
    }
    reader->n++;
}

bool ring_read_next(struct ring_reader *reader, struct ring_row *ret)
{
    while (reader->block < reader->ring->n_blocks) {
        if (reader->n == reader->ring->blocks[reader->block]->n) {
            if (++reader->block < reader->ring->n_blocks)
                enter_block(reader);
            continue;
        }
        unpack_row(reader);
        if (reader->row.at_ms > reader->after_ms) {
            *ret = reader->row;
            return true;
        }
    }
    return false;
}
