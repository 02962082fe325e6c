#include "server/registry/version.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define PARTS      3
#define MAX_DIGITS 9
#define FIRST_YEAR 1000

struct version {
    bool has_v;
    size_t n;
    uint64_t parts[PARTS];
    const char *suffix;
};

static bool parse(const char *tag, struct version *ret)
{
    struct version v = {.has_v = tag[0] == 'v' && isdigit((unsigned char)tag[1])};
    const char *p = tag + v.has_v;

    for (;;) {
        size_t n = strspn(p, "0123456789");
        char digits[MAX_DIGITS + 1];

        if (n == 0 || n > MAX_DIGITS || v.n == PARTS)
            return false;
        str_copy(digits, n + 1, p);
        if (parse_u64(digits, UINT32_MAX, &v.parts[v.n++]) < 0)
            return false;
        p += n;
        if (*p != '.')
            break;
        p++;
    }
    if (*p != '\0' && *p != '-')
        return false;
    v.suffix = p;
    *ret = v;
    return true;
}

bool version_is(const char *tag)
{
    struct version v;

    return tag && parse(tag, &v);
}

static bool is_comparable(const struct version *a, const struct version *b)
{
    return a->has_v == b->has_v && a->n == b->n && str_eq(a->suffix, b->suffix) &&
           (a->parts[0] >= FIRST_YEAR) == (b->parts[0] >= FIRST_YEAR);
}

static int compare(const struct version *a, const struct version *b)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->parts[i] != b->parts[i])
            return a->parts[i] < b->parts[i] ? -1 : 1;
    }
    return 0;
}

bool version_reaches(const char *a, const char *b)
{
    struct version x, y;

    return a && b && parse(a, &x) && parse(b, &y) && is_comparable(&x, &y) && compare(&x, &y) >= 0;
}

/* The newest tag whose first `n_kept` numbers are those of `own`; NULL: none is newer. */
static const char *find_newest(const struct version *own, const json_t *tags, size_t n_kept)
{
    struct version best = *own;
    const char *found = NULL;

    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));
        struct version v = {0};

        if (!tag || !parse(tag, &v) || !is_comparable(own, &v) || compare(&v, &best) <= 0 ||
            memcmp(v.parts, own->parts, n_kept * sizeof(v.parts[0])) != 0)
            continue;
        best = v;
        found = tag;
    }
    return found;
}

json_t *version_newer(const char *tag, const json_t *tags)
{
    static const char *const ranges[] = {"major", "minor", "patch"};
    json_t *o = json_object();
    struct version own = {0};

    if (!tag || !parse(tag, &own))
        return o;
    for (size_t kept = 0; kept < own.n && kept < ARRAY_LEN(ranges); kept++) {
        const char *found = find_newest(&own, tags, kept);

        if (found)
            json_text_set(o, ranges[kept], json_text_str(found));
    }
    return o;
}
