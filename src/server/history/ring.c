#include "server/history/ring.h"
#include "base/alloc.h"
#include "proto/metric.h"
#include "server/history/varint.h"

#include <assert.h>
#include <string.h>

#define MAX_VALUE (INT64_C(1) << 59)
#define MAX_ROW   ((size_t)(2 + (1 + RING_COLUMNS) * VARINT_MAX_SIZE))
#define PAGE      4096

/*
 * The format of a row:
 *
 *   head     one byte. The low 7 bits are the zig-zag difference between the gap to the row before
 *            and the gap before that one; LONG_GAP: the difference follows as a varint
 *   columns  one byte with a bit per column whose value differs from the row before. Absent if
 *            SAME_COLUMNS is set in the head: the same bits as in the row before
 *   values   one varint per such column: 0 if the value became unknown, else 1 + the packed
 *            difference to the last known value
 *
 * Memory comes in pages. A packed difference is therefore even and counts pages if it is a whole
 * number of pages, else it is odd and counts units.
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

/* --- blocks ----------------------------------------------------------------------------------- */

static void drop_oldest(struct ring *r, struct ring_pool *pool)
{
    struct ring_block *b = r->oldest;

    r->oldest = b->next;
    if (!r->oldest)
        r->open = NULL;
    r->n_blocks--;
    pool->bytes -= sizeof(*b);
    free(b);
}

void ring_done(struct ring *r, struct ring_pool *pool)
{
    while (r->oldest)
        drop_oldest(r, pool);
    *r = (struct ring){0};
}

bool ring_is_empty(const struct ring *r)
{
    return !r->oldest;
}

/* Applies the maximum of the pool before a ring grows. */
static void keep_to_maximum(struct ring *r, struct ring_pool *pool, int64_t now_ms)
{
    if (pool->cut_ms > now_ms) /* the clock was set back */
        pool->cut_ms = 0;
    if (pool->max_bytes > 0 && pool->bytes > pool->max_bytes && r->n_blocks > 1 &&
        r->oldest->last_ms > pool->cut_ms)
        pool->cut_ms = r->oldest->last_ms;
    while (r->n_blocks > 1 && r->oldest->last_ms <= pool->cut_ms)
        drop_oldest(r, pool);
}

static void open_block(struct ring *r, struct ring_pool *pool, int64_t at_ms)
{
    struct ring_block *b = xmalloc(sizeof(*b));

    keep_to_maximum(r, pool, at_ms);
    if (r->n_blocks == RING_MAX_BLOCKS)
        drop_oldest(r, pool);
    b->next = NULL;
    b->first_ms = b->last_ms = at_ms;
    b->n = b->size = 0;
    if (r->open) {
        r->open->next = b;
    } else {
        r->oldest = b;
    }
    r->open = b;
    r->n_blocks++;
    pool->bytes += sizeof(*b);
    r->newest = (struct ring_state){.at_ms = at_ms};
}

/* --- rows ------------------------------------------------------------------------------------- */

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

/* Returns false if the open block has no room for the row. */
static bool append(struct ring *r, const struct ring_row *row)
{
    struct ring_block *b = r->open;
    struct ring_state state = r->newest;
    uint8_t packed[MAX_ROW];
    size_t n = pack_row(&state, row, packed);

    if (b->size + n > RING_BLOCK_DATA)
        return false;
    memcpy(b->data + b->size, packed, n);
    b->size = (uint16_t)(b->size + n);
    b->last_ms = row->at_ms;
    b->n++;
    r->newest = state;
    return true;
}

bool ring_add(struct ring *r, struct ring_pool *pool, const struct ring_row *given)
{
    struct ring_row row = *given;

    if (!ring_is_empty(r) && row.at_ms < r->newest.at_ms - RING_SPAN_MS)
        ring_done(r, pool);
    if (!ring_is_empty(r) && row.at_ms - r->newest.at_ms < RING_MIN_GAP_MS)
        return false;
    for (size_t c = 0; c < RING_COLUMNS; c++) {
        if (row.values[c] > MAX_VALUE || row.values[c] < -MAX_VALUE)
            row.values[c] = METRIC_NONE;
    }
    if (!r->open || !append(r, &row)) {
        open_block(r, pool, row.at_ms);
        (void)append(r, &row); /* an empty block has room for any row */
    }
    while (r->oldest->last_ms < row.at_ms - RING_SPAN_MS)
        drop_oldest(r, pool); /* never the open block, whose last row is the new one */
    return true;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void enter_block(struct ring_reader *reader, const struct ring_block *b)
{
    reader->block = b;
    reader->n = 0;
    if (!b)
        return;
    reader->at = b->data;
    reader->state = (struct ring_state){.at_ms = b->first_ms};
}

void ring_read_start(struct ring_reader *reader, const struct ring *ring, int64_t after_ms)
{
    const struct ring_block *b = ring->oldest;
    int64_t begin_ms = ring->newest.at_ms - RING_SPAN_MS - 1;

    *reader = (struct ring_reader){.after_ms = after_ms > begin_ms ? after_ms : begin_ms};
    while (b && b->last_ms <= reader->after_ms)
        b = b->next;
    enter_block(reader, b);
}

size_t ring_read_newest(struct ring_reader *reader, const struct ring *ring, size_t n)
{
    const struct ring_block *first = ring->oldest;
    size_t n_rows = 0;

    for (const struct ring_block *b = first; b; b = b->next)
        n_rows += b->n;
    for (; first && n_rows - first->n >= n; first = first->next)
        n_rows -= first->n;
    *reader = (struct ring_reader){.after_ms = INT64_MIN};
    enter_block(reader, first);
    return n_rows;
}

static uint64_t read_number(struct ring_reader *reader)
{
    const struct ring_block *b = reader->block;
    struct bytes bytes = {reader->at, b->data + b->size};
    uint64_t v = 0;
    int r = varint_read(&bytes, &v);

    assert(r == 0); /* the bytes were written by ring_add() */
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
    while (reader->block) {
        if (reader->n == reader->block->n) {
            enter_block(reader, reader->block->next);
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
