/*
 * Messages between agent and server in both directions: the encoder must write a decoded message so
 * that decoding it again gives the same result.
 */

#include "base/str.h"
#include "fuzz.h"
#include "proto/auth.h"
#include "proto/command.h"
#include "proto/container.h"
#include "proto/container_event.h"
#include "proto/envelope.h"
#include "proto/inventory.h"
#include "proto/json_text.h"
#include "proto/log_stream.h"
#include "proto/notice.h"
#include "proto/register.h"
#include "proto/reply.h"
#include "proto/resource_args.h"
#include "proto/shell.h"
#include "proto/stats.h"

#include <assert.h>

/* Returns the message decoded and encoded again, or NULL when it is refused. */
typedef json_t *(*rewrite_fn)(const json_t *message);

#define DEFINE_REWRITE(name)                             \
    static json_t *rewrite_##name(const json_t *message) \
    {                                                    \
        struct msg_##name m = {0};                       \
        struct error err = {0};                          \
        json_t *again;                                   \
                                                         \
        if (msg_##name##_decode(message, &m, &err) < 0)  \
            return NULL;                                 \
        again = msg_##name##_encode(&m);                 \
        msg_##name##_done(&m);                           \
        return again;                                    \
    }                                                    \
    _Static_assert(1, "swallow the semicolon")

DEFINE_REWRITE(auth_success);
DEFINE_REWRITE(auth_error);
DEFINE_REWRITE(container_event);
DEFINE_REWRITE(inventory_snapshot);
DEFINE_REWRITE(inventory_delta);
DEFINE_REWRITE(container_stats);
DEFINE_REWRITE(progress);
DEFINE_REWRITE(error);

static json_t *rewrite_register(const json_t *message)
{
    struct msg_register m = {0};
    json_t *again;

    if (msg_register_decode(message, &m, NULL) < 0)
        return NULL;
    again = msg_register_encode(&m, NULL);
    msg_register_done(&m);
    return again;
}

static json_t *rewrite_host_stats(const json_t *message)
{
    struct msg_host_stats m = {0};

    return msg_host_stats_decode(message, &m, NULL) < 0 ? NULL : msg_host_stats_encode(&m);
}

static const rewrite_fn rewrites[] = {
    rewrite_auth_success,       rewrite_auth_error,      rewrite_container_event,
    rewrite_inventory_snapshot, rewrite_inventory_delta, rewrite_container_stats,
    rewrite_progress,           rewrite_error,           rewrite_register,
    rewrite_host_stats,
};

static void check_rewrite(rewrite_fn rewrite, const json_t *message)
{
    json_t *once = message ? rewrite(message) : NULL;
    json_t *twice = once ? rewrite(once) : NULL;

    assert(!once || (twice && json_equal(once, twice)));
    json_decref(once);
    json_decref(twice);
}

static void check_resource_args(const json_t *message)
{
    enum operation_id operation = operation_find(COMMAND_KIND_COMMAND,
                                                 json_text_get(message, "command"));
    const json_t *payload = envelope_payload(message);
    struct resource_args a, b;
    json_t *again;

    if (!operation || !payload || resource_args_decode(operation, payload, &a, NULL) < 0)
        return;
    again = resource_args_encode(operation, &a);
    int r = resource_args_decode(operation, again, &b, NULL);

    assert(r == 0 && str_eq(a.ref, b.ref) && a.force == b.force);
    json_decref(again);
    resource_args_done(&a);
    resource_args_done(&b);
}

/* Messages that only one side encodes. */
static void decode_others(const json_t *message)
{
    const json_t *payload = envelope_payload(message);
    struct msg_command command;
    struct msg_reply reply = {0};
    struct msg_container container = {0};
    struct msg_shell_session session = {0};
    struct msg_shell_data data = {0};
    int r = msg_command_decode(message, &command, NULL);

    (void)r; /* the id is valid even when the rest is refused */
    msg_command_done(&command);
    if (msg_reply_decode(message, &reply, NULL) == 0)
        msg_reply_done(&reply);
    if (msg_container_decode(message, &container, NULL) == 0)
        msg_container_done(&container);
    if (payload && msg_shell_session_decode(payload, &session, NULL) == 0)
        msg_shell_session_done(&session);
    if (payload && msg_shell_data_decode(payload, &data, NULL) == 0)
        msg_shell_data_done(&data);
}

static void decode_logs(const json_t *message)
{
    struct msg_log_stream stream;
    struct msg_log_data data;

    if (msg_log_stream_decode(message, &stream, NULL) == 0)
        msg_log_stream_done(&stream);
    if (msg_log_data_decode(message, &data, NULL) == 0)
        msg_log_data_done(&data);
}

static void check(const json_t *message)
{
    (void)envelope_is_reply(message);
    for (size_t i = 0; i < ARRAY_LEN(rewrites); i++) {
        check_rewrite(rewrites[i], message);
        check_rewrite(rewrites[i], envelope_payload(message));
    }
    check_resource_args(message);
    decode_others(message);
    decode_logs(message);
    if (envelope_payload(message))
        decode_logs(envelope_payload(message));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *v = json_text_parse((const char *)data, size, 0, NULL);
    const json_t *inner = json_object_get(v,
                                          "message"); /* the files of tests/vectors hold it there */

    if (json_is_object(v))
        check(json_is_object(inner) ? inner : v);
    json_decref(v);
    return 0;
}
