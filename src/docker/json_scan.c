#include "docker/json_scan.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "docker/json_token.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FEW_KEYS     32 /* they are compared by pairs */
#define LONG_NUMBER  19 /* digits of the largest integer */
#define MAX_EXPONENT 2  /* digits */

/*
 * The hashes of the keys of all open objects find duplicates; equal hashes of different keys only
 * cost a call of json_scan_mend().
 */
struct scanner {
    const char *p, *end;
    bool needs_mending, has_escaped_key;
    uint64_t *hashes;
    size_t n_hashes, capacity;
    size_t first[JSON_SCAN_MAX_DEPTH]; /* in `hashes`, of the object at this depth */
};

static void skip_space(struct scanner *s)
{
    while (s->p < s->end && json_is_space(*s->p))
        s->p++;
}

static bool is_digit(const struct scanner *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int json_unit_at(const char *p, const char *end)
{
    int v = 0;

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int h = hex_value(p[i]);

        if (h < 0)
            return -1;
        v = v * 16 + h;
    }
    return v;
}

size_t json_escape_at(const char *p, const char *end, bool *ret_is_odd)
{
    int unit, low;

    *ret_is_odd = false;
    if (end - p < 2)
        return 0;
    if (p[1] != 'u')
        return p[1] && strchr("\"\\/bfnrt", p[1]) ? 2 : 0;
    unit = json_unit_at(p, end);
    if (unit < 0)
        return 0;
    *ret_is_odd = unit == 0 || (unit >= 0xd800 && unit <= 0xdfff);
    if (unit < 0xd800 || unit > 0xdbff)
        return 6;
    low = json_unit_at(p + 6, end);
    if (low < 0xdc00 || low > 0xdfff)
        return 6;
    *ret_is_odd = false;
    return 12;
}

static bool check_string(struct scanner *s)
{
    s->p++;
    while (s->p < s->end) {
        unsigned char c = (unsigned char)*s->p;
        size_t n = 1;

        if (c == '"') {
            s->p++;
            return true;
        }
        if (c == '\\') {
            bool is_odd;

            n = json_escape_at(s->p, s->end, &is_odd);
            s->needs_mending = s->needs_mending || is_odd;
        } else if (c >= 0x80) {
            n = utf8_length(s->p, (size_t)(s->end - s->p));
        } else if (c < 0x20) {
            n = 0;
        }
        if (n == 0)
            return false;
        s->p += n;
    }
    return false;
}

static bool skip_digits(struct scanner *s)
{
    if (!is_digit(s))
        return false;
    while (is_digit(s))
        s->p++;
    return true;
}

static bool check_digits(struct scanner *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0') {
        s->p++;
    } else if (!skip_digits(s)) {
        return false;
    }
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!skip_digits(s))
            return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        return skip_digits(s);
    }
    return true;
}

/* Other parsers refuse numbers that their types cannot hold. */
static bool check_number(struct scanner *s)
{
    const char *start = s->p, *digits = s->p;
    bool is_ok = check_digits(s);

    /* The last digits are those of an exponent, if there is one. */
    for (const char *p = start; p < s->p; p++)
        digits = *p == 'e' || *p == 'E' || *p == '+' || *p == '-' ? p + 1 : digits;
    if (s->p - start >= LONG_NUMBER || (digits > start + 1 && s->p - digits > MAX_EXPONENT))
        s->needs_mending = true;
    return is_ok;
}

static bool check_word(struct scanner *s, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return false;
    s->p += n;
    return true;
}

static bool check_scalar(struct scanner *s)
{
    switch (*s->p) {
    case '"': return check_string(s);
    case 't': return check_word(s, "true");
    case 'f': return check_word(s, "false");
    case 'n': return check_word(s, "null");
    default: return check_number(s);
    }
}

static void add_hash(struct scanner *s, const char *key, size_t size)
{
    if (memchr(key, '\\', size))
        s->has_escaped_key = true; /* it may be another spelling of a key */
    if (s->n_hashes == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 256;
        s->hashes = xrealloc(s->hashes, s->capacity, sizeof(*s->hashes));
    }
    s->hashes[s->n_hashes++] = hash_bytes(HASH_START, key, size);
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static bool has_equal(uint64_t *hashes, size_t n)
{
    if (n <= FEW_KEYS) {
        for (size_t i = 1; i < n; i++) {
            for (size_t k = 0; k < i; k++) {
                if (hashes[i] == hashes[k])
                    return true;
            }
        }
        return false;
    }
    qsort(hashes, n, sizeof(*hashes), compare_hashes);
    for (size_t i = 1; i < n; i++) {
        if (hashes[i] == hashes[i - 1])
            return true;
    }
    return false;
}

/* Forgets the keys of the object that ends at `depth`. */
static void end_object(struct scanner *s, size_t depth)
{
    size_t first = s->first[depth], n = s->n_hashes - first;

    if (!s->needs_mending && n > 1)
        s->needs_mending = s->has_escaped_key || has_equal(s->hashes + first, n);
    s->n_hashes = first;
}

/* Reads `"key":` with white space, up to the value. */
static bool check_key(struct scanner *s)
{
    const char *key;

    skip_space(s);
    key = s->p;
    if (s->p == s->end || *s->p != '"' || !check_string(s))
        return false;
    add_hash(s, key, (size_t)(s->p - key));
    skip_space(s);
    if (s->p == s->end || *s->p != ':')
        return false;
    s->p++;
    return true;
}

/* Reads the text after a value: closing brackets, then a comma or the end. False: anything else. */
static bool check_after_value(struct scanner *s, const char *stack, size_t *depth)
{
    for (;;) {
        skip_space(s);
        if (*depth == 0)
            return s->p == s->end;
        if (s->p == s->end)
            return false;
        if (*s->p == ',') {
            s->p++;
            return stack[*depth - 1] != '}' || check_key(s);
        }
        if (*s->p != stack[*depth - 1])
            return false;
        s->p++;
        (*depth)--;
        if (stack[*depth] == '}')
            end_object(s, *depth);
    }
}

/* Reads a value at s->p: the begin of a container (*ret_is_open), or a whole scalar. */
static bool check_value(struct scanner *s, char *stack, size_t *depth, bool *ret_is_open)
{
    char close;

    *ret_is_open = false;
    skip_space(s);
    if (s->p == s->end)
        return false;
    if (*s->p != '{' && *s->p != '[')
        return check_scalar(s);
    if (*depth == JSON_SCAN_MAX_DEPTH)
        return false;
    close = *s->p++ == '{' ? '}' : ']';
    s->first[*depth] = s->n_hashes;
    stack[(*depth)++] = close;
    skip_space(s);
    if (s->p < s->end && *s->p == close)
        return true; /* empty: check_after_value() closes it */
    *ret_is_open = true;
    return close != '}' || check_key(s);
}

int json_scan_check(const char *text, size_t size, struct error *err)
{
    struct scanner s = {.p = text, .end = text + size};
    char stack[JSON_SCAN_MAX_DEPTH];
    size_t depth = 0;
    bool is_ok, is_open;

    do {
        is_ok = check_value(&s, stack, &depth, &is_open);
        if (is_ok && !is_open)
            is_ok = check_after_value(&s, stack, &depth);
    } while (is_ok && (is_open || depth > 0));
    free(s.hashes);
    if (!is_ok)
        return error_set(err, -EBADMSG, "not JSON at byte %zu", (size_t)(s.p - text));
    return s.needs_mending ? 1 : 0;
}

const char *json_skip_string(const char *p, const char *end)
{
    p++;
    while (p < end && *p != '"')
        p += *p == '\\' ? 2 : 1;
    return p + 1;
}

static const char *skip_container(const char *p, const char *end)
{
    size_t depth = 0;

    while (p < end) {
        switch (*p) {
        case '"': p = json_skip_string(p, end); continue;
        case '{':
        case '[': depth++; break;
        case '}':
        case ']': depth--; break;
        default: break;
        }
        p++;
        if (depth == 0)
            break;
    }
    return p;
}

const char *json_skip_value(const char *p, const char *end)
{
    if (*p == '"')
        return json_skip_string(p, end);
    if (*p == '{' || *p == '[')
        return skip_container(p, end);
    while (p < end && *p != ',' && *p != '}' && *p != ']' && !json_is_space(*p))
        p++;
    return p;
}

static void skip_to(struct json_iter *it, bool comma)
{
    while (it->p < it->end && (json_is_space(*it->p) || (comma && *it->p == ',')))
        it->p++;
}

void json_iter_init(struct json_iter *it, struct json_span value)
{
    *it = (struct json_iter){0};
    if (value.n < 2 || (value.p[0] != '{' && value.p[0] != '['))
        return;
    it->p = value.p + 1;
    it->end = value.p + value.n - 1;
    it->is_object = value.p[0] == '{';
}

bool json_iter_next(struct json_iter *it, struct json_span *key, struct json_span *value)
{
    skip_to(it, true);
    if (it->p == it->end)
        return false;
    *key = (struct json_span){"", 0};
    if (it->is_object) {
        const char *after = json_skip_string(it->p, it->end);

        *key = (struct json_span){it->p + 1, (size_t)(after - it->p) - 2};
        it->p = after;
        skip_to(it, false);
        it->p++; /* the colon */
        skip_to(it, false);
    }
    value->p = it->p;
    it->p = json_skip_value(it->p, it->end);
    value->n = (size_t)(it->p - value->p);
    return true;
}

bool json_span_is(struct json_span s, const char *text)
{
    return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

struct json_span json_span_find(struct json_span object, const char *key)
{
    struct json_iter it;
    struct json_span k, v;

    json_iter_init(&it, object);
    if (!it.is_object)
        return (struct json_span){0};
    while (json_iter_next(&it, &k, &v)) {
        if (json_span_is(k, key))
            return v;
    }
    return (struct json_span){0};
}

bool json_span_copy_string(struct json_span s, char *to, size_t capacity)
{
    if (s.n < 2 || s.p[0] != '"' || s.n - 2 >= capacity || memchr(s.p, '\\', s.n))
        return false;
    memcpy(to, s.p + 1, s.n - 2);
    to[s.n - 2] = '\0';
    return true;
}

/*
 * Encodes the next piece of a string. Returns its number of source bytes; its JSON form is in
 * `out`, or *ret_out is NULL if the bytes need no escape.
 */
static size_t escape_next(
    const char *s, size_t size, char out[8], const char **ret_out, size_t *ret_n)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char c = (unsigned char)*s;
    const char *shorts = "\"\\\n\r\t", *letters = "\"\\nrt", *found;
    size_t n;

    *ret_out = out;
    if (c == 0 || c >= 0x80) {
        n = c ? utf8_length(s, size) : 0;
        *ret_out = n ? NULL : "\xef\xbf\xbd";
        *ret_n = n ? n : 3;
        return n ? n : 1;
    }
    found = strchr(shorts, c);
    if (found) {
        memcpy(out, (char[]){'\\', letters[found - shorts]}, 2);
        *ret_n = 2;
    } else if (c < 0x20) {
        memcpy(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
        *ret_n = 6;
    } else {
        *ret_out = NULL;
        *ret_n = 1;
    }
    return 1;
}

static size_t plain_length(const char *s, size_t size)
{
    size_t i = 0;

    while (i < size && (unsigned char)s[i] >= 0x20 && (unsigned char)s[i] < 0x80 && s[i] != '"' &&
           s[i] != '\\')
        i++;
    return i;
}

int json_append_string(struct buf *b, const char *s, size_t size)
{
    size_t before = b->size;
    int r = buf_append_char(b, '"');

    while (r == 0 && size > 0) {
        size_t n = plain_length(s, size), n_out = n;
        const char *out = NULL;
        char escape[8];

        if (n == 0)
            n = escape_next(s, size, escape, &out, &n_out);
        r = buf_append(b, out ? out : s, n_out);
        s += n;
        size -= n;
    }
    if (r == 0)
        r = buf_append_char(b, '"');
    if (r < 0 && b->data) {
        b->size = before;
        b->data[before] = '\0';
    }
    return r;
}

size_t json_string_fit(const char *s, size_t size, size_t max, size_t *ret_encoded)
{
    size_t total = 0, used = 0;

    while (used < size) {
        size_t n = plain_length(s + used, size - used), n_out;
        const char *out;
        char escape[8];

        if (n > max - total)
            n = max - total;
        n_out = n;
        if (n == 0)
            n = escape_next(s + used, size - used, escape, &out, &n_out);
        if (n_out > max - total)
            break;
        total += n_out;
        used += n;
    }
    *ret_encoded = total;
    return used;
}
