/*
 * Registration tokens that were made for a known host, and the refusals that name them.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "server/session/agent_token.h"
#include "server/session/join_fixture.h"
#include "server/session/store_fixture.h"
#include "server/store/tokens.h"

/* The advice names the known host and the command, also for names that are too long for it. */
static void test_refusals_name_the_way_back(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *first = store_fixture_token(s, true, NOW);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);
    _cleanup_(registration_done) struct registration a = {0}, b = {0};
    _cleanup_free_ char *command = NULL;
    char name[256], extra[300];

    join_ok(s, first, "E1", "{\"hostname\":\"vm\"}", &a);
    join_refused(s, token, "E1", "{\"hostname\":\"vm\"}",
                 "already registered. This host is known as `vm`. If its data directory was lost: "
                 "run `dockmon token create --replace vm`");
    join_refused(s, token, "E2", "{\"hostname\":\"vm\"}", "`dockmon token create --replace vm`");

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(extra, sizeof(extra), "{\"hostname\":\"%s\"}", name);
    join_ok(s, first, "E3", extra, &b);
    command = xasprintf("`dockmon token create --replace %s`", b.host.id);
    join_refused(s, token, "E4", extra, command);
    join_refused(s, token, "E3", extra, command);
    join_refused(s, token, "E3", extra, "AGENT_NAME");
}

static char *replacing(struct db *s, const char *host)
{
    struct error err = ERROR_INIT;
    _cleanup_free_ char *name = NULL;
    char *token = NULL;

    if (tokens_create_replacing(s, &(struct token_replacing){.host = host, .now_ms = NOW}, &token,
                                &name, &err) < 0)
        fail_msg("%s", err.msg);
    return token;
}

static void test_token_for_a_host_replaces_its_agent(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);
    _cleanup_(registration_done) struct registration a = {0}, b = {0}, r = {0}, again = {0};
    _cleanup_free_ char *one = NULL, *two = NULL;

    join_ok(s, token, "E1", "{\"hostname\":\"vm\"}", &a);
    join_ok(s, token, "E2", "{\"hostname\":\"db\"}", &b);
    one = replacing(s, "vm");

    /* Not for the engine of another host, and that uses up nothing. */
    join_refused(s, one, "E2", "{\"hostname\":\"vm\"}", "This host is known as `db`");
    join_ok(s, one, "E9", "{\"hostname\":\"other-name\"}", &r);
    assert_true(r.is_replaced);
    assert_false(r.is_new);
    assert_string_equal(r.host.id, a.host.id);
    assert_string_equal(r.host.name, "vm");
    assert_true(r.host.is_name_given);
    assert_string_equal(r.host.engine_id, "E9");
    join_refused(s, a.permanent_token, "E1", "{}", "Invalid registration token");

    /* The answer was lost: the same agent may repeat it, another one may not. */
    join_refused(s, one, "E9", "{\"hostname\":\"third\"}", "maximum uses");
    join_ok(s, one, "E9", "{\"hostname\":\"other-name\"}", &again);
    assert_true(again.is_repeated);
    join_refused(s, r.permanent_token, "E9", "{}", "Invalid registration token");
    registration_done(&r);
    join_ok(s, again.permanent_token, "E9", "{\"hostname\":\"other-name\"}", &r);
    assert_string_equal(r.host.name, "vm");
    join_refused(s, one, "E9", "{\"hostname\":\"other-name\"}", "maximum uses");

    /* The lost data directory of a known engine, by the id of the host; also after a revocation. */
    two = replacing(s, b.host.id);
    assert_int_equal(agent_token_revoke(s, b.agent.id, NULL), 0);
    registration_done(&r);
    join_ok(s, two, "E2", "{\"hostname\":\"db\"}", &r);
    assert_string_equal(r.host.id, b.host.id);
    assert_false(r.host.is_name_given);
    assert_int_equal(count_hosts(s), 2);
}

static void test_tokens_for_hosts_without_an_agent_are_refused(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, false, NOW);
    _cleanup_(registration_done) struct registration a = {0};
    _cleanup_free_ char *gone = NULL;
    char *none = NULL, *name = NULL;
    struct error err = ERROR_INIT;

    free(store_fixture_host(s, "remote", "prod", "E1"));
    assert_int_equal(
        tokens_create_replacing(s, &(struct token_replacing){.host = "prod", .now_ms = NOW}, &none,
                                &name, &err),
        -EINVAL);
    assert_int_equal(tokens_create_replacing(s,
                                             &(struct token_replacing){.host = "no", .now_ms = NOW},
                                             &none, &name, &err),
                     -ENOENT);
    join_ok(s, token, "E2", "{\"hostname\":\"vm\"}", &a);
    gone = replacing(s, "vm");
    assert_int_equal(hosts_delete(s, a.host.id, NULL), 0);
    join_refused(s, gone, "E2", "{\"hostname\":\"vm\"}", "Invalid registration token");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refusals_name_the_way_back),
        TEST(test_token_for_a_host_replaces_its_agent),
        TEST(test_tokens_for_hosts_without_an_agent_are_refused),
    };

    return cmocka_run_group_tests_name("replacement", tests, NULL, NULL);
}
