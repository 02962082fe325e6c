#include "proto/notice.h"

#include "proto/json_text.h"

#define PROGRESS(m) offsetof(struct msg_progress, m)
#define ERROR(m)    offsetof(struct msg_error, m)

static const struct field progress_fields[] = {
    {"container_id", FIELD_STRING, PROGRESS(container_id), FIELD_OMIT_EMPTY,                 0, 128, NULL},
    {"stage",        FIELD_STRING, PROGRESS(stage),        FIELD_REQUIRED | FIELD_NON_EMPTY, 0, 128, NULL},
    {"percent",      FIELD_DOUBLE, PROGRESS(percent),      FIELD_OMIT_EMPTY,                 0, 0,   NULL},
    {"message",      FIELD_STRING, PROGRESS(message),      0,                                0, 0,   NULL},
    {"error",        FIELD_STRING, PROGRESS(error),        FIELD_OMIT_EMPTY,                 0, 0,   NULL},
};

static const struct field error_fields[] = {
    {"error",        FIELD_STRING, ERROR(error),        FIELD_REQUIRED | FIELD_NON_EMPTY, 0, 0,     NULL},
    {"details",      FIELD_STRING, ERROR(details),      FIELD_OMIT_EMPTY,                 0, 65536, NULL},
    {"container_id", FIELD_STRING, ERROR(container_id), FIELD_OMIT_EMPTY,                 0, 128,   NULL},
};

static const struct field engine_state_fields[] = {
    {"error", FIELD_STRING, offsetof(struct msg_engine_state, error), FIELD_OMIT_EMPTY, 0, 4096,
     NULL},
};

json_t *msg_heartbeat_encode(void)
{
    json_t *o = json_object();

    json_text_set(o, "type", json_text_str("heartbeat"));
    return o;
}

int msg_progress_decode(const json_t *v, struct msg_progress *ret, struct error *err)
{
    struct msg_progress m = {0};
    int r = codec_decode(progress_fields, ARRAY_LEN(progress_fields), v, &m, err);

    if (r < 0)
        return error_wrap(err, r, "progress");
    *ret = m;
    return 0;
}

json_t *msg_progress_encode(const struct msg_progress *m)
{
    return codec_encode(progress_fields, ARRAY_LEN(progress_fields), m);
}

void msg_progress_done(struct msg_progress *m)
{
    codec_done(progress_fields, ARRAY_LEN(progress_fields), m);
}

/* Returns a copy of the message whose details are text; NULL: they are already, or absent. */
static json_t *flatten_details(const json_t *v)
{
    const json_t *details = json_object_get(v, "details");
    _cleanup_free_ char *text = NULL;
    json_t *flat;
    size_t size;

    if (!json_is_object(details) && !json_is_array(details))
        return NULL;
    text = json_text_write(details, &size);
    flat = json_copy((json_t *)(uintptr_t)v); /* takes no const, changes nothing */
    json_text_set(flat, "details", json_text_string(text, size));
    return flat;
}

int msg_error_decode(const json_t *v, struct msg_error *ret, struct error *err)
{
    struct msg_error m = {0};
    json_auto_t *flat = flatten_details(v);
    int r = codec_decode(error_fields, ARRAY_LEN(error_fields), flat ? flat : v, &m, err);

    if (r < 0)
        return error_wrap(err, r, "error");
    *ret = m;
    return 0;
}

json_t *msg_error_encode(const struct msg_error *m)
{
    json_t *o = codec_encode(error_fields, ARRAY_LEN(error_fields), m);

    json_text_set(o, "type", json_text_str("error"));
    return o;
}

void msg_error_done(struct msg_error *m)
{
    codec_done(error_fields, ARRAY_LEN(error_fields), m);
}

int msg_engine_state_decode(const json_t *v, struct msg_engine_state *ret, struct error *err)
{
    struct msg_engine_state m = {0};
    int r = codec_decode(engine_state_fields, ARRAY_LEN(engine_state_fields), v, &m, err);

    if (r < 0)
        return error_wrap(err, r, "engine_state");
    *ret = m;
    return 0;
}

json_t *msg_engine_state_encode(const struct msg_engine_state *m)
{
    return codec_encode(engine_state_fields, ARRAY_LEN(engine_state_fields), m);
}

void msg_engine_state_done(struct msg_engine_state *m)
{
    codec_done(engine_state_fields, ARRAY_LEN(engine_state_fields), m);
}
