/*
 * Plans of the containers in tests/integration/engines/updates: recorded answers of six engines.
 * Each plan must be the body that created the container, except for anonymous volumes, which it
 * names.
 */

#include "agent/update/plan.h"
#include "agent/update/plan_internal.h"
#include "agent/update/recording_fixture.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static const struct {
    const char *name;
    unsigned api_minor;
    bool is_podman;
} engines[] = {
    {"docker-20.10.24",          41, false},
    {"docker-26.1.5",            45, false},
    {"docker-28.5.2",            51, false},
    {"docker-28.5.2-containerd", 51, false},
    {"docker-29.7.2",            55, false},
    {"podman-5.8.6",             44, true },
};

static const json_t *get(const json_t *object, const char *a, const char *b)
{
    return json_object_get(json_object_get(object, a), b);
}

static json_t *make_list(const json_t *object)
{
    json_t *list = json_array(), *value;
    const char *key;

    json_object_foreach(plan_mutable(object), key, value) plan_array_add(list, json_incref(value));
    return list;
}

/* The recordings have other addresses than the engine had, but MAC addresses derived from those. */
static void mend_mac(json_t *container)
{
    json_t *back = json_object_get(plan_mutable(get(container, "NetworkSettings", "Networks")),
                                   "back");
    const char *mac = json_text_get(back, "MacAddress");

    if (mac && str_starts_with(mac, "02:42:0a:48:"))
        json_text_set(back, "MacAddress", json_text_str("02:42:0a:46:02:02"));
}

static struct plan_source make_source(const json_t *recording, size_t engine, const char *name)
{
    const json_t *gone = json_object_get(recording, "old_image_after_pull");
    struct plan_source s = {
        .container = get(recording, "inspect", name),
        .legacy = str_eq(name, "web") ? json_object_get(recording, "inspect_web_1.51") : NULL,
        .old_config = json_object_get(json_array_get(gone, 1), "Config"),
        .new_config = get(recording, "images_v2", "Config"),
        .probe = json_object_get(recording, "probe"),
        .containers = make_list(json_object_get(recording, "inspect")),
        .submounts = json_array(),
        .host_name = "host-1",
        .image = json_text_get(get(recording, "create", name), "Image"),
        .image_id = json_text_get(json_object_get(recording, "images_v2"), "Id"),
        .api_minor = engines[engine].api_minor,
        .is_podman = engines[engine].is_podman,
        .has_consent = engines[engine].is_podman,
    };

    if (engines[engine].is_podman)
        s.started = get(recording, "inspect", "plain");
    s.image = "registry.test:5000/shop:latest";
    mend_mac(plan_mutable(s.container));
    return s;
}

static void done_source(struct plan_source *s)
{
    json_decref(plan_mutable(s->containers));
    json_decref(plan_mutable(s->submounts));
}

/* Removes members that say nothing, so that bodies can be compared; in sets, {} is a value. */
static void strip(json_t *v, bool is_set)
{
    const char *key;
    json_t *member;
    void *next;

    json_object_foreach_safe(v, next, key, member)
    {
        strip(member, str_eq(key, "ExposedPorts") || str_eq(key, "Volumes"));
        if (!is_set && plan_is_empty(member))
            (void)json_object_del(v, key);
    }
}

static void drop_if(json_t *object, const char *key, const char *value)
{
    if (str_eq(json_text_get(object, key), value))
        (void)json_object_del(object, key);
}

/* Adds VOLUME:PATH for the anonymous volumes, as the engine lists them. */
static void add_volumes(json_t *body, const json_t *container, const json_t *image)
{
    json_t *host = json_object_get(body, "HostConfig"), *binds, *mount;
    size_t i;

    if (!host) {
        host = json_object();
        json_text_set(body, "HostConfig", host);
    }
    binds = json_object_get(host, "Binds");
    if (!binds) {
        binds = json_array();
        json_text_set(host, "Binds", binds);
    }
    json_array_foreach(json_object_get(container, "Mounts"), i, mount)
    {
        const char *to = json_text_get(mount, "Destination"), *name = json_text_get(mount, "Name");
        _cleanup_free_ char *bind = NULL;

        if (!name ||
            (!json_object_get(json_object_get(image, "Volumes"), to) && !str_eq(to, "/anon")))
            continue;
        bind = xasprintf("%s:%s", name, to);
        plan_array_add(binds, json_text_str(bind));
    }
}

/* Settings that Podman writes differently: "SOURCE:PATH" without options, ulimits by short name. */
static void simplify_podman(json_t *body)
{
    json_t *host = json_object_get(body, "HostConfig"), *item, *endpoint;
    json_t *binds = json_array();
    const char *name;
    size_t i;

    json_array_foreach(json_object_get(host, "Binds"), i, item)
    {
        _cleanup_free_ char *source = NULL, *to = NULL, *options = NULL, *text = NULL;

        assert_true(plan_storage_parse_bind(json_string_value(item), &source, &to, &options));
        text = xasprintf("%s:%s", source, to);
        plan_array_add(binds, json_text_str(text));
    }
    json_array_foreach(json_object_get(host, "Mounts"), i, item)
    {
        _cleanup_free_ char *text = xasprintf("%s:%s", json_text_get(item, "Source"),
                                              json_text_get(item, "Target"));

        plan_array_add(binds, json_text_str(text));
    }
    (void)json_object_del(host, "Mounts");
    json_text_set(host, "Binds", plan_set_of(binds));
    json_decref(binds);
    json_array_foreach(json_object_get(host, "Ulimits"), i, item)
    {
        if (str_eq(json_text_get(item, "Name"), "RLIMIT_NOFILE"))
            json_text_set(item, "Name", json_text_str("nofile"));
    }
    if (json_object_get(host, "Tmpfs"))
        json_text_set(host, "Tmpfs", json_true());
    if (!str_eq(json_text_get(host, "NetworkMode"), "host") &&
        !str_eq(json_text_get(host, "NetworkMode"), "container:web"))
        (void)json_object_del(host, "NetworkMode");
    (void)json_object_del(body, "Volumes");
    json_object_foreach(plan_mutable(get(body, "NetworkingConfig", "EndpointsConfig")), name,
                        endpoint)
    {
        (void)json_object_del(endpoint, "IPAMConfig");
        (void)json_object_del(endpoint, "MacAddress");
    }
}

static json_t *simplify(const json_t *body, bool is_podman)
{
    json_t *copy = json_deep_copy(body), *host;

    strip(copy, false);
    host = json_object_get(copy, "HostConfig");
    drop_if(host, "NetworkMode", "default");
    drop_if(host, "NetworkMode", "bridge");
    drop_if(host, "Runtime", "runc"); /* Docker 20.10 fills it in when it starts the container */
    if (json_object_get(copy, "Env"))
        json_text_set(copy, "Env", plan_set_of(json_object_get(copy, "Env")));
    drop_if(json_object_get(host, "RestartPolicy"), "Name", "no");
    if (is_podman) {
        simplify_podman(copy);
    } else if (json_object_get(host, "Binds")) {
        json_text_set(host, "Binds", plan_set_of(json_object_get(host, "Binds")));
    }
    strip(copy, false);
    return copy;
}

/* Returns the number of paths that differ, and prints them. */
static unsigned print_differences(const json_t *a, const json_t *b, const char *path)
{
    json_auto_t *keys = json_object();
    unsigned n = 0;
    const char *key;
    json_t *value;

    if (json_equal(a, b))
        return 0;
    if (!json_is_object(a) || !json_is_object(b)) {
        _cleanup_free_ char *x = json_dumps(a, JSON_ENCODE_ANY | JSON_SORT_KEYS);
        _cleanup_free_ char *y = json_dumps(b, JSON_ENCODE_ANY | JSON_SORT_KEYS);

        print_error("%s: expected %s, planned %s\n", path, x ? x : "nothing", y ? y : "nothing");
        return 1;
    }
    (void)json_object_update(keys, plan_mutable(a));
    (void)json_object_update(keys, plan_mutable(b));
    json_object_foreach(keys, key, value)
    {
        _cleanup_free_ char *member = xasprintf("%s.%s", path, key);

        n += print_differences(json_object_get(a, key), json_object_get(b, key), member);
    }
    return n;
}

static json_t *make_expected(const json_t *recording,
                             const struct plan_source *s,
                             const char *name,
                             bool is_podman)
{
    json_auto_t *body = json_deep_copy(get(json_object_get(recording, "create"), name, "body"));
    json_t *labels = json_object_get(body, "Labels");

    if (json_object_get(labels, "com.docker.compose.image"))
        json_text_set(labels, "com.docker.compose.image", json_text_str(s->image_id));
    add_volumes(body, s->container, s->old_config);
    return simplify(body, is_podman);
}

static void test_plans_are_the_bodies_that_created_the_containers(void **state)
{
    unsigned n_differences = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        json_auto_t *recording = recording_load(engines[i].name);
        json_t *created;
        const char *name;

        json_object_foreach(json_object_get(recording, "create"), name, created)
        {
            struct plan_source s = make_source(recording, i, name);
            json_auto_t *expected = make_expected(recording, &s, name, engines[i].is_podman);
            _cleanup_free_ char *label = xasprintf("%s %s", engines[i].name, name);
            json_auto_t *planned = NULL;
            struct error err = ERROR_INIT;
            struct plan p;

            if (plan_make(&s, &p, &err) < 0)
                fail_msg("%s, %s: %s", engines[i].name, name, err.msg);
            planned = simplify(p.create, engines[i].is_podman);
            if (!json_object_get(s.container, "Mounts")) /* a shortened inspect */
                (void)json_object_del(json_object_get(planned, "HostConfig"), "Binds");
            n_differences += print_differences(expected, planned, label);
            assert_int_equal(json_array_size(p.connect), 0);
            plan_done(&p);
            done_source(&s);
        }
    }
    assert_int_equal(n_differences, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans_are_the_bodies_that_created_the_containers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
