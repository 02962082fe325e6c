#include "base/str.h"
#include "base/alloc.h"
#include "base/utf8.h"

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

bool str_is_uuid(const char *s)
{
    static const size_t dashes[] = {8, 13, 18, 23};
    size_t n = strlen(s);

    if (n != 36)
        return false;
    for (size_t i = 0, next = 0; i < n; i++) {
        bool wants_dash = next < ARRAY_LEN(dashes) && i == dashes[next];

        next += wants_dash;
        if (wants_dash ? s[i] != '-' : !strchr("0123456789abcdef", s[i]))
            return false;
    }
    return true;
}

bool str_is_utf8(const char *s, size_t size)
{
    for (size_t i = 0, n; i < size; i += n) {
        n = utf8_length(s + i, size - i);
        if (n == 0)
            return false;
    }
    return true;
}

/* Whether the byte continues a character that an earlier one starts. */
static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

size_t str_cut(const char *s, size_t size, size_t max)
{
    size_t n = max;

    if (size <= max)
        return size;
    while (n > 0 && max - n < UTF8_MAX && is_continuation(s[n]))
        n--;
    return is_continuation(s[n]) ? max : n;
}

/* Whether the rest of a text is the beginning of a character and nothing else. */
static bool is_incomplete(const char *s, size_t size)
{
    if (size >= UTF8_MAX || (unsigned char)s[0] < 0xc2 || (unsigned char)s[0] > 0xf4)
        return false;
    for (size_t i = 1; i < size; i++) {
        if (!is_continuation(s[i]))
            return false;
    }
    return true;
}

void str_mend(char *s)
{
    size_t size = strlen(s);

    for (size_t i = 0, n; i < size; i += n ? n : 1) {
        n = utf8_length(s + i, size - i);
        if (n > 0)
            continue;
        if (is_incomplete(s + i, size - i)) {
            s[i] = '\0';
            return;
        }
        s[i] = '?';
    }
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
    size_t n = str_cut(from, strnlen(from, capacity), capacity - 1);

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
