#include "agent/join/identity.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define NOWHERE "/nonexistent"

#define TEXT(s) ((char *)(uintptr_t)(s))

static struct engine_info engine(void)
{
    return (struct engine_info){
        .engine_id = TEXT("ABCD:EFGH:IJKL:MNOP"),
        .name = TEXT("daemon-name"),
        .os_type = TEXT("linux"),
        .os_version = TEXT("Debian GNU/Linux 12 (bookworm)"),
        .kernel_version = TEXT("6.1.0"),
        .docker_version = TEXT("20.10.24"),
        .architecture = TEXT("x86_64"),
        .daemon_started_at = TEXT("2026-11-23T01:00:00.123456789+02:00"),
        .total_memory = 8000000000,
        .n_cpus = 4,
    };
}

static void test_hostname(void **state)
{
    static const struct {
        const char *agent_name, *daemon, *os, *hostname, *source;
    } cases[] = {
        {"mine", "daemon", "os", "mine",         "agent_name"},
        {NULL,   "daemon", "os", "daemon",       "daemon"    },
        {"",     "daemon", "os", "daemon",       "daemon"    },
        {NULL,   "",       "os", "os",           "os"        },
        {NULL,   NULL,     "os", "os",           "os"        },
        {NULL,   "",       "",   "ABCD:EFGH:IJ", "engine_id" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct engine_info info = engine();
        struct identity_source source = {
            .root = NOWHERE, .agent_name = cases[i].agent_name, .os_hostname = cases[i].os};
        struct identity id;

        info.name = TEXT(cases[i].daemon);
        assert_int_equal(identity_build(&id, &info, &source, NULL), 0);
        assert_string_equal(id.hostname, cases[i].hostname);
        assert_string_equal(id.hostname_source, cases[i].source);
        identity_done(&id);
    }
}

static void test_container(void **state)
{
    struct identity_source source = {
        .root = NOWHERE, .os_hostname = "x", .env_hostname = "0123456789ab"};
    struct engine_info info = engine();
    struct identity id;

    (void)state;
    assert_int_equal(identity_build(&id, &info, &source, NULL), 0);
    assert_string_equal(id.own_container, "0123456789ab");
    identity_done(&id);

    source.env_hostname = NULL;
    assert_int_equal(identity_build(&id, &info, &source, NULL), 0);
    assert_string_equal(id.own_container, "");
    identity_done(&id);
}

static void test_no_id(void **state)
{
    struct identity_source source = {.root = NOWHERE, .os_hostname = "x"};
    struct engine_info info = engine();
    struct error err = ERROR_INIT;
    struct identity id;

    (void)state;
    info.engine_id = TEXT("");
    assert_int_equal(identity_build(&id, &info, &source, &err), -ENODATA);
    assert_string_equal(err.msg, "the engine reports no id");
}

static bool capability(const json_t *message, const char *name)
{
    return json_is_true(json_object_get(json_object_get(message, "capabilities"), name));
}

/* The message passes the server's checks, and lists the real capabilities of this agent. */
static void test_register(void **state)
{
    struct config config = {.proto_version = TEXT("1.1"), .force_unique = true};
    struct identity_source source = {.root = NOWHERE, .agent_name = "n", .os_hostname = ""};
    struct engine_info info = engine();
    struct msg_register message, decoded = {0};
    struct error err = ERROR_INIT;
    struct identity id;
    json_t *v;

    (void)state;
    assert_int_equal(identity_build(&id, &info, &source, NULL), 0);
    host_ips_add(&id.host_ips, 0x0a000001);
    host_ips_add(&id.host_ips, 0xc0a80105);
    assert_int_equal(policy_parse("observe,stop", &config.policy, NULL), 0);
    identity_fill_register(&id, &config, "the-token", "ENGINE:OF:THE:REGISTRATION", &message);
    v = msg_register_encode(&message, NULL);
    if (msg_register_decode(v, &decoded, &err) < 0)
        fail_msg("%s", err.msg);

    assert_string_equal(decoded.token, "the-token");
    assert_string_equal(decoded.engine_id, "ENGINE:OF:THE:REGISTRATION");
    assert_string_equal(decoded.version, "2.4.5-c");
    assert_string_equal(msg_register_own_version(&decoded), DOCKMON_VERSION);
    assert_string_equal(decoded.proto_version, "1.1");
    assert_string_equal(decoded.hostname, "n");
    assert_string_equal(decoded.hostname_source, "agent_name");
    assert_string_equal(decoded.agent_os, "linux");
    assert_true(str_eq(decoded.agent_arch, "amd64") || str_eq(decoded.agent_arch, "arm64"));
    assert_string_equal(decoded.daemon_started_at, "2026-11-23T01:00:00.123456789+02:00");
    assert_string_equal(decoded.host_ip, "10.0.0.1");
    assert_int_equal(decoded.host_ips.n, 2);
    assert_string_equal(decoded.host_ips.items[1], "192.168.1.5");
    assert_true(decoded.total_memory == 8000000000);
    assert_int_equal(decoded.num_cpus, 4);
    assert_true(decoded.force_unique_registration);
    assert_true(capability(v, "container_operations") && capability(v, "event_streaming"));
    assert_true(capability(v, "inventory") && capability(v, "event_replay") &&
                capability(v, "pause") && capability(v, "resources"));
    assert_true(capability(v, "policy_observe") && capability(v, "policy_stop"));
    assert_true(capability(v, "container_updates") && capability(v, "updates"));
    assert_false(capability(v, "self_update"));

    json_decref(v);
    msg_register_done(&decoded);
    msg_register_done(&message);
    identity_done(&id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostname),
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_no_id),
        cmocka_unit_test(test_register),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
