/*
 * Differences of the updates in tests/integration/engines/updates, which six engines have carried
 * out: none is a loss, and each setting that is taken out of the new container is one.
 */

#include "agent/update/difference.h"
#include "agent/update/plan_internal.h"
#include "agent/update/recording_fixture.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static const char *const engines[] = {"docker-20.10.24",          "docker-26.1.5", "docker-28.5.2",
                                      "docker-28.5.2-containerd", "docker-29.7.2", "podman-5.8.6"};

struct recorded {
    json_t *recording, *after;
    struct difference_source s;
};

/* The body of the create, and the inspect of the new container after its start. */
static void find_calls(struct recorded *r)
{
    const json_t *calls = json_object_get(json_object_get(r->recording, "updates"), "web");
    const char *id = NULL;
    size_t i;
    json_t *call;

    json_array_foreach(calls, i, call)
    {
        const char *path = json_text_get(call, "path");
        const json_t *answer = json_object_get(call, "answer");

        if (strstr(path, "/containers/create")) {
            r->s.create = json_object_get(call, "body");
            id = json_text_get(answer, "Id");
        } else if (id && strstr(path, id) && json_object_get(answer, "State")) {
            json_decref(r->after);
            r->after = json_deep_copy(answer);
        }
    }
    assert_non_null(r->s.create);
    assert_non_null(r->after);
}

static void open_recorded(struct recorded *r, const char *engine)
{
    *r = (struct recorded){.recording = recording_load(engine)};
    find_calls(r);
    r->s.before = json_object_get(json_object_get(r->recording, "inspect"), "web");
    r->s.after = r->after;
    r->s.new_config = json_object_get(json_object_get(r->recording, "images_v2"), "Config");
    r->s.probe = json_object_get(r->recording, "probe");
    r->s.is_podman = str_starts_with(engine, "podman");
}

static void close_recorded(struct recorded *r)
{
    json_decref(r->recording);
    json_decref(r->after);
}

static unsigned count_losses(const struct recorded *r, const char *engine, const char *name)
{
    json_auto_t *found = difference_find(&r->s);
    _cleanup_free_ char *text = difference_describe(found);

    if (json_array_size(found) > 0)
        print_error("%s, %s: %s\n", engine, name, text);
    return (unsigned)json_array_size(found);
}

static void test_nothing_is_lost_in_recorded_updates(void **state)
{
    unsigned n_lost = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        struct recorded r;

        open_recorded(&r, engines[i]);
        n_lost += count_losses(&r, engines[i], "web");
        close_recorded(&r);
    }
    assert_int_equal(n_lost, 0);
}

/* Every container has what its own body asked for. */
static void test_nothing_is_lost_by_a_create(void **state)
{
    unsigned n_lost = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        struct recorded r;
        const json_t *all;
        const char *name;
        json_t *created;

        open_recorded(&r, engines[i]);
        all = json_object_get(r.recording, "inspect");
        json_object_foreach(json_object_get(r.recording, "create"), name, created)
        {
            r.s.before = r.s.after = json_object_get(all, name);
            r.s.create = json_object_get(created, "body");
            n_lost += count_losses(&r, engines[i], name);
        }
        close_recorded(&r);
    }
    assert_int_equal(n_lost, 0);
}

/* Takes a setting out of the new container, and expects that exactly this is found. */
static void check_loss(const char *engine, const char *section, const char *key, const char *path)
{
    struct recorded r;
    json_auto_t *found = NULL;
    const char *found_path;
    json_t *from;

    open_recorded(&r, engine);
    from = json_object_get(r.after, section);
    if (str_eq(section, "Networks"))
        from = json_object_get(json_object_get(r.after, "NetworkSettings"), "Networks");
    if (str_eq(section, "Mounts")) {
        (void)json_array_clear(json_object_get(r.after, section));
    } else if (json_object_del(from, key) < 0) {
        fail_msg("%s: %s.%s is not recorded", engine, section, key);
    }
    found = difference_find(&r.s);
    if (json_array_size(found) == 0)
        fail_msg("%s: the loss of %s.%s is not found", engine, section, key);
    found_path = json_text_get(json_array_get(found, 0), "path");
    if (!str_starts_with(found_path, path))
        fail_msg("%s: %s instead of %s", engine, found_path, path);
    close_recorded(&r);
}

static void test_each_loss_is_found(void **state)
{
    static const struct {
        const char *section, *key, *path;
        bool is_docker_only;
    } losses[] = {
        {"HostConfig", "Memory",        "HostConfig.Memory",              false},
        {"HostConfig", "PortBindings",  "HostConfig.PortBindings.80/tcp", false},
        {"HostConfig", "RestartPolicy", "HostConfig.RestartPolicy",       false},
        {"Config",     "Env",           "Config.Env",                     false},
        {"Config",     "Labels",        "Config.Labels.",                 false},
        {"Mounts",     "",              "Mounts[",                        false},
        {"Networks",   "front",         "NetworkSettings.Networks.front", false},
        {"HostConfig", "Mounts",        "HostConfig.Mounts[/data]",       true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        for (size_t k = 0; k < ARRAY_LEN(losses); k++) {
            if (!losses[k].is_docker_only || !str_starts_with(engines[i], "podman"))
                check_loss(engines[i], losses[k].section, losses[k].key, losses[k].path);
        }
    }
}

/* --- single values --- */

static json_t *parse(const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);

    if (!v)
        fail_msg("no JSON: %s", text);
    return v;
}

static const struct single {
    const char *before, *after, *create, *expected; /* path, "" for none */
    bool is_podman;
} singles[] = {
  /* Docker 20 to 28 publish a port only if it is exposed (updates-engines.md A1.1). */
    {"{\"Config\":{\"ExposedPorts\":{\"81/udp\":{}}}}",
     "{\"State\":{\"Running\":true},\"HostConfig\":{\"PortBindings\":{\"81/udp\":[{\"HostPort\":\"81\"}]}},"
     "\"NetworkSettings\":{\"Ports\":{}}}",                                                                                         "{\"HostConfig\":{\"PortBindings\":{\"81/udp\":[{\"HostPort\":\"81\"}]}}}",
     "NetworkSettings.Ports.81/udp",                                                                                                                                                                                                                     false},
    {"{}",
     "{\"State\":{\"Running\":true},\"HostConfig\":{\"PortBindings\":{\"81/udp\":[{\"HostPort\":\"81\"}]}},"
     "\"NetworkSettings\":{\"Ports\":{}}}",                                                                                         "{\"HostConfig\":{\"PortBindings\":{\"81/udp\":[{\"HostPort\":\"81\"}]}}}", "",                                      false},
 /* Docker 29 ignores a MAC address at the top level (A1.4). */
    {"{}",
     "{\"State\":{\"Running\":true},\"NetworkSettings\":{\"Networks\":{\"n\":{\"MacAddress\":\"02:42:ac:11:00:02\"}}}}",
     "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"n\":{\"MacAddress\":\"02:00:00:00:00:01\"}}}}",                                                                                                             "NetworkSettings.Networks.n.MacAddress", false},
    {"{}",
     "{\"State\":{\"Running\":true},\"NetworkSettings\":{\"Networks\":{\"n\":{\"MacAddress\":\"AA:00:00:00:00:01\"}}}}",
     "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"n\":{\"MacAddress\":\"aa:00:00:00:00:01\"}}}}",                                                                                                             "",                                      true },
 /* Podman shows no configured address, only that in use. */
    {"{}",
     "{\"State\":{\"Running\":true},\"NetworkSettings\":{\"Networks\":{\"n\":{\"IPAMConfig\":null,\"IPAddress\":\"10.0.0.19\"}}}}",
     "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"n\":{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.50\"}}}}}",
     "NetworkSettings.Networks.n.IPAMConfig.IPv4Address",                                                                                                                                                                                                true },
    {"{}",
     "{\"State\":{\"Running\":true},\"NetworkSettings\":{\"Networks\":{\"n\":{\"IPAMConfig\":null,\"IPAddress\":\"10.0.0.50\"}}}}",
     "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"n\":{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.50\"}}}}}",
     "",                                                                                                                                                                                                                                                 true },
    {"{\"HostConfig\":{\"Privileged\":true}}",             "{\"HostConfig\":{\"Privileged\":false}}",
     "{\"HostConfig\":{\"Privileged\":true}}",                                                                                                                                                                  "HostConfig.Privileged",                 false},
    {"{\"HostConfig\":{\"NetworkMode\":\"container:a\"}}",
     "{\"HostConfig\":{\"NetworkMode\":\"bridge\"}}",                                                                               "{\"HostConfig\":{\"NetworkMode\":\"container:b\"}}",                       "HostConfig.NetworkMode",                false},
    {"{\"HostConfig\":{\"NetworkMode\":\"default\"}}",
     "{\"HostConfig\":{\"NetworkMode\":\"bridge\"}}",                                                                               "{\"HostConfig\":{}}",                                                      "",                                      false},
    {"{\"HostConfig\":{\"MaskedPaths\":[]}}",
     "{\"HostConfig\":{\"MaskedPaths\":[\"/proc/kcore\"]}}",                                                                        "{\"HostConfig\":{\"MaskedPaths\":[]}}",                                    "HostConfig.MaskedPaths",                false},
    {"{\"Config\":{\"Entrypoint\":null}}",                 "{\"Config\":{\"Entrypoint\":[\"/init\"]}}",
     "{\"Entrypoint\":[\"\"]}",                                                                                                                                                                                 "Config.Entrypoint",                     false},
    {"{\"Config\":{\"Hostname\":\"0123456789ab\"}}",       "{\"Config\":{\"Hostname\":\"ba9876543210\"}}",
     "{}",                                                                                                                                                                                                      "",                                      false},
    {"{\"Config\":{\"Hostname\":\"mine\"}}",               "{\"Config\":{\"Hostname\":\"ba9876543210\"}}",
     "{\"Hostname\":\"mine\"}",                                                                                                                                                                                 "Config.Hostname",                       false},
    {"{\"HostConfig\":{\"NewField\":{\"a\":1,\"b\":2}}}",
     "{\"HostConfig\":{\"NewField\":{\"a\":1}}}",                                                                                   "{\"HostConfig\":{\"NewField\":{\"a\":1,\"b\":2}}}",                        "HostConfig.NewField.b",                 false},
};

static void test_single_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(singles); i++) {
        json_auto_t *before = parse(singles[i].before), *after = parse(singles[i].after);
        json_auto_t *create = parse(singles[i].create), *found = NULL;
        const char *path;

        found = difference_find(&(struct difference_source){
            .before = before, .after = after, .create = create, .is_podman = singles[i].is_podman});
        path = json_text_get(json_array_get(found, 0), "path");
        if (!str_eq(path ? path : "", singles[i].expected))
            fail_msg("%s: %s instead of %s", singles[i].after, path, singles[i].expected);
        assert_int_equal(json_array_size(found), singles[i].expected[0] ? 1 : 0);
    }
}

static void test_texts_have_a_limit(void **state)
{
    json_auto_t *before = json_object(), *after = json_object(), *list = NULL;
    _cleanup_free_ char *text = NULL, *one = NULL;
    json_auto_t *single = json_pack("[{s:s, s:i, s:n}]", "path", "HostConfig.Memory", "before", 5,
                                    "after");

    (void)state;
    for (int i = 0; i < 200; i++) {
        _cleanup_free_ char *key = xasprintf("%d-\xc3\xa4\xc3\xa4", i);

        json_text_set(before, key, json_text_str("x"));
    }
    list = difference_list(before, after, "Config", 150);
    assert_int_equal(json_array_size(list), 150);
    text = difference_describe(list);
    assert_true(strlen(text) <= 600 && strlen(text) > 500);
    assert_true(str_is_utf8(text, strlen(text)));
    one = difference_describe(single);
    assert_string_equal(one, "HostConfig.Memory (5, now null)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_lost_in_recorded_updates),
        cmocka_unit_test(test_nothing_is_lost_by_a_create),
        cmocka_unit_test(test_each_loss_is_found),
        cmocka_unit_test(test_single_values),
        cmocka_unit_test(test_texts_have_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
