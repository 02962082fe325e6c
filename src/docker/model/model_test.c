#include "docker/model/container.h"
#include "docker/model/event.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define IMG "sha256:" ID

static struct json_span span(const char *s)
{
    assert_int_equal(json_scan_check(s, strlen(s), NULL), 0);
    return (struct json_span){s, strlen(s)};
}

/* The place of a restart policy in the text, and the length of the text there. */
static const struct {
    const char *text;
    size_t n;
} host_configs[] = {
    {"{\"NetworkMode\":\"host\"}", 22},
    {"{ }",                        0 },
    {"{\"RestartPolicy\":{}}",     0 },
    {"{\"RestartPolicy\":null}",   0 },
    {"null",                       0 },
    {"[]",                         0 },
    {"\"{}\"",                     0 },
};

static void test_element(void **state)
{
    struct container_element e;

    (void)state;
    assert_int_equal(
        container_element_read(
            span("{\"Names\":[\"/x\"],\"Id\":\"" ID "\",\"ImageID\":\"" IMG "\"}"), &e),
        0);
    assert_string_equal(e.id, ID);
    assert_string_equal(e.image_id, IMG);
    assert_false(e.has_env || e.has_started_at || e.has_digests);
    assert_int_equal(e.host_config.n, 0);

    assert_int_equal(
        container_element_read(
            span("{\"Id\":\"" ID "\",\"Env\":{},\"StartedAt\":1,\"RepoDigests\":[]}"), &e),
        0);
    assert_string_equal(e.image_id, "");
    assert_true(e.has_env && e.has_started_at && e.has_digests);

    for (size_t i = 0; i < sizeof(host_configs) / sizeof(host_configs[0]); i++) {
        char text[256];

        (void)snprintf(text, sizeof(text), "{\"HostConfig\":%s,\"Id\":\"" ID "\"}",
                       host_configs[i].text);
        assert_int_equal(container_element_read(span(text), &e), 0);
        assert_int_equal(e.host_config.n, host_configs[i].n);
    }

    assert_int_equal(container_element_read(span("{\"Id\":\"0123\"}"), &e), -EBADMSG);
    assert_int_equal(container_element_read(span("{\"id\":\"" ID "\"}"), &e), -EBADMSG);
    assert_int_equal(container_element_read(span("{\"Id\":\"" ID "0\"}"), &e), -EBADMSG);
    assert_int_equal(container_element_read(span("[]"), &e), -EBADMSG);
    assert_int_equal(container_element_read(span("null"), &e), -EBADMSG);
}

static const struct {
    const char *inspect, *env;
} envs[] = {
    {"{\"Config\":{\"Env\":[\"A=1\",\"B=x=y\",\"C\",\"D=\"]}}",
     "{\"A\":\"1\",\"B\":\"x=y\",\"C\":\"\",\"D\":\"\"}"                                        },
    {"{\"Config\":{\"Env\":[\"A=1\",\"B=2\",\"A=3\"]}}",             "{\"A\":\"3\",\"B\":\"2\"}"},
    {"{\"Config\":{\"Env\":[\"Q=\\\"\\u003c\",7,null,\"E=\\\\\"]}}",
     "{\"Q\":\"\\\"\\u003c\",\"E\":\"\\\\\"}"                                                   },
    {"{\"Config\":{\"Env\":[\"\\ufffda=1\",\"\ufffda=2\"]}}",        "{\"\\ufffda\":\"1\"}"     },
    {"{\"Config\":{\"Env\":[]}}",                                    "{}"                       },
    {"{\"Config\":{\"Env\":null}}",                                  "{}"                       },
    {"{}",                                                           "{}"                       },
};

static void test_env(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(envs) / sizeof(envs[0]); i++) {
        char *env = container_inspect_env(span(envs[i].inspect));

        assert_string_equal(env, envs[i].env);
        (void)span(env);
        free(env);
    }
}

static void test_inspect(void **state)
{
    char *s;

    (void)state;
    s = container_inspect_started_at(
        span("{\"State\":{\"StartedAt\":\"2026-11-23T01:00:00.5Z\"}}"));
    assert_string_equal(s, "\"2026-11-23T01:00:00.5Z\"");
    free(s);
    assert_null(
        container_inspect_started_at(span("{\"State\":{\"StartedAt\":\"0001-01-01T00:00:00Z\"}}")));
    assert_null(container_inspect_started_at(span("{\"State\":{\"StartedAt\":\"\"}}")));
    assert_null(container_inspect_started_at(span("{\"State\":{\"StartedAt\":5}}")));
    assert_null(container_inspect_started_at(span("{}")));

    s = container_inspect_restart_policy(
        span("{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"always\"}}}"));
    assert_string_equal(s, "{\"Name\":\"always\"}");
    free(s);
    assert_null(
        container_inspect_restart_policy(span("{\"HostConfig\":{\"RestartPolicy\":null}}")));
    assert_null(container_inspect_restart_policy(span("{\"HostConfig\":null}")));
    assert_null(container_inspect_restart_policy(span("{}")));

    assert_true(container_inspect_has_tty(span("{\"Config\":{\"Tty\":true}}")));
    assert_false(container_inspect_has_tty(span("{\"Config\":{\"Tty\":false}}")));
    assert_false(container_inspect_has_tty(span("{}")));

    s = image_inspect_digests(span("{\"RepoDigests\":[\"a@sha256:1\"]}"));
    assert_string_equal(s, "[\"a@sha256:1\"]");
    free(s);
    s = image_inspect_digests(span("{\"RepoDigests\":null}"));
    assert_string_equal(s, "[]");
    free(s);
}

/* The engine writes type, action and id before the labels, which can be of any length. */
static void test_event_is_completed(void **state)
{
    static const char start[] =
        "{\"status\":\"start\",\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"" ID
        "\",\"Attributes\":{\"a\":\"xxx";
    char *text = event_complete(start, strlen(start), 7);
    struct event e;

    (void)state;
    assert_int_equal(event_decode(text, strlen(text), &e, NULL), 0);
    assert_string_equal(e.action, "start");
    assert_string_equal(e.id, ID);
    assert_int_equal(e.time_ns, 7);
    engine_event_done(&e);
    free(text);
    assert_null(event_complete(start, 20, 7));
}

#define TIMED(time) "{\"Type\":\"volume\",\"Action\":\"x\",\"time\":" time "}"
#define WITH_ID(action) \
    "{\"Type\":\"container\",\"Action\":" action ",\"Actor\":{\"ID\":\"" ID "\"}}"

/* Such an event says that something has changed, but not what: it counts as unreadable. */
static void test_event_without_type_action_or_id_is_invalid(void **state)
{
    static const char *const invalid[] = {
        "{\"Type\":\"container\",\"Action\":7,\"Actor\":null}",
        WITH_ID("7"),
        WITH_ID("null"),
        WITH_ID("\"\""),
        "{\"Type\":\"container\",\"Action\":\"die\"}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":[]}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":7}}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"abc\"}}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"\"}}",
        "{\"Type\":\"image\",\"Action\":\"delete\",\"Actor\":null}",
        "{\"Type\":7,\"Action\":\"die\",\"Actor\":{\"ID\":\"" ID "\"}}",
        "{\"time\":1700000000}",
        "{}",
    };
    static const char *const prune[] = {
        "{\"Type\":\"container\",\"Action\":\"prune\",\"Actor\":{\"ID\":\"\"}}",
        "{\"Type\":\"image\",\"Action\":\"prune\",\"Actor\":{\"ID\":\"\"}}",
    };
    struct event e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
        assert_int_equal(event_decode(invalid[i], strlen(invalid[i]), &e, NULL), -EBADMSG);
    for (size_t i = 0; i < ARRAY_LEN(prune); i++) {
        assert_int_equal(event_decode(prune[i], strlen(prune[i]), &e, NULL), 0);
        engine_event_done(&e);
    }
}

static void test_event(void **state)
{
    static const char text[] =
        "{\"status\":\"die\",\"id\":\"" ID
        "\",\"from\":\"bb\",\"Type\":\"container\",\"Action\":\"die\","
        "\"Actor\":{\"ID\":\"" ID
        "\",\"Attributes\":{\"exitCode\":\"3\",\"name\":\"x\",\"odd\":1,\"nul\":\"a\\u0000\"}},"
        "\"scope\":\"local\",\"time\":1700000000,\"timeNano\":1700000000123456789}";
    static const struct {
        const char *text, *action;
    } podman[] = {
        {WITH_ID("\"remove\""),                                     "destroy"               },
        {WITH_ID("\"died\""),                                       "die"                   },
        {WITH_ID("\"health_status\",\"HealthStatus\":\"healthy\""), "health_status: healthy"},
        {WITH_ID("\"health_status\""),                              "health_status"         },
        {"{\"Type\":\"volume\",\"Action\":\"remove\"}",             "remove"                },
        {WITH_ID("\"die\",\"HealthStatus\":7"),                     "die"                   },
    };
    struct event e;

    (void)state;
    assert_int_equal(event_decode(text, sizeof(text) - 1, &e, NULL), 0);
    assert_string_equal(e.type, "container");
    assert_string_equal(e.action, "die");
    assert_string_equal(e.id, ID);
    assert_true(e.time_ns == 1700000000123456789);
    assert_string_equal(event_attribute(&e, "exitCode"), "3");
    assert_string_equal(event_attribute(&e, "none"), "");
    assert_int_equal(json_object_size(e.attributes), 3); /* NUL in one was mended */
    engine_event_done(&e);

    assert_int_equal(event_decode(TIMED("1700000000"), strlen(TIMED("1700000000")), &e, NULL), 0);
    assert_true(e.time_ns == 1700000000000000000);
    assert_string_equal(e.id, "");
    engine_event_done(&e);
    assert_int_equal(
        event_decode(TIMED("9223372036854775807"), strlen(TIMED("9223372036854775807")), &e, NULL),
        0);
    assert_true(e.time_ns == 0);
    engine_event_done(&e);

    for (size_t i = 0; i < ARRAY_LEN(podman); i++) {
        assert_int_equal(event_decode(podman[i].text, strlen(podman[i].text), &e, NULL), 0);
        assert_string_equal(e.action, podman[i].action);
        engine_event_done(&e);
    }
    for (size_t n = 0; n < sizeof(text) - 1; n++)
        assert_int_equal(event_decode(text, n, &e, NULL), -EBADMSG);
    assert_int_equal(event_decode("[]", 2, &e, NULL), -EBADMSG);
}

static void test_a_long_attribute_is_cut(void **state)
{
    static char text[12000];
    struct event e;

    (void)state;
    (void)snprintf(text, sizeof(text),
                   "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"" ID
                   "\",\"Attributes\":{\"a\":\"%04096d\",\"b\":\"%04097d\",\"c\":\"1\"}}}",
                   7, 7);
    assert_int_equal(event_decode(text, strlen(text), &e, NULL), 0);
    assert_string_equal(e.cut, "b");
    assert_int_equal(strlen(event_attribute(&e, "a")), 4096);
    assert_int_equal(strlen(event_attribute(&e, "b")), 4096 + strlen("\u2026"));
    engine_event_done(&e);
    (void)snprintf(text, sizeof(text), WITH_ID("\"die\""));
    assert_int_equal(event_decode(text, strlen(text), &e, NULL), 0);
    assert_null(e.cut);
    engine_event_done(&e);
}

/* A list element that lags behind the description of the container is recognized. */
static void test_summary(void **state)
{
    static const char inspect[] = "{\"Name\":\"/web\",\"State\":{\"Status\":\"exited\"}}";
    struct container_summary s;

    (void)state;
    container_inspect_summary(span(inspect), &s);
    assert_string_equal(s.name, "web");
    assert_true(container_element_is(
        span("{\"Names\":[\"/db/alias\",\"/web\"],\"State\":\"created\"}"), &s));
    assert_true(container_element_is(span("{\"Names\":[\"web\"],\"State\":\"exited\"}"), &s));
    assert_false(container_element_is(span("{\"Names\":[\"/web\"],\"State\":\"running\"}"), &s));
    assert_false(container_element_is(span("{\"Names\":[\"/web\"],\"State\":\"paused\"}"), &s));
    assert_false(container_element_is(span("{\"Names\":[\"/old\"],\"State\":\"exited\"}"), &s));
    container_inspect_summary(span("{\"State\":{\"Status\":\"running\"}}"), &s);
    assert_true(container_element_is(span("{\"Names\":[\"/x\"],\"State\":\"running\"}"), &s));
    assert_false(container_element_is(span("{\"Names\":[\"/x\"],\"State\":\"paused\"}"), &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_element),
        cmocka_unit_test(test_env),
        cmocka_unit_test(test_inspect),
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_event_is_completed),
        cmocka_unit_test(test_a_long_attribute_is_cut),
        cmocka_unit_test(test_event_without_type_action_or_id_is_invalid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
