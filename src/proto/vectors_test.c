/*
 * Runs the test vectors in tests/vectors; docs/protocol.md describes the files. Every good message
 * must decode to the value in the file, and every bad one must be refused with the text in the
 * file. Each message is also truncated at every byte, and each of its members is replaced by values
 * of other types.
 */

#include "base/alloc.h"
#include "base/str.h"
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
#include "proto/samples_fixture.h"
#include "proto/self_update.h"
#include "proto/stats.h"
#include "proto/update.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef int (*describe_fn)(const json_t *message, json_t **ret, struct error *err);

/* For messages that are encoded without loss. */
#define DEFINE_DESCRIBE(name)                                                          \
    static int describe_##name(const json_t *message, json_t **ret, struct error *err) \
    {                                                                                  \
        struct msg_##name m = {0};                                                     \
        int r = msg_##name##_decode(message, &m, err);                                 \
                                                                                       \
        if (r < 0)                                                                     \
            return r;                                                                  \
        *ret = ENCODE(name)(&m);                                                       \
        msg_##name##_done(&m);                                                         \
        return 0;                                                                      \
    }                                                                                  \
    _Static_assert(1, "swallow the semicolon")
#define ENCODE(name) msg_##name##_encode

DEFINE_DESCRIBE(auth_success);
DEFINE_DESCRIBE(auth_error);
DEFINE_DESCRIBE(container_event);
DEFINE_DESCRIBE(inventory_snapshot);
DEFINE_DESCRIBE(inventory_delta);
DEFINE_DESCRIBE(container_stats);
DEFINE_DESCRIBE(progress);
DEFINE_DESCRIBE(engine_state);
DEFINE_DESCRIBE(error);

#define DEFINE_DESCRIBE_UPDATE(name)                                                          \
    static int describe_update_##name(const json_t *message, json_t **ret, struct error *err) \
    {                                                                                         \
        struct update_##name m;                                                               \
        int r = update_##name##_decode(message, &m, err);                                     \
                                                                                              \
        if (r < 0)                                                                            \
            return r;                                                                         \
        *ret = update_##name##_encode(&m);                                                    \
        update_##name##_done(&m);                                                             \
        return 0;                                                                             \
    }                                                                                         \
    _Static_assert(1, "swallow the semicolon")

DEFINE_DESCRIBE_UPDATE(record);
DEFINE_DESCRIBE_UPDATE(preview);
DEFINE_DESCRIBE_UPDATE(layers);
DEFINE_DESCRIBE_UPDATE(complete);

static int describe_update_args(const json_t *message, json_t **ret, struct error *err)
{
    const char *command = json_string_value(json_object_get(message, "command"));
    enum operation_id operation = operation_find(COMMAND_KIND_COMMAND, command);
    struct update_args a;
    int r;

    if (operation == OPERATION_NONE)
        return error_set(err, -ENOMSG, "unknown command: %s", command);
    r = update_args_decode(operation, json_object_get(message, "payload"), &a, err);
    if (r == 0) {
        *ret = update_args_encode(operation, &a);
        update_args_done(&a);
    }
    return r;
}

static int describe_self_args(const json_t *message, json_t **ret, struct error *err)
{
    struct self_update_args a;
    int r = self_update_args_decode(message, &a, err);

    if (r == 0) {
        *ret = self_update_args_encode(&a);
        self_update_args_done(&a);
    }
    return r;
}

static int describe_self_record(const json_t *message, json_t **ret, struct error *err)
{
    struct self_update_record record;
    int r = self_update_record_decode(message, &record, err);

    if (r == 0) {
        *ret = self_update_record_encode(&record);
        self_update_record_done(&record);
    }
    return r;
}

static int describe_samples_ack(const json_t *message, json_t **ret, struct error *err)
{
    struct msg_samples_ack m = {0};
    int r = msg_samples_ack_decode(message, &m, err);

    if (r == 0)
        *ret = msg_samples_ack_encode(&m);
    return r;
}

static int describe_stats_rate(const json_t *message, json_t **ret, struct error *err)
{
    struct msg_stats_rate m = {0};
    int r = msg_stats_rate_decode(envelope_payload(message), &m, err);

    if (r < 0)
        return r;
    *ret = msg_stats_rate_encode(&m);
    msg_stats_rate_done(&m);
    return 0;
}

/* The message is MessagePack; its vector is JSON, with "hex:..." for bytes. */
static int describe_samples(const json_t *message, json_t **ret, struct error *err)
{
    struct buf packed = BUF_INIT(SAMPLES_MAX_SIZE);
    struct samples s;
    int r;

    samples_fixture_pack(message, &packed);
    r = samples_decode(packed.data, packed.size, &s, err);
    buf_done(&packed);
    if (r < 0)
        return r;
    *ret = samples_fixture_describe(&s);
    samples_done(&s);
    return 0;
}

static int describe_register(const json_t *message, json_t **ret, struct error *err)
{
    struct msg_register m = {0};
    int r = msg_register_decode(message, &m, err);

    if (r < 0)
        return r;
    *ret = msg_register_encode(&m, NULL);
    msg_register_done(&m);
    return 0;
}

static int describe_stats(const json_t *message, json_t **ret, struct error *err)
{
    struct msg_host_stats m = {0};
    int r = msg_host_stats_decode(message, &m, err);

    if (r == 0)
        *ret = msg_host_stats_encode(&m);
    return r;
}

static int describe_heartbeat(const json_t *message, json_t **ret, struct error *err)
{
    (void)message;
    (void)err;
    *ret = msg_heartbeat_encode();
    return 0;
}

/* The members that distinguish messages, also of those without a decoder. */
static int describe_envelope(const json_t *message, json_t **ret, struct error *err)
{
    (void)err;
    *ret = json_pack("{s:s, s:s, s:b, s:b}", "type", envelope_type(message), "event",
                     envelope_event_name(message), "is_reply", envelope_is_reply(message),
                     "has_payload", envelope_payload(message) != NULL);
    return 0;
}

static int describe_json(const json_t *message, json_t **ret, struct error *err)
{
    (void)err;
    *ret = json_deep_copy(message);
    return 0;
}

/* The ID must also be decoded if the rest is invalid, because an error reply needs it. */
static char *last_command_id;

static int describe_command(const json_t *message, json_t **ret, struct error *err)
{
    struct msg_command m;
    int r = msg_command_decode(message, &m, err);
    const struct command_args *a = &m.args;

    free(last_command_id);
    last_command_id = xstrdup(m.id);
    if (r == 0) {
        *ret = json_pack("{s:s, s:s?, s:s, s:s?, s:I, s:b, s:b, s:I, s:s?, s:s?, s:s?, s:s*, s:O*}",
                         "kind",
                         m.kind == COMMAND_KIND_OPERATION ? "container_operation" : "command", "id",
                         m.id, "name", m.name, "container_id", a->container_id, "timeout",
                         (json_int_t)a->timeout_s, "force", a->force, "volumes", a->volumes, "tail",
                         (json_int_t)a->tail, "since", a->since, "until", a->until, "new_name",
                         a->new_name, "signal", a->signal, "limits", a->limits);
    }
    msg_command_done(&m);
    return r;
}

/* The payload of a command about an image, a network or a volume. */
static int describe_resource_args(const json_t *message, json_t **ret, struct error *err)
{
    const char *command = json_string_value(json_object_get(message, "command"));
    enum operation_id operation = operation_find(COMMAND_KIND_COMMAND, command);
    struct resource_args a;
    int r;

    if (operation == OPERATION_NONE)
        return error_set(err, -ENOMSG, "unknown command: %s", command);
    r = resource_args_decode(operation, json_object_get(message, "payload"), &a, err);
    if (r == 0) {
        *ret = resource_args_encode(operation, &a);
        resource_args_done(&a);
    }
    return r;
}

static const char *code_name(int code)
{
    switch (code) {
    case 0: return "OK";
    case -EPROTO: return "EPROTO";
    case -EACCES: return "EACCES";
    case -ENOSYS: return "ENOSYS";
    case -EREMOTEIO: return "EREMOTEIO";
    default: return "?";
    }
}

static int describe_reply(const json_t *message, json_t **ret, struct error *err)
{
    struct msg_reply m = {0};
    int r = msg_reply_decode(message, &m, err);

    if (r < 0)
        return r;
    assert_true((m.code < 0) == (m.error != NULL));
    *ret = json_pack("{s:s, s:s, s:s?, s:s?, s:i, s:O?}", "id", m.id, "code", code_name(m.code),
                     "reason", error_code_name(m.reason), "error", m.error, "status", m.status,
                     "result", m.result);
    msg_reply_done(&m);
    return 0;
}

static int describe_container(const json_t *message, json_t **ret, struct error *err)
{
    struct msg_container m = {0};
    int r = msg_container_decode(message, &m, err);
    json_t *digests = json_array();

    if (r < 0) {
        json_decref(digests);
        return r;
    }
    for (size_t i = 0; i < m.repo_digests.n; i++)
        (void)json_array_append_new(digests, json_string(m.repo_digests.items[i]));
    *ret = json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:s?, s:I, s:s?, s:O?, s:O?, s:O?, s:O?, "
                     "s:o, s:O?, s:O?, s:s}",
                     "id", m.id, "name", m.name, "image", m.image, "image_id", m.image_id,
                     "command", m.command, "state", m.state, "status", m.status, "created_s",
                     (json_int_t)m.created_s, "started_at", m.started_at, "labels", m.labels,
                     "ports", m.ports, "mounts", m.mounts, "env", m.env, "repo_digests", digests,
                     "network_settings", m.network_settings, "host_config", m.host_config,
                     "shown_state", msg_container_state(m.state));
    msg_container_done(&m);
    return 0;
}

static int describe_log_stream(const json_t *message, json_t **ret, struct error *err)
{
    struct msg_log_stream m;
    int r = msg_log_stream_decode(message, &m, err);

    if (r < 0)
        return r;
    *ret = json_pack("{s:s, s:s, s:s?, s:I, s:s?, s:s?, s:s?, s:I, s:I}", "stream_id", m.stream_id,
                     "action", m.action, "container_id", m.container_id, "tail", (json_int_t)m.tail,
                     "since", m.since, "until", m.until, "position", m.position, "window",
                     (json_int_t)m.window, "bytes", (json_int_t)m.bytes);
    msg_log_stream_done(&m);
    return 0;
}

static int describe_log_data(const json_t *message, json_t **ret, struct error *err)
{
    struct msg_log_data m;
    int r = msg_log_data_decode(message, &m, err);

    if (r < 0)
        return r;
    *ret = json_pack("{s:s, s:s, s:O?, s:I, s:s?, s:s?, s:s?, s:I, s:s?}", "stream_id", m.stream_id,
                     "action", m.action, "lines", m.lines, "bytes", (json_int_t)m.bytes, "reason",
                     m.reason, "error", m.error, "error_type", m.error_type, "status",
                     (json_int_t)m.status, "code", m.code);
    msg_log_data_done(&m);
    return 0;
}

static const struct folder {
    const char *name;
    describe_fn describe;
} folders[] = {
    {"auth_error",          describe_auth_error        },
    {"auth_success",        describe_auth_success      },
    {"command",             describe_command           },
    {"container",           describe_container         },
    {"container_event",     describe_container_event   },
    {"container_operation", describe_command           },
    {"container_stats",     describe_container_stats   },
    {"engine_state",        describe_engine_state      },
    {"envelope",            describe_envelope          },
    {"error",               describe_error             },
    {"heartbeat",           describe_heartbeat         },
    {"inventory_delta",     describe_inventory_delta   },
    {"inventory_snapshot",  describe_inventory_snapshot},
    {"json",                describe_json              },
    {"log_data",            describe_log_data          },
    {"log_stream",          describe_log_stream        },
    {"progress",            describe_progress          },
    {"register",            describe_register          },
    {"reply",               describe_reply             },
    {"resource_args",       describe_resource_args     },
    {"samples",             describe_samples           },
    {"samples_ack",         describe_samples_ack       },
    {"self_update_args",    describe_self_args         },
    {"self_update_record",  describe_self_record       },
    {"stats",               describe_stats             },
    {"stats_rate",          describe_stats_rate        },
    {"update_args",         describe_update_args       },
    {"update_complete",     describe_update_complete   },
    {"update_journal",      describe_update_record     },
    {"update_layers",       describe_update_layers     },
    {"update_preview",      describe_update_preview    },
};

static const char *current; /* "register/bad-no-token.json", for messages */

static char *text_of(const json_t *vector, size_t *ret_size)
{
    const json_t *text = json_object_get(vector, "text");

    if (!json_is_string(text))
        return json_text_write(json_object_get(vector, "message"), ret_size);
    *ret_size = json_string_length(text);
    return xstrdup(json_string_value(text));
}

static void check_good(const json_t *vector, const json_t *got)
{
    const json_t *want = json_object_get(vector, "decoded");
    _cleanup_free_ char *got_text = NULL;

    if (!want)
        want = json_object_get(vector, "message");
    if (got && json_equal(want, got))
        return;
    got_text = got ? json_text_write(got, NULL) : xstrdup("nothing");
    fail_msg("%s: decoded to %s", current, got_text);
}

static void check_bad(const json_t *vector, int r, const struct error *err)
{
    const char *want = json_string_value(json_object_get(vector, "expect_error"));
    const char *id = json_string_value(json_object_get(vector, "expect_id"));

    assert_non_null(want);
    if (r >= 0)
        fail_msg("%s: was not refused", current);
    /* The texts of jansson depend on its version: such vectors contain only the beginning. */
    if (json_object_get(vector, "text") ? !str_starts_with(err->msg, want)
                                        : !str_eq(err->msg, want))
        fail_msg("%s: refused with \"%s\"", current, err->msg);
    if (id && !str_eq(id, last_command_id))
        fail_msg("%s: the correlation id was lost", current);
}

static void check_vector(const struct folder *f, const json_t *vector, bool is_good)
{
    struct error err = ERROR_INIT;
    json_auto_t *message = NULL;
    json_auto_t *got = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    int r = -EBADMSG;

    text = text_of(vector, &size);
    message = json_text_parse(text, size, 0, &err);
    if (message)
        r = f->describe(message, &got, &err);
    if (is_good && r < 0)
        fail_msg("%s: refused: %s", current, err.msg);
    if (is_good) {
        check_good(vector, got);
    } else {
        check_bad(vector, r, &err);
    }
}

/* A truncated object or array is not valid JSON. */
static void check_prefixes(const json_t *vector)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0;

    text = text_of(vector, &size);
    if (size == 0 || (*text != '{' && *text != '[') || json_object_get(vector, "expect_error"))
        return;
    for (size_t n = 0; n < size; n++) {
        _cleanup_free_ char *cut = xmemdup(text,
                                           n ? n : 1); /* exact, so that ASan sees any excess */
        json_auto_t *v = json_text_parse(cut, n, 0, NULL);

        if (v)
            fail_msg("%s: the first %zu bytes were accepted", current, n);
    }
}

static void mutate_members(const struct folder *f, json_t *message, json_t *object)
{
    static const char *const values[] = {"null", "true", "-1",     "1.5", "1e300",
                                         "\"\"", "[]",   "[null]", "{}",  "{\"a\":1}"};
    size_t n = json_object_size(object);

    for (size_t k = 0; k < n; k++) {
        void *i = json_object_iter(object);

        for (size_t skip = k; skip > 0; skip--)
            i = json_object_iter_next(object, i);

        json_auto_t *saved = json_incref(json_object_iter_value(i));
        for (size_t v = 0; v < ARRAY_LEN(values); v++) {
            struct error err = ERROR_INIT;
            json_auto_t *got = NULL;

            (void)json_object_iter_set_new(object, i,
                                           json_text_parse(values[v], strlen(values[v]), 0, NULL));
            if (f->describe(message, &got, &err) < 0) {
                assert_int_not_equal(err.msg[0], '\0');
            } else {
                assert_non_null(got);
            }
        }
        (void)json_object_iter_set(object, i, saved);
    }
}

static void check_mutations(const struct folder *f, const json_t *vector)
{
    json_auto_t *message = json_deep_copy(json_object_get(vector, "message"));
    json_t *payload = json_object_get(message, "payload");

    if (json_is_object(message))
        mutate_members(f, message, message);
    if (json_is_object(payload))
        mutate_members(f, message, payload);
}

static void check_folder(void **state)
{
    const struct folder *f = *state;
    _cleanup_free_ char *path = xasprintf("%s/%s", VECTORS_DIR, f->name);
    size_t n_good = 0;
    DIR *dir = opendir(path);
    const struct dirent *e;

    assert_non_null(dir);
    while ((e = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): one thread */
        _cleanup_free_ char *name = xasprintf("%s/%s", f->name, e->d_name);
        _cleanup_free_ char *file = xasprintf("%s/%s", path, e->d_name);
        bool is_good = str_starts_with(e->d_name, "good-");
        json_auto_t *vector = NULL;

        if (e->d_name[0] == '.')
            continue;
        current = name;
        vector = json_load_file(file, JSON_ALLOW_NUL, NULL);
        if (!vector || (!is_good && !str_starts_with(e->d_name, "bad-")))
            fail_msg("%s: no vector", name);
        n_good += is_good;
        check_vector(f, vector, is_good);
        check_prefixes(vector);
        check_mutations(f, vector);
    }
    closedir(dir);
    assert_true(n_good > 0);
    free(TAKE_PTR(last_command_id));
}

/* The vectors of a folder without an entry here would not be tested. */
static void check_no_folder_is_forgotten(void **state)
{
    DIR *dir = opendir(VECTORS_DIR);
    size_t n = 0;
    const struct dirent *e;

    (void)state;
    assert_non_null(dir);
    while ((e = readdir(dir))) /* NOLINT(concurrency-mt-unsafe): one thread */
        n += e->d_name[0] != '.' && e->d_type == DT_DIR;
    closedir(dir);
    assert_int_equal(n, ARRAY_LEN(folders));
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_LEN(folders) + 1] = {
        {.name = "no folder is forgotten", .test_func = check_no_folder_is_forgotten},
    };

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        tests[i + 1] = (struct CMUnitTest){
            .name = folders[i].name,
            .test_func = check_folder,
            .initial_state = (void *)(uintptr_t)&folders[i],
        };
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
