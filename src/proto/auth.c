#include "proto/auth.h"

#include "base/str.h"
#include "proto/json_text.h"

#define SUCCESS(m) offsetof(struct msg_auth_success, m)

static const struct field success_fields[] = {
    {"agent_id",        FIELD_STRING,   SUCCESS(agent_id),        FIELD_REQUIRED | FIELD_NON_EMPTY, 0, 255,       NULL},
    {"host_id",         FIELD_STRING,   SUCCESS(host_id),         FIELD_REQUIRED | FIELD_NON_EMPTY, 0, 255,       NULL},
    {"permanent_token", FIELD_STRING,   SUCCESS(permanent_token), 0,                                0, 255,       NULL},
    {"capabilities",    FIELD_BOOL_MAP, SUCCESS(capabilities),    FIELD_OMIT_EMPTY,                 0, 256,       NULL},
    {"events_since",    FIELD_I64,      SUCCESS(events_since),    0,                                0, 0,         NULL},
    {"release_key",     FIELD_STRING,   SUCCESS(release_key),     FIELD_OMIT_EMPTY,                 0, 64,        NULL},
    {"samples_epoch",   FIELD_U64,      SUCCESS(samples_epoch),   FIELD_OMIT_EMPTY,                 0, INT64_MAX, NULL},
    {"samples_seq",     FIELD_U64,      SUCCESS(samples_seq),     FIELD_OMIT_EMPTY,                 0, INT64_MAX, NULL},
};

static const struct field error_fields[] = {
    {"error", FIELD_STRING, offsetof(struct msg_auth_error, error), 0,                0, 16384, NULL},
    {"code",  FIELD_STRING, offsetof(struct msg_auth_error, code),  FIELD_OMIT_EMPTY, 0, 64,    NULL},
};

int msg_auth_success_decode(const json_t *v, struct msg_auth_success *ret, struct error *err)
{
    struct msg_auth_success m = {0};
    int r = codec_decode(success_fields, ARRAY_LEN(success_fields), v, &m, err);

    if (r < 0)
        return error_wrap(err, r, "auth_success");
    *ret = m;
    return 0;
}

json_t *msg_auth_success_encode(const struct msg_auth_success *m)
{
    json_t *o = codec_encode(success_fields, ARRAY_LEN(success_fields), m);

    json_text_set(o, "type", json_text_str("auth_success"));
    return o;
}

void msg_auth_success_done(struct msg_auth_success *m)
{
    codec_done(success_fields, ARRAY_LEN(success_fields), m);
}

bool msg_auth_success_can(const struct msg_auth_success *m, const char *capability)
{
    return json_is_true(json_object_get(m->capabilities, capability));
}

int msg_auth_error_decode(const json_t *v, struct msg_auth_error *ret, struct error *err)
{
    struct msg_auth_error m = {0};
    int r = codec_decode(error_fields, ARRAY_LEN(error_fields), v, &m, err);

    if (r < 0)
        return error_wrap(err, r, "auth_error");
    *ret = m;
    return 0;
}

json_t *msg_auth_error_encode(const struct msg_auth_error *m)
{
    json_t *o = codec_encode(error_fields, ARRAY_LEN(error_fields), m);

    json_text_set(o, "type", json_text_str("auth_error"));
    return o;
}

void msg_auth_error_done(struct msg_auth_error *m)
{
    codec_done(error_fields, ARRAY_LEN(error_fields), m);
}
