#include "agent/stats/parse.h"

#include "base/str.h"

#include <string.h>

#define NAME_SIZE 64

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_spaces(const char *p)
{
    return p + strspn(p, " \t");
}

static const char *next_line(const char *p)
{
    p += strcspn(p, "\n");
    return *p ? p + 1 : p;
}

/* Returns the text after the digits; *ret is left unchanged if there are none. */
static const char *take_number(const char *p, int64_t *ret)
{
    int64_t v = 0;

    if (!is_digit(*p))
        return p;
    for (; is_digit(*p); p++) {
        int64_t digit = *p - '0';

        v = v > (INT64_MAX - digit) / 10 ? INT64_MAX : v * 10 + digit;
    }
    *ret = v;
    return p;
}

/* Reads "12.345" in hundredths, truncated. */
static const char *take_hundredths(const char *p, int64_t *ret)
{
    int64_t whole = METRIC_NONE, fraction = 0;

    p = take_number(p, &whole);
    if (whole == METRIC_NONE || whole > INT64_MAX / 100 - 1)
        return p;
    if (*p == '.') {
        p++;
        for (int64_t scale = 10; is_digit(*p); p++, scale /= 10)
            fraction += (*p - '0') * scale;
    }
    *ret = whole * 100 + fraction;
    return p;
}

static void add(int64_t *sum, int64_t v)
{
    if (v != METRIC_NONE)
        *sum = v > INT64_MAX - *sum ? INT64_MAX : *sum + v;
}

int64_t stats_number(const char *text)
{
    int64_t v = METRIC_NONE;

    if (str_starts_with(text, "max"))
        return INT64_MAX;
    (void)take_number(skip_spaces(text), &v);
    return v;
}

void stats_find(const char *text, const struct stats_key *keys, size_t n)
{
    for (const char *p = text; *p; p = next_line(p)) {
        size_t size = strcspn(p, " \n");

        if (p[size] != ' ')
            continue;
        for (size_t i = 0; i < n; i++) {
            if (strncmp(keys[i].key, p, size) == 0 && keys[i].key[size] == '\0')
                (void)take_number(p + size + 1, keys[i].value);
        }
    }
}

void stats_io_v1(const char *text, int64_t *ret_read, int64_t *ret_written)
{
    *ret_read = *ret_written = 0;
    for (const char *p = text; *p; p = next_line(p)) {
        const char *op = skip_spaces(p + strcspn(p, " \n"));
        size_t size = strcspn(op, " \n");
        int64_t v = METRIC_NONE;

        (void)take_number(skip_spaces(op + size), &v);
        if (strncasecmp(op, "read", size) == 0 && size == strlen("read")) {
            add(ret_read, v);
        } else if (strncasecmp(op, "write", size) == 0 && size == strlen("write")) {
            add(ret_written, v);
        }
    }
}

static void add_io_word(const char *word, int64_t *reads, int64_t *writes)
{
    int64_t v = METRIC_NONE;

    (void)take_number(word + strlen("rbytes="), &v);
    add(*word == 'r' ? reads : writes, v);
}

void stats_io_v2(const char *text, int64_t *ret_read, int64_t *ret_written)
{
    *ret_read = *ret_written = 0;
    for (const char *p = text; *p;) {
        if (str_starts_with(p, "rbytes=") || str_starts_with(p, "wbytes="))
            add_io_word(p, ret_read, ret_written);
        p += strcspn(p, " \n");
        p += strspn(p, " \n");
    }
}

void stats_pressure(const char *text, int64_t *ret_some, int64_t *ret_full)
{
    *ret_some = *ret_full = METRIC_NONE;
    for (const char *p = text; *p; p = next_line(p)) {
        if (str_starts_with(p, "some avg10=")) {
            (void)take_hundredths(p + strlen("some avg10="), ret_some);
        } else if (str_starts_with(p, "full avg10=")) {
            (void)take_hundredths(p + strlen("full avg10="), ret_full);
        }
    }
}

static bool is_not_lo(const char *name)
{
    return !str_eq(name, "lo");
}

struct stats_net stats_net_dev(const char *text)
{
    return stats_net_dev_if(text, is_not_lo);
}

struct stats_net stats_net_dev_if(const char *text, bool (*wants)(const char *name))
{
    struct stats_net net = {0};

    for (const char *p = text; *p; p = next_line(p)) {
        const char *name = skip_spaces(p);
        size_t size = strcspn(name, ":\n");
        int64_t rx = METRIC_NONE, tx = METRIC_NONE, other = 0;
        char copy[NAME_SIZE];

        if (name[size] != ':' || size >= sizeof(copy))
            continue;
        memcpy(copy, name, size);
        copy[size] = '\0';
        p = take_number(skip_spaces(name + size + 1), &rx);
        for (size_t i = 0; i < 7; i++) /* packets errs drop fifo frame compressed multicast */
            p = take_number(skip_spaces(p), &other);
        p = take_number(skip_spaces(p), &tx);
        if (tx == METRIC_NONE || !wants(copy))
            continue;
        add(&net.rx, rx);
        add(&net.tx, tx);
        net.n++;
    }
    return net;
}

struct stats_cpu stats_cpu(const char *text)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELDS };
    int64_t ticks[FIELDS] = {0};
    struct stats_cpu cpu = {0};
    const char *p = text;

    if (!str_starts_with(p, "cpu "))
        return cpu;
    p += strlen("cpu ");
    for (size_t i = 0; i < FIELDS; i++) /* old kernels have fewer fields */
        p = take_number(skip_spaces(p), &ticks[i]);
    for (size_t i = 0; i < FIELDS; i++) {
        add(&cpu.all, ticks[i]);
        if (i <= SOFTIRQ)
            add(&cpu.docker, ticks[i]);
    }
    add(&cpu.idle, ticks[IDLE]);
    add(&cpu.idle, ticks[IOWAIT]);
    for (p = next_line(p); str_starts_with(p, "cpu"); p = next_line(p))
        cpu.n++;
    return cpu;
}

/* Whether a list such as "cpu,cpuacct" contains the name. */
static bool has_word(const char *list, size_t size, const char *name)
{
    for (const char *p = list, *end = list + size; p < end;) {
        size_t n = strcspn(p, ",:");

        if (n == strlen(name) && strncmp(p, name, n) == 0)
            return true;
        p += n + 1;
    }
    return false;
}

const char *stats_cgroup_path(const char *text, const char *controller, size_t *ret_size)
{
    for (const char *p = text; *p; p = next_line(p)) {
        size_t id = strcspn(p, ":\n");
        const char *list = p + id + 1;
        size_t size;

        if (p[id] != ':')
            continue;
        size = strcspn(list, ":\n");
        if (list[size] != ':')
            continue;
        if (controller ? has_word(list, size, controller) : size == 0) {
            *ret_size = strcspn(list + size + 1, "\n");
            return list + size + 1;
        }
    }
    return NULL;
}

void stats_loads(const char *text, int64_t ret[3])
{
    const char *p = text;

    for (size_t i = 0; i < 3; i++) {
        ret[i] = METRIC_NONE;
        p = take_hundredths(skip_spaces(p), &ret[i]);
    }
}
