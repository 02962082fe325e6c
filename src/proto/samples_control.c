#include "proto/samples.h"

#include "base/str.h"
#include "proto/envelope.h"
#include "proto/json_text.h"

#include <errno.h>

#define ACK(m)  offsetof(struct msg_samples_ack, m)
#define RATE(m) offsetof(struct msg_stats_rate, m)
#define MUST    FIELD_REQUIRED

static const struct field ack_fields[] = {
    {"epoch", FIELD_U64, ACK(epoch), MUST, 0, INT64_MAX, NULL},
    {"seq",   FIELD_U64, ACK(seq),   MUST, 0, INT64_MAX, NULL},
};

static const struct field rate_fields[] = {
    {"interval_ms", FIELD_I64,     RATE(interval_ms), MUST,             STATS_RATE_MIN_MS, STATS_RATE_MAX_MS,         NULL},
    {"ttl_s",       FIELD_I64,     RATE(ttl_s),       MUST,             1,                 STATS_RATE_MAX_TTL_S,      NULL},
    {"host",        FIELD_BOOL,    RATE(host),        0,                0,                 0,                         NULL},
    {"all",         FIELD_BOOL,    RATE(all),         0,                0,                 0,                         NULL},
    {"containers",  FIELD_STRINGS, RATE(containers),  FIELD_OMIT_EMPTY, 0,                 STATS_RATE_MAX_CONTAINERS,
     NULL                                                                                                                 },
};

int msg_samples_ack_decode(const json_t *v, struct msg_samples_ack *ret, struct error *err)
{
    struct msg_samples_ack m = {0};
    int r = codec_decode(ack_fields, ARRAY_LEN(ack_fields), v, &m, err);

    if (r < 0)
        return error_wrap(err, r, "samples_ack");
    *ret = m;
    return 0;
}

json_t *msg_samples_ack_encode(const struct msg_samples_ack *m)
{
    json_t *o = codec_encode(ack_fields, ARRAY_LEN(ack_fields), m);

    json_text_set(o, "type", json_text_str("samples_ack"));
    return o;
}

static int check_ids(const struct strings *ids, struct error *err)
{
    for (size_t i = 0; i < ids->n; i++) {
        if (!str_is_hex(ids->items[i], SAMPLES_ID_SIZE - 1))
            return codec_error(err, -EINVAL, "containers", "Ids should have 64 hex digits");
    }
    return 0;
}

int msg_stats_rate_decode(const json_t *payload, struct msg_stats_rate *ret, struct error *err)
{
    struct msg_stats_rate m = {0};
    int r = codec_decode(rate_fields, ARRAY_LEN(rate_fields), payload, &m, err);

    if (r == 0)
        r = check_ids(&m.containers, err);
    if (r < 0) {
        msg_stats_rate_done(&m);
        return error_wrap(err, r, "stats_rate");
    }
    *ret = m;
    return 0;
}

json_t *msg_stats_rate_encode(const struct msg_stats_rate *m)
{
    return envelope_message("stats_rate", codec_encode(rate_fields, ARRAY_LEN(rate_fields), m));
}

void msg_stats_rate_done(struct msg_stats_rate *m)
{
    codec_done(rate_fields, ARRAY_LEN(rate_fields), m);
}
