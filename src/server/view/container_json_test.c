#include "base/alloc.h"
#include "server/fleet/fleet.h"
#include "server/view/container_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define ID "1111111111111111111111111111111111111111111111111111111111111111"

static const char element[] =
    "[{\"Id\":\"" ID
    "\",\"Names\":[\"/web\"],\"Image\":\"nginx:1\",\"Command\":\"nginx\",\"Created\":1762300000,"
    "\"State\":\"running\",\"Status\":\"Up 2 hours\",\"Ports\":["
    "{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"},"
    "{\"IP\":\"::\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"},{\"PrivatePort\":53,\"Type\":\"udp\"}],"
    "\"Labels\":{\"com.docker.compose.project\":\"shop\",\"dockmon.tag\":\"a, b,,\"},"
    "\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/srv\",\"Destination\":\"/data\",\"RW\":false},"
    "{\"Type\":\"volume\",\"Name\":\"vol\",\"Source\":\"/x\",\"Destination\":\"/v\",\"RW\":true}],"
    "\"NetworkSettings\":{\"Networks\":{\"bridge\":{\"IPAddress\":\"172.17.0.2\",\"NetworkID\":\"ab\"},\"none\":{\"IPAddress\":\"\"}}},"
    "\"RepoDigests\":null,\"StartedAt\":\"2025-11-05T08:00:00Z\",\"Env\":{\"SECRET\":\"x\"}}]";

struct fixture {
    struct fleet_host *host;
    struct fleet_container *container;
    struct fleet *fleet;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct host row = {.id = (char *)(uintptr_t) "h", .name = (char *)(uintptr_t) "alpha"};
    json_t *list = json_loads(element, 0, NULL);
    struct fleet_host *h;

    f->fleet = fleet_new();
    h = fleet_put_host(f->fleet, &row, NULL);
    (void)fleet_apply_snapshot(h, list, 1000);
    json_decref(list);
    assert_int_equal(fleet_find_container(h, "web", &f->container), 0);
    f->host = h;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    fleet_free(f->fleet);
    free(f);
    return 0;
}

static json_t *written(struct fixture *f, bool with_secrets)
{
    struct buf host = BUF_INIT(4096), text = BUF_INIT(65536);
    json_t *o;

    container_host_write(&host, f->host);
    container_write(&text, &host, f->container, f->host, with_secrets);
    o = json_loads(buf_str(&text), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    buf_done(&host);
    buf_done(&text);
    return o;
}

static void assert_member(const json_t *o, const char *name, const char *expected)
{
    char *text = json_dumps(json_object_get(o, name), JSON_COMPACT | JSON_ENCODE_ANY);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void test_members_have_the_documented_form(void **state)
{
    static const struct {
        const char *name, *json;
    } members[] = {
        {"id",              "\"111111111111\""                 },
        {"full_id",         "\"" ID "\""                       },
        {"short_id",        "\"111111111111\""                 },
        {"name",            "\"web\""                          },
        {"state",           "\"unknown\""                      },
        {"status",          "\"unknown\""                      },
        {"last_state",      "\"running\""                      },
        {"host_id",         "\"h\""                            },
        {"host_name",       "\"alpha\""                        },
        {"host_online",     "false"                            },
        {"confirmed_at",    "\"1970-01-01T00:00:01.000Z\""     },
        {"stale_since",     "\"1970-01-01T00:00:01.000Z\""     },
        {"image",           "\"nginx:1\""                      },
        {"created",         "\"2025-11-04T23:46:40.000Z\""     },
        {"ports",           "[\"8080:80/tcp\",\"53/udp\"]"     },
        {"volumes",         "[\"/srv:/data:ro\",\"vol:/v\"]"   },
        {"compose_project", "\"shop\""                         },
        {"compose_service", "null"                             },
        {"tags",            "[\"compose:shop\",\"a\",\"b\"]"   },
        {"docker_ip",       "\"172.17.0.2\""                   },
        {"docker_ips",      "{\"bridge\":\"172.17.0.2\"}"      },
        {"networks",        "{\"bridge\":\"ab\",\"none\":\"\"}"},
        {"engine_state",    "\"running\""                      },
        {"image_id",        "null"                             },
        {"repo_digests",    "[]"                               },
        {"env",             "{\"SECRET\":\"x\"}"               },
        {"cpu_percent",     "null"                             },
        {"memory_usage",    "null"                             },
        {"restart_policy",  "null"                             },
    };
    struct fixture *f = *state;
    json_t *o = written(f, true);

    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        assert_member(o, members[i].name, members[i].json);
    json_decref(o);
}

/* The status is DockMon's older word, which has no "created". */
static void test_states_of_an_online_host(void **state)
{
    static const char *const cases[][3] = {
        {"running", "\"running\"", "\"running\""},
        {"created", "\"created\"", "\"exited\"" },
        {"paused",  "\"paused\"",  "\"paused\"" },
    };
    struct fixture *f = *state;

    f->host->is_online = true;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *o;

        free(f->container->state);
        f->container->state = xstrdup(cases[i][0]);
        o = written(f, true);
        assert_member(o, "state", cases[i][1]);
        assert_member(o, "status", cases[i][2]);
        assert_member(o, "last_state", "null");
        assert_member(o, "host_online", "true");
        json_decref(o);
    }
}

static void test_environment_and_command_are_for_operators(void **state)
{
    struct fixture *f = *state;
    json_t *o = written(f, false);

    assert_member(o, "env", "null");
    assert_member(o, "command", "null");
    json_decref(o);
}

static void test_a_sample_fills_the_metrics(void **state)
{
    struct fixture *f = *state;
    json_t *o;

    f->container->sample = (struct fleet_sample){
        .sampled_at_ms = 1, .cpu_percent = 12.5, .memory_usage = 0, .network_rx = 7};
    o = written(f, false);
    assert_member(o, "cpu_percent", "12.5");
    assert_member(o, "memory_usage", "0");
    assert_member(o, "network_rx", "7");
    json_decref(o);
}

static void test_texts_follow_the_host(void **state)
{
    struct fixture *f = *state;
    json_t *o = written(f, false);

    assert_member(o, "host_online", "false");
    json_decref(o);
    fleet_set_online(f->fleet, f->host, true, 2);
    o = written(f, false);
    assert_member(o, "host_online", "true");
    assert_member(o, "state", "\"running\"");
    assert_member(o, "status", "\"running\"");
    assert_member(o, "last_state", "null");
    assert_member(o, "host_error", "null");
    json_decref(o);
    fleet_set_trouble(f->host, "the engine does not answer: x");
    o = written(f, false);
    assert_member(o, "host_error", "\"the engine does not answer: x\"");
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_members_have_the_documented_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_states_of_an_online_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_environment_and_command_are_for_operators, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_sample_fills_the_metrics, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_texts_follow_the_host, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
