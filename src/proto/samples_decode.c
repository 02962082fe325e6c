#include "proto/samples.h"

#include "base/alloc.h"
#include "base/str.h"
#include "proto/packed.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define ID_BYTES ((size_t)(SAMPLES_ID_SIZE - 1) / 2)

/* Smallest encodings, so that the allocated size is bounded by the received size. */
#define MIN_CONTAINER   (ID_BYTES + 3) /* array, bin with its length */
#define MIN_MOUNT       ((size_t)4)
#define MIN_TEMPERATURE ((size_t)2)

struct reader {
    struct packed in;
    struct samples *s;
    char *text_end; /* behind the last text */
    const char *where;
    struct error *err;
};

static int refuse(const struct reader *r, const char *why)
{
    return error_set(r->err, -EBADMSG, "samples: %s: %s", r->where, why);
}

/*
 * It has no struct error: clearing one for each of hundreds of values took a fifth of the ingest.
 */
static int take(struct reader *r, struct packed_value *v)
{
    return packed_next(&r->in, v, r->err) < 0
               ? error_wrap(r->err, -EBADMSG, "samples: %s", r->where)
               : 0;
}

static int pass_over(struct reader *r, size_t n)
{
    for (; n > 0; n--) {
        if (packed_skip(&r->in, r->err) < 0)
            return error_wrap(r->err, -EBADMSG, "samples: %s", r->where);
    }
    return 0;
}

static int take_array(struct reader *r, size_t *ret)
{
    struct packed_value v;
    int code = take(r, &v);

    if (code < 0)
        return code;
    if (v.type != PACKED_ARRAY)
        return refuse(r, "expected an array");
    *ret = v.n;
    return 0;
}

/* Takes the head of an array whose elements are allocated. */
static int take_list(struct reader *r, size_t max, size_t min_size, size_t *ret)
{
    int code = take_array(r, ret);

    if (code < 0)
        return code;
    if (*ret > max)
        return refuse(r, "too many");
    return *ret > (size_t)(r->in.end - r->in.p) / min_size ? refuse(r, "truncated") : 0;
}

static int take_text(struct reader *r, size_t max, const char **ret)
{
    struct packed_value v;
    int code = take(r, &v);

    if (code < 0)
        return code;
    if (v.type != PACKED_STR)
        return refuse(r, "expected text");
    if (v.n > max)
        return refuse(r, "text is too long");
    if (memchr(v.p, '\0', v.n) || !str_is_utf8(v.p, v.n))
        return refuse(r, "text is not UTF-8");
    memcpy(r->text_end, v.p, v.n);
    r->text_end[v.n] = '\0';
    *ret = r->text_end;
    r->text_end += v.n + 1; /* the head had at least one byte for the NUL */
    return 0;
}

static int take_number(struct reader *r, int64_t min, int64_t *ret)
{
    struct packed_value v;
    int code = take(r, &v);

    if (code < 0)
        return code;
    if (v.type == PACKED_NIL) {
        *ret = METRIC_NONE;
        return 0;
    }
    if (v.type != PACKED_INT)
        return refuse(r, "expected an integer");
    if (v.i < min)
        return refuse(r, "a number is too small");
    *ret = v.i;
    return 0;
}

/* Takes `n` numbers; the first `known` are stored and the others skipped. */
static int take_values(struct reader *r, size_t n, int64_t *values, size_t known)
{
    samples_clear_values(values, known);
    for (size_t i = 0; i < n && i < known; i++) {
        int code = take_number(r, 0, &values[i]);

        if (code < 0)
            return code;
    }
    return n > known ? pass_over(r, n - known) : 0;
}

static int take_id(struct reader *r, char ret[SAMPLES_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    struct packed_value v;
    int code = take(r, &v);

    if (code < 0)
        return code;
    if (v.type != PACKED_BIN || v.n != ID_BYTES)
        return refuse(r, "expected an id of 32 bytes");
    for (size_t i = 0; i < ID_BYTES; i++) {
        unsigned char byte = (unsigned char)v.p[i];

        ret[2 * i] = digits[byte >> 4];
        ret[2 * i + 1] = digits[byte & 0xfU];
    }
    ret[SAMPLES_ID_SIZE - 1] = '\0';
    return 0;
}

static int take_container(struct reader *r, struct container_sample *c)
{
    size_t n = 0;
    int code = take_array(r, &n);

    if (code < 0)
        return code;
    if (n < 2)
        return refuse(r, "expected id and name");
    code = take_id(r, c->id);
    if (code == 0)
        code = take_text(r, SAMPLES_MAX_NAME, &c->name);
    return code < 0 ? code : take_values(r, n - 2, c->values, CONTAINER_METRICS);
}

static int take_containers(struct reader *r)
{
    struct samples *s = r->s;
    size_t n = 0;
    int code = take_list(r, SAMPLES_MAX_CONTAINERS, MIN_CONTAINER, &n);

    if (code < 0 || n == 0)
        return code;
    s->containers = xcalloc(n, sizeof(*s->containers));
    for (; code == 0 && s->n_containers < n; s->n_containers++)
        code = take_container(r, &s->containers[s->n_containers]);
    return code;
}

static int take_mount(struct reader *r, struct mount_sample *m)
{
    int64_t values[5] = {0};
    size_t n = 0;
    int code = take_array(r, &n);

    if (code < 0)
        return code;
    if (n < 3)
        return refuse(r, "expected path, device and type");
    code = take_text(r, SAMPLES_MAX_TEXT, &m->path);
    if (code == 0)
        code = take_text(r, SAMPLES_MAX_TEXT, &m->device);
    if (code == 0)
        code = take_text(r, SAMPLES_MAX_NAME, &m->type);
    if (code == 0)
        code = take_values(r, n - 3, values, ARRAY_LEN(values));
    if (code < 0)
        return code;
    m->size = values[0];
    m->used = values[1];
    m->available = values[2];
    m->read = values[3];
    m->written = values[4];
    return 0;
}

static int take_mounts(struct reader *r)
{
    struct host_sample *h = &r->s->host;
    size_t n = 0;
    int code = take_list(r, SAMPLES_MAX_MOUNTS, MIN_MOUNT, &n);

    if (code < 0 || n == 0)
        return code;
    h->mounts = xcalloc(n, sizeof(*h->mounts));
    for (; code == 0 && h->n_mounts < n; h->n_mounts++)
        code = take_mount(r, &h->mounts[h->n_mounts]);
    return code;
}

static int take_temperature(struct reader *r, struct temperature_sample *t)
{
    size_t n = 0;
    int code = take_array(r, &n);

    if (code < 0)
        return code;
    if (n < 2)
        return refuse(r, "expected label and degrees");
    code = take_text(r, SAMPLES_MAX_NAME, &t->label);
    if (code == 0)
        code = take_number(r, METRIC_NONE + 1, &t->centi_degrees);
    return code < 0 ? code : pass_over(r, n - 2);
}

static int take_temperatures(struct reader *r)
{
    struct host_sample *h = &r->s->host;
    size_t n = 0;
    int code = take_list(r, SAMPLES_MAX_TEMPERATURES, MIN_TEMPERATURE, &n);

    if (code < 0 || n == 0)
        return code;
    h->temperatures = xcalloc(n, sizeof(*h->temperatures));
    for (; code == 0 && h->n_temperatures < n; h->n_temperatures++)
        code = take_temperature(r, &h->temperatures[h->n_temperatures]);
    return code;
}

static int take_host_values(struct reader *r)
{
    size_t n = 0;
    int code = take_array(r, &n);

    return code < 0 ? code : take_values(r, n, r->s->host.values, HOST_METRICS);
}

/* Maps: a table of keys each. */

struct key {
    const char *name;
    int (*take)(struct reader *r);
    bool is_required;
};

#define MAX_KEYS 9

/* Takes one key with its value. */
static int take_pair(struct reader *r, const struct key *keys, size_t n_keys, bool *seen)
{
    const char *where = r->where;
    struct packed_value key;
    size_t i = 0;
    int code = take(r, &key);

    if (code < 0)
        return code;
    if (key.type != PACKED_STR)
        return refuse(r, "expected keys that are text");
    while (i < n_keys && (strlen(keys[i].name) != key.n || memcmp(keys[i].name, key.p, key.n) != 0))
        i++;
    if (i == n_keys)
        return pass_over(r, 1);
    if (seen[i])
        return refuse(r, "a key stands there twice");
    seen[i] = true;
    r->where = keys[i].name;
    code = keys[i].take(r);
    if (code == 0)
        r->where = where;
    return code;
}

static int take_map(struct reader *r, const struct key *keys, size_t n_keys)
{
    bool seen[MAX_KEYS] = {false};
    struct packed_value map;
    int code = take(r, &map);

    assert(n_keys <= MAX_KEYS);
    if (code < 0)
        return code;
    if (map.type != PACKED_MAP)
        return refuse(r, "expected a map");
    for (size_t left = map.n; code == 0 && left > 0; left--)
        code = take_pair(r, keys, n_keys, seen);
    for (size_t i = 0; code == 0 && i < n_keys; i++) {
        if (keys[i].is_required && !seen[i]) {
            r->where = keys[i].name;
            code = refuse(r, "missing");
        }
    }
    return code;
}

static int take_host(struct reader *r)
{
    static const struct key keys[] = {
        {"values",       take_host_values,  true },
        {"mounts",       take_mounts,       false},
        {"temperatures", take_temperatures, false},
    };

    r->s->has_host = true;
    return take_map(r, keys, ARRAY_LEN(keys));
}

static int take_source_containers(struct reader *r)
{
    return take_text(r, SAMPLES_MAX_NAME, &r->s->source.containers);
}

static int take_source_network(struct reader *r)
{
    return take_text(r, SAMPLES_MAX_NAME, &r->s->source.network);
}

static int take_source_why(struct reader *r)
{
    return take_text(r, SAMPLES_MAX_TEXT, &r->s->source.why);
}

static int take_source_notes(struct reader *r)
{
    struct samples_source *source = &r->s->source;
    size_t n = 0;
    int code = take_list(r, SAMPLES_MAX_NOTES, 1, &n);

    for (; code == 0 && source->n_notes < n; source->n_notes++)
        code = take_text(r, SAMPLES_MAX_TEXT, &source->notes[source->n_notes]);
    return code;
}

static int take_source(struct reader *r)
{
    static const struct key keys[] = {
        {"containers", take_source_containers, true },
        {"network",    take_source_network,    true },
        {"why",        take_source_why,        true },
        {"notes",      take_source_notes,      false},
    };

    r->s->has_source = true;
    return take_map(r, keys, ARRAY_LEN(keys));
}

static int take_type(struct reader *r)
{
    const char *type = "";
    int code = take_text(r, SAMPLES_MAX_NAME, &type);

    return code < 0 || str_eq(type, "samples") ? code : refuse(r, "expected \"samples\"");
}

static int take_natural(struct reader *r, uint64_t *ret)
{
    int64_t v = 0;
    int code = take_number(r, 0, &v);

    if (code < 0)
        return code;
    if (v == METRIC_NONE)
        return refuse(r, "expected an integer");
    *ret = (uint64_t)v;
    return 0;
}

static int take_epoch(struct reader *r)
{
    return take_natural(r, &r->s->epoch);
}

static int take_seq(struct reader *r)
{
    return take_natural(r, &r->s->seq);
}

static int take_at(struct reader *r)
{
    uint64_t at = 0;
    int code = take_natural(r, &at);

    r->s->at_ms = (int64_t)at;
    return code;
}

static int take_late(struct reader *r)
{
    uint64_t late = 0;
    int code = take_natural(r, &late);

    r->s->is_late = late != 0;
    return code;
}

static int take_age(struct reader *r)
{
    uint64_t age = 0;
    int code = take_natural(r, &age);

    r->s->age_ms = (int64_t)age;
    r->s->has_age = true;
    return code;
}

static int take_samples(struct reader *r)
{
    static const struct key keys[] = {
        {"type",       take_type,       true },
        {"epoch",      take_epoch,      true },
        {"seq",        take_seq,        true },
        {"at",         take_at,         true },
        {"late",       take_late,       false},
        {"age",        take_age,        false},
        {"source",     take_source,     false},
        {"host",       take_host,       false},
        {"containers", take_containers, false},
    };
    int code = take_map(r, keys, ARRAY_LEN(keys));

    if (code == 0 && r->in.p < r->in.end)
        return refuse(r, "something follows the message");
    return code;
}

int samples_decode(const void *data, size_t size, struct samples *ret, struct error *err)
{
    struct samples s = {0};
    struct reader r = {
        .in = {.p = data, .end = (const uint8_t *)data + size},
        .s = &s,
        .where = "message",
        .err = err
    };
    int code;

    *ret = s;
    if (size > SAMPLES_MAX_SIZE)
        return refuse(&r, "too large");
    s.text = xmalloc(size + 1);
    r.text_end = s.text;
    samples_clear_values(s.host.values, HOST_METRICS);
    code = take_samples(&r);
    if (code < 0) {
        samples_done(&s);
        return code;
    }
    *ret = s;
    return 0;
}

void samples_done(struct samples *s)
{
    free(s->containers);
    free(s->host.mounts);
    free(s->host.temperatures);
    free(s->text);
    *s = (struct samples){0};
}

void samples_clear_values(int64_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = METRIC_NONE;
}
