#include "proto/samples_fixture.h"

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <assert.h>
#include <msgpack/pack.h>
#include <string.h>

static int write_bytes(void *data, const char *p, size_t n)
{
    if (buf_append(data, p, n) < 0)
        abort(); /* the test's buffer is too small */
    return 0;
}

static int hex_digit(char c)
{
    assert((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void pack_string(msgpack_packer *pk, const char *s, size_t n)
{
    static const char prefix[] = "hex:";
    _cleanup_free_ char *bytes = NULL;

    if (!str_starts_with(s, prefix)) {
        (void)msgpack_pack_str(pk, n);
        (void)msgpack_pack_str_body(pk, s, n);
        return;
    }
    s += strlen(prefix);
    n = strlen(s) / 2;
    bytes = xmalloc(n + 1);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(hex_digit(s[2 * i]) << 4 | hex_digit(s[2 * i + 1]));
    (void)msgpack_pack_bin(pk, n);
    (void)msgpack_pack_bin_body(pk, bytes, n);
}

static void pack(msgpack_packer *pk, const json_t *v)
{
    const char *key;
    json_t *item;
    size_t i;

    switch (json_typeof(v)) {
    case JSON_NULL: (void)msgpack_pack_nil(pk); break;
    case JSON_TRUE: (void)msgpack_pack_true(pk); break;
    case JSON_FALSE: (void)msgpack_pack_false(pk); break;
    case JSON_INTEGER: (void)msgpack_pack_int64(pk, json_integer_value(v)); break;
    case JSON_REAL: (void)msgpack_pack_double(pk, json_real_value(v)); break;
    case JSON_STRING: pack_string(pk, json_string_value(v), json_string_length(v)); break;
    case JSON_ARRAY:
        (void)msgpack_pack_array(pk, json_array_size(v));
        json_array_foreach(v, i, item) pack(pk, item);
        break;
    case JSON_OBJECT:
        (void)msgpack_pack_map(pk, json_object_size(v));
        json_object_foreach((json_t *)(uintptr_t)v, key, item)
        {
            pack_string(pk, key, strlen(key));
            pack(pk, item);
        }
        break;
    }
}

void samples_fixture_pack(const json_t *v, struct buf *out)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, out, write_bytes);
    pack(&pk, v);
}

static void set_value(json_t *o, const char *name, int64_t v)
{
    if (v != METRIC_NONE)
        json_text_set(o, name, json_integer(v));
}

static void append(json_t *array, json_t *item)
{
    if (json_array_append_new(array, item) < 0)
        abort(); /* out of memory */
}

static json_t *describe_host(const struct host_sample *h)
{
    json_t *o = json_object();
    json_t *mounts = json_array();
    json_t *temperatures = json_array();

    for (size_t i = 0; i < HOST_METRICS; i++)
        set_value(o, host_metrics[i].name, h->values[i]);
    for (size_t i = 0; i < h->n_mounts; i++) {
        const struct mount_sample *m = &h->mounts[i];
        json_t *mount = json_pack("{s:s, s:s, s:s}", "path", m->path, "device", m->device, "type",
                                  m->type);

        set_value(mount, "size", m->size);
        set_value(mount, "used", m->used);
        set_value(mount, "available", m->available);
        set_value(mount, "read", m->read);
        set_value(mount, "written", m->written);
        append(mounts, mount);
    }
    for (size_t i = 0; i < h->n_temperatures; i++) {
        json_t *t = json_pack("{s:s}", "label", h->temperatures[i].label);

        set_value(t, "centi_degrees", h->temperatures[i].centi_degrees);
        append(temperatures, t);
    }
    json_text_set(o, "mounts", mounts);
    json_text_set(o, "temperatures", temperatures);
    return o;
}

static json_t *describe_source(const struct samples_source *s)
{
    json_t *notes = json_array();

    for (size_t i = 0; i < s->n_notes; i++)
        append(notes, json_string(s->notes[i]));
    return json_pack("{s:s, s:s, s:s, s:o}", "containers", s->containers, "network", s->network,
                     "why", s->why, "notes", notes);
}

json_t *samples_fixture_describe(const struct samples *s)
{
    json_t *o = json_pack("{s:I, s:I, s:I}", "epoch", (json_int_t)s->epoch, "seq",
                          (json_int_t)s->seq, "at", (json_int_t)s->at_ms);
    json_t *containers = json_array();

    for (size_t i = 0; i < s->n_containers; i++) {
        const struct container_sample *c = &s->containers[i];
        json_t *item = json_pack("{s:s, s:s}", "id", c->id, "name", c->name);

        for (size_t k = 0; k < CONTAINER_METRICS; k++)
            set_value(item, container_metrics[k].name, c->values[k]);
        append(containers, item);
    }
    json_text_set(o, "containers", containers);
    if (s->is_late)
        json_text_set(o, "late", json_true());
    if (s->has_age)
        json_text_set(o, "age", json_integer(s->age_ms));
    if (s->has_host)
        json_text_set(o, "host", describe_host(&s->host));
    if (s->has_source)
        json_text_set(o, "source", describe_source(&s->source));
    return o;
}
