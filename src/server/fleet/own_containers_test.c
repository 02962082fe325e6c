#include "base/alloc.h"
#include "server/fleet/own_containers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ID    "0123456789ab0123456789ab0123456789ab0123456789ab0123456789ab0123"
#define OTHER "ab0123456789ab0123456789ab0123456789ab0123456789ab0123456789abcd"

#define OF_OTHERS "{\"container_operations\": true}"
#define OURS      "{\"container_operations\": true, \"own_container\": true}"

static struct fleet *fleet;

/* A host with the container ID of this image, and one more; "" is no image. */
static struct fleet_host *put(const char *capabilities, const char *image, const char *other)
{
    char id[] = "h", name[] = "host", agent_id[] = "a", text[80];
    struct host row = {.id = id, .name = name};
    struct agent agent = {.id = agent_id, .host_id = id};
    struct fleet_host *h;
    json_t *list = json_pack("[{s:s, s:[s], s:s, s:s, s:i}, {s:s, s:[s], s:s, s:s, s:i}]", "Id", ID,
                             "Names", "/x", "Image", image, "State", "running", "Created", 1, "Id",
                             OTHER, "Names", "/y", "Image", other, "State", "running", "Created",
                             1);

    fleet = fleet_new();
    (void)snprintf(text, sizeof(text), "%s", capabilities);
    agent.capabilities = text;
    h = fleet_put_host(fleet, &row, &agent);
    assert_int_equal(fleet_apply_snapshot(h, list, 1), 0);
    json_decref(list);
    return h;
}

static bool is_own(const struct fleet_host *h, const char *name, const char *app)
{
    json_auto_t *labels = json_object();

    if (app)
        (void)json_object_set_new(labels, "app", json_string(app));
    return own_containers_has(h, &(struct own_subject){ID, name, labels});
}

/* An agent of ours protects its container by its id; names, labels and images protect nothing. */
static void test_agents_of_ours_protect_themselves(void **state)
{
    struct fleet_host *h = put(OURS, "dockmon-agent", "x");

    (void)state;
    assert_false(is_own(h, "dockmon", NULL));
    assert_false(is_own(h, "/dockmon-agent", "dockmon"));
    assert_false(own_containers_claims(h, "dockmon"));
    fleet_free(fleet);
}

/* On the host of another agent the image decides, which no renaming changes. */
static void test_images_of_other_agents(void **state)
{
    static const struct {
        const char *image, *other, *name, *app;
        bool is_own;
    } cases[] = {
        {"dockmon-agent",                     "x",             "web",     NULL,      true },
        {"ghcr.io:443/a/dockmon-agent:1.1.2", "x",             "web",     NULL,      true },
        {"a/dockmon@sha256:00",               "x",             "web",     NULL,      true },
        {"dockmon-agent/x",                   "x",             "web",     NULL,      false},
        {"x:dockmon-agent",                   "x",             "web",     NULL,      false},
        {"my-dockmon-agent",                  "x",             "web",     NULL,      false},
        {"x",                                 "dockmon-agent", "dockmon", "dockmon", false},
        {"x",                                 "y",             "dockmon", NULL,      true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fleet_host *h = put(OF_OTHERS, cases[i].image, cases[i].other);

        if (is_own(h, cases[i].name, cases[i].app) != cases[i].is_own)
            fail_msg("case %zu", i);
        fleet_free(fleet);
    }
}

/* Without such an image the name or the label decides, and no container gets such a name. */
static void test_names_without_an_image(void **state)
{
    static const struct {
        const char *name, *app;
        bool is_own;
    } cases[] = {
        {"dockmon",       NULL,      true },
        {"/dockmon",      NULL,      true },
        {"DockMon-Agent", NULL,      true },
        {"dockmonitor",   NULL,      false},
        {"my-dockmon",    NULL,      false},
        {"web",           "dockmon", true },
        {"web",           "other",   false},
        {NULL,            NULL,      false},
    };
    struct fleet_host *h = put(OF_OTHERS, "x", "y");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (is_own(h, cases[i].name, cases[i].app) != cases[i].is_own)
            fail_msg("case %zu", i);
    }
    assert_true(own_containers_claims(h, "Dockmon-x"));
    assert_false(own_containers_claims(h, "web"));
    fleet_free(fleet);
    h = put(OF_OTHERS, "dockmon-agent", "y");
    assert_false(own_containers_claims(h, "dockmon-x"));
    fleet_free(fleet);
}

/* That of the server is known by its id, on the host of any agent. */
static void test_the_container_of_the_server(void **state)
{
    static const char *const capabilities[] = {OURS, OF_OTHERS};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
        struct fleet_host *h = put(capabilities[i], "x", "y");

        assert_false(is_own(h, "web", NULL));
        fleet_set_own_container(fleet, ID);
        assert_true(is_own(h, "web", NULL));
        fleet_set_own_container(fleet, "0123456789ab");
        assert_true(is_own(h, "web", NULL));
        assert_false(own_containers_has(h, &(struct own_subject){OTHER, "web", NULL}));
        fleet_free(fleet);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agents_of_ours_protect_themselves),
        cmocka_unit_test(test_images_of_other_agents),
        cmocka_unit_test(test_names_without_an_image),
        cmocka_unit_test(test_the_container_of_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
