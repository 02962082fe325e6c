/*
 * Tests the life of a permanent token in the store: lost answers, rotation and revocation, with a
 * failure of either side at every step.
 */

#include "server/session/agent_token.h"

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
#include "server/session/registration.h"
#include "server/session/store_fixture.h"
#include "server/store/agent_tokens.h"
#include "server/store/secret.h"
#include "server/store/tokens.h"

#define NOW    INT64_C(1790000000000)
#define WEB    "{\"hostname\":\"web\"}"
#define FORCED "\"force_unique_registration\":true,\"hostname_source\":\"agent_name\""

struct join {
    const char *token, *engine_id, *extra;
    int64_t now_ms;
};

static int join(struct db *s, const struct join *j, struct registration *ret, struct error *err)
{
    _cleanup_(msg_register_done) struct msg_register m = {0};
    json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:{}}", "type", "register", "token", j->token,
                          "engine_id", j->engine_id ? j->engine_id : "E1", "version", "1.2.3",
                          "proto_version", "1.1", "capabilities");
    json_t *more = json_loads(j->extra ? j->extra : WEB, 0, NULL);

    *err = ERROR_INIT;
    json_object_update(v, more);
    json_decref(more);
    assert_int_equal(msg_register_decode(v, &m, err), 0);
    json_decref(v);
    registration_done(ret);
    return registration_run(s, &m, AGENTS_DEFAULT_MAX, j->now_ms ? j->now_ms : NOW, ret, err);
}

static void join_ok(struct db *s, const struct join *j, struct registration *ret)
{
    struct error err;

    if (join(s, j, ret, &err) < 0)
        fail_msg("%s", err.msg);
}

static void join_refused(struct db *s, const struct join *j, const char *why)
{
    _cleanup_(registration_done) struct registration r = {0};
    struct error err;

    assert_int_equal(join(s, j, &r, &err), -EACCES);
    if (!strstr(err.msg, why))
        fail_msg("'%s' is not in: %s", why, err.msg);
}

static void expect_token_refused(struct db *s, const char *token)
{
    join_refused(s, &(struct join){.token = token}, "Invalid registration token");
}

static void expect_token_accepted(struct db *s, const char *token)
{
    _cleanup_(registration_done) struct registration r = {0};

    join_ok(s, &(struct join){.token = token}, &r);
    assert_string_equal(r.permanent_token, token);
}

/* --- a registration whose answer was lost ----------------------------------------------------- */

static void test_lost_answer_allows_registering_again(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, false, NOW);
    _cleanup_(registration_done) struct registration first = {0}, second = {0}, third = {0};

    join_ok(s, &(struct join){.token = token}, &first);
    join_ok(s, &(struct join){.token = token}, &second);
    assert_false(second.is_new);
    assert_true(second.is_repeated);
    assert_string_equal(second.agent.id, first.agent.id);
    assert_string_equal(second.host.id, first.host.id);
    assert_string_not_equal(second.permanent_token, first.permanent_token);
    expect_token_refused(s, first.permanent_token);

    /* Lost again: it may register again with the same engine and name while the token is valid. */
    join_refused(s, &(struct join){.token = token, .engine_id = "E2"}, "maximum uses");
    join_refused(s, &(struct join){.token = token, .extra = "{\"hostname\":\"other\"}"},
                 "maximum uses");
    join_refused(s, &(struct join){.token = token, .now_ms = NOW + TOKEN_LIFETIME_MS}, "expired");
    join_ok(s, &(struct join){.token = token, .now_ms = NOW + TOKEN_LIFETIME_MS - 1}, &third);
    expect_token_accepted(s, third.permanent_token);
}

/* The permanent token has been used, or has arrived: the registration token is refused. */
static void test_registration_token_is_refused_after_arrival(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *one = store_fixture_token(s, false, NOW);
    _cleanup_free_ char *many = store_fixture_token(s, true, NOW);
    _cleanup_(registration_done) struct registration a = {0}, b = {0}, again = {0};

    join_ok(s, &(struct join){.token = one}, &a);
    expect_token_accepted(s, a.permanent_token);
    join_refused(s, &(struct join){.token = one}, "maximum uses");
    expect_token_accepted(s, a.permanent_token);

    join_ok(s, &(struct join){.token = many, .engine_id = "E2", .extra = "{\"hostname\":\"b\"}"},
            &b);
    assert_int_equal(agents_set_arrived(s, b.agent.id, "of another token", NULL), 0);
    join_ok(s, &(struct join){.token = many, .engine_id = "E2", .extra = "{\"hostname\":\"b\"}"},
            &again);
    assert_int_equal(agents_set_arrived(s, b.agent.id, b.agent.token_hash, NULL), 0); /* late */
    join_ok(s, &(struct join){.token = many, .engine_id = "E2", .extra = "{\"hostname\":\"b\"}"},
            &again);
    assert_int_equal(agents_set_arrived(s, b.agent.id, again.agent.token_hash, NULL), 0);
    join_refused(s,
                 &(struct join){.token = many, .engine_id = "E2", .extra = "{\"hostname\":\"b\"}"},
                 "already registered");
}

/* --- rotation --------------------------------------------------------------------------------- */

static char *rotate(struct db *s, const struct registration *r)
{
    struct error err = ERROR_INIT;
    char *token = NULL;

    if (agent_token_rotate(s, r->agent.id, NOW, &token, &err) < 0)
        fail_msg("%s", err.msg);
    return token;
}

static void join_once(struct db *s, struct registration *ret)
{
    _cleanup_free_ char *token = store_fixture_token(s, false, NOW);

    join_ok(s, &(struct join){.token = token}, ret);
}

static void test_old_token_is_valid_until_the_new_one_is_used(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_(registration_done) struct registration r = {0};
    _cleanup_(secret_freep) char *next = NULL;

    join_once(s, &r);
    next = rotate(s, &r);
    assert_string_not_equal(next, r.permanent_token);
    expect_token_accepted(s, r.permanent_token); /* the new one was not received, or not saved */
    expect_token_accepted(s, r.permanent_token);
    expect_token_accepted(s, next); /* received, but the server ended before the confirmation */
    expect_token_refused(s, r.permanent_token);
    expect_token_accepted(s, next);
}

static void test_confirmation_invalidates_older_tokens(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_(registration_done) struct registration r = {0};
    _cleanup_(secret_freep) char *one = NULL, *two = NULL;

    join_once(s, &r);
    one = rotate(s, &r);
    two = rotate(s, &r);
    assert_int_equal(agent_token_confirm(s, one, NULL), 0);
    expect_token_refused(s, r.permanent_token);
    assert_int_equal(agent_token_confirm(s, two, NULL), 0); /* sent before the first confirmation */
    expect_token_refused(s, one);
    expect_token_accepted(s, two);
    assert_int_equal(agent_token_confirm(s, one, NULL), 0); /* late: no effect */
    assert_int_equal(agent_token_confirm(s, two, NULL), 0);
    expect_token_accepted(s, two);
}

/* A confirmed rotation shows that the agent has its token: the registration is not repeatable. */
static void test_rotation_ends_the_repeatable_registration(void **state)
{
    struct db *s = store_fixture_store(state);

    for (int by_use = 0; by_use < 2; by_use++) {
        _cleanup_free_ char *token = store_fixture_token(s, false, NOW);
        _cleanup_free_ char *engine = xasprintf("E%d", by_use);
        _cleanup_free_ char *name = xasprintf("{\"hostname\":\"web%d\"}", by_use);
        const struct join again = {.token = token, .engine_id = engine, .extra = name};
        _cleanup_(registration_done) struct registration r = {0};
        _cleanup_(secret_freep) char *next = NULL;

        join_ok(s, &again, &r);
        next = rotate(s, &r);
        if (by_use) {
            join_ok(s, &(struct join){.token = next, .engine_id = engine, .extra = name}, &r);
        } else {
            assert_int_equal(agent_token_confirm(s, next, NULL), 0);
        }
        join_refused(s, &again, "maximum uses");
    }
}

static void test_unconfirmed_tokens_are_limited(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_(registration_done) struct registration r = {0};
    char *tokens[AGENT_TOKENS_MAX + 1];

    join_once(s, &r);
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        tokens[i] = rotate(s, &r);
    expect_token_refused(s, tokens[0]);
    expect_token_accepted(s, r.permanent_token);
    expect_token_accepted(s, tokens[2]); /* invalidates the older ones */
    expect_token_refused(s, tokens[1]);
    expect_token_refused(s, r.permanent_token);
    expect_token_accepted(s, tokens[4]);
    expect_token_refused(s, tokens[3]);
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        secret_free(tokens[i]);
}

/* --- revocation ------------------------------------------------------------------------------- */

static void test_revoked_agent_joins_again_with_a_new_registration_token(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *used = store_fixture_token(s, false, NOW);
    _cleanup_free_ char *fresh = store_fixture_token(s, false, NOW);
    _cleanup_(registration_done) struct registration r = {0}, back = {0}, lost = {0};
    _cleanup_(secret_freep) char *next = NULL;
    struct error err = ERROR_INIT;
    char *none = NULL;

    join_ok(s, &(struct join){.token = used}, &r);
    next = rotate(s, &r);
    assert_int_equal(agent_token_revoke(s, r.agent.id, NULL), 0);
    assert_int_equal(agent_token_revoke(s, r.agent.id, NULL), 0);
    join_refused(s, &(struct join){.token = r.permanent_token}, "has been revoked");
    expect_token_refused(s, next);
    expect_token_refused(s, r.agent.id);
    join_refused(s, &(struct join){.token = used}, "maximum uses");
    assert_int_equal(agent_token_rotate(s, r.agent.id, NOW, &none, &err), -EBUSY);
    assert_int_equal(agent_token_revoke(s, "nobody", &err), -ENOENT);

    join_ok(s, &(struct join){.token = fresh}, &back);
    assert_false(back.is_new || back.is_repeated);
    assert_string_equal(back.agent.id, r.agent.id);
    assert_string_equal(back.host.id, r.host.id);
    join_ok(s, &(struct join){.token = fresh}, &lost); /* that answer was lost, too */
    expect_token_refused(s, back.permanent_token);
    expect_token_accepted(s, lost.permanent_token);
    expect_token_refused(s, r.permanent_token);
}

static void test_revoked_legacy_agent_is_refused(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *id = store_fixture_legacy_agent(s, "old", "E1");
    _cleanup_free_ char *other = store_fixture_legacy_agent(s, "older", "E2");
    _cleanup_(registration_done) struct registration r = {0};

    assert_int_equal(agent_token_revoke(s, id, NULL), 0);
    join_refused(s, &(struct join){.token = id}, "has been revoked");

    join_ok(s, &(struct join){.token = other, .engine_id = "E2"}, &r); /* issued, not proven yet */
    assert_int_equal(agent_token_revoke(s, other, NULL), 0);
    join_refused(s, &(struct join){.token = r.permanent_token, .engine_id = "E2"},
                 "has been revoked");
    join_refused(s, &(struct join){.token = other, .engine_id = "E2"},
                 "Invalid registration token");
}

/* Clones have one engine id: the name tells them apart. */
static void test_revoked_clone_gets_its_own_place_again(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);
    _cleanup_(registration_done) struct registration a = {0}, b = {0}, back = {0};

    join_ok(s, &(struct join){.token = token, .extra = "{\"hostname\":\"a\"," FORCED "}"}, &a);
    join_ok(s, &(struct join){.token = token, .extra = "{\"hostname\":\"b\"," FORCED "}"}, &b);
    assert_string_not_equal(a.agent.id, b.agent.id);
    expect_token_accepted(s, a.permanent_token);
    expect_token_accepted(s, b.permanent_token);
    join_ok(s, &(struct join){.token = a.permanent_token, .extra = "{\"hostname\":\"a\"}"}, &back);
    join_ok(s, &(struct join){.token = b.permanent_token, .extra = "{\"hostname\":\"b\"}"}, &back);

    assert_int_equal(agent_token_revoke(s, b.agent.id, NULL), 0);
    join_refused(s, &(struct join){.token = token, .extra = "{\"hostname\":\"a\"," FORCED "}"},
                 "A host named 'a' already exists");
    join_ok(s, &(struct join){.token = token, .extra = "{\"hostname\":\"b\"," FORCED "}"}, &back);
    assert_string_equal(back.agent.id, b.agent.id);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lost_answer_allows_registering_again),
        TEST(test_registration_token_is_refused_after_arrival),
        TEST(test_old_token_is_valid_until_the_new_one_is_used),
        TEST(test_confirmation_invalidates_older_tokens),
        TEST(test_rotation_ends_the_repeatable_registration),
        TEST(test_unconfirmed_tokens_are_limited),
        TEST(test_revoked_agent_joins_again_with_a_new_registration_token),
        TEST(test_revoked_legacy_agent_is_refused),
        TEST(test_revoked_clone_gets_its_own_place_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
