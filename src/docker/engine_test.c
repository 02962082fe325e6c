#include "base/str.h"
#include "docker/engine.h"
#include "docker/engine_info.h"
#include "docker/fake_engine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEAD(status, length) \
    "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nContent-Length: " length "\r\n\r\n"

/* A call and a copy of its reply. */
struct waiter {
    struct loop *loop;
    unsigned n_done;
    int code, status;
    char message[300];
    char body[300];
    size_t n_data;
    bool has_json;
};

static void on_done(void *owner, const struct engine_reply *reply)
{
    struct waiter *w = owner;

    w->n_done++;
    w->code = reply->code;
    w->status = reply->status;
    w->has_json = reply->json != NULL;
    str_copy(w->message, sizeof(w->message), reply->message);
    str_copy(w->body, sizeof(w->body), reply->body);
    loop_stop(w->loop);
}

static void on_data(void *owner, const void *data, size_t size)
{
    struct waiter *w = owner;

    (void)data;
    w->n_data += size;
}

struct fixture {
    struct loop *loop;
    struct engine *engine;
    struct fake_engine *fake;
    struct waiter w;
};

static void set_up(struct fixture *f, const struct fake_line *lines, size_t n)
{
    *f = (struct fixture){0};
    f->fake = fake_engine_open(lines, n);
    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    f->engine = fake_engine_client(f->fake, f->loop);
    f->w.loop = f->loop;
}

static void tear_down(struct fixture *f)
{
    engine_free(f->engine);
    loop_free(f->loop);
    fake_engine_close(f->fake);
}

static void call(struct fixture *f, struct engine_request request)
{
    struct engine_call *c;

    f->w = (struct waiter){.loop = f->loop};
    request.done = on_done;
    request.owner = &f->w;
    if (request.timeout_ms == 0)
        request.timeout_ms = 5000;
    assert_int_equal(engine_call_start(&c, f->engine, &request, NULL), 0);
    assert_int_equal(f->w.n_done, 0); /* never from inside start */
    loop_run(f->loop);
    assert_int_equal(f->w.n_done, 1);
}

#define JSON_A      "{\"a\":1}"
#define HALF        "{\"a\":"
#define MANY        "[10000000,20000000,30000000,40000000,50000000]"
#define CREATED     HEAD("201 Created", "2") "{}"
#define EMPTY       "HTTP/1.1 204 No Content\r\n\r\n"
#define SAME        "HTTP/1.1 304 Not Modified\r\n\r\n"
#define BAD_REQUEST HEAD("400 Bad Request", "17") "{\"message\":\"bad\"}"
#define FORBIDDEN   HEAD("403 Forbidden", "2") "{}"
#define DENIED      HEAD("403 Forbidden", "34") "{\"message\":\"authorization denied\"}"
#define NOT_ALLOWED HEAD("405 Method Not Allowed", "4") "nope"
#define CONFLICT    HEAD("409 Conflict", "18") "{\"message\":\"name\"}"
#define OOPS        HEAD("500 Oops", "5") "plain"
#define CUT         HEAD("200 OK", "30") HALF
#define GARBAGE     "220 smtp ready\r\n\r\n"

static const struct fake_line replies[] = {
    {"GET /ok",      FAKE_SEND,  NULL,        JSON_A},
    {"GET /drip",    FAKE_DRIP,  NULL,        JSON_A},
    {"GET /created", FAKE_SEND,  CREATED,     NULL  },
    {"GET /empty",   FAKE_SEND,  EMPTY,       NULL  },
    {"GET /same",    FAKE_SEND,  SAME,        NULL  },
    {"GET /400",     FAKE_SEND,  BAD_REQUEST, NULL  },
    {"GET /403",     FAKE_SEND,  FORBIDDEN,   NULL  },
    {"GET /denied",  FAKE_SEND,  DENIED,      NULL  },
    {"GET /405",     FAKE_SEND,  NOT_ALLOWED, NULL  },
    {"GET /409",     FAKE_SEND,  CONFLICT,    NULL  },
    {"GET /500",     FAKE_SEND,  OOPS,        NULL  },
    {"GET /half",    FAKE_SEND,  CUT,         NULL  },
    {"GET /reset",   FAKE_RESET, CUT,         NULL  },
    {"GET /none",    FAKE_SEND,  "",          NULL  },
    {"GET /garbage", FAKE_SEND,  GARBAGE,     NULL  },
    {"GET /hang",    FAKE_HANG,  "",          NULL  },
    {"GET /stuck",   FAKE_HANG,  CUT,         NULL  },
    {"GET /nojson",  FAKE_SEND,  NULL,        HALF  },
    {"GET /large",   FAKE_SEND,  NULL,        MANY  },
};

static const struct {
    const char *path;
    int code, status;
    const char *message; /* part of it */
} expectations[] = {
    {"/ok",      0,          200, ""                                                       },
    {"/drip",    0,          200, ""                                                       },
    {"/created", 0,          201, ""                                                       },
    {"/400",     -EINVAL,    400, "bad"                                                    },
    {"/403",     -EACCES,    403,
     "a proxy in front of the docker engine refused GET /403 with status 403"              },
    {"/denied",  -EACCES,    403, "docker engine refused GET /denied: authorization denied"},
    {"/405",     -EACCES,    405,
     "a proxy in front of the docker engine refused GET /405 with status 405"              },
    {"/404",     -ENOENT,    404, "no such thing"                                          },
    {"/409",     -EBUSY,     409, "name"                                                   },
    {"/500",     -EREMOTEIO, 500, "status 500"                                             },
    {"/garbage", -EPROTO,    0,   "docker engine"                                          },
    {"/hang",    -ETIMEDOUT, 0,   "in time"                                                },
    {"/stuck",   -ETIMEDOUT, 200, "in time"                                                },
    {"/nojson",  -EPROTO,    200, "invalid JSON"                                           },
    {"/large",   -EMSGSIZE,  200, "too large"                                              },
};

static void test_replies(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, replies, ARRAY_LEN(replies));
    for (size_t i = 0; i < ARRAY_LEN(expectations); i++) {
        const char *path = expectations[i].path;

        call(&f, (struct engine_request){
                     .path = path, .wants_json = true, .timeout_ms = 300, .max_body = 40});
        if (f.w.code != expectations[i].code || f.w.status != expectations[i].status)
            fail_msg("%s: code %d status %d", path, f.w.code, f.w.status);
        if (!strstr(f.w.message, expectations[i].message))
            fail_msg("%s: %s", path, f.w.message);
        assert_int_equal(f.w.has_json, f.w.code == 0);
    }
    tear_down(&f);
}

static void test_answers_without_body(void **state)
{
    static const char *const paths[] = {"/empty", "/same"};
    struct fixture f;

    (void)state;
    set_up(&f, replies, ARRAY_LEN(replies));
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        call(&f, (struct engine_request){.path = paths[i]});
        assert_int_equal(f.w.code, 0);
        assert_string_equal(f.w.body, "");
    }
    tear_down(&f);
}

/* A broken connection ends the call once, with a failure. */
static void test_broken_connections(void **state)
{
    static const char *const paths[] = {"/half", "/reset", "/none"};
    struct fixture f;

    (void)state;
    set_up(&f, replies, ARRAY_LEN(replies));
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        call(&f, (struct engine_request){.path = paths[i]});
        assert_true(f.w.code == -ECONNRESET || f.w.code == -EPROTO);
        assert_true(f.w.message[0] != '\0');
    }
    call(&f, (struct engine_request){.path = "/ok"});
    assert_int_equal(f.w.code, 0);
    tear_down(&f);
}

static void test_stream(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, replies, ARRAY_LEN(replies));
    call(&f, (struct engine_request){.path = "/drip", .on_data = on_data});
    assert_int_equal(f.w.code, 0);
    assert_int_equal(f.w.n_data, 7);
    call(&f, (struct engine_request){.path = "/404", .on_data = on_data});
    assert_int_equal(f.w.code, -ENOENT);
    assert_int_equal(f.w.n_data, 0);
    assert_string_equal(f.w.message, "no such thing");
    tear_down(&f);
}

static const struct {
    const char *version;
    unsigned minor; /* 0: refused */
} versions[] = {
    {"{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}", 41},
    {"{\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}", 52},
    {"{\"ApiVersion\":\"1.99\",\"MinAPIVersion\":\"1.52\"}", 55},
    {"{\"ApiVersion\":\"1.55\",\"MinAPIVersion\":\"1.40\"}", 55},
    {"{\"ApiVersion\":\"1.41\"}",                            41},
    {"{\"ApiVersion\":\"1.40\",\"MinAPIVersion\":\"1.12\"}", 0 },
    {"{\"ApiVersion\":\"1.99\",\"MinAPIVersion\":\"1.56\"}", 0 },
    {"{\"ApiVersion\":\"2.0\"}",                             0 },
    {"{\"ApiVersion\":45}",                                  0 },
    {"[]",                                                   0 },
    {"hello",                                                0 },
};

static void test_negotiation(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        const struct fake_line lines[] = {
            {"GET /version", FAKE_SEND, NULL, versions[i].version},
            {"GET /ok",      FAKE_SEND, NULL, "{}"               },
        };
        struct fixture f;

        set_up(&f, lines, 2);
        call(&f, (struct engine_request){.path = "/ok"});
        if (versions[i].minor) {
            assert_int_equal(f.w.code, 0);
        } else {
            assert_true(f.w.code == -EPROTO || f.w.code == -EPROTONOSUPPORT);
        }
        assert_int_equal(engine_api_minor(f.engine), versions[i].minor);
        assert_int_equal(fake_engine_count(f.fake, "GET /ok"), versions[i].minor ? 1 : 0);
        tear_down(&f);
    }
}

#define VERSION(newest, oldest) "{\"ApiVersion\":\"" newest "\",\"MinAPIVersion\":\"" oldest "\"}"
#define TOO_NEW                   \
    HEAD("400 Bad Request", "83") \
    "{\"message\":\"client version 1.55 is too new. Maximum supported API version is 1.44\"}"
#define TOO_OLD                   \
    HEAD("400 Bad Request", "83") \
    "{\"message\":\"client version 1.44 is too old. Minimum supported API version is 1.50\"}"

/* Another engine listens on the socket; `lines` stay the caller's. */
static void exchange(struct fixture *f, struct fake_line *lines, const struct fake_line *others)
{
    fake_engine_pause(f->fake);
    memcpy(lines, others, 3 * sizeof(*lines));
    fake_engine_resume(f->fake);
}

/* The engine is exchanged while nothing is asked: the version is negotiated again. */
static void test_other_engine_behind_the_socket(void **state)
{
    static const struct fake_line newest[] = {
        {"GET /version", FAKE_SEND, NULL,          VERSION("1.55",  "1.40")},
        {"GET /v1.55/x",              FAKE_SEND,          NULL, JSON_A  },
        {"GET /none",              FAKE_ABSENT,             NULL,  NULL},
    };
    static const struct fake_line older[] = {
        {"GET /version", FAKE_SEND, NULL,          VERSION("1.44",   "1.24")},
        {"GET /v1.55/x",              FAKE_SEND,          TOO_NEW, NULL},
        {"GET /v1.44/x",              FAKE_SEND,          NULL, JSON_A   },
    };
    static const struct fake_line higher[] = {
        {"GET /version", FAKE_SEND, NULL,          VERSION("1.54",   "1.50")},
        {"GET /v1.44/x",              FAKE_SEND,          TOO_OLD, NULL},
        {"GET /v1.54/x",              FAKE_SEND,          NULL, JSON_A   },
    };
    static const struct fake_line confused[] = {
        {"GET /version", FAKE_SEND, NULL,          VERSION("1.54",   "1.50")},
        {"GET /v1.54/x",              FAKE_SEND,          TOO_NEW, NULL},
        {"GET /none",              FAKE_SEND,             NULL,    JSON_A   },
    };
    static const struct {
        const struct fake_line *lines;
        unsigned minor;
        int code;
    } engines[] = {
        {newest,   55, 0      },
        {older,    44, 0      },
        {higher,   54, 0      },
        {confused, 54, -EINVAL},
    };
    struct fake_line lines[3];
    struct fixture f;

    (void)state;
    memcpy(lines, newest, sizeof(lines));
    set_up(&f, lines, ARRAY_LEN(lines));
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        exchange(&f, lines, engines[i].lines);
        call(&f, (struct engine_request){.path = "/x", .method = "GET"});
        assert_int_equal(f.w.code, engines[i].code);
        assert_int_equal(engine_api_minor(f.engine), engines[i].minor);
    }
    assert_int_equal(fake_engine_count(f.fake, "GET /version"), 4); /* one for each engine */
    assert_int_equal(fake_engine_count(f.fake, "GET /x"), 7); /* repeated once each, not for ever */
    tear_down(&f);
}

static void test_only_one_version(void **state)
{
    static const struct fake_line lines[] = {
        {"GET /version", FAKE_SEND, NULL,          VERSION("1.50", "1.43")},
        {"GET /v1.45/x",              FAKE_SEND,          NULL, JSON_A },
    };
    static const struct {
        unsigned minor;
        int code;
    } cases[] = {
        {45, 0               },
        {42, -EPROTONOSUPPORT},
        {51, -EPROTONOSUPPORT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        set_up(&f, lines, ARRAY_LEN(lines));
        engine_free(f.engine);
        assert_int_equal(engine_new(&f.engine,
                                    &(struct engine_options){.loop = f.loop,
                                                             .address = fake_engine_address(f.fake),
                                                             .api_minor = cases[i].minor},
                                    NULL),
                         0);
        call(&f, (struct engine_request){.path = "/x"});
        assert_int_equal(f.w.code, cases[i].code);
        tear_down(&f);
    }
}

static void test_comes_back(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, replies, ARRAY_LEN(replies));
    call(&f, (struct engine_request){.path = "/ok"});
    call(&f, (struct engine_request){.path = "/ok"});
    assert_int_equal(fake_engine_count(f.fake, "GET /version"), 1);
    fake_engine_pause(f.fake);
    for (int i = 0; i < 2; i++) {
        call(&f, (struct engine_request){.path = "/ok"});
        assert_int_equal(f.w.code, -ENOTCONN);
        assert_non_null(strstr(f.w.message, "docker engine not reachable at unix:///"));
    }
    fake_engine_resume(f.fake);
    call(&f, (struct engine_request){.path = "/ok"});
    assert_int_equal(f.w.code, 0);
    assert_int_equal(fake_engine_count(f.fake, "GET /version"), 2);
    tear_down(&f);
}

static void on_never(void *owner, const struct engine_reply *reply)
{
    (void)owner;
    (void)reply;
    fail_msg("done of a cancelled call");
}

static void test_cancel(void **state)
{
    struct engine_call *waiting, *other;
    struct fixture f;

    (void)state;
    set_up(&f, replies, ARRAY_LEN(replies));
    /* A call is cancelled while it waits for the API version; a later one continues. */
    assert_int_equal(engine_call_start(&waiting, f.engine,
                                       &(struct engine_request){.path = "/ok", .done = on_never},
                                       NULL),
                     0);
    assert_int_equal(engine_call_start(&other, f.engine,
                                       &(struct engine_request){.path = "/hang", .done = on_never},
                                       NULL),
                     0);
    engine_call_cancel(waiting);
    call(&f, (struct engine_request){.path = "/ok"});
    assert_int_equal(f.w.code, 0);
    engine_call_cancel(other); /* while it is running */
    call(&f, (struct engine_request){.path = "/ok"});
    tear_down(&f);
}

static void test_refuses_bad_paths(void **state)
{
    struct engine_call *c;
    struct fixture f;

    (void)state;
    set_up(&f, replies, ARRAY_LEN(replies));
    call(&f, (struct engine_request){.path = "/ok"});
    assert_int_equal(engine_call_start(&c, f.engine,
                                       &(struct engine_request){.path = "/a b", .done = on_never},
                                       NULL),
                     -EINVAL);
    assert_int_equal(
        engine_call_start(&c, f.engine,
                          &(struct engine_request){.path = "/a\r\nX: y", .done = on_never}, NULL),
        -EINVAL);
    tear_down(&f);
}

static void test_escape(void **state)
{
    char *s = engine_query_escape("a-Z_0.~ /&=\"{\xc3");

    (void)state;
    assert_string_equal(s, "a-Z_0.~%20%2F%26%3D%22%7B%C3");
    free(s);
}

struct info_waiter {
    struct loop *loop;
    int code;
    char *id, *started_at, *version;
    size_t n_subnets;
};

static void on_info(void *owner, int code, const char *message, struct engine_info *info)
{
    struct info_waiter *w = owner;

    (void)message;
    w->code = code;
    if (info) {
        w->id = TAKE_PTR(info->engine_id);
        w->started_at = TAKE_PTR(info->daemon_started_at);
        w->version = TAKE_PTR(info->docker_version);
        w->n_subnets = info->n_subnets;
    }
    loop_stop(w->loop);
}

static void test_info(void **state)
{
    static const char networks[] =
        "[{\"Name\":\"bridge\",\"Driver\":\"bridge\",\"Created\":\"2026\","
        "\"IPAM\":{\"Config\":[{\"Subnet\":\"172.17.0.0/16\"}]}},"
        "{\"Name\":\"lan\",\"Driver\":\"macvlan\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.0.0.0/8\"}]}},"
        "{\"Name\":\"none\",\"IPAM\":{\"Config\":null}}]";
    static const struct fake_line lines[] = {
        {"GET /info",     FAKE_SEND, NULL, "{\"ID\":\"X:Y\",\"NCPU\":2,\"MemTotal\":5}"     },
        {"GET /version",  FAKE_SEND, NULL, "{\"ApiVersion\":\"1.41\",\"Version\":\"20.10\"}"},
        {"GET /networks", FAKE_SEND, NULL, networks                                         },
    };

    (void)state;
    /* Without /info, without networks, with all. */
    for (size_t i = 0; i < 3; i++) {
        static const size_t counts[] = {0, 2, 3};
        size_t n = counts[i];
        struct info_waiter w = {0};
        struct engine_info_call *c;
        struct fixture f;

        set_up(&f, lines, n);
        w.loop = f.loop;
        assert_int_equal(engine_info_start(&c, f.engine, on_info, &w, NULL), 0);
        loop_run(f.loop);
        assert_int_equal(w.code, n == 0 ? -ENOENT : 0);
        if (n > 0) {
            assert_string_equal(w.id, "X:Y");
            assert_string_equal(w.version, "20.10");
            assert_string_equal(w.started_at, n == 3 ? "2026" : "");
            assert_int_equal(w.n_subnets, n == 3 ? 1 : 0);
        }
        free(w.id);
        free(w.version);
        free(w.started_at);
        tear_down(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_answers_without_body),
        cmocka_unit_test(test_broken_connections),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_other_engine_behind_the_socket),
        cmocka_unit_test(test_only_one_version),
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_refuses_bad_paths),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_info),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
