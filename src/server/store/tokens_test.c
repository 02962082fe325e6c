#include "base/str.h"
#include "server/sqlite/query.h"
#include "server/store/fixture.h"
#include "server/store/tokens.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW INT64_C(1750000000000)

static char *create(struct db *s, bool is_multi_use)
{
    char *token = NULL;

    assert_int_equal(tokens_create(s, "admin", is_multi_use, NOW, &token, NULL), 0);
    return token;
}

static enum token_verdict consume(struct db *s, const char *token, int64_t now_ms)
{
    enum token_verdict v = TOKEN_UNKNOWN;

    assert_int_equal(tokens_consume(s, token, now_ms, &v, NULL), 0);
    return v;
}

static void test_single_use_is_used_once(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    _cleanup_free_ char *a = create(s, false), *b = create(s, false);

    assert_int_equal(strlen(a), 36);
    assert_string_not_equal(a, b);
    assert_int_equal(consume(s, a, NOW + 1), TOKEN_OK);
    assert_int_equal(consume(s, a, NOW + 2), TOKEN_USED);
    assert_int_equal(consume(s, b, NOW + 3), TOKEN_OK);
    assert_int_equal(consume(s, "no such token", NOW), TOKEN_UNKNOWN);
}

static void test_multi_use_ends_with_the_lifetime(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    _cleanup_free_ char *token = create(s, true);

    for (int i = 0; i < 5; i++)
        assert_int_equal(consume(s, token, NOW + i), TOKEN_OK);
    assert_int_equal(TOKEN_LIFETIME_MS, 900000);
    assert_int_equal(consume(s, token, NOW + TOKEN_LIFETIME_MS - 1), TOKEN_OK);
    assert_int_equal(consume(s, token, NOW + TOKEN_LIFETIME_MS), TOKEN_EXPIRED);
}

static void test_expired_token_is_not_reported_as_used(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    _cleanup_free_ char *token = create(s, false);

    assert_int_equal(consume(s, token, NOW), TOKEN_OK);
    assert_int_equal(consume(s, token, NOW + TOKEN_LIFETIME_MS), TOKEN_EXPIRED);
}

static void test_token_itself_is_not_stored(void **state)
{
    static const char sql[] = "SELECT token_hash FROM registration_tokens";
    struct db *s = ((struct fixture *)*state)->store;
    _cleanup_free_ char *token = create(s, false);
    _cleanup_(query_done) struct query q = {0};
    _cleanup_free_ char *stored = NULL;

    assert_int_equal(query_init(&q, s, sql, NULL), 0);
    assert_int_equal(query_step(&q, NULL), 1);
    stored = query_column_text(&q, 0);
    assert_string_not_equal(stored, token);
    assert_true(str_is_hex(stored, 64));
    assert_int_equal(consume(s, stored, NOW), TOKEN_UNKNOWN);
}

static void test_purge_keeps_tokens_for_a_day(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    _cleanup_free_ char *token = create(s, false);
    const int64_t day = INT64_C(86400000), expiry = NOW + TOKEN_LIFETIME_MS;

    assert_int_equal(tokens_purge(s, expiry + day, NULL), 0);
    assert_int_equal(consume(s, token, expiry), TOKEN_EXPIRED);
    assert_int_equal(tokens_purge(s, expiry + day + 1, NULL), 0);
    assert_int_equal(consume(s, token, expiry), TOKEN_UNKNOWN);
}

struct race {
    const char *dir, *token;
    pthread_barrier_t *barrier;
    enum token_verdict verdict;
    int code;
};

static int consume_in_tx(struct db *s, void *arg, struct error *err)
{
    struct race *race = arg;

    return tokens_consume(s, race->token, NOW, &race->verdict, err);
}

static void *race_thread(void *arg)
{
    struct race *race = arg;
    struct db *s = NULL;

    race->code = store_open(&s, race->dir, NULL);
    (void)pthread_barrier_wait(race->barrier);
    if (race->code == 0)
        race->code = db_tx(s, consume_in_tx, race, NULL);
    db_close(s);
    return NULL;
}

static void test_one_of_two_threads_consumes_a_token(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 20; round++) {
        _cleanup_free_ char *token = create(f->store, false);
        pthread_barrier_t barrier;
        pthread_t threads[2];
        struct race races[2];

        assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
        for (int i = 0; i < 2; i++) {
            races[i] = (struct race){.dir = f->dir, .token = token, .barrier = &barrier};
            assert_int_equal(pthread_create(&threads[i], NULL, race_thread, &races[i]), 0);
        }
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(races[i].code, 0);
        }
        (void)pthread_barrier_destroy(&barrier);
        assert_int_equal((races[0].verdict == TOKEN_OK) + (races[1].verdict == TOKEN_OK), 1);
        assert_int_equal((races[0].verdict == TOKEN_USED) + (races[1].verdict == TOKEN_USED), 1);
    }
}

/* Runs in the child. Returns the verdict, as the exit status. */
static int race_process(const char *dir, const char *token)
{
    struct race race = {.token = token};
    struct db *s = NULL;

    if (store_open(&s, dir, NULL) < 0 || db_tx(s, consume_in_tx, &race, NULL) < 0)
        return 99;
    db_close(s);
    return (int)race.verdict;
}

static void test_one_of_two_processes_consumes_a_token(void **state)
{
    struct fixture *f = *state;
    int n_ok = 0, n_used = 0;

    for (int round = 0; round < 5; round++) {
        _cleanup_free_ char *token = create(f->store, false);
        pid_t children[2];

        db_close(TAKE_PTR(f->store)); /* a handle must not be used across fork() */
        for (int i = 0; i < 2; i++) {
            children[i] = fork();
            assert_true(children[i] >= 0);
            if (children[i] == 0)
                _exit(race_process(f->dir, token));
        }
        for (int i = 0; i < 2; i++) {
            int status;

            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
            assert_true(WIFEXITED(status));
            n_ok += WEXITSTATUS(status) == TOKEN_OK;
            n_used += WEXITSTATUS(status) == TOKEN_USED;
        }
        assert_int_equal(store_open(&f->store, f->dir, NULL), 0);
    }
    assert_int_equal(n_ok, 5);
    assert_int_equal(n_used, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_single_use_is_used_once),
        TEST(test_multi_use_ends_with_the_lifetime),
        TEST(test_expired_token_is_not_reported_as_used),
        TEST(test_token_itself_is_not_stored),
        TEST(test_purge_keeps_tokens_for_a_day),
        TEST(test_one_of_two_threads_consumes_a_token),
        TEST(test_one_of_two_processes_consumes_a_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
