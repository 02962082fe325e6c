/* Scopes of users and keys, and watches of open streams when identities end or change. */

#include "base/alloc.h"
#include "base/str.h"
#include "server/auth/fixture.h"
#include "server/auth/watch.h"
#include "server/store/api_keys.h"
#include "server/store/secret.h"
#include "server/store/user_sessions.h"

#include <errno.h>
#include <string.h>

static int64_t ann_id;

static int setup(void **state)
{
    struct bench *b;

    if (bench_setup(state) < 0)
        return -1;
    b = *state;
    ann_id = bench_add_user(b, "ann", ROLE_OPERATOR);
    bench_add_session(b, '0', b->admin_id);
    bench_add_session(b, '1', ann_id);
    return 0;
}

static void on_managed(void *owner, const struct auth_user_result *r)
{
    struct bench *b = owner;

    b->code = r->code;
    str_copy(b->message, sizeof(b->message), r->err->msg);
}

static int set_rights(struct bench *b, int64_t user_id, enum role role, const char *scope)
{
    auth_manage_user(b->auth,
                     &(struct auth_user_request){
                         .action = AUTH_USER_SET_RIGHTS,
                         .by = {.user_id = b->admin_id, .owner_id = b->admin_id},
                         .user_id = user_id,
                         .role = role,
                         .with_scope = true,
                         .scope = scope
    },
                     on_managed, b);
    bench_drain(b);
    return b->code;
}

static void assert_rules(const struct scope_rules *rules, const char *text)
{
    _cleanup_free_ char *got = scope_rules_text(rules);

    assert_true(str_eq(got, text));
}

static void test_a_scope_applies_at_once_to_sessions_and_keys(void **state)
{
    struct bench *b = *state;
    char id[80];
    int64_t key_id;
    _cleanup_(secret_freep) char *key = bench_add_key(b, "ci", "label=team=web", ann_id, &key_id);
    const struct auth_proof bearer = {.bearer = key},
                            session = {.session_id = bench_session_id('1', id)};

    assert_int_equal(bench_check(b, &session), 0);
    assert_false(scope_is_limited(&b->who.scope));
    assert_int_equal(bench_check(b, &bearer), 0);
    assert_rules(&b->who.scope.own, "label=team=web");
    assert_rules(&b->who.scope.ceiling, NULL);

    assert_int_equal(set_rights(b, ann_id, ROLE_OPERATOR, "host=h1\ntag=x"), 0);
    assert_int_equal(bench_check(b, &session), -ENOKEY); /* the session has ended */
    bench_add_session(b, '1', ann_id);
    assert_int_equal(bench_check(b, &session), 0);
    assert_rules(&b->who.scope.own, "host=h1\ntag=x");
    assert_int_equal(bench_check(b, &bearer), 0);
    assert_rules(&b->who.scope.own, "label=team=web");
    assert_rules(&b->who.scope.ceiling, "host=h1\ntag=x");

    assert_int_equal(set_rights(b, ann_id, ROLE_OPERATOR, NULL), 0);
    assert_int_equal(bench_check(b, &bearer), 0);
    assert_rules(&b->who.scope.ceiling, NULL);
}

static void test_an_invalid_scope_in_the_store_allows_nothing(void **state)
{
    struct bench *b = *state;
    char id[80];

    assert_int_equal(users_set_rights(b->f->store, ann_id, ROLE_OPERATOR, "nonsense", 1, NULL), 0);
    assert_int_equal(bench_check(b, &(struct auth_proof){.session_id = bench_session_id('1', id)}),
                     -ENOBUFS);
}

static void test_one_admin_without_a_scope_always_remains(void **state)
{
    struct bench *b = *state;
    int64_t eve = bench_add_user(b, "eve", ROLE_ADMIN);

    assert_int_equal(set_rights(b, b->admin_id, ROLE_ADMIN, "host=h1"), -EACCES);
    assert_non_null(strstr(b->message, "limit yourself"));
    assert_int_equal(set_rights(b, eve, ROLE_ADMIN, "host=h1"), 0);
    assert_int_equal(set_rights(b, eve, ROLE_VIEWER, "host=h1"), 0); /* she was not a full admin */
    assert_int_equal(set_rights(b, eve, ROLE_ADMIN, NULL), 0);
    /* An offline key has no user, and must not limit the last admin either. */
    assert_int_equal(set_rights(b, eve, ROLE_ADMIN, "host=h1"), 0);
    auth_manage_user(b->auth,
                     &(struct auth_user_request){.action = AUTH_USER_SET_RIGHTS,
                                                 .user_id = b->admin_id,
                                                 .role = ROLE_ADMIN,
                                                 .with_scope = true,
                                                 .scope = "host=h1"},
                     on_managed, b);
    bench_drain(b);
    assert_int_equal(b->code, -EBUSY);
    assert_non_null(strstr(b->message, "last admin"));
}

/* --- watches ---------------------------------------------------------------------------------- */

struct stream {
    struct auth_watch *watch;
    int n_ended;
    char why[100];
};

static void on_ended(void *owner, const char *why)
{
    struct stream *s = owner;

    s->n_ended++;
    str_copy(s->why, sizeof(s->why), why);
    auth_watch_cancel(TAKE_PTR(s->watch));
}

static void stream_open(struct bench *b, struct stream *s, const struct auth_proof *proof)
{
    *s = (struct stream){0};
    assert_int_equal(bench_check(b, proof), 0);
    s->watch = auth_watch_start(b->auth, proof, &b->who, on_ended, s);
    assert_non_null(s->watch);
}

static void test_a_change_ends_the_streams_it_affects(void **state)
{
    struct bench *b = *state;
    char id0[80], id1[80];
    int64_t key_id, other_id;
    _cleanup_(secret_freep) char *key = bench_add_key(b, "ci", NULL, ann_id, &key_id);
    _cleanup_(secret_freep) char *other = bench_add_key(b, "other", NULL, ann_id, &other_id);
    const struct auth_proof admin = {.session_id = bench_session_id('0', id0)};
    const struct auth_proof ann = {.session_id = bench_session_id('1', id1)};
    const struct auth_proof bearer = {.bearer = key}, second = {.bearer = other};
    struct stream of_admin, of_ann, of_key, of_other;

    stream_open(b, &of_admin, &admin);
    stream_open(b, &of_ann, &ann);
    stream_open(b, &of_key, &bearer);
    stream_open(b, &of_other, &second);
    auth_forget_all(b->auth);
    bench_drain(b);
    assert_int_equal(of_admin.n_ended + of_ann.n_ended + of_key.n_ended + of_other.n_ended, 0);

    assert_int_equal(api_keys_delete(b->f->store, other_id, &(struct api_keys_owner){0}, NULL), 0);
    auth_forget_all(b->auth);
    bench_drain(b);
    assert_int_equal(of_other.n_ended, 1);
    assert_int_equal(of_ann.n_ended + of_key.n_ended, 0);

    assert_int_equal(set_rights(b, ann_id, ROLE_OPERATOR, "host=h1"), 0);
    assert_int_equal(of_ann.n_ended, 1); /* the session has ended */
    assert_string_equal(of_ann.why, "Invalid or expired session");
    assert_int_equal(of_key.n_ended, 1);
    assert_string_equal(of_key.why, "Your rights have changed: connect again");
    assert_int_equal(of_other.n_ended, 1);
    assert_int_equal(of_admin.n_ended, 0);

    bench_utc_ms += 1000; /* beyond the lifetime of the session */
    auth_forget_all(b->auth);
    bench_drain(b);
    assert_int_equal(of_admin.n_ended, 1);
}

static void test_a_watch_may_be_cancelled_at_any_time(void **state)
{
    struct bench *b = *state;
    char id[80];
    const struct auth_proof ann = {.session_id = bench_session_id('1', id)};
    struct stream first, second, third;

    stream_open(b, &first, &ann);
    stream_open(b, &second, &ann);
    stream_open(b, &third, &ann);
    assert_int_equal(user_sessions_delete_user(b->f->store, ann_id, NULL, NULL), 0);
    auth_forget_all(b->auth); /* starts to check the first one */
    auth_watch_cancel(TAKE_PTR(first.watch));
    bench_drain(b);
    assert_int_equal(first.n_ended, 0);
    assert_int_equal(second.n_ended, 1);
    assert_int_equal(third.n_ended, 1);

    bench_add_session(b, '1', ann_id);
    stream_open(b, &first, &ann);
    auth_forget_all(b->auth);
    auth_free(TAKE_PTR(b->auth));
    bench_drain(b);
    assert_int_equal(first.n_ended, 0);
    auth_watch_cancel(first.watch);
    auth_watch_cancel(NULL);
}

static void test_many_streams_occupy_one_place_in_the_queue(void **state)
{
    struct bench *b = *state;
    char id[80];
    const struct auth_proof ann = {.session_id = bench_session_id('1', id)};
    static struct stream streams[300]; /* many more than the queue has room for */
    size_t n_ended = 0;

    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        stream_open(b, &streams[i], &ann);
    assert_int_equal(user_sessions_delete_user(b->f->store, ann_id, NULL, NULL), 0);
    auth_forget_all(b->auth);
    assert_true(job_queue_pending(b->store_jobs) <= 1);
    bench_drain(b);
    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        n_ended += (size_t)streams[i].n_ended;
    assert_int_equal(n_ended, ARRAY_LEN(streams));
}

#define WITH_ANN(name) cmocka_unit_test_setup_teardown(name, setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ANN(test_a_scope_applies_at_once_to_sessions_and_keys),
        WITH_ANN(test_an_invalid_scope_in_the_store_allows_nothing),
        WITH_ANN(test_one_admin_without_a_scope_always_remains),
        WITH_ANN(test_a_change_ends_the_streams_it_affects),
        WITH_ANN(test_a_watch_may_be_cancelled_at_any_time),
        WITH_ANN(test_many_streams_occupy_one_place_in_the_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
