#include "base/buf.h"
#include "server/store/agents.h"
#include "server/store/fixture.h"
#include "server/store/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static char t_id[] = "a1", t_host[] = "h1", t_engine[] = "EOGD:IMML", t_hash[] = "00ff";
static char t_version[] = "2.4.5", t_proto[] = "1.1", t_capabilities[] = "{\"stats\":true}";
static char t_os[] = "linux", t_arch[] = "arm64";

static const struct agent full = {
    .id = t_id,
    .host_id = t_host,
    .engine_id = t_engine,
    .token_hash = t_hash,
    .version = t_version,
    .proto_version = t_proto,
    .capabilities = t_capabilities,
    .os = t_os,
    .arch = t_arch,
    .last_seen_at_ms = 7,
    .registered_at_ms = 6,
};

static void assert_full(const struct agent *a)
{
    assert_string_equal(a->id, "a1");
    assert_string_equal(a->host_id, "h1");
    assert_string_equal(a->engine_id, "EOGD:IMML");
    assert_string_equal(a->token_hash, "00ff");
    assert_string_equal(a->version, "2.4.5");
    assert_string_equal(a->proto_version, "1.1");
    assert_string_equal(a->capabilities, "{\"stats\":true}");
    assert_string_equal(a->os, "linux");
    assert_string_equal(a->arch, "arm64");
    assert_false(a->force_unique);
    assert_int_equal(a->last_seen_at_ms, 7);
    assert_int_equal(a->registered_at_ms, 6);
}

static void test_agent_is_found_by_id_token_and_engine(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct agent a = {0};

    fixture_add_host(s, "h1", "one");
    assert_int_equal(agents_insert(s, &full, AGENTS_DEFAULT_MAX, NULL), 0);
    assert_int_equal(agents_get(s, "a1", &a, NULL), 0);
    assert_full(&a);
    agent_done(&a);
    assert_int_equal(agents_get_by_token_hash(s, "00ff", &a, NULL), 0);
    assert_full(&a);
    agent_done(&a);
    assert_int_equal(agents_get_by_engine(s, "EOGD:IMML", &a, NULL), 0);
    assert_full(&a);
    agent_done(&a);

    assert_int_equal(agents_get(s, "A1", &a, NULL), -ENOENT);
    assert_int_equal(agents_get_by_token_hash(s, "00FF", &a, NULL), -ENOENT);
    assert_int_equal(agents_get_by_engine(s, "EOGD", &a, NULL), -ENOENT);
}

static void test_engine_is_unique_unless_forced(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char id2[] = "a2", host2[] = "h2", hash2[] = "01";
    struct agent second = full, got = {0};

    fixture_add_host(s, "h1", "one");
    fixture_add_host(s, "h2", "two");
    assert_int_equal(agents_insert(s, &full, AGENTS_DEFAULT_MAX, NULL), 0);
    second.id = id2;
    second.host_id = host2;
    second.token_hash = hash2;
    assert_int_equal(agents_insert(s, &second, AGENTS_DEFAULT_MAX, NULL), -EEXIST);
    second.force_unique = true;
    assert_int_equal(agents_insert(s, &second, AGENTS_DEFAULT_MAX, NULL), 0);

    /* Agents with force_unique are not found by engine. */
    second.engine_id = id2;
    assert_int_equal(agents_update(s, &second, NULL), 0);
    assert_int_equal(agents_get_by_engine(s, "a2", &got, NULL), -ENOENT);
    assert_int_equal(agents_get_by_engine(s, "EOGD:IMML", &got, NULL), 0);
    assert_string_equal(got.id, "a1");
    agent_done(&got);
}

static void test_host_and_token_have_one_agent(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char id2[] = "a2", engine2[] = "e2", host2[] = "h2", nowhere[] = "h3";
    struct agent second = full;

    fixture_add_host(s, "h1", "one");
    fixture_add_host(s, "h2", "two");
    assert_int_equal(agents_insert(s, &full, AGENTS_DEFAULT_MAX, NULL), 0);
    second.id = id2;
    second.engine_id = engine2;
    second.token_hash = NULL;
    assert_int_equal(agents_insert(s, &second, AGENTS_DEFAULT_MAX, NULL), -EEXIST); /* same host */
    second.host_id = host2;
    second.token_hash = t_hash;
    assert_int_equal(agents_insert(s, &second, AGENTS_DEFAULT_MAX, NULL), -EEXIST); /* same token */
    second.host_id = nowhere;
    second.token_hash = NULL;
    assert_int_equal(agents_insert(s, &second, AGENTS_DEFAULT_MAX, NULL), -EINVAL);
    second.host_id = host2;
    assert_int_equal(agents_insert(s, &second, AGENTS_DEFAULT_MAX, NULL), 0);
}

static void test_agent_is_updated_and_touched(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char version[] = "3";
    struct agent changed = full, got = {0};

    fixture_add_host(s, "h1", "one");
    assert_int_equal(agents_insert(s, &full, AGENTS_DEFAULT_MAX, NULL), 0);
    changed.version = version;
    changed.token_hash = NULL;
    changed.os = NULL;
    changed.force_unique = true;
    assert_int_equal(agents_update(s, &changed, NULL), 0);
    assert_int_equal(agents_touch(s, "a1", 99, NULL), 0);
    assert_int_equal(agents_get(s, "a1", &got, NULL), 0);
    assert_string_equal(got.version, "3");
    assert_null(got.token_hash);
    assert_null(got.os);
    assert_true(got.force_unique);
    assert_int_equal(got.last_seen_at_ms, 99);
    agent_done(&got);

    changed.id = version;
    assert_int_equal(agents_update(s, &changed, NULL), -ENOENT);
    assert_int_equal(agents_touch(s, "a2", 1, NULL), -ENOENT);
}

static void append_id(void *arg, const struct agent *a)
{
    assert_int_equal(buf_append_str(arg, a->id), 0);
}

static void test_all_agents_are_listed(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct buf ids = BUF_INIT(100);

    fixture_add_host(s, "h1", "one");
    fixture_add_host(s, "h2", "two");
    fixture_add_agent(s, "a2", "h2", "e2");
    fixture_add_agent(s, "a1", "h1", "e1");
    assert_int_equal(agents_each(s, append_id, &ids, NULL), 0);
    assert_string_equal(buf_str(&ids), "a1a2");
    buf_done(&ids);
}

static void test_secrets_are_hashed_with_sha256(void **state)
{
    char hash[SECRET_HASH_SIZE];
    _cleanup_(secret_freep) char *a = secret_new(), *b = secret_new();

    (void)state;
    secret_hash("abc", hash);
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(strlen(a), 64);
    assert_string_not_equal(a, b);
}

static int insert_up_to_the_limit(struct db *s, void *arg, struct error *err)
{
    (void)arg;
    (void)err;
    for (int i = 0; i < 3; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "x%d", i);
        fixture_add_host(s, id, id);
        fixture_add_agent(s, id, id, id);
    }
    return 0;
}

static void test_number_of_agents_is_limited(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct error err = ERROR_INIT;

    assert_int_equal(db_tx(s, insert_up_to_the_limit, NULL, &err), 0);
    fixture_add_host(s, "h1", "one");
    assert_int_equal(agents_insert(s, &full, 3, &err), -EDQUOT);
    assert_non_null(strstr(err.msg, "limit of 3 agents"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_agent_is_found_by_id_token_and_engine),
        TEST(test_engine_is_unique_unless_forced),
        TEST(test_host_and_token_have_one_agent),
        TEST(test_agent_is_updated_and_touched),
        TEST(test_all_agents_are_listed),
        TEST(test_number_of_agents_is_limited),
        cmocka_unit_test(test_secrets_are_hashed_with_sha256),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
