#include "proto/shell.h"
#include "proto/envelope.h"
#include "proto/json_text.h"

#define SESSION(m) offsetof(struct msg_shell_session, m)
#define DATA(m)    offsetof(struct msg_shell_data, m)

#define MAX_ID    128
#define MAX_TEXT  ((int64_t)128 * 1024) /* bytes of base64 in one message */
#define MAX_WORDS 1024
#define MAX_SIDE  10000
#define MAX_ACK   ((int64_t)1 << 30) /* so that sums cannot overflow */

static const struct field session_fields[] = {
    {"session_id",   FIELD_STRING,  SESSION(session_id),   FIELD_REQUIRED | FIELD_NON_EMPTY, 0, MAX_ID,
     NULL                                                                                                             },
    {"action",       FIELD_STRING,  SESSION(action),       FIELD_REQUIRED | FIELD_NON_EMPTY, 0, MAX_ID,           NULL},
    {"container_id", FIELD_STRING,  SESSION(container_id), 0,                                0, 255,              NULL},
    {"data",         FIELD_STRING,  SESSION(data),         0,                                0, MAX_TEXT,         NULL},
    {"cols",         FIELD_I64,     SESSION(cols),         FIELD_TRUNCATE,                   0, MAX_SIDE,         NULL},
    {"rows",         FIELD_I64,     SESSION(rows),         FIELD_TRUNCATE,                   0, MAX_SIDE,         NULL},
    {"cmd",          FIELD_STRINGS, SESSION(cmd),          0,                                0, MAX_WORDS,        NULL},
    {"env",          FIELD_STRINGS, SESSION(env),          0,                                0, MAX_WORDS,        NULL},
    {"user",         FIELD_STRING,  SESSION(user),         0,                                0, 255,              NULL},
    {"workdir",      FIELD_STRING,  SESSION(workdir),      0,                                0, 0,                NULL},
    {"detach",       FIELD_BOOL,    SESSION(is_detached),  0,                                0, 0,                NULL},
    {"window",       FIELD_I64,     SESSION(window),       0,                                0, SHELL_MAX_WINDOW, NULL},
    {"bytes",        FIELD_I64,     SESSION(bytes),        0,                                0, MAX_ACK,          NULL},
    {"copy",         FIELD_STRING,  SESSION(copy),         0,                                0, 16,               NULL},
    {"path",         FIELD_STRING,  SESSION(path),         0,                                0, SHELL_MAX_PATH,   NULL},
    {"keep_owner",   FIELD_BOOL,    SESSION(keeps_owner),  0,                                0, 0,                NULL},
};

static const struct field data_fields[] = {
    {"session_id", FIELD_STRING, DATA(session_id), FIELD_REQUIRED | FIELD_NON_EMPTY, 0,  MAX_ID,
     NULL                                                                                                    },
    {"action",     FIELD_STRING, DATA(action),     FIELD_REQUIRED | FIELD_NON_EMPTY, 0,  MAX_ID,         NULL},
    {"data",       FIELD_STRING, DATA(data),       0,                                0,  MAX_TEXT,       NULL},
    {"error",      FIELD_STRING, DATA(error),      0,                                0,  0,              NULL},
    {"code",       FIELD_STRING, DATA(code),       0,                                0,  64,             NULL},
    {"stream",     FIELD_STRING, DATA(stream),     0,                                0,  16,             NULL},
    {"exit_code",  FIELD_I64,    DATA(exit_code),  0,                                -1, 0,              NULL},
    {"bytes",      FIELD_I64,    DATA(bytes),      0,                                0,  MAX_ACK,        NULL},
    {"stat",       FIELD_STRING, DATA(stat),       0,                                0,  SHELL_MAX_STAT, NULL},
};

int msg_shell_session_decode(const json_t *payload,
                             struct msg_shell_session *ret,
                             struct error *err)
{
    struct msg_shell_session m = {0};
    const json_t *tty = json_object_get(payload, "tty");
    int r = codec_decode(session_fields, ARRAY_LEN(session_fields), payload, &m, err);

    if (r < 0)
        return error_wrap(err, r, "shell_session");
    m.is_plain = json_is_false(tty);
    *ret = m;
    return 0;
}

void msg_shell_session_done(struct msg_shell_session *m)
{
    codec_done(session_fields, ARRAY_LEN(session_fields), m);
}

json_t *msg_shell_session_encode(const char *session_id, const char *action, json_t *fields)
{
    return envelope_message("shell_session",
                            envelope_part("session_id", session_id, action, fields));
}

int msg_shell_data_decode(const json_t *payload, struct msg_shell_data *ret, struct error *err)
{
    struct msg_shell_data m = {.exit_code = -1};
    int r = codec_decode(data_fields, ARRAY_LEN(data_fields), payload, &m, err);

    if (r < 0)
        return error_wrap(err, r, "shell_data");
    *ret = m;
    return 0;
}

void msg_shell_data_done(struct msg_shell_data *m)
{
    codec_done(data_fields, ARRAY_LEN(data_fields), m);
}
