#include "proto/container_event.h"

#define MUST  (FIELD_REQUIRED | FIELD_NON_EMPTY)
#define AT(m) offsetof(struct msg_container_event, m)

static const struct field fields[] = {
    {"container_id",   FIELD_STRING,     AT(container_id),   MUST,             0, 128, NULL},
    {"container_name", FIELD_STRING,     AT(container_name), FIELD_CUT,        0, 255, NULL},
    {"image",          FIELD_STRING,     AT(image),          FIELD_CUT,        0, 0,   NULL},
    {"action",         FIELD_STRING,     AT(action),         MUST,             0, 0,   NULL},
    {"timestamp",      FIELD_STRING,     AT(timestamp),      0,                0, 64,  NULL},
    {"attributes",     FIELD_STRING_MAP, AT(attributes),     FIELD_CUT,        0, 0,   NULL},
    {"time_nano",      FIELD_I64,        AT(time_nano),      FIELD_OMIT_EMPTY, 0, 0,   NULL},
};

int msg_container_event_decode(const json_t *v, struct msg_container_event *ret, struct error *err)
{
    struct msg_container_event m = {0};
    int r = codec_decode(fields, ARRAY_LEN(fields), v, &m, err);

    if (r < 0)
        return error_wrap(err, r, "container_event");
    *ret = m;
    return 0;
}

const char *msg_container_event_find_cut(const json_t *v)
{
    return codec_find_cut(fields, ARRAY_LEN(fields), v);
}

json_t *msg_container_event_encode(const struct msg_container_event *m)
{
    return codec_encode(fields, ARRAY_LEN(fields), m);
}

void msg_container_event_done(struct msg_container_event *m)
{
    codec_done(fields, ARRAY_LEN(fields), m);
}
