#include "proto/samples.h"

#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <msgpack/pack.h>
#include <string.h>

/*
 * The functions of msgpack-c return the result of the write function, which is ignored: it fails
 * only at the limit of the buffer, and the caller checks that once.
 */
struct output {
    struct buf *buf;
    int code;
};

static int write_bytes(void *data, const char *p, size_t n)
{
    struct output *o = data;

    if (o->code == 0)
        o->code = buf_append(o->buf, p, n);
    return o->code;
}

static void put_bytes(msgpack_packer *pk, const char *p, size_t n)
{
    (void)msgpack_pack_str(pk, n);
    (void)msgpack_pack_str_body(pk, p, n);
}

/* Puts at most `max` bytes of a text, truncated between characters. */
static void put_text(msgpack_packer *pk, const char *s, size_t max)
{
    size_t n = s ? strlen(s) : 0;

    if (n > max) {
        for (n = max; n > 0 && ((unsigned char)s[n] & 0xc0U) == 0x80; n--)
            ;
    }
    put_bytes(pk, n ? s : "", n);
}

static void put_key(msgpack_packer *pk, const char *key)
{
    put_bytes(pk, key, strlen(key));
}

static void put_value(msgpack_packer *pk, int64_t v)
{
    if (v == METRIC_NONE) {
        (void)msgpack_pack_nil(pk);
    } else {
        (void)msgpack_pack_int64(pk, v);
    }
}

/* Counts the values without unknown ones at the end. */
static size_t count_values(const int64_t *values, size_t n)
{
    while (n > 0 && values[n - 1] == METRIC_NONE)
        n--;
    return n;
}

static unsigned char nibble(char c)
{
    return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void put_container(msgpack_packer *pk, const struct container_sample *c)
{
    size_t n = count_values(c->values, CONTAINER_METRICS);
    char id[(SAMPLES_ID_SIZE - 1) / 2];

    assert(str_is_hex(c->id, SAMPLES_ID_SIZE - 1));
    for (size_t i = 0; i < sizeof(id); i++)
        id[i] = (char)(nibble(c->id[2 * i]) << 4 | nibble(c->id[2 * i + 1]));
    (void)msgpack_pack_array(pk, 2 + n);
    (void)msgpack_pack_bin(pk, sizeof(id));
    (void)msgpack_pack_bin_body(pk, id, sizeof(id));
    put_text(pk, c->name, SAMPLES_MAX_NAME);
    for (size_t i = 0; i < n; i++)
        put_value(pk, c->values[i]);
}

static void put_mount(msgpack_packer *pk, const struct mount_sample *m)
{
    const int64_t values[] = {m->size, m->used, m->available, m->read, m->written};

    (void)msgpack_pack_array(pk, 3 + ARRAY_LEN(values));
    put_text(pk, m->path, SAMPLES_MAX_TEXT);
    put_text(pk, m->device, SAMPLES_MAX_TEXT);
    put_text(pk, m->type, SAMPLES_MAX_NAME);
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        put_value(pk, values[i]);
}

static void put_host(msgpack_packer *pk, const struct host_sample *h)
{
    size_t n = count_values(h->values, HOST_METRICS);

    (void)msgpack_pack_map(pk, 3);
    put_key(pk, "values");
    (void)msgpack_pack_array(pk, n);
    for (size_t i = 0; i < n; i++)
        put_value(pk, h->values[i]);
    put_key(pk, "mounts");
    (void)msgpack_pack_array(pk, h->n_mounts);
    for (size_t i = 0; i < h->n_mounts; i++)
        put_mount(pk, &h->mounts[i]);
    put_key(pk, "temperatures");
    (void)msgpack_pack_array(pk, h->n_temperatures);
    for (size_t i = 0; i < h->n_temperatures; i++) {
        (void)msgpack_pack_array(pk, 2);
        put_text(pk, h->temperatures[i].label, SAMPLES_MAX_NAME);
        put_value(pk, h->temperatures[i].centi_degrees);
    }
}

static void put_source(msgpack_packer *pk, const struct samples_source *s)
{
    (void)msgpack_pack_map(pk, 4);
    put_key(pk, "containers");
    put_text(pk, s->containers, SAMPLES_MAX_NAME);
    put_key(pk, "network");
    put_text(pk, s->network, SAMPLES_MAX_NAME);
    put_key(pk, "why");
    put_text(pk, s->why, SAMPLES_MAX_TEXT);
    put_key(pk, "notes");
    (void)msgpack_pack_array(pk, s->n_notes);
    for (size_t i = 0; i < s->n_notes; i++)
        put_text(pk, s->notes[i], SAMPLES_MAX_TEXT);
}

static void put_samples(msgpack_packer *pk, const struct samples *s)
{
    (void)msgpack_pack_map(pk, 5 + (size_t)s->has_host + (size_t)s->has_source +
                                   (size_t)s->is_late + (size_t)s->has_age);
    put_key(pk, "type");
    put_key(pk, "samples");
    put_key(pk, "epoch");
    (void)msgpack_pack_uint64(pk, s->epoch);
    put_key(pk, "seq");
    (void)msgpack_pack_uint64(pk, s->seq);
    put_key(pk, "at");
    (void)msgpack_pack_int64(pk, s->at_ms);
    if (s->is_late) {
        put_key(pk, "late");
        (void)msgpack_pack_uint64(pk, 1);
    }
    if (s->has_age) {
        put_key(pk, "age");
        (void)msgpack_pack_int64(pk, s->age_ms);
    }
    if (s->has_source) {
        put_key(pk, "source");
        put_source(pk, &s->source);
    }
    if (s->has_host) {
        put_key(pk, "host");
        put_host(pk, &s->host);
    }
    put_key(pk, "containers");
    (void)msgpack_pack_array(pk, s->n_containers);
    for (size_t i = 0; i < s->n_containers; i++)
        put_container(pk, &s->containers[i]);
}

int samples_encode(const struct samples *s, struct buf *out)
{
    struct output o = {.buf = out};
    size_t before = out->size;
    msgpack_packer pk;

    assert(s->n_containers <= SAMPLES_MAX_CONTAINERS);
    assert(s->host.n_mounts <= SAMPLES_MAX_MOUNTS);
    assert(s->host.n_temperatures <= SAMPLES_MAX_TEMPERATURES);
    assert(s->source.n_notes <= SAMPLES_MAX_NOTES);
    msgpack_packer_init(&pk, &o, write_bytes);
    put_samples(&pk, s);
    if (o.code < 0 && out->size > before) {
        out->size = before;
        out->data[before] = '\0';
    }
    return o.code;
}
