#include "base/str.h"
#include "base/alloc.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CONTAINER_REF 255
#define MAX_IMAGE_REF     512

int parse_u64(const char *s, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;

    if (str_is_empty(s))
        return -EINVAL;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(v, 10U, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
            return -ERANGE;
    }
    if (v > max)
        return -ERANGE;
    *ret = v;
    return 0;
}

int parse_i64(const char *s, int64_t *ret)
{
    bool is_negative = s && s[0] == '-';
    uint64_t limit = is_negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    uint64_t v;
    int r;

    r = parse_u64(is_negative ? s + 1 : s, limit, &v);
    if (r < 0)
        return r;
    *ret = is_negative ? (int64_t)(0 - v) : (int64_t)v;
    return 0;
}

int parse_bool(const char *s, bool *ret)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (str_eq(s, yes[i]) || str_eq(s, no[i])) {
            *ret = str_eq(s, yes[i]);
            return 0;
        }
    }
    return -EINVAL;
}

/* Nanoseconds per unit. Longer names come first, so that "ms" is not read as "m". */
static const struct {
    const char *name;
    uint64_t ns;
} units[] = {
    {"ns",      1            },
    {"us",      1000         },
    {"\u00b5s", 1000         }, /* micro sign */
    {"\u03bcs", 1000         }, /* Greek mu */
    {"ms",      1000000      },
    {"s",       1000000000   },
    {"m",       60000000000  },
    {"h",       3600000000000},
};

static int parse_unit(const char *s, const char **ret_end, uint64_t *ret_ns)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_starts_with(s, units[i].name)) {
            *ret_end = s + strlen(units[i].name);
            *ret_ns = units[i].ns;
            return 0;
        }
    }
    return -EINVAL;
}

/* Parses one "1.5h", with integers: binary fractions would turn 1.001s into 1000 ms. */
static int parse_duration_part(const char **s, uint64_t *ret_ns)
{
    const char *whole = *s, *fraction, *unit;
    size_t n_whole = strspn(whole, "0123456789"), n_fraction = 0;
    uint64_t ns, place, v = 0;

    fraction = whole + n_whole;
    if (*fraction == '.') {
        fraction++;
        n_fraction = strspn(fraction, "0123456789");
    }
    if (n_whole + n_fraction == 0 || parse_unit(fraction + n_fraction, &unit, &ns) < 0)
        return -EINVAL;

    for (size_t i = 0; i < n_whole; i++) {
        if (__builtin_mul_overflow(v, 10U, &v) ||
            __builtin_add_overflow(v, (uint64_t)(whole[i] - '0'), &v))
            return -ERANGE;
    }
    if (__builtin_mul_overflow(v, ns, &v))
        return -ERANGE;
    place = ns;
    for (size_t i = 0; i < n_fraction; i++) {
        place /= 10;
        if (__builtin_add_overflow(v, place * (uint64_t)(fraction[i] - '0'), &v))
            return -ERANGE;
    }
    *s = unit;
    *ret_ns = v;
    return 0;
}

int parse_duration_ms(const char *s, uint64_t *ret)
{
    uint64_t total = 0, part = 0;
    bool is_out_of_range = false;

    if (str_is_empty(s))
        return -EINVAL;
    if (*s == '+')
        s++;
    if (str_eq(s, "0")) {
        *ret = 0;
        return 0;
    }
    do {
        int r = parse_duration_part(&s, &part);

        if (r < 0)
            return r;
        is_out_of_range = __builtin_add_overflow(total, part, &total) || total > INT64_MAX;
    } while (*s && !is_out_of_range);
    if (is_out_of_range) /* Go's Duration is an int64 of nanoseconds */
        return -ERANGE;
    *ret = total / 1000000;
    return 0;
}

/* A name, an IPv4 or IPv6 address (with zone); empty only where `may_be_empty`. */
static bool is_host(const char *s, size_t n, bool may_be_empty)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%";

    return (n > 0 || may_be_empty) && strspn(s, allowed) >= n;
}

int parse_host_port(const char *s, char **ret_host, uint16_t *ret_port)
{
    const char *host = s, *colon, *end;
    uint64_t port;

    if (str_is_empty(s))
        return -EINVAL;
    if (s[0] == '[') {
        host = s + 1;
        end = strchr(host, ']');
        if (!end || end[1] != ':')
            return -EINVAL;
        colon = end + 1;
    } else {
        colon = strrchr(s, ':');
        end = colon;
        if (!colon || memchr(s, ':', (size_t)(colon - s)))
            return -EINVAL;
    }
    if (!is_host(host, (size_t)(end - host), host == s) ||
        parse_u64(colon + 1, UINT16_MAX, &port) < 0)
        return -EINVAL;
    *ret_host = xstrndup(host, (size_t)(end - host));
    *ret_port = (uint16_t)port;
    return 0;
}

bool str_is_empty(const char *s)
{
    return !s || !*s;
}

bool str_eq(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

bool str_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_is_hex(const char *s, size_t length)
{
    if (!s || strlen(s) != length)
        return false;
    return strspn(s, "0123456789abcdef") == length;
}

/*
 * Length of the sequence that `c` starts and its smallest legal code point; 0 if `c` starts none.
 */
static size_t utf8_sequence(unsigned char c, uint32_t *ret_bits, uint32_t *ret_min)
{
    if (c < 0x80) {
        *ret_bits = c;
        *ret_min = 0;
        return 1;
    }
    if ((c & 0xe0) == 0xc0) {
        *ret_bits = c & 0x1fU;
        *ret_min = 0x80;
        return 2;
    }
    if ((c & 0xf0) == 0xe0) {
        *ret_bits = c & 0x0fU;
        *ret_min = 0x800;
        return 3;
    }
    if ((c & 0xf8) == 0xf0) {
        *ret_bits = c & 0x07U;
        *ret_min = 0x10000;
        return 4;
    }
    return 0;
}

bool str_is_utf8(const char *s, size_t size)
{
    const unsigned char *p = (const unsigned char *)s;

    for (size_t i = 0; i < size;) {
        uint32_t code = 0, min = 0;
        size_t n = utf8_sequence(p[i], &code, &min);

        if (n == 0 || n > size - i)
            return false;
        for (size_t k = 1; k < n; k++) {
            if ((p[i + k] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (p[i + k] & 0x3fU);
        }
        if (code < min || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        i += n;
    }
    return true;
}

size_t str_code_points(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += (*s & 0xc0) != 0x80;
    return n;
}

char *str_trim(char *s)
{
    size_t n;

    s += strspn(s, " \t\r\n\v\f");
    n = strlen(s);
    while (n > 0 && strchr(" \t\r\n\v\f", s[n - 1]))
        n--;
    s[n] = '\0';
    return s;
}

void str_copy(char *to, size_t capacity, const char *from)
{
    size_t n = strnlen(from, capacity - 1);

    memcpy(to, from, n);
    to[n] = '\0';
}

bool str_is_container_ref(const char *s)
{
    size_t n;

    if (str_is_empty(s) || !isalnum((unsigned char)s[0]))
        return false;
    n = strlen(s);
    return n <= MAX_CONTAINER_REF &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == n;
}

bool str_is_image_ref(const char *s)
{
    size_t n = s ? strlen(s) : 0;

    if (n == 0 || n > MAX_IMAGE_REF ||
        strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/:@") != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if ((i == 0 || s[i - 1] == '/') && !isalnum((unsigned char)s[i]))
            return false;
    }
    return s[n - 1] != '/';
}

bool str_eq_secret(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned char diff = n != m;

    for (size_t i = 0; i < n; i++)
        diff |= (unsigned char)(a[i] ^ b[m ? i % m : 0]);
    return diff == 0;
}
