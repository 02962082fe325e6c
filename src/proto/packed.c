#include "proto/packed.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The first bytes from 0xc0 to 0xdf; `size` is that of the number or length that follows. */
static const struct head {
    enum packed_type type;
    uint8_t size;
    bool is_signed, is_bad;
} heads[] = {
    {PACKED_NIL,   0, false, false},
    {PACKED_NIL,   0, false, true }, /* never used */
    {PACKED_BOOL,  0, false, false},
    {PACKED_BOOL,  0, false, false},
    {PACKED_BIN,   1, false, false},
    {PACKED_BIN,   2, false, false},
    {PACKED_BIN,   4, false, false},
    {PACKED_EXT,   1, false, false},
    {PACKED_EXT,   2, false, false},
    {PACKED_EXT,   4, false, false},
    {PACKED_FLOAT, 4, false, false},
    {PACKED_FLOAT, 8, false, false},
    {PACKED_INT,   1, false, false},
    {PACKED_INT,   2, false, false},
    {PACKED_INT,   4, false, false},
    {PACKED_INT,   8, false, false},
    {PACKED_INT,   1, true,  false},
    {PACKED_INT,   2, true,  false},
    {PACKED_INT,   4, true,  false},
    {PACKED_INT,   8, true,  false},
    {PACKED_EXT,   0, false, false}, /* fixext 1, 2, 4, 8, 16 */
    {PACKED_EXT,   0, false, false},
    {PACKED_EXT,   0, false, false},
    {PACKED_EXT,   0, false, false},
    {PACKED_EXT,   0, false, false},
    {PACKED_STR,   1, false, false},
    {PACKED_STR,   2, false, false},
    {PACKED_STR,   4, false, false},
    {PACKED_ARRAY, 2, false, false},
    {PACKED_ARRAY, 4, false, false},
    {PACKED_MAP,   2, false, false},
    {PACKED_MAP,   4, false, false},
};

#define FIRST_HEAD 0xc0U
#define TRUE_HEAD  0xc3U
#define FIXEXT_1   0xd4U
#define FIXEXT_16  0xd8U

static size_t left(const struct packed *r)
{
    return (size_t)(r->end - r->p);
}

static int refuse_truncated(struct error *err)
{
    return error_set(err, -EBADMSG, "the message is truncated");
}

static uint64_t take_number(struct packed *r, size_t size)
{
    uint64_t v = 0;

    for (size_t i = 0; i < size; i++)
        v = v << 8 | *r->p++;
    return v;
}

static int64_t sign_extend(uint64_t v, size_t size)
{
    unsigned shift = (unsigned)(64 - 8 * size);

    assert(size >= 1 && size <= 8);
    return (int64_t)(v << shift) >> shift;
}

static double float_of(uint64_t bits, size_t size)
{
    uint32_t bits32 = (uint32_t)bits;
    double d;
    float f;

    if (size == sizeof(d)) {
        memcpy(&d, &bits, sizeof(d));
        return d;
    }
    memcpy(&f, &bits32, sizeof(f));
    return (double)f;
}

/* Takes the content of a string or extension; checks that there is space for counted elements. */
static int take_content(struct packed *r, struct packed_value *v, struct error *err)
{
    size_t unit = v->type == PACKED_MAP ? 2 : 1;

    if (v->type == PACKED_ARRAY || v->type == PACKED_MAP)
        return v->n > left(r) / unit ? refuse_truncated(err) : 0;
    if (v->type == PACKED_EXT) { /* its type precedes the content */
        if (left(r) == 0)
            return refuse_truncated(err);
        r->p++;
    }
    if (v->n > left(r))
        return refuse_truncated(err);
    v->p = (const char *)r->p;
    r->p += v->n;
    return 0;
}

static int next_long(struct packed *r, unsigned first, struct packed_value *v, struct error *err)
{
    const struct head *h = &heads[first - FIRST_HEAD];
    uint64_t number;

    if (h->is_bad)
        return error_set(err, -EBADMSG, "byte 0x%02x is not valid MessagePack", first);
    if (h->size > left(r))
        return refuse_truncated(err);
    number = take_number(r, h->size);
    v->type = h->type;
    if (h->type == PACKED_NIL)
        return 0;
    if (h->type == PACKED_BOOL) {
        v->i = first == TRUE_HEAD;
        return 0;
    }
    if (h->type == PACKED_FLOAT) {
        v->d = float_of(number, h->size);
        return 0;
    }
    if (h->type == PACKED_INT) {
        if (!h->is_signed && number > INT64_MAX)
            return error_set(err, -EBADMSG, "a number is larger than 2^63 - 1");
        v->i = h->is_signed ? sign_extend(number, h->size) : (int64_t)number;
        return 0;
    }
    v->n = first >= FIXEXT_1 && first <= FIXEXT_16 ? (size_t)1 << (first - FIXEXT_1)
                                                   : (size_t)number;
    return take_content(r, v, err);
}

int packed_next(struct packed *r, struct packed_value *ret, struct error *err)
{
    struct packed_value v = {0};
    unsigned first;
    int code = 0;

    if (r->p == r->end)
        return refuse_truncated(err);
    first = *r->p++;
    if (first < 0x80 || first >= 0xe0) {
        v.type = PACKED_INT;
        v.i = first < 0x80 ? (int64_t)first : (int64_t)first - 0x100;
    } else if (first >= FIRST_HEAD) {
        code = next_long(r, first, &v, err);
    } else {
        v.type = first < 0x90 ? PACKED_MAP : first < 0xa0 ? PACKED_ARRAY : PACKED_STR;
        v.n = v.type == PACKED_STR ? first & 0x1fU : first & 0x0fU;
        code = take_content(r, &v, err);
    }
    if (code == 0)
        *ret = v;
    return code;
}

int packed_skip(struct packed *r, struct error *err)
{
    /* Each missing value has at least one byte in the rest, so the loop is bounded. */
    for (size_t owed = 1; owed > 0; owed--) {
        struct packed_value v = {0};
        int code = packed_next(r, &v, err);

        if (code < 0)
            return code;
        if (v.type == PACKED_ARRAY || v.type == PACKED_MAP)
            owed += v.type == PACKED_MAP ? 2 * v.n : v.n;
        if (owed - 1 > left(r))
            return refuse_truncated(err);
    }
    return 0;
}
