#include "proto/inventory.h"

#include "base/str.h"

#include <errno.h>

#define SNAPSHOT(m) offsetof(struct msg_inventory_snapshot, m)
#define DELTA(m)    offsetof(struct msg_inventory_delta, m)
#define MUST        FIELD_REQUIRED
#define MOST        INVENTORY_MAX_CONTAINERS

static int check_full_id(const char *s, const char **ret_why)
{
    *ret_why = "String should be 64 hex digits";
    return str_is_hex(s, 64) ? 0 : -EINVAL;
}

static const struct field snapshot_fields[] = {
    {"snapshot_id", FIELD_STRING, SNAPSHOT(snapshot_id), MUST | FIELD_NON_EMPTY, 0, 64,   NULL},
    {"part",        FIELD_I64,    SNAPSHOT(part),        MUST,                   0, MOST, NULL},
    {"last",        FIELD_BOOL,   SNAPSHOT(last),        MUST,                   0, 0,    NULL},
    {"containers",  FIELD_ARRAY,  SNAPSHOT(containers),  MUST,                   0, MOST, NULL},
};

static const struct field delta_fields[] = {
    {"containers", FIELD_ARRAY,   DELTA(containers), FIELD_OMIT_EMPTY, 0, MOST, NULL         },
    {"removed",    FIELD_STRINGS, DELTA(removed),    0,                0, MOST, check_full_id},
};

int msg_inventory_snapshot_decode(const json_t *v,
                                  struct msg_inventory_snapshot *ret,
                                  struct error *err)
{
    struct msg_inventory_snapshot m = {0};
    int r = codec_decode(snapshot_fields, ARRAY_LEN(snapshot_fields), v, &m, err);

    if (r < 0)
        return error_wrap(err, r, "inventory_snapshot");
    *ret = m;
    return 0;
}

json_t *msg_inventory_snapshot_encode(const struct msg_inventory_snapshot *m)
{
    return codec_encode(snapshot_fields, ARRAY_LEN(snapshot_fields), m);
}

void msg_inventory_snapshot_done(struct msg_inventory_snapshot *m)
{
    codec_done(snapshot_fields, ARRAY_LEN(snapshot_fields), m);
}

int msg_inventory_delta_decode(const json_t *v, struct msg_inventory_delta *ret, struct error *err)
{
    struct msg_inventory_delta m = {0};
    int r = codec_decode(delta_fields, ARRAY_LEN(delta_fields), v, &m, err);

    if (r < 0)
        return error_wrap(err, r, "inventory_delta");
    *ret = m;
    return 0;
}

json_t *msg_inventory_delta_encode(const struct msg_inventory_delta *m)
{
    return codec_encode(delta_fields, ARRAY_LEN(delta_fields), m);
}

void msg_inventory_delta_done(struct msg_inventory_delta *m)
{
    codec_done(delta_fields, ARRAY_LEN(delta_fields), m);
}
