#include "proto/stats_text.h"

#include <string.h>

#define MAX_DIGITS 15 /* exact in floating point, so that a quotient is rounded as by strtod() */

struct reader {
    const char *p, *end;
    bool is_other; /* the text has another form */
};

/* A name or a value in the text; borrowed. */
struct word {
    const char *p;
    size_t size;
};

static void skip_blanks(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    if (r->p >= r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static void expect(struct reader *r, char c)
{
    if (!take(r, c))
        r->is_other = true;
}

/* A string of printable ASCII without escapes. */
static struct word read_word(struct reader *r)
{
    struct word w;

    expect(r, '"');
    w.p = r->p;
    while (r->p < r->end && *r->p != '"' && *r->p != '\\' && *r->p >= ' ' && *r->p <= '~')
        r->p++;
    w.size = (size_t)(r->p - w.p);
    if (r->p >= r->end || *r->p != '"') {
        r->is_other = true;
        return w;
    }
    r->p++;
    return w;
}

static bool is_word(const struct word *w, const char *s)
{
    return w->size == strlen(s) && memcmp(w->p, s, w->size) == 0;
}

/* A number without sign and exponent: `*ret_n` without the point, with *ret_places behind it. */
static void read_digits(struct reader *r, int64_t *ret_n, unsigned *ret_places)
{
    const char *begin;
    int64_t n = 0;
    unsigned places = 0, digits = 0;
    bool has_point = false;

    skip_blanks(r);
    begin = r->p;
    for (; r->p < r->end && ((*r->p >= '0' && *r->p <= '9') || (*r->p == '.' && !has_point));
         r->p++) {
        if (*r->p == '.') {
            has_point = true;
            continue;
        }
        if (++digits > MAX_DIGITS) {
            r->is_other = true;
            return;
        }
        n = n * 10 + (*r->p - '0');
        places += has_point;
    }
    if (digits == 0 || *begin == '.' || (has_point && places == 0) ||
        (*begin == '0' && digits - places > 1))
        r->is_other = true;
    *ret_n = n;
    *ret_places = places;
}

static int64_t read_integer(struct reader *r)
{
    int64_t n = 0;
    unsigned places = 0;

    read_digits(r, &n, &places);
    if (places > 0)
        r->is_other = true;
    return n;
}

static double read_double(struct reader *r)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    int64_t n = 0;
    unsigned places = 0;

    read_digits(r, &n, &places);
    return r->is_other ? 0 : (double)n / powers[places];
}

static void read_text(struct reader *r, char *ret, size_t size)
{
    struct word w = read_word(r);

    if (r->is_other || w.size >= size) {
        r->is_other = true;
        return;
    }
    memcpy(ret, w.p, w.size);
    ret[w.size] = '\0';
}

enum member {
    MEMBER_ID,
    MEMBER_NAME,
    MEMBER_CPU,
    MEMBER_USAGE,
    MEMBER_LIMIT,
    MEMBER_PERCENT,
    MEMBER_RX,
    MEMBER_TX,
    MEMBER_READ,
    MEMBER_WRITE,
    MEMBER_TIME,
    N_MEMBERS
};

static const char *const member_names[N_MEMBERS] = {
    [MEMBER_ID] = "container_id",    [MEMBER_NAME] = "container_name",
    [MEMBER_CPU] = "cpu_percent",    [MEMBER_USAGE] = "memory_usage",
    [MEMBER_LIMIT] = "memory_limit", [MEMBER_PERCENT] = "memory_percent",
    [MEMBER_RX] = "network_rx",      [MEMBER_TX] = "network_tx",
    [MEMBER_READ] = "disk_read",     [MEMBER_WRITE] = "disk_write",
    [MEMBER_TIME] = "timestamp",
};

static enum member find_member(const struct word *name)
{
    unsigned i = 0;

    while (i < N_MEMBERS && !is_word(name, member_names[i]))
        i++;
    return (enum member)i;
}

static void read_member(struct reader *r, enum member member, struct stats_text *ret)
{
    struct msg_container_stats *m = &ret->m;

    switch (member) {
    case MEMBER_ID:
        read_text(r, ret->container_id, sizeof(ret->container_id));
        m->container_id = ret->container_id;
        break;
    case MEMBER_NAME:
        read_text(r, ret->container_name, sizeof(ret->container_name));
        m->container_name = ret->container_name;
        break;
    case MEMBER_TIME:
        read_text(r, ret->timestamp, sizeof(ret->timestamp));
        m->timestamp = ret->timestamp;
        break;
    case MEMBER_CPU: m->cpu_percent = read_double(r); break;
    case MEMBER_PERCENT: m->memory_percent = read_double(r); break;
    case MEMBER_USAGE: m->memory_usage = read_integer(r); break;
    case MEMBER_LIMIT: m->memory_limit = read_integer(r); break;
    case MEMBER_RX: m->network_rx = read_integer(r); break;
    case MEMBER_TX: m->network_tx = read_integer(r); break;
    case MEMBER_READ: m->disk_read = read_integer(r); break;
    case MEMBER_WRITE: m->disk_write = read_integer(r); break;
    case N_MEMBERS: r->is_other = true; break;
    }
}

/* Reads the name of the next member; false: the object ends. `*n` counts them. */
static bool next_member(struct reader *r, unsigned *n, struct word *ret)
{
    if (r->is_other || take(r, '}'))
        return false;
    if ((*n)++ > 0)
        expect(r, ',');
    *ret = read_word(r);
    expect(r, ':');
    return !r->is_other;
}

static void read_payload(struct reader *r, struct stats_text *ret)
{
    unsigned seen = 0, n = 0;
    struct word name;

    memset(&ret->m, 0, sizeof(ret->m));
    expect(r, '{');
    while (next_member(r, &n, &name)) {
        enum member member = find_member(&name);

        if (seen & 1U << member)
            r->is_other = true; /* a duplicate */
        seen |= 1U << member;
        read_member(r, member, ret);
    }
    if (r->is_other || !ret->m.container_id || !ret->m.container_id[0])
        r->is_other = true;
    if (!r->is_other && ret->m.container_name)
        ret->m.container_name += strspn(ret->m.container_name, "/");
}

static bool is_at_end(struct reader *r)
{
    skip_blanks(r);
    return !r->is_other && r->p == r->end;
}

bool stats_text_read(const char *text, size_t size, struct stats_text *ret)
{
    static const char *const names[] = {"type", "command", "payload", "timestamp"};
    struct reader r = {.p = text, .end = text + size};
    unsigned seen = 0, n = 0, i;
    struct word name, value;

    expect(&r, '{');
    while (next_member(&r, &n, &name)) {
        for (i = 0; i < ARRAY_LEN(names) && !is_word(&name, names[i]); i++)
            continue;
        if (i == ARRAY_LEN(names) || seen & 1U << i)
            return false;
        seen |= 1U << i;
        if (i == 2) {
            read_payload(&r, ret);
            continue;
        }
        value = read_word(&r);
        if ((i == 0 && !is_word(&value, "event")) ||
            (i == 1 && !is_word(&value, "container_stats")))
            return false;
    }
    return (seen & 7) == 7 && is_at_end(&r);
}

bool stats_text_read_payload(const char *text, size_t size, struct stats_text *ret)
{
    struct reader r = {.p = text, .end = text + size};

    read_payload(&r, ret);
    return is_at_end(&r);
}
