#include "proto/stats.h"

#include "base/alloc.h"
#include "proto/json_text.h"

#include <string.h>

#define MUST    (FIELD_REQUIRED | FIELD_NON_EMPTY)
#define AT(m)   offsetof(struct msg_container_stats, m)
#define HOST(m) offsetof(struct msg_host_stats, m)

static const struct field fields[] = {
    {"container_id",   FIELD_STRING, AT(container_id),   MUST,           0, 128, NULL},
    {"container_name", FIELD_STRING, AT(container_name), 0,              0, 256, NULL},
    {"cpu_percent",    FIELD_DOUBLE, AT(cpu_percent),    0,              0, 0,   NULL},
    {"memory_usage",   FIELD_I64,    AT(memory_usage),   FIELD_TRUNCATE, 0, 0,   NULL},
    {"memory_limit",   FIELD_I64,    AT(memory_limit),   FIELD_TRUNCATE, 0, 0,   NULL},
    {"memory_percent", FIELD_DOUBLE, AT(memory_percent), 0,              0, 0,   NULL},
    {"network_rx",     FIELD_I64,    AT(network_rx),     FIELD_TRUNCATE, 0, 0,   NULL},
    {"network_tx",     FIELD_I64,    AT(network_tx),     FIELD_TRUNCATE, 0, 0,   NULL},
    {"disk_read",      FIELD_I64,    AT(disk_read),      FIELD_TRUNCATE, 0, 0,   NULL},
    {"disk_write",     FIELD_I64,    AT(disk_write),     FIELD_TRUNCATE, 0, 0,   NULL},
    {"timestamp",      FIELD_STRING, AT(timestamp),      0,              0, 64,  NULL},
};

static const struct field host_fields[] = {
    {"cpu_percent",       FIELD_DOUBLE, HOST(cpu_percent),       FIELD_REQUIRED, 0, 0, NULL},
    {"mem_percent",       FIELD_DOUBLE, HOST(mem_percent),       FIELD_REQUIRED, 0, 0, NULL},
    {"net_bytes_per_sec", FIELD_DOUBLE, HOST(net_bytes_per_sec), 0,              0, 0, NULL},
};

static int decode_flat(const json_t *v, struct msg_container_stats *ret, struct error *err)
{
    struct msg_container_stats m = {0};
    int r = codec_decode(fields, ARRAY_LEN(fields), v, &m, err);

    if (r < 0)
        return error_wrap(err, r, "container_stats");
    /* Go agents keep the engine's slash in names of their first scan. */
    if (m.container_name) {
        size_t n = strspn(m.container_name, "/");

        memmove(m.container_name, m.container_name + n, strlen(m.container_name + n) + 1);
    }
    *ret = m;
    return 0;
}

int msg_container_stats_decode(const json_t *v, struct msg_container_stats *ret, struct error *err)
{
    json_t *inner = json_object_get(v, "stats");
    json_auto_t *flat = NULL;

    if (!json_is_object(inner))
        return decode_flat(v, ret, err);

    flat = json_copy(inner);
    if (!flat || json_object_update_missing(flat, (json_t *)(uintptr_t)v) < 0)
        abort(); /* out of memory */
    return decode_flat(flat, ret, err);
}

json_t *msg_container_stats_encode(const struct msg_container_stats *m)
{
    return codec_encode(fields, ARRAY_LEN(fields), m);
}

void msg_container_stats_done(struct msg_container_stats *m)
{
    codec_done(fields, ARRAY_LEN(fields), m);
}

int msg_host_stats_decode(const json_t *v, struct msg_host_stats *ret, struct error *err)
{
    struct msg_host_stats m = {0};
    int r = codec_decode(host_fields, ARRAY_LEN(host_fields), json_object_get(v, "stats"), &m, err);

    if (r < 0)
        return error_wrap(err, r, "stats");
    *ret = m;
    return 0;
}

json_t *msg_host_stats_encode(const struct msg_host_stats *m)
{
    json_t *o = json_object();

    json_text_set(o, "type", json_text_str("stats"));
    json_text_set(o, "stats", codec_encode(host_fields, ARRAY_LEN(host_fields), m));
    return o;
}
