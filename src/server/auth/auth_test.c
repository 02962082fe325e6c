/* Logins, sessions, API keys and passwords on a real loop and store, with the test's own clocks. */

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "server/auth/fixture.h"
#include "server/auth/password.h"
#include "server/sqlite/db_internal.h"
#include "server/store/api_keys.h"
#include "server/store/secret.h"
#include "server/store/user_networks.h"
#include "server/store/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check(struct bench *b, const char *session_id, const char *bearer)
{
    return bench_check(b, &(struct auth_proof){.session_id = session_id, .bearer = bearer});
}

static int log_in(struct bench *b, const char *name, const char *password)
{
    return bench_log_in_from(b, "127.0.0.1", name, password);
}

static int log_out(struct bench *b, const char *session_id)
{
    b->n_done = 0;
    auth_logout(b->auth, session_id, bench_on_code, b);
    assert_int_equal(b->n_done, 0);
    bench_drain(b);
    assert_int_equal(b->n_done, 1);
    return b->code;
}

static void test_a_login_makes_a_session(void **state)
{
    struct bench *b = *state;
    struct user user = {0};

    assert_int_equal(log_in(b, "admin", BENCH_PASSWORD), 0);
    assert_true(str_is_hex(b->session_id, 64));
    assert_int_equal(b->who.user_id, b->admin_id);
    assert_string_equal(b->who.name, "admin");
    assert_int_equal(b->who.role, ROLE_ADMIN);
    assert_true(b->who.must_change_password);

    assert_int_equal(check(b, b->session_id, NULL), 0);
    assert_int_equal(b->who.user_id, b->admin_id);
    assert_int_equal(b->who.key_id, 0);
    assert_string_equal(b->who.name, "admin");
    assert_int_equal(b->who.role, ROLE_ADMIN);
    assert_true(b->who.must_change_password);

    assert_int_equal(users_get(b->f->store, b->admin_id, &user, NULL), 0);
    assert_int_equal(user.last_login_at_ms, bench_utc_ms);
    user_done(&user);
}

static void test_wrong_names_and_wrong_passwords_are_refused_alike(void **state)
{
    struct bench *b = *state;
    char long_name[200], *long_password = xcalloc(1, 3000);

    memset(long_name, 'a', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    memset(long_password, 'b', 2999);
    assert_int_equal(log_in(b, "admin", "wrong"), -ENOKEY);
    assert_int_equal(log_in(b, "nobody", BENCH_PASSWORD), -ENOKEY);
    assert_int_equal(log_in(b, "", ""), -ENOKEY);
    assert_int_equal(log_in(b, long_name, BENCH_PASSWORD), -ENOKEY);
    assert_int_equal(log_in(b, "admin", long_password), -ENOKEY);
    assert_int_equal(log_in(b, "admin' OR '1'='1", BENCH_PASSWORD), -ENOKEY);
    free(long_password);
}

static void test_sessions_end_after_their_lifetime(void **state)
{
    struct bench *b = *state;
    char session[80];

    assert_int_equal(log_in(b, "admin", BENCH_PASSWORD), 0);
    str_copy(session, sizeof(session), b->session_id);
    bench_utc_ms += (int64_t)BENCH_LIFETIME_MS - 1;
    assert_int_equal(check(b, session, NULL), 0);
    bench_utc_ms += 1;
    bench_clock_ms += 5000; /* the cached entry has expired */
    assert_int_equal(check(b, session, NULL), -ENOKEY);
}

static void test_logout_ends_one_session_at_once(void **state)
{
    struct bench *b = *state;
    char first[80], second[80];

    assert_int_equal(log_in(b, "admin", BENCH_PASSWORD), 0);
    str_copy(first, sizeof(first), b->session_id);
    assert_int_equal(log_in(b, "admin", BENCH_PASSWORD), 0);
    str_copy(second, sizeof(second), b->session_id);
    assert_string_not_equal(first, second);
    assert_int_equal(check(b, first, NULL), 0);
    assert_int_equal(check(b, second, NULL), 0);

    assert_int_equal(log_out(b, first), 0);
    assert_int_equal(check(b, first, NULL), -ENOKEY); /* although it was cached */
    assert_int_equal(check(b, second, NULL), 0);
    assert_int_equal(log_out(b, first), 0);
    assert_int_equal(log_out(b, "garbage"), 0);
    assert_int_equal(log_out(b, NULL), 0);
}

static void test_a_check_in_progress_does_not_undo_a_logout(void **state)
{
    struct bench *b = *state;
    char session[80];

    assert_int_equal(log_in(b, "admin", BENCH_PASSWORD), 0);
    str_copy(session, sizeof(session), b->session_id);
    auth_check(b->auth, &(struct auth_proof){.session_id = session}, bench_on_identity,
               b); /* reads the store before the logout does */
    auth_logout(b->auth, session, bench_on_code, b);
    bench_drain(b);
    assert_int_equal(check(b, session, NULL), -ENOKEY);
}

static void test_malformed_credentials_need_no_job(void **state)
{
    static const struct {
        const char *session_id, *bearer;
    } cases[] = {
        {NULL,                                                                NULL                                                                 },
        {"",                                                                  NULL                                                                 },
        {"0123",                                                              NULL                                                                 },
        {"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",  NULL                                                                 },
        {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0", NULL                                                                 },
        {NULL,                                                                ""                                                                   },
        {NULL,                                                                "dm_"                                                                },
        {NULL,                                                                "dm_0123"                                                            },
        {NULL,                                                                "DM_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
        {NULL,                                                                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"   },
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        b->n_done = 0;
        auth_check(
            b->auth,
            &(struct auth_proof){.session_id = cases[i].session_id, .bearer = cases[i].bearer},
            bench_on_identity, b);
        assert_int_equal(b->n_done, 1); /* no job */
        assert_int_equal(b->code, -ENOKEY);
    }
    /* Well-formed but unknown credentials are looked up in the store. */
    assert_int_equal(
        check(b, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL),
        -ENOKEY);
    assert_int_equal(
        check(b, NULL, "dm_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        -ENOKEY);
}

static void test_keys_identify_and_are_cached(void **state)
{
    struct bench *b = *state;
    struct db *other = NULL;
    struct api_key row = {0};
    int64_t id;
    _cleanup_(secret_freep) char *key = bench_add_key(b, "ci", NULL, 0, &id);

    assert_int_equal(check(b, NULL, key), 0);
    assert_int_equal(b->who.user_id, 0);
    assert_int_equal(b->who.key_id, id);
    assert_string_equal(b->who.name, "ci");
    assert_int_equal(b->who.role, ROLE_OPERATOR);
    assert_int_equal(api_keys_get(b->f->store, id, &row, NULL), 0);
    assert_int_equal(row.last_used_at_ms, bench_utc_ms);
    api_key_done(&row);

    b->n_done = 0;
    auth_check(b->auth, &(struct auth_proof){.bearer = key}, bench_on_identity, b);
    assert_int_equal(b->n_done, 1); /* at once */
    assert_int_equal(
        check(b, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", key),
        0); /* the bearer takes precedence */

    /* Another process revokes the key, which is noticed when the cached entry has expired. */
    assert_int_equal(store_open(&other, b->f->dir, NULL), 0);
    assert_int_equal(api_keys_delete(other, id, &(struct api_keys_owner){0}, NULL), 0);
    db_close(other);
    bench_clock_ms += 4999;
    assert_int_equal(check(b, NULL, key), 0);
    bench_clock_ms += 1;
    assert_int_equal(check(b, NULL, key), -ENOKEY);
}

static void test_a_forgotten_key_is_read_again(void **state)
{
    struct bench *b = *state;
    int64_t id;
    _cleanup_(secret_freep) char *key = bench_add_key(b, "ci", NULL, 0, &id);

    assert_int_equal(check(b, NULL, key), 0);
    assert_int_equal(api_keys_delete(b->f->store, id, &(struct api_keys_owner){0}, NULL), 0);
    auth_forget_all(b->auth);
    assert_int_equal(check(b, NULL, key), -ENOKEY);
}

static void test_a_changed_password_ends_other_sessions(void **state)
{
    struct bench *b = *state;
    char kept[80], other[80];

    assert_int_equal(file_write_atomic(b->password_file, "x", 1, 0600, NULL), 0);
    assert_int_equal(log_in(b, "admin", BENCH_PASSWORD), 0);
    str_copy(kept, sizeof(kept), b->session_id);
    assert_int_equal(log_in(b, "admin", BENCH_PASSWORD), 0);
    str_copy(other, sizeof(other), b->session_id);
    assert_int_equal(check(b, kept, NULL), 0);
    assert_int_equal(check(b, other, NULL), 0);

    assert_int_equal(bench_change_password(b, "wrong", "battery staple", kept), -ENOKEY);
    assert_int_equal(check(b, other, NULL), 0);
    assert_int_equal(access(b->password_file, F_OK), 0);

    assert_int_equal(bench_change_password(b, BENCH_PASSWORD, "battery staple", kept), 0);
    assert_int_equal(check(b, kept, NULL), 0);
    assert_false(b->who.must_change_password);
    assert_int_equal(check(b, other, NULL), -ENOKEY);
    assert_int_equal(access(b->password_file, F_OK), -1);
    assert_int_equal(log_in(b, "admin", BENCH_PASSWORD), -ENOKEY);
    assert_int_equal(log_in(b, "admin", "battery staple"), 0);
}

static bool has_key(struct bench *b, int64_t id)
{
    struct api_key row = {0};
    int r = api_keys_get(b->f->store, id, &row, NULL);

    api_key_done(&row);
    return r == 0;
}

static void on_managed(void *owner, const struct auth_user_result *r)
{
    ((struct bench *)owner)->code = r->code;
}

static void test_keys_end_with_the_password_unless_they_are_kept(void **state)
{
    struct bench *b = *state;
    struct auth_password_change request = {.user_id = b->admin_id,
                                           .current = BENCH_PASSWORD,
                                           .new_password = "battery staple",
                                           .keep_api_keys = true};
    struct auth_user_request reset = {.action = AUTH_USER_SET_PASSWORD, .user_id = b->admin_id};
    int64_t mine, offline;
    _cleanup_(secret_freep) char *key = bench_add_key(b, "mine", NULL, b->admin_id, &mine);
    _cleanup_(secret_freep) char *other = bench_add_key(b, "offline", NULL, 0, &offline);
    _cleanup_(secret_freep) char *again = NULL;

    assert_int_equal(check(b, NULL, key), 0);
    auth_change_password(b->auth, &request, bench_on_code, b);
    bench_drain(b);
    assert_int_equal(b->code, 0);
    assert_int_equal(check(b, NULL, key), 0);
    assert_int_equal(bench_change_password(b, "battery staple", "something else", NULL), 0);
    assert_int_equal(check(b, NULL, key), -ENOKEY); /* at once: it was cached */
    assert_int_equal(check(b, NULL, other), 0);

    again = bench_add_key(b, "again", NULL, b->admin_id, &mine);
    auth_manage_user(b->auth, &reset, on_managed, b);
    bench_drain(b);
    assert_int_equal(b->code, 0);
    assert_false(has_key(b, mine));
    assert_true(has_key(b, offline));
}

/* The password is replaced while argon2 verifies it for a login and for a change. */
static void test_a_password_that_is_replaced_meanwhile_opens_nothing(void **state)
{
    struct bench *b = *state;
    struct user user = {0};

    auth_login(b->auth,
               &(struct auth_login_request){
                   .peer = "10.0.0.1", .name = "admin", .password = BENCH_PASSWORD},
               bench_on_login, b);
    auth_change_password(b->auth,
                         &(struct auth_password_change){.user_id = b->admin_id,
                                                        .current = BENCH_PASSWORD,
                                                        .new_password = "battery staple"},
                         bench_on_code, b);
    job_queue_drain(b->store_jobs); /* both have read the row */
    assert_int_equal(
        users_set_password(b->f->store, b->admin_id, "$argon2id$new", true, bench_utc_ms, NULL), 0);
    b->session_id[0] = '\0';
    bench_drain(b);
    assert_string_equal(b->session_id, "");
    assert_int_equal(b->code, -ENOKEY);
    assert_int_equal(users_get(b->f->store, b->admin_id, &user, NULL), 0);
    assert_string_equal(user.password_hash, "$argon2id$new");
    user_done(&user);
}

#define BCRYPT "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2" /* BENCH_PASSWORD */

static void set_bcrypt(struct bench *b)
{
    assert_int_equal(users_set_password(b->f->store, b->admin_id, BCRYPT, true, bench_utc_ms, NULL),
                     0);
}

static void expect_hash(struct bench *b, const char *beginning)
{
    struct user user = {0};

    assert_int_equal(users_get(b->f->store, b->admin_id, &user, NULL), 0);
    assert_true(str_starts_with(user.password_hash, beginning));
    assert_true(password_verify(BENCH_PASSWORD, user.password_hash));
    assert_true(user.must_change_password);
    user_done(&user);
}

static void test_the_first_login_replaces_a_hash_of_bcrypt(void **state)
{
    struct bench *b = *state;

    set_bcrypt(b);
    assert_int_equal(bench_log_in_from(b, "10.0.0.1", "admin", "wrong horse"), -ENOKEY);
    expect_hash(b, BCRYPT);
    assert_int_equal(bench_log_in_from(b, "10.0.0.1", "admin", BENCH_PASSWORD), 0);
    expect_hash(b, "$argon2id$v=19$m=65536,t=2,p=1$");
    assert_int_equal(bench_log_in_from(b, "10.0.0.1", "admin", BENCH_PASSWORD), 0);
}

static void count_login(void *owner, const struct auth_login_result *r)
{
    struct bench *b = owner;

    assert_int_equal(r->code, 0);
    b->n_done++;
}

/* Each of them has read the hash of bcrypt; the first to finish replaces it. */
static void test_logins_at_the_same_time_succeed(void **state)
{
    struct bench *b = *state;

    set_bcrypt(b);
    b->n_done = 0;
    for (int i = 0; i < 3; i++) {
        auth_login(b->auth,
                   &(struct auth_login_request){
                       .peer = "10.0.0.1", .name = "admin", .password = BENCH_PASSWORD},
                   count_login, b);
    }
    job_queue_drain(b->store_jobs);
    expect_hash(b, BCRYPT);
    bench_drain(b);
    assert_int_equal(b->n_done, 3);
    expect_hash(b, "$argon2id$");
}

static void test_keys_of_both_prefixes_are_valid_until_they_expire(void **state)
{
    static const char old[] = API_KEY_OLD_PREFIX
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct bench *b = *state;
    _cleanup_free_ char *sql = NULL;
    char hash[SECRET_HASH_SIZE];
    int64_t id;
    _cleanup_(secret_freep) char *key = bench_add_key(b, "ci", NULL, 0, &id);

    assert_true(str_starts_with(key, "dockmon_"));
    assert_int_equal(check(b, NULL, key), 0);
    assert_false(identity_is_limited_key(&b->who));
    secret_hash(old, hash);
    sql = xasprintf("UPDATE api_keys SET key_hash = '%s', expires_at_ms = %jd", hash,
                    (intmax_t)bench_utc_ms + 1000);
    assert_int_equal(sqlite3_exec(b->f->store->handle, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(check(b, NULL, old), 0);
    assert_true(identity_is_limited_key(&b->who));
    bench_utc_ms += 1000; /* it is still in the cache */
    assert_int_equal(check(b, NULL, old), -ENOKEY);
}

static void test_bad_new_passwords_are_refused(void **state)
{
    struct bench *b = *state;

    assert_int_equal(bench_change_password(b, BENCH_PASSWORD, "short", NULL), -EDOM);
    assert_non_null(strstr(b->message, "8 to 128"));
    assert_int_equal(bench_change_password(b, BENCH_PASSWORD, BENCH_PASSWORD, NULL), -EDOM);
    for (int i = 2; i < 10; i++)
        assert_int_equal(bench_change_password(b, BENCH_PASSWORD, "", NULL), -EDOM);
    assert_int_equal(bench_change_password(b, BENCH_PASSWORD, "battery staple", NULL), -EAGAIN);
    bench_clock_ms += 60000;
    assert_int_equal(bench_change_password(b, BENCH_PASSWORD, "battery staple", NULL), 0);
}

static void test_a_full_queue_reports_busy(void **state)
{
    struct bench *b = *state;
    static const char unknown[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct bench many = {.n_done = 0};

    for (int i = 0; i < 21; i++)
        auth_check(b->auth, &(struct auth_proof){.session_id = unknown}, bench_on_identity, &many);
    b->n_done = 0;
    auth_check(b->auth, &(struct auth_proof){.session_id = unknown}, bench_on_identity, b);
    assert_int_equal(b->n_done, 1);
    assert_int_equal(b->code, -ENOBUFS);

    auth_login(
        b->auth,
        &(struct auth_login_request){.peer = "p", .name = "admin", .password = BENCH_PASSWORD},
        bench_on_login, b);
    auth_logout(b->auth, unknown, bench_on_code, b);
    auth_change_password(b->auth,
                         &(struct auth_password_change){.user_id = b->admin_id,
                                                        .current = "x",
                                                        .new_password = "battery staple"},
                         bench_on_code, b);
    assert_int_equal(b->n_done, 1); /* not before the functions return */
    bench_drain(b);
    assert_int_equal(many.n_done, 21);
    assert_int_equal(b->n_done, 4);
    assert_int_equal(b->code, -ENOBUFS);
}

static void test_flows_in_progress_are_abandoned_with_auth(void **state)
{
    struct bench *b = *state;
    static const char unknown[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    b->n_done = 0;
    auth_check(b->auth, &(struct auth_proof){.session_id = unknown}, bench_on_identity, b);
    auth_login(
        b->auth,
        &(struct auth_login_request){.peer = "p", .name = "admin", .password = BENCH_PASSWORD},
        bench_on_login, b);
    auth_logout(b->auth, unknown, bench_on_code, b);
    auth_logout(b->auth, "garbage", bench_on_code, b);
    auth_change_password(b->auth,
                         &(struct auth_password_change){.user_id = b->admin_id,
                                                        .current = BENCH_PASSWORD,
                                                        .new_password = "battery staple"},
                         bench_on_code, b);
    auth_free(TAKE_PTR(b->auth));
    bench_drain(b);
    assert_int_equal(b->n_done, 0);
}

#define WITH_PASSWORD(name) \
    cmocka_unit_test_setup_teardown(name, bench_setup_password, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PASSWORD(test_a_login_makes_a_session),
        WITH_PASSWORD(test_wrong_names_and_wrong_passwords_are_refused_alike),
        WITH_PASSWORD(test_sessions_end_after_their_lifetime),
        WITH_PASSWORD(test_logout_ends_one_session_at_once),
        WITH_PASSWORD(test_a_check_in_progress_does_not_undo_a_logout),
        WITH_PASSWORD(test_malformed_credentials_need_no_job),
        WITH_PASSWORD(test_keys_identify_and_are_cached),
        WITH_PASSWORD(test_a_forgotten_key_is_read_again),
        WITH_PASSWORD(test_a_changed_password_ends_other_sessions),
        WITH_PASSWORD(test_keys_end_with_the_password_unless_they_are_kept),
        WITH_PASSWORD(test_a_password_that_is_replaced_meanwhile_opens_nothing),
        WITH_PASSWORD(test_the_first_login_replaces_a_hash_of_bcrypt),
        WITH_PASSWORD(test_logins_at_the_same_time_succeed),
        WITH_PASSWORD(test_keys_of_both_prefixes_are_valid_until_they_expire),
        WITH_PASSWORD(test_bad_new_passwords_are_refused),
        WITH_PASSWORD(test_a_full_queue_reports_busy),
        WITH_PASSWORD(test_flows_in_progress_are_abandoned_with_auth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
