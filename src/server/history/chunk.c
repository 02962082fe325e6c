#include "server/history/chunk.h"
#include "base/alloc.h"
#include "proto/metric.h"
#include "server/history/varint.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#define VERSION       1
#define CHECKSUM_SIZE crypto_shorthash_BYTES

/* The first byte of a column. */
enum find_column_kind {
    COLUMN_ALL_NONE,
    COLUMN_NO_NONE,
    COLUMN_MIXED, /* followed by one bit per row: set if the row has a value */
};

void history_rows_init(struct history_rows *rows, size_t n_columns, size_t capacity)
{
    assert(n_columns > 0 && n_columns <= CHUNK_MAX_COLUMNS);
    *rows = (struct history_rows){
        .capacity = capacity,
        .n_columns = n_columns,
        .at = xcalloc(capacity, sizeof(*rows->at)),
        .values = xcalloc(capacity, n_columns * sizeof(*rows->values)),
    };
}

void history_rows_done(struct history_rows *rows)
{
    free(rows->at);
    free(rows->values);
    *rows = (struct history_rows){0};
}

void history_rows_add(struct history_rows *rows, int64_t at, const int64_t *values, size_t n)
{
    assert(rows->n < rows->capacity);
    rows->at[rows->n] = at;
    for (size_t c = 0; c < rows->n_columns; c++)
        history_rows_column(rows, c)[rows->n] = c < n ? values[c] : METRIC_NONE;
    rows->n++;
}

static void checksum(const void *data, size_t size, uint8_t ret[CHECKSUM_SIZE])
{
    static const uint8_t key[crypto_shorthash_KEYBYTES] = "dockmon history";

    (void)crypto_shorthash(ret, data, size, key);
}

/* Writes differences. A run of n zeros is written as 0 and n - 1. */
struct delta_writer {
    struct buf *out;
    uint64_t n_zeros;
    int code;
};

static void put(struct delta_writer *w, uint64_t v)
{
    if (w->code == 0)
        w->code = varint_append(w->out, v);
}

static void end_zeros(struct delta_writer *w)
{
    if (w->n_zeros > 0) {
        put(w, 0);
        put(w, w->n_zeros - 1);
    }
    w->n_zeros = 0;
}

/* Differences wrap around, so that any two numbers have one. */
static void put_delta(struct delta_writer *w, uint64_t delta)
{
    if (delta == 0) {
        w->n_zeros++;
        return;
    }
    end_zeros(w);
    put(w, zigzag((int64_t)delta));
}

static int encode_times(const struct history_rows *rows, struct buf *out)
{
    struct delta_writer w = {.out = out};
    uint64_t before = 0, step = 0;

    for (size_t i = 0; i < rows->n; i++) {
        uint64_t now = (uint64_t)rows->at[i];

        put_delta(&w, now - before - step);
        step = i > 0 ? now - before : 0;
        before = now;
    }
    end_zeros(&w);
    return w.code;
}

static enum find_column_kind find_column_kind(const int64_t *values, size_t n)
{
    size_t n_none = 0;

    for (size_t i = 0; i < n; i++)
        n_none += values[i] == METRIC_NONE;
    return n_none == n ? COLUMN_ALL_NONE : n_none == 0 ? COLUMN_NO_NONE : COLUMN_MIXED;
}

static int encode_column(const int64_t *values, size_t n, struct buf *out)
{
    enum find_column_kind kind = find_column_kind(values, n);
    struct delta_writer w = {.out = out, .code = buf_append_char(out, (char)kind)};
    uint8_t bits[(CHUNK_MAX_ROWS + 7) / 8] = {0};
    uint64_t before = 0;

    if (kind == COLUMN_ALL_NONE)
        return w.code;
    for (size_t i = 0; i < n; i++) {
        if (values[i] != METRIC_NONE)
            bits[i / 8] |= (uint8_t)(1U << i % 8);
    }
    if (kind == COLUMN_MIXED && w.code == 0)
        w.code = buf_append(out, bits, (n + 7) / 8);
    for (size_t i = 0; i < n; i++) {
        if (values[i] == METRIC_NONE)
            continue;
        put_delta(&w, (uint64_t)values[i] - before);
        before = (uint64_t)values[i];
    }
    end_zeros(&w);
    return w.code;
}

static int append_sized(struct buf *out, const struct buf *part)
{
    int r = varint_append(out, part->size);

    return r < 0 ? r : buf_append(out, part->data, part->size);
}

static int encode_parts(const struct history_rows *rows, struct buf *part, struct buf *out)
{
    int r = encode_times(rows, part);

    if (r == 0)
        r = append_sized(out, part);
    for (size_t c = 0; r == 0 && c < rows->n_columns; c++) {
        buf_clear(part);
        r = encode_column(history_rows_column(rows, c), rows->n, part);
        if (r == 0)
            r = append_sized(out, part);
    }
    return r;
}

int chunk_encode(const struct history_rows *rows, struct buf *out)
{
    size_t start = out->size;
    struct buf part = BUF_INIT(CHUNK_MAX_SIZE);
    const uint64_t head[] = {VERSION, rows->n, rows->n_columns};
    uint8_t sum[CHECKSUM_SIZE];
    int r = 0;

    assert(rows->n <= CHUNK_MAX_ROWS);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(head); i++)
        r = varint_append(out, head[i]);
    if (r == 0)
        r = encode_parts(rows, &part, out);
    buf_done(&part);
    if (r == 0 && out->size - start + CHECKSUM_SIZE > CHUNK_MAX_SIZE)
        r = -EMSGSIZE;
    if (r < 0)
        return r;
    checksum(out->data + start, out->size - start, sum);
    return buf_append(out, sum, sizeof(sum));
}

struct delta_reader {
    struct bytes in;
    uint64_t n_zeros;
};

static int get_delta(struct delta_reader *r, uint64_t *ret)
{
    uint64_t v;

    *ret = 0;
    if (r->n_zeros > 0) {
        r->n_zeros--;
        return 0;
    }
    if (varint_read(&r->in, &v) < 0)
        return -EBADMSG;
    if (v != 0) {
        *ret = (uint64_t)unzigzag(v);
        return 0;
    }
    /* A wrong count is harmless: the reader takes no more zeros than it needs. */
    return varint_read(&r->in, &r->n_zeros) < 0 ? -EBADMSG : 0;
}

static int decode_times(struct bytes in, struct history_rows *rows)
{
    struct delta_reader r = {.in = in};
    uint64_t before = 0, step = 0, delta;

    for (size_t i = 0; i < rows->n; i++) {
        if (get_delta(&r, &delta) < 0)
            return -EBADMSG;
        step += delta;
        before += step;
        rows->at[i] = (int64_t)before;
        if (i == 0)
            step = 0;
    }
    return 0;
}

static int decode_column(struct bytes in, size_t n, int64_t *values)
{
    struct delta_reader r = {.in = in};
    uint8_t bits[(CHUNK_MAX_ROWS + 7) / 8];
    uint64_t before = 0, delta;
    enum find_column_kind kind;

    if (bytes_left(&r.in) == 0)
        return -EBADMSG;
    kind = *r.in.at++;
    if (kind == COLUMN_ALL_NONE)
        return 0;
    memset(bits, 0xff, sizeof(bits));
    if (kind == COLUMN_MIXED) {
        if (bytes_left(&r.in) < (n + 7) / 8)
            return -EBADMSG;
        memcpy(bits, r.in.at, (n + 7) / 8);
        r.in.at += (n + 7) / 8;
    } else if (kind != COLUMN_NO_NONE) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < n; i++) {
        if (!(bits[i / 8] >> i % 8 & 1))
            continue;
        if (get_delta(&r, &delta) < 0)
            return -EBADMSG;
        before += delta;
        values[i] = (int64_t)before;
    }
    return 0;
}

static int next_part(struct bytes *in, struct bytes *ret)
{
    uint64_t size;

    if (varint_read(in, &size) < 0 || size > bytes_left(in))
        return -EBADMSG;
    *ret = (struct bytes){in->at, in->at + size};
    in->at += size;
    return 0;
}

static int decode(struct bytes in, uint64_t columns, struct history_rows *ret)
{
    uint64_t version, n, n_columns;
    struct bytes part;

    if (varint_read(&in, &version) < 0 || version != VERSION || varint_read(&in, &n) < 0 ||
        n > CHUNK_MAX_ROWS || varint_read(&in, &n_columns) < 0 || n_columns > CHUNK_MAX_COLUMNS)
        return -EBADMSG;
    ret->n = (size_t)n;
    if (next_part(&in, &part) < 0 || decode_times(part, ret) < 0)
        return -EBADMSG;
    for (size_t c = 0; c < n_columns; c++) {
        bool is_wanted = c < ret->n_columns && columns >> c & 1;

        if (next_part(&in, &part) < 0 ||
            (is_wanted && decode_column(part, ret->n, history_rows_column(ret, c)) < 0))
            return -EBADMSG;
    }
    return 0;
}

int chunk_decode(
    const void *data, size_t size, uint64_t columns, struct history_rows *ret, struct error *err)
{
    const uint8_t *bytes = data;
    uint8_t sum[CHECKSUM_SIZE];
    int r = -EBADMSG;

    assert(ret->capacity >= CHUNK_MAX_ROWS);
    ret->n = 0;
    for (size_t i = 0; i < ret->n_columns * ret->capacity; i++)
        ret->values[i] = METRIC_NONE;
    if (size >= CHECKSUM_SIZE && size <= CHUNK_MAX_SIZE) {
        checksum(bytes, size - CHECKSUM_SIZE, sum);
        if (memcmp(sum, bytes + size - CHECKSUM_SIZE, CHECKSUM_SIZE) == 0)
            r = decode((struct bytes){bytes, bytes + size - CHECKSUM_SIZE}, columns, ret);
    }
    if (r == 0)
        return 0;
    ret->n = 0;
    return error_set(err, r, "a chunk of %zu bytes is damaged", size);
}
