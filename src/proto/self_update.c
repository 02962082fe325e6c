#include "proto/self_update.h"

#include "base/str.h"
#include "proto/release.h"

#include <errno.h>
#include <string.h>

#define MUST     (FIELD_REQUIRED | FIELD_NON_EMPTY)
#define OMIT     FIELD_OMIT_EMPTY
#define MAX_URL  2048
#define MAX_TEXT 1024

static int check_uuid(const char *value, const char **ret_why)
{
    size_t n = strspn(value, "0123456789abcdef-");

    *ret_why = "Input should be the id of an update, a UUID";
    return n == 36 && value[n] == '\0' ? 0 : -EINVAL;
}

/* The server's own address is put before it. */
static int check_path(const char *value, const char **ret_why)
{
    *ret_why = "Input should be a path below /download/";
    return *value == '\0' || str_starts_with(value, "/download/") ? 0 : -EINVAL;
}

static int check_url(const char *value, const char **ret_why)
{
    *ret_why = "Input should be an http or https URL";
    return *value == '\0' || str_starts_with(value, "https://") || str_starts_with(value, "http://")
               ? 0
               : -EINVAL;
}

static int check_state(const char *value, const char **ret_why)
{
    *ret_why = "Input should be running, done or failed";
    return str_eq(value, SELF_UPDATE_RUNNING) || str_eq(value, SELF_UPDATE_DONE) ||
                   str_eq(value, SELF_UPDATE_FAILED)
               ? 0
               : -EINVAL;
}

static int check_version(const char *value, const char **ret_why)
{
    *ret_why = "Input should be a version";
    return release_is_version(value) ? 0 : -EINVAL;
}

static int check_sum(const char *value, const char **ret_why)
{
    *ret_why = "Input should be a SHA-256 of 64 hex digits";
    return str_is_hex(value, 64) ? 0 : -EINVAL;
}

#define AT(m) offsetof(struct self_update_args, m)

static const struct field args_fields[] = {
    {"update_id",   FIELD_STRING, AT(update_id),   MUST, 0, 36,                    check_uuid},
    {"description", FIELD_STRING, AT(description), MUST, 0, RELEASE_MAX,           NULL      },
    {"url",         FIELD_STRING, AT(url),         OMIT, 0, MAX_URL,               check_url },
    {"path",        FIELD_STRING, AT(path),        OMIT, 0, 256,                   check_path},
    {"size",        FIELD_I64,    AT(size),        OMIT, 0, SELF_UPDATE_MAX_BYTES, NULL      },
    {"allow_older", FIELD_BOOL,   AT(allow_older), OMIT, 0, 0,                     NULL      },
};

#undef AT
#define AT(m) offsetof(struct self_update_record, m)

static const struct field record_fields[] = {
    {"update_id",    FIELD_STRING, AT(update_id),    MUST,             0, 36,                      check_uuid   },
    {"version",      FIELD_STRING, AT(version),      MUST,             0, RELEASE_VERSION_MAX - 1, check_version},
    {"from_version", FIELD_STRING, AT(from_version), MUST,             0, RELEASE_VERSION_MAX - 1,
     check_version                                                                                              },
    {"sha256",       FIELD_STRING, AT(sha256),       MUST,             0, 64,                      check_sum    },
    {"state",        FIELD_STRING, AT(state),        MUST,             0, 16,                      check_state  },
    {"stage",        FIELD_STRING, AT(stage),        MUST,             0, 64,                      NULL         },
    {"received",     FIELD_I64,    AT(received),     0,                0, SELF_UPDATE_MAX_BYTES,   NULL         },
    {"size",         FIELD_I64,    AT(size),         0,                0, SELF_UPDATE_MAX_BYTES,   NULL         },
    {"started_at",   FIELD_I64,    AT(started_at),   0,                0, 0,                       NULL         },
    {"ended_at",     FIELD_I64,    AT(ended_at),     0,                0, 0,                       NULL         },
    {"error",        FIELD_STRING, AT(error),        OMIT | FIELD_CUT, 0, MAX_TEXT,                NULL         },
};

int self_update_args_decode(const json_t *payload, struct self_update_args *ret, struct error *err)
{
    struct self_update_args a = {0};
    int r = codec_decode(args_fields, ARRAY_LEN(args_fields), payload, &a, err);

    if (r < 0)
        return error_wrap(err, r, "self_update");
    if (str_is_empty(a.url) == str_is_empty(a.path)) {
        self_update_args_done(&a);
        return error_set(err, -EINVAL, "self_update: one of url and path is required");
    }
    *ret = a;
    return 0;
}

json_t *self_update_args_encode(const struct self_update_args *a)
{
    return codec_encode(args_fields, ARRAY_LEN(args_fields), a);
}

void self_update_args_done(struct self_update_args *a)
{
    codec_done(args_fields, ARRAY_LEN(args_fields), a);
}

int self_update_record_decode(const json_t *v, struct self_update_record *ret, struct error *err)
{
    struct self_update_record r = {0};
    int code = codec_decode(record_fields, ARRAY_LEN(record_fields), v, &r, err);

    if (code < 0)
        return error_wrap(err, code, "self_update_progress");
    *ret = r;
    return 0;
}

json_t *self_update_record_encode(const struct self_update_record *r)
{
    return codec_encode(record_fields, ARRAY_LEN(record_fields), r);
}

void self_update_record_done(struct self_update_record *r)
{
    codec_done(record_fields, ARRAY_LEN(record_fields), r);
}
