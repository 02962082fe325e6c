#include "base/alloc.h"
#include "base/set.h"
#include "base/str.h"
#include "docker/json_scan.h"
#include "docker/json_token.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HIGH_SURROGATES 0xd800
#define LOW_SURROGATES  0xdc00

/*
 * The text is rewritten in place from `r` to `w`, which never overtakes `r`, because space is
 * dropped and no token becomes longer.
 */
struct mender {
    char *w;
    const char *r, *end;
    bool keeps_values; /* no member is lost, and none becomes null */
    size_t depth;
    struct level {
        char close;
        size_t n;        /* members or items so far */
        struct set keys; /* of an object, decoded */
    } levels[JSON_SCAN_MAX_DEPTH];
};

static void put(struct mender *m, const char *text, size_t size)
{
    memmove(m->w, text, size);
    m->w += size;
}

/* Replaces escapes that other parsers refuse. */
static void mend_string(char *text, size_t size)
{
    static const char mark[6] = {'\\', 'u', 'f', 'f', 'f', 'd'};
    char *p = text, *end = text + size;

    while ((p = memchr(p, '\\', (size_t)(end - p)))) {
        bool is_odd;
        size_t n = json_escape_at(p, end, &is_odd);

        if (is_odd)
            memcpy(p, mark, sizeof(mark));
        p += n;
    }
}

static size_t encode_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Writes the character of the escape at `p`, which mend_string() has checked. */
static size_t decode_escape(const char *p, size_t size, char *to)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    uint32_t c;

    if (p[1] != 'u') {
        const char *found = strchr(letters, p[1]);

        to[0] = meanings[found - letters];
        return 1;
    }
    c = (uint32_t)json_unit_at(p, p + size);
    if (size == 12) {
        c = (c - HIGH_SURROGATES) << 10;
        c += (uint32_t)json_unit_at(p + 6, p + size) - LOW_SURROGATES + 0x10000;
    }
    return encode_utf8(to, c);
}

/* Returns a string as other parsers read it; two spellings of a key are one key to them. */
static char *decode_string(const char *text, size_t size)
{
    char *out = xmalloc(size + 1);
    size_t n = 0;

    for (size_t i = 0; i < size;) {
        bool is_odd;
        size_t length = text[i] == '\\' ? json_escape_at(text + i, text + size, &is_odd) : 0;

        if (length > 0) {
            n += decode_escape(text + i, length, out + n);
            i += length;
        } else {
            out[n++] = text[i++];
        }
    }
    out[n] = '\0';
    return out;
}

static bool is_out_of_range(const char *number)
{
    int64_t integer;

    if (!strpbrk(number, ".eE"))
        return parse_i64(number, &integer) < 0;
    return !isfinite(strtod(number, NULL));
}

/*
 * An integer that no parser can hold becomes the nearest one. Another number becomes null or, if a
 * null would mean that the value is absent, a large number. No number out of range is shorter.
 */
static void put_number(struct mender *m, const char *text, size_t size)
{
    _cleanup_free_ char *number = xstrndup(text, size);
    const char *instead = number;

    if (is_out_of_range(number)) {
        instead = !m->keeps_values ? "null" : number[0] == '-' ? "-1e308" : "1e308";
        if (!strpbrk(number, ".eE"))
            instead = number[0] == '-' ? "-9223372036854775808" : "9223372036854775807";
    }
    assert(strlen(instead) <= size);
    put(m, instead, strlen(instead));
}

static void put_comma(struct mender *m)
{
    if (m->depth > 0 && m->levels[m->depth - 1].n++ > 0)
        *m->w++ = ',';
}

static void open_level(struct mender *m)
{
    m->levels[m->depth++] = (struct level){.close = *m->r == '{' ? '}' : ']'};
    *m->w++ = *m->r++;
}

static void close_level(struct mender *m)
{
    set_done(&m->levels[--m->depth].keys);
    *m->w++ = *m->r++;
}

static void skip_space(struct mender *m, const char *also)
{
    while (m->r < m->end && (json_is_space(*m->r) || *m->r == *also))
        m->r++;
}

/* Copies a key and its colon; the member is skipped if the object has that key already. */
static bool read_key(struct mender *m)
{
    const char *after = json_skip_string(m->r, m->end);
    size_t size = (size_t)(after - m->r);
    char *text = (char *)(uintptr_t)m->r;
    _cleanup_free_ char *key = NULL;

    mend_string(text, size);
    key = decode_string(text + 1, size - 2);
    m->r = after;
    skip_space(m, ":");
    if (!m->keeps_values && !set_add(&m->levels[m->depth - 1].keys, key)) {
        m->r = json_skip_value(m->r, m->end);
        return false;
    }
    put_comma(m);
    put(m, text, size);
    *m->w++ = ':';
    return true;
}

static void copy_scalar(struct mender *m)
{
    const char *after = json_skip_value(m->r, m->end);
    size_t size = (size_t)(after - m->r);

    if (*m->r == '"') {
        mend_string((char *)(uintptr_t)m->r, size);
        put(m, m->r, size);
    } else if (*m->r == '-' || (*m->r >= '0' && *m->r <= '9')) {
        put_number(m, m->r, size);
    } else {
        put(m, m->r, size);
    }
    m->r = after;
}

static void mend(struct mender *m)
{
    for (;;) {
        struct level *level = m->depth > 0 ? &m->levels[m->depth - 1] : NULL;

        skip_space(m, ",");
        if (m->r == m->end)
            break;
        if (level && *m->r == level->close) {
            close_level(m);
            continue;
        }
        if (!level || level->close == ']') {
            put_comma(m);
        } else if (!read_key(m)) {
            continue;
        }
        if (*m->r == '{' || *m->r == '[') {
            open_level(m);
        } else {
            copy_scalar(m);
        }
    }
}

size_t json_scan_mend(char *text, size_t size)
{
    struct mender m = {.w = text, .r = text, .end = text + size};

    mend(&m);
    return (size_t)(m.w - text);
}

size_t json_scan_mend_values(char *text, size_t size)
{
    struct mender m = {.w = text, .r = text, .end = text + size, .keeps_values = true};

    mend(&m);
    return (size_t)(m.w - text);
}
