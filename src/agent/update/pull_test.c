#include "agent/update/pull.h"
#include "base/alloc.h"
#include "base/str.h"
#include "docker/engine.h"
#include "docker/fake_engine.h"
#include "net/loop.h"
#include "proto/json_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEAD    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
#define NO_SUCH "HTTP/1.1 404 Not Found\r\n\r\n{\"message\":\"manifest unknown\"}"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define D(c)    "sha256:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define IMAGE                                                                                \
    "{\"Id\":\"sha256:new\",\"Os\":\"linux\",\"Architecture\":\"arm64\",\"Variant\":\"v8\"," \
    "\"RepoDigests\":[\"other@" D("11") "\",\"web@" D("22") "\",\"web@" D("33") "\"]}"
#define LAYERS                                                                                     \
    "{\"status\":\"Pulling from web\",\"id\":\"1\"}\r\n"                                           \
    "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"aaa\"}\r\n"                   \
    "{\"status\":\"Already exists\",\"progressDetail\":{},\"id\":\"bbb\"}\r\n"                     \
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":50,\"total\":100},\"id\":\"aaa\"" \
    "}\r\n"
#define DIGEST_LINE "{\"status\":\"Digest: " D("33") "\"}\r\n"

struct fixture {
    struct fake_engine *fake;
    struct loop *loop;
    struct engine *engine;
    struct pull *pull;
    unsigned n_done, n_progress;
    bool is_local;
    int code, status;
    char message[512], image_id[80], digest[80], layers[2048];
};

static void on_progress(void *owner, const struct pull_layers *layers)
{
    struct fixture *f = owner;
    json_auto_t *o = pull_layers_describe(layers);
    _cleanup_free_ char *text = json_text_write(o, NULL);

    f->n_progress++;
    str_copy(f->layers, sizeof(f->layers), text);
}

static void on_done(void *owner, const struct pull_result *result)
{
    struct fixture *f = owner;

    f->n_done++;
    f->code = result->code;
    f->status = result->status;
    str_copy(f->message, sizeof(f->message), result->message ? result->message : "");
    if (result->code == 0) {
        assert_non_null(result->image);
        f->is_local = result->is_local;
        str_copy(f->image_id, sizeof(f->image_id), result->image_id);
        str_copy(f->digest, sizeof(f->digest), result->digest ? result->digest : "");
    }
    pull_cancel(f->pull); /* harmless in here */
    f->pull = NULL;
    loop_stop(f->loop);
}

static void set_up(struct fixture *f, const struct fake_line *lines, size_t n)
{
    *f = (struct fixture){0};
    f->fake = fake_engine_open(lines, n);
    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    f->engine = fake_engine_client(f->fake, f->loop);
}

static void tear_down(struct fixture *f)
{
    pull_cancel(f->pull);
    engine_free(f->engine);
    loop_free(f->loop);
    fake_engine_close(f->fake);
}

static void run(struct fixture *f, struct pull_options o)
{
    struct error err = ERROR_INIT;

    o.engine = f->engine;
    o.reference = o.reference ? o.reference : "web:1";
    o.on_progress = on_progress;
    o.done = on_done;
    o.owner = f;
    if (pull_start(&f->pull, &o, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(f->n_done, 0);
    loop_run(f->loop);
    assert_int_equal(f->n_done, 1);
}

/* How a stream ends: code 0 is success. */
static const struct {
    const char *name, *stream;
    enum fake_how how;
    unsigned idle_ms, total_ms;
    const char *platform;
    int code;
    const char *message, *digest;
} streams[] = {
    {"complete",                                            HEAD LAYERS DIGEST_LINE "{\"status\":\"Status: Downloaded newer image\"}\r\n",
     FAKE_SEND,                                                                                                                                       0,   0,   NULL,             0,           "",                     D("33")},
    {"byte by byte",                                        HEAD LAYERS DIGEST_LINE,                                                       FAKE_DRIP, 0,   0,   NULL,             0,           "",                     D("33")},
    {"Podman has no line with a digest",                    HEAD LAYERS,                                                                   FAKE_SEND, 0,   0,   NULL,             0,           "",                     D("22")},
    {"last line without a newline",                         HEAD "{\"status\":\"Digest: " D("33") "\"}",                                   FAKE_SEND, 0,   0,
     NULL,                                                                                                                                                                        0,           "",                     D("33")},
    {"an announced digest of no repository",                HEAD "{\"status\":\"Digest: " D("99") "\"}\n",
     FAKE_SEND,                                                                                                                                       0,   0,   NULL,             0,           "",                     D("22")},
    {"error of older engines",                              HEAD LAYERS "{\"error\":\"disk full\"}\r\n",                                   FAKE_SEND, 0,   0,   NULL,
     -EREMOTEIO,                                                                                                                                                                               "disk full",            NULL   },
    {"error of newer engines, although the stream goes on",
     HEAD
     "{\"errorDetail\":{\"code\":401,\"message\":\"no \\u001baccess\"}}\r\n" LAYERS DIGEST_LINE,
     FAKE_HANG,                                                                                                                                       0,   0,   NULL,             -EREMOTEIO,
     "no \x1b"
     "access",                                                                                                                                                                                                         NULL   },
    {"error without a text",                                HEAD "{\"error\":{}}\r\n",                                                     FAKE_SEND, 0,   0,   NULL,             -EREMOTEIO,
     "without a text",                                                                                                                                                                                                 NULL   },
    {"error in the last line",                              HEAD LAYERS "{\"error\":\"late\"}",                                            FAKE_SEND, 0,   0,   NULL,
     -EREMOTEIO,                                                                                                                                                                               "late",                 NULL   },
    {"garbage",                                             HEAD LAYERS "<html>\r\n",                                                      FAKE_SEND, 0,   0,   NULL,             -EPROTO,     "no JSON",              NULL   },
    {"array",                                               HEAD "[]\r\n",                                                                 FAKE_SEND, 0,   0,   NULL,             -EPROTO,     "no JSON",              NULL   },
    {"cut line",                                            HEAD LAYERS "{\"status\":\"Down",                                              FAKE_SEND, 0,   0,   NULL,             -EPROTO,     "no JSON",              NULL   },
    {"cut off",                                             CHUNKED "ff\r\n" LAYERS,                                                       FAKE_SEND, 0,   0,   NULL,             -ECONNRESET, "broke the connection",
     NULL                                                                                                                                                                                                                     },
    {"stalls in the stream",                                HEAD LAYERS,                                                                   FAKE_HANG, 200, 0,   NULL,             -ETIMEDOUT,  "silent",               NULL   },
    {"stalls before it",                                    "",                                                                            FAKE_HANG, 200, 0,   NULL,             -ETIMEDOUT,  "silent",               NULL   },
    {"takes too long",                                      HEAD LAYERS,                                                                   FAKE_HANG, 0,   200, NULL,             -ETIMEDOUT,
     "web:1 was not pulled within 0 s",                                                                                                                                                                                NULL   },
    {"status",                                              "HTTP/1.1 404 Not Found\r\n\r\n{\"message\":\"manifest unknown\"}",            FAKE_SEND, 0,   0,
     NULL,                                                                                                                                                                        -ENOENT,     "manifest unknown",     NULL   },
    {"platform fits",                                       HEAD,                                                                          FAKE_SEND, 0,   0,   "linux/arm64",    0,           "",                     D("22")},
    {"variant fits",                                        HEAD,                                                                          FAKE_SEND, 0,   0,   "linux/arm64/v8", 0,           "",                     D("22")},
    {"other variant",                                       HEAD,                                                                          FAKE_SEND, 0,   0,   "linux/arm64/v7", -EINVAL,     "linux/arm64",          NULL   },
    {"other platform",                                      HEAD,                                                                          FAKE_SEND, 0,   0,   "linux/amd64",    -EINVAL,
     "of the platform linux/arm64, not of linux/amd64",                                                                                                                                                                NULL   },
};

static void test_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        const struct fake_line lines[] = {
            {"POST /images/create?fromImage=web&tag=1", streams[i].how, streams[i].stream, NULL },
            {"GET /images/web:1/json",                  FAKE_SEND,      NULL,              IMAGE},
        };
        struct fixture f;

        set_up(&f, lines, ARRAY_LEN(lines));
        run(&f, (struct pull_options){.idle_ms = streams[i].idle_ms,
                                      .total_ms = streams[i].total_ms,
                                      .platform = streams[i].platform});
        if (f.code != streams[i].code || !strstr(f.message, streams[i].message))
            fail_msg("%s: %d %s", streams[i].name, f.code, f.message);
        if (f.code == 0) {
            assert_string_equal(f.image_id, "sha256:new");
            if (!str_eq(f.digest, streams[i].digest))
                fail_msg("%s: %s", streams[i].name, f.digest);
        }
        tear_down(&f);
    }
}

static void test_a_line_has_a_maximum(void **state)
{
    char *stream = xmalloc(PULL_MAX_LINE + 1000);
    const struct fake_line lines[] = {
        {"POST /images/create", FAKE_HANG, stream, NULL},
    };
    struct fixture f;
    size_t n = strlen(HEAD);

    (void)state;
    memcpy(stream, HEAD, n);
    memset(stream + n, ' ', PULL_MAX_LINE + 10);
    stream[n + PULL_MAX_LINE + 10] = '\0';
    set_up(&f, lines, ARRAY_LEN(lines));
    run(&f, (struct pull_options){0});
    assert_int_equal(f.code, -EMSGSIZE);
    assert_non_null(strstr(f.message, "more than 1048576 bytes while it pulled web:1"));
    tear_down(&f);
    free(stream);
}

static void test_requests(void **state)
{
    static const struct {
        const char *reference, *platform, *query;
    } cases[] = {
        {"web",                      NULL,             "fromImage=web&tag=latest HTTP"                     },
        {"host:5000/team/web",       NULL,             "fromImage=host%3A5000%2Fteam%2Fweb&tag=latest HTTP"},
        {"host:5000/web:1.2",        "linux/arm64/v8",
         "fromImage=host%3A5000%2Fweb&tag=1.2&platform=linux%2Farm64%2Fv8 HTTP"                            },
        {"web@" D("22"),             NULL,             "fromImage=web&tag=sha256%3A22"                     },
        {"host:5000/web:1@" D("22"), NULL,             "fromImage=host%3A5000%2Fweb&tag=sha256%3A22"       },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *request = xasprintf("POST /v1.45/images/create?%s", cases[i].query);
        const struct fake_line lines[] = {
            {"GET /version", FAKE_SEND, NULL,
             "{\"ApiVersion\":\"1.45\",\"MinAPIVersion\":\"1.24\"}"},
            {request,        FAKE_SEND, HEAD, NULL                 },
            {"GET /images/", FAKE_SEND, NULL, IMAGE                },
        };
        struct fixture f;

        set_up(&f, lines, ARRAY_LEN(lines));
        run(&f,
            (struct pull_options){.reference = cases[i].reference, .platform = cases[i].platform});
        if (f.code < 0)
            fail_msg("%s: %s", cases[i].reference, f.message);
        tear_down(&f);
    }
}

static void test_the_platform_is_asked_of_newer_engines(void **state)
{
    static const struct fake_line lines[] = {
        {"GET /version",        FAKE_SEND, NULL, "{\"ApiVersion\":\"1.51\",\"MinAPIVersion\":\"1.24\"}"},
        {"POST /images/create", FAKE_SEND, HEAD, NULL                                                  },
        {"GET /images/web:1/json?platform=%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22arm64"
         "%22%7D",     FAKE_SEND, NULL, IMAGE                                                 },
    };
    struct fixture f;

    (void)state;
    set_up(&f, lines, ARRAY_LEN(lines));
    run(&f, (struct pull_options){.platform = "linux/arm64"});
    assert_int_equal(f.code, 0);
    tear_down(&f);
}

static void test_invalid_arguments(void **state)
{
    static const struct {
        const char *reference, *platform;
    } cases[] = {
        {"../x",  NULL              },
        {"",      NULL              },
        {D("22"), NULL              },
        {"web",   "linux"           },
        {"web",   "linux/arm64/v8/x"},
        {"web",   "linux/arm64&x=y" },
    };
    struct fixture f;

    (void)state;
    set_up(&f, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pull_options o = {.engine = f.engine,
                                 .reference = cases[i].reference,
                                 .platform = cases[i].platform,
                                 .done = on_done,
                                 .owner = &f};

        if (pull_start(&f.pull, &o, NULL) != -EINVAL)
            fail_msg("case %zu", i);
    }
    tear_down(&f);
}

/* Credentials are sent in the URL-safe form of base64, with the members that engines know. */
static void test_credentials(void **state)
{
    json_auto_t *auth = json_pack("{s:s,s:s,s:s,s:i}", "username", "u", "password", "?>?>~~",
                                  "other", "x", "email", 5);
    _cleanup_free_ char *encoded = pull_encode_auth(auth);
    _cleanup_free_ char *request = xasprintf(
        "POST /v1.45/images/create?fromImage=web&tag=1 HTTP/1.1\r\nHost: "
        "localhost\r\nX-Registry-Auth: %s\r\n",
        encoded);
    const struct fake_line lines[] = {
        {"GET /version", FAKE_SEND, NULL, "{\"ApiVersion\":\"1.45\",\"MinAPIVersion\":\"1.24\"}"},
        {request,        FAKE_SEND, HEAD, NULL                                                  },
        {"GET /images/", FAKE_SEND, NULL, IMAGE                                                 },
    };
    struct fixture f;

    (void)state;
    assert_string_equal(encoded, "eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6Ij8-Pz5-fiJ9");
    set_up(&f, lines, ARRAY_LEN(lines));
    run(&f, (struct pull_options){.auth = auth});
    if (f.code < 0)
        fail_msg("%s", f.message);
    tear_down(&f);
}

static void test_progress(void **state)
{
    const struct fake_line lines[] = {
        {"POST /images/create", FAKE_SEND,
         HEAD LAYERS "{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"aaa\"}", NULL },
        {"GET /images/",        FAKE_SEND, NULL,                                            IMAGE},
    };
    struct fixture f;

    (void)state;
    set_up(&f, lines, ARRAY_LEN(lines));
    run(&f, (struct pull_options){0});
    /* The first line with a layer, and the end: less than 500 ms lie between. */
    assert_int_equal(f.n_progress, 2);
    assert_string_equal(
        f.layers,
        "{\"overall_progress\":100,\"layers\":[{\"id\":\"aaa\",\"status\":\"Pull complete\","
        "\"current\":0,\"total\":0,\"percent\":100},{\"id\":\"bbb\",\"status\":\"Already "
        "exists\",\"current\":0,\"total\":0,\"percent\":100}],\"total_layers\":2,"
        "\"remaining_layers\":0,\"summary\":\"Pull complete (2 layers)\",\"speed_mbps\":0.0}");
    tear_down(&f);
}

static void take(
    struct pull_layers *l, uint64_t now_ms, const char *id, const char *status, int current)
{
    json_auto_t *line = json_pack("{s:s,s:s,s:{s:i,s:i}}", "id", id, "status", status,
                                  "progressDetail", "current", current, "total", 100 << 20);

    pull_layers_take(l, line, now_ms);
}

static void test_layers(void **state)
{
    struct pull_layers l = {0};
    json_auto_t *o = NULL;
    const json_t *layers;

    (void)state;
    for (int i = 0; i < 30; i++) {
        char id[8];

        (void)snprintf(id, sizeof(id), "l%d", i);
        take(&l, 1000, id, i < 5 ? "Already exists" : "Waiting", 0);
    }
    assert_false(pull_layers_percent(&l) > 17);
    take(&l, 1000, "l29", "Downloading", 0);
    take(&l, 1500, "l29", "Downloading", 1 << 20);
    take(&l, 2000, "l29", "Downloading", 4 << 20);
    take(&l, 3000, "l29", "Downloading", 50 << 20);
    o = pull_layers_describe(&l);
    layers = json_object_get(o, "layers");
    assert_int_equal(json_array_size(layers), PULL_LAYERS_SHOWN);
    assert_string_equal(json_text_get(json_array_get(layers, 0), "id"), "l29");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(layers, 0), "percent")), 50);
    assert_string_equal(json_text_get(json_array_get(layers, 1), "id"), "l5");
    assert_int_equal(json_integer_value(json_object_get(o, "total_layers")), 30);
    assert_int_equal(json_integer_value(json_object_get(o, "remaining_layers")), 10);
    assert_true(json_real_value(json_object_get(o, "speed_mbps")) == 25.0); /* (4 + 46) / 2 */
    assert_string_equal(json_text_get(o, "summary"),
                        "Downloading 1 of 30 layers (17%) @ 25.0 MB/s");
    pull_layers_done(&l);
}

/* The containerd store counts seconds, and a stream of many layers is not followed for ever. */
static void test_unusual_layers(void **state)
{
    struct pull_layers l = {0};
    json_auto_t *seconds = json_loads("{\"status\":\"Extracting\",\"id\":\"a\",\"progressDetail\":"
                                      "{\"current\":9,\"total\":3,\"units\":\"s\"}}",
                                      0, NULL);
    json_auto_t *other = json_loads("{\"status\":5,\"id\":[],\"progressDetail\":1}", 0, NULL);

    (void)state;
    pull_layers_take(&l, seconds, 1);
    pull_layers_take(&l, other, 1);
    assert_int_equal(l.n, 1);
    assert_int_equal(pull_layers_percent(&l), 70);
    take(&l, 2, "a", "Downloading", -5);
    assert_int_equal(l.layers[0].current, 0);
    for (int i = 0; i < 2 * PULL_LAYERS_MAX; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "x%d", i);
        take(&l, 2, id, "Waiting", 0);
    }
    assert_int_equal(l.n, PULL_LAYERS_MAX);
    pull_layers_done(&l);
}

/* Images that were built on this host are in no registry. */
static void test_local_images(void **state)
{
    static const struct {
        const char *image, *stream, *present;
        int code;
        bool is_local;
        unsigned n_pulls;
    } cases[] = {
        {"{\"Id\":\"sha256:x\",\"RepoDigests\":[]}",                 HEAD,    NULL,       0,       true,  0},
        {"{\"Id\":\"sha256:x\"}",                                    HEAD,    NULL,       0,       true,  0},
        {"{\"Id\":\"sha256:x\",\"RepoDigests\":[\"web@sha256:x\"]}", HEAD,    "sha256:y", 0,       false, 1},
        {"{\"Id\":\"sha256:x\",\"RepoDigests\":[\"web@sha256:x\"]}", NO_SUCH, "sha256:y", 0,       true,
         1                                                                                                 },
        {"{\"Id\":\"sha256:x\",\"RepoDigests\":[\"web@sha256:x\"]}", NO_SUCH, "sha256:x", -ENOENT,
         false,                                                                                           1},
        {"{\"Id\":\"sha256:x\",\"RepoDigests\":[\"web@sha256:x\"]}", NO_SUCH, NULL,       -ENOENT, false,
         1                                                                                                 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct fake_line lines[] = {
            {"POST /images/create",    FAKE_SEND, cases[i].stream, NULL          },
            {"GET /images/web:1/json", FAKE_SEND, NULL,            cases[i].image},
        };
        struct fixture f;

        set_up(&f, lines, ARRAY_LEN(lines));
        run(&f, (struct pull_options){.present_id = cases[i].present});
        if (f.code != cases[i].code || f.is_local != cases[i].is_local)
            fail_msg("case %zu: %d %s", i, f.code, f.message);
        assert_int_equal(fake_engine_count(f.fake, "POST /images/create"), cases[i].n_pulls);
        tear_down(&f);
    }
}

static void test_cancel(void **state)
{
    const struct fake_line lines[] = {
        {"POST /images/create", FAKE_HANG, HEAD LAYERS, NULL},
    };
    struct fixture f;

    (void)state;
    set_up(&f, lines, ARRAY_LEN(lines));
    assert_int_equal(pull_start(&f.pull,
                                &(struct pull_options){.engine = f.engine,
                                                       .reference = "web",
                                                       .on_progress = on_progress,
                                                       .done = on_done,
                                                       .owner = &f},
                                NULL),
                     0);
    while (f.n_progress == 0)
        loop_turn(f.loop);
    tear_down(&f);
    assert_int_equal(f.n_done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_a_line_has_a_maximum),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_the_platform_is_asked_of_newer_engines),
        cmocka_unit_test(test_invalid_arguments),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_unusual_layers),
        cmocka_unit_test(test_local_images),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
