#include "server/session/registration.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "server/session/join_fixture.h"
#include "server/session/migration.h"
#include "server/session/store_fixture.h"
#include "server/store/container_settings.h"
#include "server/store/events.h"
#include "server/store/tokens.h"

static void test_rows_of_a_new_agent_are_inserted(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, false, NOW);
    _cleanup_(registration_done) struct registration r = {0};
    _cleanup_(host_done) struct host h = {0};
    _cleanup_(agent_done) struct agent a = {0};

    join_ok(
        s, token, "ENG1",
        "{\"hostname\":\"  web1 \",\"os_version\":\"Debian\",\"total_memory\":1024,\"num_cpus\":4,\"host_ips\":[\"10.0.0.1\","
        "\"10.0.0.2\"],\"agent_os\":\"linux\",\"agent_arch\":\"amd64\",\"capabilities\":{\"inventory\":true}}",
        &r);
    assert_true(r.is_new);
    assert_true(r.can_inventory);
    assert_false(r.can_replay);
    assert_int_equal(r.events_since, 0);
    assert_null(r.migrated_id);
    assert_null(r.candidates);

    assert_int_equal(hosts_get(s, r.host.id, &h, NULL), 0);
    assert_string_equal(h.name, "web1");
    assert_string_equal(h.url, "agent://");
    assert_int_equal(h.connection, HOST_AGENT);
    assert_true(h.is_active);
    assert_string_equal(h.engine_id, "ENG1");
    assert_string_equal(h.os_version, "Debian");
    assert_int_equal(h.total_memory, 1024);
    assert_int_equal(h.num_cpus, 4);
    assert_string_equal(h.host_ips, "[\"10.0.0.1\",\"10.0.0.2\"]");

    assert_int_equal(agents_get(s, r.agent.id, &a, NULL), 0);
    assert_string_equal(a.host_id, h.id);
    assert_string_equal(a.version, "1.2.3");
    assert_string_equal(a.os, "linux");
    assert_int_equal(a.registered_at_ms, NOW);

    /* The secret is random, not the id, and not in the database. */
    assert_true(str_is_hex(r.permanent_token, 64));
    assert_string_not_equal(r.permanent_token, a.id);
    assert_string_not_equal(a.token_hash, r.permanent_token);
}

static void test_host_names_are_cleaned(void **state)
{
    static const struct {
        const char *extra, *name;
    } table[] = {
        {"{}",                                                      "Agent-ENGINE-0-LON"},
        {"{\"hostname\":\"   \"}",                                  "Agent-ENGINE-1-LON"},
        {"{\"hostname\":\"b\\u00fcro <x>\"}",                       "b\xc3\xbcro x"     },
        {"{\"hostname\":\"all\"}",                                  "Agent-ENGINE-3-LON"},
        {"{\"hostname\":\"All\"}",                                  "Agent-ENGINE-4-LON"},
        {"{\"hostname\":\"a\\nb\"}",                                "Agent-ENGINE-5-LON"},
        {"{\"hostname\":\"8e9a3a4c-1b2c-4d5e-8f90-0123456789ab\"}", "Agent-ENGINE-6-LON"},
        {"{\"hostname\":\"allon\"}",                                "allon"             },
    };
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        _cleanup_(registration_done) struct registration r = {0};
        _cleanup_free_ char *engine = xasprintf("ENGINE-%zu-LONGER", i);

        join_ok(s, token, engine, table[i].extra, &r);
        assert_string_equal(r.host.name, table[i].name);
    }
}

static void test_registration_tokens_expire_and_are_used_up(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *single = store_fixture_token(s, false, NOW);
    _cleanup_free_ char *multi = store_fixture_token(s, true, NOW);
    _cleanup_free_ char *expired = store_fixture_token(s, false, NOW - TOKEN_LIFETIME_MS - 1);
    _cleanup_(registration_done) struct registration a = {0}, b = {0}, c = {0};

    join_refused(s, "nonsense", "E1", "{}", "Invalid registration token");
    join_refused(s, expired, "E1", "{}", "has expired");
    join_ok(s, single, "E1", "{}", &a);
    join_refused(s, single, "E2", "{}", "maximum uses");
    join_ok(s, multi, "E2", "{}", &b);
    join_ok(s, multi, "E3", "{}", &c);
    assert_int_equal(count_hosts(s), 3);
    assert_string_not_equal(b.permanent_token, c.permanent_token);
}

static void test_refusal_does_not_use_the_token_up(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *first = store_fixture_token(s, false, NOW);
    _cleanup_free_ char *second = store_fixture_token(s, false, NOW);
    _cleanup_(registration_done) struct registration a = {0}, b = {0};

    join_ok(s, first, "E1", "{\"hostname\":\"web\"}", &a);
    join_refused(s, second, "E1", "{\"hostname\":\"other\"}", "already registered");
    join_refused(s, second, "E2", "{\"hostname\":\"web\"}",
                 "A host named 'web' already exists in DockMon. Set AGENT_NAME");
    join_ok(s, second, "E2", "{\"hostname\":\"web2\"}", &b);
}

static void test_clone_needs_a_unique_name(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);
    _cleanup_(registration_done) struct registration a = {0}, b = {0};

    join_ok(s, token, "E1", "{\"hostname\":\"web\"}", &a);
    join_refused(s, token, "E1", "{\"hostname\":\"clone\"}", "FORCE_UNIQUE_REGISTRATION");
    join_refused(s, token, "E1", "{\"hostname\":\"clone\"}", "/var/lib/docker/engine-id");
    join_refused(
        s, token, "E1",
        "{\"hostname\":\"clone\",\"force_unique_registration\":true,\"hostname_source\":\"daemon\"}",
        "hostname_source: daemon");
    join_refused(s, token, "E1", "{\"hostname\":\"clone\",\"force_unique_registration\":true}",
                 "AGENT_NAME");
    join_refused(s, token, "E1",
                 "{\"force_unique_registration\":true,\"hostname_source\":\"agent_name\"}",
                 "AGENT_NAME");

    join_ok(
        s, token, "E1",
        "{\"hostname\":\"clone\",\"force_unique_registration\":true,\"hostname_source\":\"agent_name\"}",
        &b);
    assert_true(b.agent.force_unique);
    assert_string_not_equal(a.agent.id, b.agent.id);
    assert_string_not_equal(a.host.id, b.host.id);
}

static void test_podman_is_known_by_its_version(void **state)
{
    static const struct {
        const char *version;
        bool is_podman;
    } cases[] = {
        {"4.3.1",         true },
        {"5.8.6",         true },
        {"20.10.24+dfsg", false},
        {"17.03.0-ce",    false},
        {"1.13.1",        false},
        {"master-abc",    false},
        {"29.7.2",        false},
    };
    struct db *s = store_fixture_store(state);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *token = store_fixture_token(s, false, NOW);
        _cleanup_free_ char *engine = xasprintf("ENG%zu", i);
        _cleanup_free_ char *extra = xasprintf("{\"hostname\":\"%s\",\"docker_version\":\"%s\"}",
                                               engine, cases[i].version);
        _cleanup_(registration_done) struct registration r = {0};
        _cleanup_(host_done) struct host h = {0};

        join_ok(s, token, engine, extra, &r);
        assert_int_equal(hosts_get(s, r.host.id, &h, NULL), 0);
        assert_int_equal(h.is_podman, cases[i].is_podman);
    }
}

static void test_engine_of_a_local_host_is_refused(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);
    _cleanup_free_ char *local = store_fixture_host(s, "local", "here", "E1");

    join_refused(s, token, "E1", "{\"hostname\":\"web\"}", "not supported for local");
    join_refused(
        s, token, "E1",
        "{\"hostname\":\"web\",\"force_unique_registration\":true,\"hostname_source\":\"agent_name\"}",
        "not supported for local");
    assert_int_equal(count_hosts(s), 1);
    assert_false(hosts_name_taken(s, "here", local));
    assert_false(hosts_name_taken(s, "web", NULL));
}

static void test_reconnect_updates_the_rows(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);
    _cleanup_(registration_done) struct registration a = {0}, other = {0}, again = {0}, third = {0};

    join_ok(s, token, "E1", "{\"hostname\":\"web\",\"os_version\":\"old\",\"num_cpus\":2}", &a);
    join_ok(s, token, "E2", "{\"hostname\":\"db\"}", &other);

    /* Neither the id, which is public, nor a hash of the database is accepted as a token. */
    join_refused(s, a.agent.id, "E1", "{}", "Invalid registration token");
    join_refused(s, a.agent.token_hash, "E1", "{}", "Invalid registration token");

    join_ok(s, a.permanent_token, "E1",
            "{\"hostname\":\"web9\",\"os_version\":\"new\",\"version\":\"2.0\"}", &again);
    assert_false(again.is_new);
    assert_string_equal(again.agent.id, a.agent.id);
    assert_string_equal(again.host.id, a.host.id);
    assert_string_equal(again.permanent_token, a.permanent_token);
    assert_string_equal(again.host.name, "web9");
    assert_string_equal(again.host.os_version, "new");
    assert_int_equal(again.host.num_cpus, 2); /* was not sent, and is kept */
    assert_string_equal(again.agent.version, "2.0");

    /* Another host has this name: the old name is kept. */
    join_ok(s, a.permanent_token, "E1", "{\"hostname\":\"db\"}", &third);
    assert_string_equal(third.host.name, "web9");
    assert_int_equal(count_hosts(s), 2);
}

/* A user's name stays; an agent takes no name that is not allowed, or that was another host's. */
static void test_agents_rename_hosts_within_limits(void **state)
{
    static const char *const refused[] = {"all",  "a\tb",   "8e9a3a4c-1b2c-4d5e-8f90-0123456789ab",
                                          "gone", "former", "taken"};
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);
    _cleanup_(registration_done) struct registration a = {0}, b = {0}, gone = {0}, r = {0};
    _cleanup_(host_done) struct host h = {0};

    join_ok(s, token, "E1", "{\"hostname\":\"web\"}", &a);
    join_ok(s, token, "E2", "{\"hostname\":\"former\"}", &b);
    join_ok(s, token, "E3", "{\"hostname\":\"gone\"}", &gone);
    assert_int_equal(hosts_delete(s, gone.host.id, NULL), 0);
    join_ok(s, b.permanent_token, "E2", "{\"hostname\":\"taken\"}", &r);
    assert_string_equal(r.former_name, "former");
    registration_done(&r);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        json_t *extra = json_pack("{s:s}", "hostname", refused[i]);
        _cleanup_free_ char *text = json_dumps(extra, 0);

        json_decref(extra);
        join_ok(s, a.permanent_token, "E1", text, &r);
        assert_string_equal(r.host.name, "web");
        assert_null(r.former_name);
        registration_done(&r);
    }
    join_ok(s, b.permanent_token, "E2", "{\"hostname\":\"former\"}", &r); /* its own former name */
    assert_string_equal(r.host.name, "former");
    registration_done(&r);

    assert_int_equal(hosts_get(s, a.host.id, &h, NULL), 0);
    free(h.name);
    h.name = xstrdup("prod-db");
    h.is_name_given = true;
    assert_int_equal(hosts_update(s, &h, NULL), 0);
    join_ok(s, a.permanent_token, "E1", "{\"hostname\":\"attacker\"}", &r);
    assert_string_equal(r.host.name, "prod-db");
    registration_done(&r);

    /* With a token, a machine registers under a name that a deleted host had. */
    join_ok(s, token, "E4", "{\"hostname\":\"gone\"}", &r);
    assert_string_equal(r.host.name, "gone");
}

/* Podman has an id of its own in each answer, and upgrades of Docker replace it. */
static void test_another_engine_id_is_stored(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);
    _cleanup_(registration_done) struct registration a = {0}, b = {0}, again = {0};
    _cleanup_(agent_done) struct agent row = {0};

    join_ok(s, token, "XYVU:46N3", "{\"hostname\":\"web\"}", &a);
    join_ok(s, token, "E2", "{\"hostname\":\"db\"}", &b);
    join_ok(s, a.permanent_token, "XYVU:46N3", "{}", &again);
    assert_null(again.former_engine);
    registration_done(&again);

    join_ok(s, a.permanent_token, "7ce0ee94", "{}", &again);
    assert_string_equal(again.host.id, a.host.id);
    assert_string_equal(again.agent.id, a.agent.id);
    assert_string_equal(again.former_engine, "XYVU:46N3");
    assert_string_equal(again.host.engine_id, "7ce0ee94");
    assert_string_equal(again.agent.engine_id, "7ce0ee94");
    registration_done(&again);
    join_ok(s, a.permanent_token, "7ce0ee94", "{}", &again);
    assert_null(again.former_engine);
    registration_done(&again);

    /* The id of another agent's engine: both stay connected, and E2 still finds the other one. */
    join_ok(s, a.permanent_token, "E2", "{}", &again);
    assert_string_equal(again.host.id, a.host.id);
    assert_string_equal(again.host.engine_id, "E2");
    assert_int_equal(agents_get_by_engine(s, "E2", &row, NULL), 0);
    assert_string_equal(row.id, b.agent.id);
    registration_done(&again);
    join_ok(s, b.permanent_token, "E2", "{}", &again);
    assert_string_equal(again.agent.id, b.agent.id);
    assert_int_equal(count_hosts(s), 2);
}

static void test_reconnect_returns_the_newest_event_time(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, false, NOW);
    _cleanup_(registration_done) struct registration a = {0}, again = {0};
    struct event e = {.at_ms = NOW, .engine_ns = INT64_C(1790000000123456789)};
    int64_t id;

    join_ok(s, token, "E1", "{}", &a);
    e.category = xstrdup("container");
    e.type = xstrdup("started");
    e.severity = xstrdup("info");
    e.title = xstrdup("t");
    e.host_id = xstrdup(a.host.id);
    assert_int_equal(events_insert(s, &e, &id, NULL), 0);
    event_done(&e);
    join_ok(s, a.permanent_token, "E1", "{}", &again);
    assert_int_equal(again.events_since, INT64_C(1790000000123456789));
}

static void test_legacy_agent_gets_a_token(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *id = store_fixture_legacy_agent(s, "old", "E1");
    _cleanup_(registration_done) struct registration a = {0}, lost = {0}, c = {0};

    join_ok(s, id, "E2", "{}", &lost); /* the engine was upgraded meanwhile */
    assert_string_equal(lost.former_engine, "E1");
    registration_done(&lost);
    join_ok(s, id, "E1", "{}", &lost);
    assert_string_equal(lost.agent.id, id);
    assert_true(str_is_hex(lost.permanent_token, 64));

    /* The answer was lost: the agent uses its id again and gets another token. */
    join_ok(s, id, "E1", "{}", &a);
    assert_string_not_equal(a.permanent_token, lost.permanent_token);
    join_refused(s, lost.permanent_token, "E1", "{}", "Invalid registration token");

    /* The token has been used: from now on the id is refused. */
    join_ok(s, a.permanent_token, "E1", "{}", &c);
    assert_string_equal(c.agent.id, id);
    assert_string_equal(c.permanent_token, a.permanent_token);
    join_refused(s, id, "E1", "{}", "Invalid registration token");
    registration_done(&c);
    join_ok(s, a.permanent_token, "E1", "{}", &c);
}

static void put_setting(struct db *s, enum container_setting_kind kind, const char *host_id)
{
    const struct container_setting_key key = {.host_id = host_id, .subject = "web", .kind = kind};

    assert_int_equal(container_settings_set(s, &key, "{\"enabled\":true}", NOW, NULL), 0);
}

static bool has_setting(struct db *s, enum container_setting_kind kind, const char *host_id)
{
    const struct container_setting_key key = {.host_id = host_id, .subject = "web", .kind = kind};
    _cleanup_free_ char *data = NULL;

    return container_settings_get(s, &key, &data, NULL) == 0;
}

static void test_only_remote_host_of_the_engine_is_migrated(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);
    _cleanup_free_ char *old_id = store_fixture_host(s, "remote", "prod", "E1");
    _cleanup_(registration_done) struct registration r = {0};
    _cleanup_(host_done) struct host old = {0};

    for (enum container_setting_kind k = 0; k < CONTAINER_SETTING_KINDS; k++)
        put_setting(s, k, old_id);
    join_ok(s, token, "E1", "{\"hostname\":\"other-name\",\"agent_os\":\"linux\"}", &r);

    assert_string_equal(r.migrated_id, old_id);
    assert_string_equal(r.migrated_name, "prod");
    assert_string_equal(r.host.name, "prod");
    assert_string_equal(r.host.tags, "[\"prod\"]");
    assert_string_equal(r.agent.os, "linux");
    assert_int_equal(hosts_get(s, old_id, &old, NULL), 0);
    assert_false(old.is_active);
    assert_string_equal(old.replaced_by, r.host.id);
    assert_string_equal(old.name, "prod (migrated)");
    for (enum container_setting_kind k = 0; k < CONTAINER_SETTING_KINDS; k++) {
        assert_true(has_setting(s, k, r.host.id));
        assert_false(has_setting(s, k, old_id));
    }
    /* The migrated engine has an agent now. */
    join_refused(s, token, "E1", "{\"hostname\":\"x\"}", "already registered");
}

static void test_failed_migration_is_rolled_back(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, false, NOW);
    _cleanup_free_ char *old_id = store_fixture_host(s, "remote", "prod", "E1");
    _cleanup_(registration_done) struct registration r = {0};
    _cleanup_(host_done) struct host old = {0};
    struct error err;

    put_setting(s, CONTAINER_TAGS, old_id);
    store_fixture_sql(
        s,
        "CREATE TRIGGER boom BEFORE DELETE ON container_settings BEGIN SELECT RAISE(ABORT, 'boom'); END");
    store_fixture_sql(
        s,
        "CREATE TRIGGER boom2 BEFORE UPDATE ON container_settings BEGIN SELECT RAISE(ABORT, 'boom'); END");
    assert_in_range(-join(s, token, "E1", "{\"hostname\":\"x\"}", &r, &err), 1, 4096);
    assert_int_not_equal(err.code, -EACCES);
    assert_int_equal(hosts_get(s, old_id, &old, NULL), 0);
    assert_true(old.is_active);
    assert_null(old.replaced_by);
    assert_string_equal(old.name, "prod");
    assert_true(has_setting(s, CONTAINER_TAGS, old_id));
    assert_int_equal(count_hosts(s), 1);

    store_fixture_sql(s, "DROP TRIGGER boom");
    store_fixture_sql(s, "DROP TRIGGER boom2");
    join_ok(s, token, "E1", "{\"hostname\":\"x\"}", &r); /* the token was not used up */
}

static void test_user_chooses_among_several_candidates(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);
    _cleanup_free_ char *one = store_fixture_host(s, "remote", "one", "E1");
    _cleanup_free_ char *two = store_fixture_host(s, "remote", "two", "E1");
    _cleanup_free_ char *foreign = store_fixture_host(s, "remote", "foreign", "E9");
    _cleanup_free_ char *local = store_fixture_host(s, "local", "local", "E8");
    _cleanup_(registration_done) struct registration r = {0};
    _cleanup_(migration_result_done) struct migration_result m = {0};
    _cleanup_(host_done) struct host old = {0}, now = {0};
    struct error err = ERROR_INIT;

    join_ok(s, token, "E1", "{\"hostname\":\"web\"}", &r);
    assert_null(r.migrated_id);
    assert_int_equal(json_array_size(r.candidates), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(r.candidates, 0), "host_id")), one);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(r.candidates, 0), "host_name")), "one");
    assert_string_equal(r.host.name, "web");

    assert_int_equal(migration_run(s, "nobody", two, &m, &err), -ENOENT);
    assert_int_equal(migration_run(s, r.agent.id, "nowhere", &m, &err), -ENOENT);
    assert_int_equal(migration_run(s, r.agent.id, foreign, &m, &err), -EINVAL);
    assert_int_equal(migration_run(s, r.agent.id, local, &m, &err), -EINVAL);
    assert_int_equal(migration_run(s, r.agent.id, r.host.id, &m, &err), -EINVAL);

    put_setting(s, CONTAINER_UPDATE_POLICY, two);
    assert_int_equal(migration_run(s, r.agent.id, two, &m, &err), 0);
    assert_string_equal(m.host_id, r.host.id);
    assert_string_equal(m.source_host_id, two);
    assert_string_equal(m.source_name, "two");
    assert_int_equal(m.n_transferred, 1);
    assert_true(has_setting(s, CONTAINER_UPDATE_POLICY, r.host.id));
    assert_int_equal(hosts_get(s, two, &old, NULL), 0);
    assert_string_equal(old.name, "two (migrated)");
    assert_false(old.is_active);
    assert_int_equal(hosts_get(s, r.host.id, &now, NULL), 0);
    assert_string_equal(now.name, "web");
    assert_int_equal(migration_run(s, r.agent.id, two, &m, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "already"));
}

/* The vectors have register messages of agents of all eras. */
static void test_register_vectors_are_accepted(void **state)
{
    static const char *const files[] = {"good-seed-agent", "good-head-agent", "good-own-agent",
                                        "good-minimal"};

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct db *s = store_fixture_store(state);
        _cleanup_free_ char *token = store_fixture_token(s, false, NOW);
        _cleanup_free_ char *path = xasprintf(VECTORS_DIR "/register/%s.json", files[i]);
        _cleanup_(registration_done) struct registration r = {0};
        _cleanup_(msg_register_done) struct msg_register m = {0};
        json_t *v = json_load_file(path, 0, NULL);
        json_t *message = json_object_get(v, "message");
        struct error err = ERROR_INIT;
        char name[16];

        (void)snprintf(name, sizeof(name), "vector-%zu", i);
        json_object_set_new(message, "token", json_string(token));
        json_object_set_new(message, "engine_id", json_string(name));
        json_object_set_new(message, "hostname", json_string(name));
        if (msg_register_decode(message, &m, &err) < 0 ||
            registration_run(s, &m, AGENTS_DEFAULT_MAX, NOW, &r, &err) < 0)
            fail_msg("%s: %s", files[i], err.msg);
        assert_string_equal(r.host.name, name);
        json_decref(v);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_podman_is_known_by_its_version),
        TEST(test_rows_of_a_new_agent_are_inserted),
        TEST(test_host_names_are_cleaned),
        TEST(test_registration_tokens_expire_and_are_used_up),
        TEST(test_refusal_does_not_use_the_token_up),
        TEST(test_clone_needs_a_unique_name),
        TEST(test_engine_of_a_local_host_is_refused),
        TEST(test_reconnect_updates_the_rows),
        TEST(test_agents_rename_hosts_within_limits),
        TEST(test_another_engine_id_is_stored),
        TEST(test_reconnect_returns_the_newest_event_time),
        TEST(test_legacy_agent_gets_a_token),
        TEST(test_only_remote_host_of_the_engine_is_migrated),
        TEST(test_failed_migration_is_rolled_back),
        TEST(test_user_chooses_among_several_candidates),
        TEST(test_register_vectors_are_accepted),
    };

    return cmocka_run_group_tests_name("registration", tests, NULL, NULL);
}
