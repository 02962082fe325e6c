/*
 * The ways of a permanent token through the store: lost answers, rotation and revocation, at every point where
 * one side may have died.
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

static void ok(struct db *s, const struct join *j, struct registration *ret)
{
    struct error err;

    if (join(s, j, ret, &err) < 0)
        fail_msg("%s", err.msg);
}

static void refused(struct db *s, const struct join *j, const char *why)
{
    _cleanup_(registration_done) struct registration r = {0};
    struct error err;

    assert_int_equal(join(s, j, &r, &err), -EACCES);
    if (!strstr(err.msg, why))
        fail_msg("'%s' is not in: %s", why, err.msg);
}

static void refused_token(struct db *s, const char *token)
{
    refused(s, &(struct join){.token = token}, "Invalid registration token");
}

static void accepted_token(struct db *s, const char *token)
{
    _cleanup_(registration_done) struct registration r = {0};

    ok(s, &(struct join){.token = token}, &r);
    assert_string_equal(r.permanent_token, token);
}

/* --- a registration whose answer was lost -------------------------------------------------------- */

static void test_answer_lost(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, false, NOW);
    _cleanup_(registration_done) struct registration first = {0}, second = {0}, third = {0};

    ok(s, &(struct join){.token = token}, &first);
    ok(s, &(struct join){.token = token}, &second);
    assert_false(second.is_new);
    assert_true(second.is_repeated);
    assert_string_equal(second.agent.id, first.agent.id);
    assert_string_equal(second.host.id, first.host.id);
    assert_string_not_equal(second.permanent_token, first.permanent_token);
    refused_token(s, first.permanent_token);

    /* Lost again; but only for this engine, this name, and as long as the token lives. */
    refused(s, &(struct join){.token = token, .engine_id = "E2"}, "maximum uses");
    refused(s, &(struct join){.token = token, .extra = "{\"hostname\":\"other\"}"}, "maximum uses");
    refused(s, &(struct join){.token = token, .now_ms = NOW + TOKEN_LIFETIME_MS}, "expired");
    ok(s, &(struct join){.token = token, .now_ms = NOW + TOKEN_LIFETIME_MS - 1}, &third);
    accepted_token(s, third.permanent_token);
}

/* Once the permanent token has been used, or something shows that it has arrived, the other is worth nothing. */
static void test_answer_arrived(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *one = store_fixture_token(s, false, NOW);
    _cleanup_free_ char *many = store_fixture_token(s, true, NOW);
    _cleanup_(registration_done) struct registration a = {0}, b = {0}, again = {0};

    ok(s, &(struct join){.token = one}, &a);
    accepted_token(s, a.permanent_token);
    refused(s, &(struct join){.token = one}, "maximum uses");
    accepted_token(s, a.permanent_token);

    ok(s, &(struct join){.token = many, .engine_id = "E2", .extra = "{\"hostname\":\"b\"}"}, &b);
    assert_int_equal(agents_set_arrived(s, b.agent.id, "of another token", NULL), 0);
    ok(s, &(struct join){.token = many, .engine_id = "E2", .extra = "{\"hostname\":\"b\"}"},
       &again);
    assert_int_equal(agents_set_arrived(s, b.agent.id, b.agent.token_hash, NULL), 0); /* late */
    ok(s, &(struct join){.token = many, .engine_id = "E2", .extra = "{\"hostname\":\"b\"}"},
       &again);
    assert_int_equal(agents_set_arrived(s, b.agent.id, again.agent.token_hash, NULL), 0);
    refused(s, &(struct join){.token = many, .engine_id = "E2", .extra = "{\"hostname\":\"b\"}"},
            "already registered");
}

/* --- rotation ------------------------------------------------------------------------------------- */

static char *rotate(struct db *s, const struct registration *r)
{
    struct error err = ERROR_INIT;
    char *token = NULL;

    if (agent_token_rotate(s, r->agent.id, NOW, &token, &err) < 0)
        fail_msg("%s", err.msg);
    return token;
}

static void joined(struct db *s, struct registration *ret)
{
    _cleanup_free_ char *token = store_fixture_token(s, false, NOW);

    ok(s, &(struct join){.token = token}, ret);
}

static void test_rotation(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_(registration_done) struct registration r = {0};
    _cleanup_(secret_freep) char *next = NULL;

    joined(s, &r);
    next = rotate(s, &r);
    assert_string_not_equal(next, r.permanent_token);
    accepted_token(s, r.permanent_token); /* it never arrived, or was not written down */
    accepted_token(s, r.permanent_token);
    refused(s, &(struct join){.token = next, .engine_id = "E2"}, "does not match engine_id");
    accepted_token(s, next); /* it did, and the server died before it knew */
    refused_token(s, r.permanent_token);
    accepted_token(s, next);
}

static void test_rotation_confirmed(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_(registration_done) struct registration r = {0};
    _cleanup_(secret_freep) char *one = NULL, *two = NULL;

    joined(s, &r);
    one = rotate(s, &r);
    two = rotate(s, &r);
    assert_int_equal(agent_token_confirm(s, one, NULL), 0);
    refused_token(s, r.permanent_token);
    assert_int_equal(agent_token_confirm(s, two, NULL), 0); /* it was on its way meanwhile */
    refused_token(s, one);
    accepted_token(s, two);
    assert_int_equal(agent_token_confirm(s, one, NULL), 0); /* late, and nothing to it */
    assert_int_equal(agent_token_confirm(s, two, NULL), 0);
    accepted_token(s, two);
}

static void test_rotations_unanswered(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_(registration_done) struct registration r = {0};
    char *tokens[AGENT_TOKENS_MAX + 1];

    joined(s, &r);
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        tokens[i] = rotate(s, &r);
    refused_token(s, tokens[0]);
    accepted_token(s, r.permanent_token);
    accepted_token(s, tokens[2]); /* settles those before it */
    refused_token(s, tokens[1]);
    refused_token(s, r.permanent_token);
    accepted_token(s, tokens[4]);
    refused_token(s, tokens[3]);
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        secret_free(tokens[i]);
}

/* --- revocation ----------------------------------------------------------------------------------- */

static void test_revoked(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *used = store_fixture_token(s, false, NOW);
    _cleanup_free_ char *fresh = store_fixture_token(s, false, NOW);
    _cleanup_(registration_done) struct registration r = {0}, back = {0}, lost = {0};
    _cleanup_(secret_freep) char *next = NULL;
    struct error err = ERROR_INIT;
    char *none = NULL;

    ok(s, &(struct join){.token = used}, &r);
    next = rotate(s, &r);
    assert_int_equal(agent_token_revoke(s, r.agent.id, NULL), 0);
    assert_int_equal(agent_token_revoke(s, r.agent.id, NULL), 0);
    refused(s, &(struct join){.token = r.permanent_token}, "has been revoked");
    refused_token(s, next);
    refused_token(s, r.agent.id);
    refused(s, &(struct join){.token = used}, "maximum uses");
    assert_int_equal(agent_token_rotate(s, r.agent.id, NOW, &none, &err), -EBUSY);
    assert_int_equal(agent_token_revoke(s, "nobody", &err), -ENOENT);

    ok(s, &(struct join){.token = fresh}, &back);
    assert_false(back.is_new || back.is_repeated);
    assert_string_equal(back.agent.id, r.agent.id);
    assert_string_equal(back.host.id, r.host.id);
    ok(s, &(struct join){.token = fresh}, &lost); /* that answer may be lost, too */
    refused_token(s, back.permanent_token);
    accepted_token(s, lost.permanent_token);
    refused_token(s, r.permanent_token);
}

static void test_legacy_revoked(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *id = store_fixture_legacy_agent(s, "old", "E1");
    _cleanup_free_ char *other = store_fixture_legacy_agent(s, "older", "E2");
    _cleanup_(registration_done) struct registration r = {0};

    assert_int_equal(agent_token_revoke(s, id, NULL), 0);
    refused(s, &(struct join){.token = id}, "has been revoked");

    ok(s, &(struct join){.token = other, .engine_id = "E2"}, &r); /* sent a token, not proven yet */
    assert_int_equal(agent_token_revoke(s, other, NULL), 0);
    refused(s, &(struct join){.token = r.permanent_token, .engine_id = "E2"}, "has been revoked");
    refused(s, &(struct join){.token = other, .engine_id = "E2"}, "Invalid registration token");
}

/* Clones share their engine's id: the name tells which of them comes back. */
static void test_clone_revoked(void **state)
{
    struct db *s = store_fixture_store(state);
    _cleanup_free_ char *token = store_fixture_token(s, true, NOW);
    _cleanup_(registration_done) struct registration a = {0}, b = {0}, back = {0};

    ok(s, &(struct join){.token = token, .extra = "{\"hostname\":\"a\"," FORCED "}"}, &a);
    ok(s, &(struct join){.token = token, .extra = "{\"hostname\":\"b\"," FORCED "}"}, &b);
    assert_string_not_equal(a.agent.id, b.agent.id);
    accepted_token(s, a.permanent_token);
    accepted_token(s, b.permanent_token);
    ok(s, &(struct join){.token = a.permanent_token, .extra = "{\"hostname\":\"a\"}"}, &back);
    ok(s, &(struct join){.token = b.permanent_token, .extra = "{\"hostname\":\"b\"}"}, &back);

    assert_int_equal(agent_token_revoke(s, b.agent.id, NULL), 0);
    refused(s, &(struct join){.token = token, .extra = "{\"hostname\":\"a\"," FORCED "}"},
            "A host named 'a' already exists");
    ok(s, &(struct join){.token = token, .extra = "{\"hostname\":\"b\"," FORCED "}"}, &back);
    assert_string_equal(back.agent.id, b.agent.id);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answer_lost),        TEST(test_answer_arrived),       TEST(test_rotation),
        TEST(test_rotation_confirmed), TEST(test_rotations_unanswered), TEST(test_revoked),
        TEST(test_legacy_revoked),     TEST(test_clone_revoked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
