/* What users and keys may reach, and what becomes of that while they are connected. */

#include "base/alloc.h"
#include "base/str.h"
#include "server/auth/watch.h"
#include "server/store/api_keys.h"
#include "server/store/fixture.h"
#include "server/store/secret.h"
#include "server/store/user_sessions.h"

#include <errno.h>
#include <string.h>

#define SESSION "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

static int64_t test_utc_ms;

static int64_t utc_ms(void)
{
    return test_utc_ms;
}

struct bench {
    struct fixture *f;
    struct loop *loop;
    struct job_queue *store_jobs, *hash_jobs;
    struct auth *auth;
    int64_t admin_id, ann_id;
    struct identity who; /* of the last check */
    int code;
    char message[200];
};

static int64_t add_user(struct bench *b, const char *name, enum role role)
{
    char copy[64], hash[] = "hash";
    struct user u = {.name = copy, .password_hash = hash, .role = role};
    int64_t id;

    str_copy(copy, sizeof(copy), name);
    assert_int_equal(users_insert(b->f->store, &u, &id, NULL), 0);
    return id;
}

/* The session of the n-th user. */
static const char *session_id(char n, char ret[80])
{
    str_copy(ret, 80, SESSION "0");
    ret[63] = n;
    return ret;
}

static void add_session(struct bench *b, char n, int64_t user_id)
{
    char id[80], hash[SECRET_HASH_SIZE];
    struct user_session row = {
        .id_hash = hash, .user_id = user_id, .expires_at_ms = test_utc_ms + 1000};

    secret_hash(session_id(n, id), hash);
    assert_int_equal(user_sessions_insert(b->f->store, &row, NULL), 0);
}

static int setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof(*b));
    void *fixture;

    if (fixture_setup(&fixture) < 0 || loop_new(&b->loop, &(struct loop_options){0}, NULL) < 0)
        return -1;
    b->f = fixture;
    b->store_jobs = job_queue_new(b->loop, 1, 20);
    b->hash_jobs = job_queue_new(b->loop, 2, 20);
    test_utc_ms = INT64_C(1750000000000);
    b->auth = auth_new(&(struct auth_options){
        .store_jobs = b->store_jobs,
        .hash_jobs = b->hash_jobs,
        .store = b->f->store,
        .utc_ms = utc_ms,
    });
    b->admin_id = add_user(b, "admin", ROLE_ADMIN);
    b->ann_id = add_user(b, "ann", ROLE_OPERATOR);
    add_session(b, '0', b->admin_id);
    add_session(b, '1', b->ann_id);
    *state = b;
    return 0;
}

static void drain(struct bench *b)
{
    while (job_queue_pending(b->store_jobs) + job_queue_pending(b->hash_jobs) > 0) {
        job_queue_drain(b->store_jobs);
        job_queue_drain(b->hash_jobs);
    }
}

static int teardown(void **state)
{
    struct bench *b = *state;
    void *fixture = b->f;

    auth_free(b->auth);
    drain(b);
    job_queue_free(b->store_jobs);
    job_queue_free(b->hash_jobs);
    loop_free(b->loop);
    (void)fixture_teardown(&fixture);
    free(b);
    return 0;
}

static void on_identity(void *owner, int code, const struct identity *who)
{
    struct bench *b = owner;

    b->code = code;
    b->who = who ? *who : (struct identity){0};
}

static int check(struct bench *b, const struct auth_proof *proof)
{
    auth_check(b->auth, proof, on_identity, b);
    drain(b);
    return b->code;
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
                     &(struct auth_user_request){.action = AUTH_USER_SET_RIGHTS,
                                                 .by = {.user_id = b->admin_id},
                                                 .user_id = user_id,
                                                 .role = role,
                                                 .with_scope = true,
                                                 .scope = scope},
                     on_managed, b);
    drain(b);
    return b->code;
}

static char *add_key(struct bench *b, const char *name, const char *scope, int64_t *ret_id)
{
    struct api_key spec = {.role = ROLE_OPERATOR, .created_by = b->ann_id}, row = {0};
    char *key = NULL;

    spec.name = xstrdup(name);
    spec.scope = xstrdup(scope);
    assert_int_equal(api_keys_create(b->f->store, &spec, &key, &row, NULL), 0);
    *ret_id = row.id;
    api_key_done(&row);
    free(spec.name);
    free(spec.scope);
    return key;
}

static void assert_rules(const struct scope_rules *rules, const char *text)
{
    _cleanup_free_ char *got = scope_rules_text(rules);

    assert_true(str_eq(got, text));
}

static void a_scope_counts_at_once_for_sessions_and_keys(void **state)
{
    struct bench *b = *state;
    char id[80];
    int64_t key_id;
    _cleanup_(secret_freep) char *key = add_key(b, "ci", "label=team=web", &key_id);
    const struct auth_proof bearer = {.bearer = key}, session = {.session_id = session_id('1', id)};

    assert_int_equal(check(b, &session), 0);
    assert_false(scope_is_limited(&b->who.scope));
    assert_int_equal(check(b, &bearer), 0);
    assert_rules(&b->who.scope.own, "label=team=web");
    assert_rules(&b->who.scope.ceiling, NULL);

    assert_int_equal(set_rights(b, b->ann_id, ROLE_OPERATOR, "host=h1\ntag=x"), 0);
    assert_int_equal(check(b, &session), -ENOKEY); /* to log in again */
    add_session(b, '1', b->ann_id);
    assert_int_equal(check(b, &session), 0);
    assert_rules(&b->who.scope.own, "host=h1\ntag=x");
    assert_int_equal(check(b, &bearer), 0);
    assert_rules(&b->who.scope.own, "label=team=web");
    assert_rules(&b->who.scope.ceiling, "host=h1\ntag=x");

    assert_int_equal(set_rights(b, b->ann_id, ROLE_OPERATOR, NULL), 0);
    assert_int_equal(check(b, &bearer), 0);
    assert_rules(&b->who.scope.ceiling, NULL);
}

static void what_the_store_holds_wrongly_allows_nothing(void **state)
{
    struct bench *b = *state;
    char id[80];

    assert_int_equal(users_set_rights(b->f->store, b->ann_id, ROLE_OPERATOR, "nonsense", 1, NULL),
                     0);
    assert_int_equal(check(b, &(struct auth_proof){.session_id = session_id('1', id)}), -ENOBUFS);
}

static void somebody_can_always_do_everything(void **state)
{
    struct bench *b = *state;
    int64_t eve = add_user(b, "eve", ROLE_ADMIN);

    assert_int_equal(set_rights(b, b->admin_id, ROLE_ADMIN, "host=h1"), -EACCES);
    assert_non_null(strstr(b->message, "limit oneself"));
    assert_int_equal(set_rights(b, eve, ROLE_ADMIN, "host=h1"), 0);
    assert_int_equal(set_rights(b, eve, ROLE_VIEWER, "host=h1"), 0); /* was no full admin */
    assert_int_equal(set_rights(b, eve, ROLE_ADMIN, NULL), 0);
    /* An offline key has nobody behind it, and must not limit the last one either. */
    assert_int_equal(set_rights(b, eve, ROLE_ADMIN, "host=h1"), 0);
    auth_manage_user(b->auth,
                     &(struct auth_user_request){.action = AUTH_USER_SET_RIGHTS,
                                                 .user_id = b->admin_id,
                                                 .role = ROLE_ADMIN,
                                                 .with_scope = true,
                                                 .scope = "host=h1"},
                     on_managed, b);
    drain(b);
    assert_int_equal(b->code, -EBUSY);
    assert_non_null(strstr(b->message, "last admin"));
}

/* --- watches ---------------------------------------------------------------------------------------- */

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
    assert_int_equal(check(b, proof), 0);
    s->watch = auth_watch_start(b->auth, proof, &b->who, on_ended, s);
    assert_non_null(s->watch);
}

static void what_changes_ends_the_streams_it_concerns(void **state)
{
    struct bench *b = *state;
    char id0[80], id1[80];
    int64_t key_id, other_id;
    _cleanup_(secret_freep) char *key = add_key(b, "ci", NULL, &key_id);
    _cleanup_(secret_freep) char *other = add_key(b, "other", NULL, &other_id);
    const struct auth_proof admin = {.session_id = session_id('0', id0)};
    const struct auth_proof ann = {.session_id = session_id('1', id1)};
    const struct auth_proof bearer = {.bearer = key}, second = {.bearer = other};
    struct stream of_admin, of_ann, of_key, of_other;

    stream_open(b, &of_admin, &admin);
    stream_open(b, &of_ann, &ann);
    stream_open(b, &of_key, &bearer);
    stream_open(b, &of_other, &second);
    auth_forget_all(b->auth);
    drain(b);
    assert_int_equal(of_admin.n_ended + of_ann.n_ended + of_key.n_ended + of_other.n_ended, 0);

    assert_int_equal(api_keys_delete(b->f->store, other_id, NULL), 0);
    auth_forget_key(b->auth, other_id);
    drain(b);
    assert_int_equal(of_other.n_ended, 1);
    assert_int_equal(of_ann.n_ended + of_key.n_ended, 0);

    assert_int_equal(set_rights(b, b->ann_id, ROLE_OPERATOR, "host=h1"), 0);
    assert_int_equal(of_ann.n_ended, 1); /* the session ended */
    assert_string_equal(of_ann.why, "Invalid or expired session");
    assert_int_equal(of_key.n_ended, 1);
    assert_string_equal(of_key.why, "Your rights have changed: connect again");
    assert_int_equal(of_other.n_ended, 1);
    assert_int_equal(of_admin.n_ended, 0);

    test_utc_ms += 1000; /* the lifetime of the session */
    auth_forget_all(b->auth);
    drain(b);
    assert_int_equal(of_admin.n_ended, 1);
}

static void a_watch_may_be_cancelled_at_any_time(void **state)
{
    struct bench *b = *state;
    char id[80];
    const struct auth_proof ann = {.session_id = session_id('1', id)};
    struct stream first, second, third;

    stream_open(b, &first, &ann);
    stream_open(b, &second, &ann);
    stream_open(b, &third, &ann);
    assert_int_equal(user_sessions_delete_user(b->f->store, b->ann_id, NULL, NULL), 0);
    auth_forget_all(b->auth); /* asks about the first */
    auth_watch_cancel(TAKE_PTR(first.watch));
    drain(b);
    assert_int_equal(first.n_ended, 0);
    assert_int_equal(second.n_ended, 1);
    assert_int_equal(third.n_ended, 1);

    add_session(b, '1', b->ann_id);
    stream_open(b, &first, &ann);
    auth_forget_all(b->auth);
    auth_free(TAKE_PTR(b->auth));
    drain(b);
    assert_int_equal(first.n_ended, 0);
    auth_watch_cancel(first.watch);
    auth_watch_cancel(NULL);
}

static void many_streams_need_one_place_in_the_queue(void **state)
{
    struct bench *b = *state;
    char id[80];
    const struct auth_proof ann = {.session_id = session_id('1', id)};
    static struct stream streams[300]; /* many more than wait in the queue */
    size_t n_ended = 0;

    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        stream_open(b, &streams[i], &ann);
    assert_int_equal(user_sessions_delete_user(b->f->store, b->ann_id, NULL, NULL), 0);
    auth_forget_all(b->auth);
    assert_true(job_queue_pending(b->store_jobs) <= 1);
    drain(b);
    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        n_ended += (size_t)streams[i].n_ended;
    assert_int_equal(n_ended, ARRAY_LEN(streams));
}

#define BENCH(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(a_scope_counts_at_once_for_sessions_and_keys),
        BENCH(what_the_store_holds_wrongly_allows_nothing),
        BENCH(somebody_can_always_do_everything),
        BENCH(what_changes_ends_the_streams_it_concerns),
        BENCH(a_watch_may_be_cancelled_at_any_time),
        BENCH(many_streams_need_one_place_in_the_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
