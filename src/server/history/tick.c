#include "server/history/tick.h"
#include "proto/metric.h"
#include "server/history/varint.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int append_values(struct buf *out, const int64_t *values, size_t n)
{
    uint64_t known = 0;
    int r;

    for (size_t i = 0; i < n; i++)
        known |= (uint64_t)(values[i] != METRIC_NONE) << i;
    r = varint_append(out, n);
    if (r == 0)
        r = varint_append(out, known);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (known >> i & 1)
            r = varint_append(out, zigzag(values[i]));
    }
    return r;
}

int tick_append(struct buf *out, const char *name, const int64_t *values, size_t n)
{
    size_t size = strlen(name), start = out->size;
    int r;

    assert(n <= CHUNK_MAX_COLUMNS);
    if (size > TICK_MAX_NAME)
        return -EINVAL;
    r = varint_append(out, size);
    if (r == 0)
        r = buf_append(out, name, size);
    if (r == 0)
        r = append_values(out, values, n);
    if (r < 0)
        out->size = start;
    return r;
}

int tick_next(const void *data, size_t size, size_t *offset, struct tick_series *ret)
{
    const uint8_t *bytes = data;
    struct bytes in = {bytes + *offset, bytes + size};
    uint64_t name_size, n, known, v;

    if (*offset >= size)
        return 0;
    if (varint_read(&in, &name_size) < 0 || name_size > TICK_MAX_NAME ||
        name_size > bytes_left(&in))
        return -EBADMSG;
    memcpy(ret->name, in.at, name_size);
    ret->name[name_size] = '\0';
    in.at += name_size;
    if (varint_read(&in, &n) < 0 || n > CHUNK_MAX_COLUMNS || varint_read(&in, &known) < 0)
        return -EBADMSG;
    ret->n = (size_t)n;
    for (size_t i = 0; i < n; i++) {
        ret->values[i] = METRIC_NONE;
        if (!(known >> i & 1))
            continue;
        if (varint_read(&in, &v) < 0)
            return -EBADMSG;
        ret->values[i] = unzigzag(v);
    }
    *offset = (size_t)(in.at - bytes);
    return 1;
}
