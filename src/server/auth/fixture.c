#include "server/auth/fixture.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/auth/first_user.h"
#include "server/auth/password.h"
#include "server/store/api_keys.h"
#include "server/store/secret.h"
#include "server/store/user_sessions.h"

#include <string.h>

#define SESSION "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

uint64_t bench_clock_ms;
int64_t bench_utc_ms;

static uint64_t clock_ms(void)
{
    return bench_clock_ms;
}

static int64_t utc_ms(void)
{
    return bench_utc_ms;
}

int64_t bench_add_user(struct bench *b, const char *name, enum role role)
{
    char copy[64], hash[] = "hash";
    struct user u = {.name = copy, .password_hash = hash, .role = role};
    int64_t id;

    str_copy(copy, sizeof(copy), name);
    assert_int_equal(users_insert(b->f->store, &u, &id, NULL), 0);
    return id;
}

void bench_restart(struct bench *b, unsigned login_attempts)
{
    auth_free(b->auth);
    b->auth = auth_new(&(struct auth_options){
        .loop = b->login_delay_ms ? b->loop : NULL,
        .login_delay_ms = b->login_delay_ms,
        .store_jobs = b->store_jobs,
        .hash_jobs = b->hash_jobs,
        .store = b->f->store,
        .session_lifetime_ms = BENCH_LIFETIME_MS,
        .initial_password_file = b->password_file,
        .login_attempts = login_attempts,
        .clock_ms = clock_ms,
        .utc_ms = utc_ms,
    });
}

int bench_setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof(*b));
    void *fixture;

    if (fixture_setup(&fixture) < 0 || loop_new(&b->loop, &(struct loop_options){0}, NULL) < 0)
        return -1;
    b->f = fixture;
    b->store_jobs = job_queue_new(b->loop, 1, 20);
    b->hash_jobs = job_queue_new(b->loop, 2, 20);
    b->password_file = fixture_path(b->f, FIRST_USER_FILE);
    bench_clock_ms = 1000000;
    bench_utc_ms = INT64_C(1750000000000);
    bench_restart(b, 0);
    b->admin_id = bench_add_user(b, "admin", ROLE_ADMIN);
    *state = b;
    return 0;
}

void bench_drain(struct bench *b)
{
    job_queues_drain(b->store_jobs, b->hash_jobs);
}

int bench_teardown(void **state)
{
    struct bench *b = *state;
    void *fixture = b->f;

    auth_free(b->auth);
    bench_drain(b);
    job_queue_free(b->store_jobs);
    job_queue_free(b->hash_jobs);
    loop_free(b->loop);
    (void)fixture_teardown(&fixture);
    free(b->password_file);
    free(b);
    return 0;
}

void bench_on_identity(void *owner, int code, const struct identity *who)
{
    struct bench *b = owner;

    b->n_done++;
    b->code = code;
    b->who = who ? *who : (struct identity){0};
    assert_int_equal(code == 0, who != NULL);
}

int bench_check(struct bench *b, const struct auth_proof *proof)
{
    b->n_done = 0;
    auth_check(b->auth, proof, bench_on_identity, b);
    bench_drain(b);
    assert_int_equal(b->n_done, 1);
    return b->code;
}

char *bench_add_key(
    struct bench *b, const char *name, const char *scope, int64_t created_by, int64_t *ret_id)
{
    _cleanup_free_ char *name_copy = xstrdup(name), *scope_copy = xstrdup(scope);
    const struct api_key spec = {
        .name = name_copy, .scope = scope_copy, .role = ROLE_OPERATOR, .created_by = created_by};
    struct api_key row = {0};
    char *key = NULL;

    assert_int_equal(api_keys_create(b->f->store, &spec, &key, &row, NULL), 0);
    *ret_id = row.id;
    api_key_done(&row);
    return key;
}

const char *bench_session_id(char name, char ret[80])
{
    str_copy(ret, 80, SESSION "0");
    ret[strlen(SESSION)] = name;
    return ret;
}

void bench_add_session(struct bench *b, char name, int64_t user_id)
{
    char id[80], hash[SECRET_HASH_SIZE];
    struct user_session row = {
        .id_hash = hash, .user_id = user_id, .expires_at_ms = bench_utc_ms + 1000};

    secret_hash(bench_session_id(name, id), hash);
    assert_int_equal(user_sessions_insert(b->f->store, &row, NULL), 0);
}

/* argon2 is slow: all tests share one hash. */
static const char *password_hash_of_tests(void)
{
    static char hash[PASSWORD_HASH_SIZE];

    if (!hash[0])
        assert_int_equal(password_hash(BENCH_PASSWORD, hash, NULL), 0);
    return hash;
}

int bench_setup_password(void **state)
{
    struct bench *b;

    if (bench_setup(state) < 0)
        return -1;
    b = *state;
    return users_set_password(b->f->store, b->admin_id, password_hash_of_tests(), true,
                              bench_utc_ms, NULL);
}

void bench_on_login(void *owner, const struct auth_login_result *r)
{
    struct bench *b = owner;

    b->n_done++;
    b->code = r->code;
    b->who = r->who;
    b->retry_after_s = r->retry_after_s;
    str_copy(b->session_id, sizeof(b->session_id), r->session_id ? r->session_id : "");
}

int bench_log_in_from(struct bench *b, const char *peer, const char *name, const char *password)
{
    b->n_done = 0;
    auth_login(b->auth,
               &(struct auth_login_request){.peer = peer, .name = name, .password = password},
               bench_on_login, b);
    assert_int_equal(b->n_done, 0); /* never before it returns */
    bench_drain(b);
    assert_int_equal(b->n_done, 1);
    assert_int_equal(b->code == 0, b->session_id[0] != '\0');
    return b->code;
}

void bench_on_code(void *owner, int code, const struct error *err)
{
    struct bench *b = owner;

    b->n_done++;
    b->code = code;
    assert_non_null(err);
    str_copy(b->message, sizeof(b->message), err->msg);
}

int bench_change_password(struct bench *b,
                          const char *current,
                          const char *new_password,
                          const char *keep)
{
    b->n_done = 0;
    auth_change_password(b->auth,
                         &(struct auth_password_change){
                             .user_id = b->admin_id,
                             .current = current,
                             .new_password = new_password,
                             .keep_session_id = keep,
                         },
                         bench_on_code, b);
    assert_int_equal(b->n_done, 0);
    bench_drain(b);
    assert_int_equal(b->n_done, 1);
    return b->code;
}
