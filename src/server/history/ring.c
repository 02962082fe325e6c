#include "server/history/ring.h"
#include "base/alloc.h"
#include "proto/metric.h"
#include "server/history/varint.h"

#include <assert.h>
#include <string.h>

#define MAX_VALUE   (INT64_C(1) << 59)
#define MAX_ROW     ((size_t)(2 + (1 + RING_COLUMNS) * VARINT_MAX_SIZE))
#define FIRST_BYTES 96
#define PAGE        4096

/*
 * A row begins with a byte: the difference of its gap to the gap before, zig-zag, in 7 bits, and SAME_COLUMNS when the
 * columns that differ from the row before are those that did so there. LONG_GAP: the difference follows as a number of its
 * own. Without SAME_COLUMNS there is a byte with a bit for each such column. For each of them comes a number: 0
 * it is not known any more; else 1 + the difference to what was known last, where memory comes in pages: a difference
 * in whole pages is even, and counts pages.
 */
#define SAME_COLUMNS 0x80
#define LONG_GAP     0x7f

static uint64_t pack(int64_t difference)
{
    return difference % PAGE == 0 ? zigzag(difference / PAGE) << 1 : zigzag(difference) << 1 | 1;
}

static int64_t unpack(uint64_t v)
{
    return v & 1 ? unzigzag(v >> 1) : unzigzag(v >> 1) * PAGE;
}

static int64_t value_of(const struct ring_state *s, size_t column)
{
    return s->known >> column & 1 ? s->values[column] : METRIC_NONE;
}

/* --- blocks ------------------------------------------------------------------------------------- */

static size_t block_bytes(const struct ring_block *b)
{
    return sizeof(*b) + b->capacity;
}

static void drop_first(struct ring *r, struct ring_pool *pool)
{
    pool->bytes -= block_bytes(r->blocks[0]);
    free(r->blocks[0]);
    r->n_blocks--;
    memmove(r->blocks, r->blocks + 1, r->n_blocks * sizeof(struct ring_block *));
}

void ring_done(struct ring *r, struct ring_pool *pool)
{
    while (r->n_blocks > 0)
        drop_first(r, pool);
    *r = (struct ring){0};
}

bool ring_is_empty(const struct ring *r)
{
    return r->n_blocks == 0;
}

static void resize_last(struct ring *r, struct ring_pool *pool, size_t capacity)
{
    struct ring_block **b = &r->blocks[r->n_blocks - 1];

    pool->bytes -= block_bytes(*b);
    *b = xrealloc(*b, 1, sizeof(**b) + capacity);
    (*b)->capacity = (uint16_t)capacity;
    pool->bytes += block_bytes(*b);
}

static void open_block(struct ring *r, struct ring_pool *pool, int64_t at_ms)
{
    struct ring_block *b = xmalloc(sizeof(*b) + FIRST_BYTES);

    if (r->n_blocks == RING_MAX_BLOCKS)
        drop_first(r, pool);
    *b = (struct ring_block){.first_ms = at_ms, .last_ms = at_ms, .capacity = FIRST_BYTES};
    r->blocks[r->n_blocks++] = b;
    pool->bytes += block_bytes(b);
    r->newest = (struct ring_state){.at_ms = at_ms};
}

/* Before a ring takes more. */
static void keep_to_maximum(struct ring *r, struct ring_pool *pool, int64_t now_ms)
{
    if (pool->cut_ms > now_ms) /* the clock was set back */
        pool->cut_ms = 0;
    if (pool->max_bytes > 0 && pool->bytes > pool->max_bytes && r->n_blocks > 1 &&
        r->blocks[0]->last_ms > pool->cut_ms)
        pool->cut_ms = r->blocks[0]->last_ms;
    while (r->n_blocks > 1 && r->blocks[0]->last_ms <= pool->cut_ms)
        drop_first(r, pool);
}

static bool is_closed(const struct ring_block *b)
{
    return b->n == RING_BLOCK_ROWS || b->size + MAX_ROW > RING_BLOCK_SIZE;
}

/* The open block, with room for a row. */
static struct ring_block *make_room(struct ring *r, struct ring_pool *pool, int64_t at_ms)
{
    struct ring_block *b = ring_is_empty(r) ? NULL : r->blocks[r->n_blocks - 1];
    size_t capacity;

    if (b && b->n < RING_BLOCK_ROWS && b->size + MAX_ROW <= b->capacity)
        return b;
    keep_to_maximum(r, pool, at_ms);
    if (b && !is_closed(b)) {
        capacity = (size_t)b->capacity * 2;
        resize_last(r, pool, capacity < RING_BLOCK_SIZE ? capacity : RING_BLOCK_SIZE);
    } else {
        if (b)
            resize_last(r, pool, b->size); /* it gets no more rows */
        open_block(r, pool, at_ms);
    }
    return r->blocks[r->n_blocks - 1];
}

/* --- rows --------------------------------------------------------------------------------------- */

static size_t pack_head(struct ring_state *s, int64_t gap_ms, uint8_t changed, uint8_t out[MAX_ROW])
{
    uint64_t difference = zigzag(gap_ms - s->gap_ms);
    bool is_long = difference >= LONG_GAP, is_same = changed == s->changed;
    size_t n = 1;

    out[0] = (uint8_t)((is_long ? LONG_GAP : difference) | (is_same ? SAME_COLUMNS : 0));
    if (is_long)
        n += varint_write(out + n, difference);
    if (!is_same)
        out[n++] = changed;
    s->gap_ms = gap_ms;
    s->changed = changed;
    return n;
}

static size_t pack_row(struct ring_state *s, const struct ring_row *row, uint8_t out[MAX_ROW])
{
    uint8_t changed = 0;
    size_t n;

    for (size_t c = 0; c < RING_COLUMNS; c++)
        changed = (uint8_t)(changed | (unsigned)(row->values[c] != value_of(s, c)) << c);
    n = pack_head(s, row->at_ms - s->at_ms, changed, out);
    s->at_ms = row->at_ms;
    for (size_t c = 0; c < RING_COLUMNS; c++) {
        int64_t v = row->values[c];

        if (!(changed >> c & 1))
            continue;
        s->known = (uint8_t)(s->known & ~(1u << c));
        if (v == METRIC_NONE) {
            out[n++] = 0;
            continue;
        }
        n += varint_write(out + n, 1 + pack(v - s->values[c]));
        s->known = (uint8_t)(s->known | 1u << c);
        s->values[c] = v;
    }
    return n;
}

bool ring_add(struct ring *r, struct ring_pool *pool, const struct ring_row *given)
{
    struct ring_row row = *given;
    struct ring_block *b;

    if (!ring_is_empty(r) && row.at_ms < r->newest.at_ms - RING_SPAN_MS)
        ring_done(r, pool);
    if (!ring_is_empty(r) && row.at_ms - r->newest.at_ms < RING_MIN_GAP_MS)
        return false;
    for (size_t c = 0; c < RING_COLUMNS; c++) {
        if (row.values[c] > MAX_VALUE || row.values[c] < -MAX_VALUE)
            row.values[c] = METRIC_NONE;
    }
    b = make_room(r, pool, row.at_ms);
    b->size = (uint16_t)(b->size + pack_row(&r->newest, &row, b->data + b->size));
    b->last_ms = row.at_ms;
    b->n++;
    while (r->blocks[0]->last_ms < row.at_ms - RING_SPAN_MS)
        drop_first(r, pool); /* never the open one: its last row is this one */
    return true;
}

/* --- reading ------------------------------------------------------------------------------------ */

static void enter_block(struct ring_reader *reader)
{
    const struct ring_block *b = reader->ring->blocks[reader->block];

    reader->n = 0;
    reader->at = b->data;
    reader->state = (struct ring_state){.at_ms = b->first_ms};
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
    struct ring_state *s = &reader->state;
    uint8_t head = *reader->at++;
    uint64_t difference = head & LONG_GAP;

    s->gap_ms += unzigzag(difference == LONG_GAP ? read_number(reader) : difference);
    s->at_ms += s->gap_ms;
    if (!(head & SAME_COLUMNS))
        s->changed = *reader->at++;
    for (size_t c = 0; c < RING_COLUMNS; c++) {
        uint64_t v;

        if (!(s->changed >> c & 1))
            continue;
        v = read_number(reader);
        s->known = (uint8_t)((s->known & ~(1u << c)) | (unsigned)(v > 0) << c);
        if (v > 0)
            s->values[c] += unpack(v - 1);
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
        if (reader->state.at_ms <= reader->after_ms)
            continue;
        ret->at_ms = reader->state.at_ms;
        for (size_t c = 0; c < RING_COLUMNS; c++)
            ret->values[c] = value_of(&reader->state, c);
        return true;
    }
    return false;
}
