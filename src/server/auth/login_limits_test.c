/* The limits of logins and of changes of a password. */

#include "base/str.h"
#include "server/auth/fixture.h"
#include "server/store/user_networks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int log_in(struct bench *b, const char *name, const char *password)
{
    return bench_log_in_from(b, "127.0.0.1", name, password);
}

static void test_ten_attempts_per_minute_are_allowed(void **state)
{
    struct bench *b = *state;

    for (int i = 0; i < 10; i++) { /* from ten peers, so that the user's limit is reached first */
        char peer[16];

        (void)snprintf(peer, sizeof(peer), "10.0.0.%d", i);
        assert_int_equal(bench_log_in_from(b, peer, "admin", "wrong"), -ENOKEY);
        bench_clock_ms += 1000;
    }
    assert_int_equal(bench_log_in_from(b, "10.0.0.99", "admin", BENCH_PASSWORD), -EAGAIN);
    assert_int_equal(b->retry_after_s, 50);
    bench_clock_ms += 49500;
    assert_int_equal(bench_log_in_from(b, "10.0.0.99", "admin", BENCH_PASSWORD), -EAGAIN);
    assert_int_equal(b->retry_after_s, 1);
    bench_clock_ms += 500;
    assert_int_equal(bench_log_in_from(b, "10.0.0.99", "admin", BENCH_PASSWORD), 0);
}

static void test_a_peer_cannot_try_one_user_after_another(void **state)
{
    struct bench *b = *state;
    char long_name[200];

    /* Names that are too long need no argon2, but count as attempts. */
    memset(long_name, 'a', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    for (int i = 0; i < 10; i++) {
        long_name[0] = (char)('a' + i);
        assert_int_equal(bench_log_in_from(b, "10.0.0.1", long_name, "x"), -ENOKEY);
    }
    assert_int_equal(bench_log_in_from(b, "10.0.0.1", "admin", BENCH_PASSWORD), -EAGAIN);
    assert_int_equal(b->retry_after_s, 60);
    assert_int_equal(bench_log_in_from(b, "10.0.0.2", "admin", BENCH_PASSWORD), 0);
}

/* Each of these names needs no argon2. They must not push the entry of admin out of the table. */
static void test_names_that_cannot_exist_displace_no_others(void **state)
{
    struct bench *b = *state;
    char name[80], peer[32];

    bench_restart(b, 2);
    assert_int_equal(bench_log_in_from(b, "10.0.0.1", "admin", "wrong"), -ENOKEY);
    assert_int_equal(bench_log_in_from(b, "10.0.0.2", "admin", "wrong"), -ENOKEY);
    for (int i = 0; i < 4200; i++) {
        (void)snprintf(name, sizeof(name), "%064d", i);
        if (i % 2)
            (void)snprintf(name, sizeof(name), "a b %d", i);
        (void)snprintf(peer, sizeof(peer), "10.1.%d.%d", i / 256, i % 256);
        assert_int_equal(bench_log_in_from(b, peer, name, "x"), -ENOKEY);
    }
    assert_int_equal(bench_log_in_from(b, "10.0.0.3", "admin", BENCH_PASSWORD), -EAGAIN);
}

static void test_the_addresses_of_a_network_count_as_one(void **state)
{
    struct bench *b = *state;
    char peer[64];

    for (unsigned i = 0; i < 11; i++) {
        (void)snprintf(peer, sizeof(peer), "2001:db8:1:2:%x::%x", i, 77 * i);
        assert_int_equal(bench_log_in_from(b, peer, "a b", "x"), i < 10 ? -ENOKEY : -EAGAIN);
        (void)snprintf(peer, sizeof(peer), "%s192.0.2.7", i % 2 ? "::ffff:" : "");
        assert_int_equal(bench_log_in_from(b, peer, "a b", "x"), i < 10 ? -ENOKEY : -EAGAIN);
    }
    assert_int_equal(bench_log_in_from(b, "2001:db8:1:3::1", "admin", BENCH_PASSWORD), 0);
}

static void test_logins_by_name_and_changes_are_limited_separately(void **state)
{
    struct bench *b = *state;
    char names[][32] = {"", "change "};
    const size_t end = strlen(names[1]);

    bench_restart(b, 1);
    (void)snprintf(names[0], sizeof(names[0]), "%jd", (intmax_t)b->admin_id);
    (void)snprintf(names[1] + end, sizeof(names[1]) - end, "%jd", (intmax_t)b->admin_id);
    assert_int_equal(bench_log_in_from(b, "10.0.0.1", names[0], "x"), -ENOKEY);
    assert_int_equal(bench_log_in_from(b, "10.0.0.2", names[1], "x"), -ENOKEY);
    assert_int_equal(bench_change_password(b, BENCH_PASSWORD, "battery staple", NULL), 0);
    assert_int_equal(bench_log_in_from(b, "10.0.0.3", names[0], "x"), -EAGAIN);
}

/* Others have used up the attempts for this user. */
static void test_a_user_is_not_locked_out_of_a_known_network(void **state)
{
    struct bench *b = *state;

    assert_int_equal(bench_log_in_from(b, "2001:db8:1:2::1", "admin", BENCH_PASSWORD), 0);
    bench_restart(b, 2); /* it is known across restarts */
    for (int round = 0; round < 2; round++) {
        assert_int_equal(bench_log_in_from(b, "10.0.0.1", "admin", "wrong"), -ENOKEY);
        assert_int_equal(bench_log_in_from(b, "10.0.0.2", "admin", "wrong"), -ENOKEY);
        assert_int_equal(bench_log_in_from(b, "10.0.0.3", "admin", BENCH_PASSWORD), -EAGAIN);
        assert_int_equal(bench_log_in_from(b, "2001:db8:1:2::2", "admin", BENCH_PASSWORD), 0);
        bench_clock_ms += 60000;
    }
    /* The network has used up its attempts with other names. */
    assert_int_equal(bench_log_in_from(b, "2001:db8:1:2::3", "a b", "x"), -ENOKEY);
    assert_int_equal(bench_log_in_from(b, "2001:db8:1:2::3", "a c", "x"), -ENOKEY);
    assert_int_equal(bench_log_in_from(b, "2001:db8:1:2::3", "a d", "x"), -EAGAIN);
    assert_int_equal(bench_log_in_from(b, "2001:db8:1:2::3", "admin", BENCH_PASSWORD), 0);
    /* The guesses from there have a limit, too; without a loop, none waits. */
    assert_int_equal(bench_log_in_from(b, "2001:db8:1:2::3", "admin", "wrong"), -EAGAIN);
    assert_int_equal(b->retry_after_s, 5);

    /* A reset forgets the networks: the password may have been known to others. */
    bench_clock_ms += 60000;
    assert_int_equal(user_networks_delete_user(b->f->store, b->admin_id, NULL), 0);
    assert_int_equal(bench_log_in_from(b, "10.0.0.1", "admin", "wrong"), -ENOKEY);
    assert_int_equal(bench_log_in_from(b, "10.0.0.2", "admin", "wrong"), -ENOKEY);
    assert_int_equal(bench_log_in_from(b, "2001:db8:1:2::2", "admin", BENCH_PASSWORD), -EAGAIN);
}

static void on_delayed_login(void *owner, const struct auth_login_result *r)
{
    struct bench *b = owner;

    b->n_done++;
    b->code = r->code;
    bench_clock_ms += 20; /* the turn of the next one */
}

static void test_attempts_from_a_known_network_wait_for_their_turn(void **state)
{
    struct bench *b = *state;

    b->login_delay_ms = 20;
    bench_restart(b, 1);
    assert_int_equal(log_in(b, "admin", BENCH_PASSWORD), 0);
    assert_int_equal(log_in(b, "admin", "wrong"), -ENOKEY);
    b->n_done = 0;
    for (int i = 0; i < 5; i++) { /* one at once, three wait, one is refused */
        auth_login(
            b->auth,
            &(struct auth_login_request){.peer = "127.0.0.1", .name = "admin", .password = "wrong"},
            on_delayed_login, b);
    }
    while (b->n_done < 5)
        loop_turn(b->loop);
    assert_int_equal(b->code, -ENOKEY);
    assert_int_equal(bench_log_in_from(b, "127.0.0.1", "admin", BENCH_PASSWORD), 0);
    auth_login(b->auth,
               &(struct auth_login_request){
                   .peer = "127.0.0.1", .name = "admin", .password = BENCH_PASSWORD},
               on_delayed_login, b);
    auth_login(b->auth,
               &(struct auth_login_request){
                   .peer = "127.0.0.1", .name = "admin", .password = BENCH_PASSWORD},
               on_delayed_login, b);
    job_queue_drain(b->store_jobs);
    auth_free(TAKE_PTR(b->auth)); /* one waits for its turn */
    bench_drain(b);
    assert_int_equal(b->n_done, 1);
}

/* 90 guesses from 90 networks wait for argon2. */
static void test_known_clients_get_a_place_among_many_guesses(void **state)
{
    struct bench *b = *state, other = {0};
    char peer[32], name[16];

    assert_int_equal(bench_log_in_from(b, "192.0.2.1", "admin", BENCH_PASSWORD), 0);
    for (int i = 0; i < 90; i++) {
        (void)snprintf(peer, sizeof(peer), "10.0.%d.1", i);
        (void)snprintf(name, sizeof(name), "nobody%d", i);
        auth_login(b->auth,
                   &(struct auth_login_request){.peer = peer, .name = name, .password = "x"},
                   bench_on_login, &other);
        if (i % 10 == 0)
            job_queue_drain(b->store_jobs);
    }
    job_queue_drain(b->store_jobs);
    b->n_done = 0;
    auth_login(b->auth,
               &(struct auth_login_request){
                   .peer = "192.0.2.1", .name = "admin", .password = BENCH_PASSWORD},
               bench_on_login, b);
    while (b->n_done == 0)
        loop_turn(b->loop);
    assert_int_equal(b->code, 0);
    assert_true(other.n_done < 90); /* it did not wait for all of them */
    auth_login(b->auth,
               &(struct auth_login_request){.peer = "192.0.2.2",
                                            .name = "nobody",
                                            .password = BENCH_PASSWORD,
                                            .session_id = b->session_id},
               bench_on_login, b);
    while (b->n_done == 1)
        loop_turn(b->loop);
    assert_int_equal(b->code, -ENOKEY); /* not -ENOBUFS: the session is known */
    bench_drain(b);
}

static void test_successful_logins_do_not_count_as_attempts(void **state)
{
    struct bench *b = *state;

    bench_restart(b, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(log_in(b, "admin", BENCH_PASSWORD), 0);
    assert_int_equal(bench_log_in_from(b, "10.0.0.1", "admin", "wrong"), -ENOKEY);
    assert_int_equal(log_in(b, "admin", BENCH_PASSWORD), 0); /* resets the user's count */
    assert_int_equal(bench_log_in_from(b, "10.0.0.1", "admin", "wrong"), -ENOKEY);
    assert_int_equal(bench_log_in_from(b, "10.0.0.2", "admin", "wrong"), -ENOKEY);
    assert_int_equal(bench_log_in_from(b, "10.0.0.3", "admin", "wrong"), -EAGAIN);
}

#define WITH_PASSWORD(name) \
    cmocka_unit_test_setup_teardown(name, bench_setup_password, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PASSWORD(test_ten_attempts_per_minute_are_allowed),
        WITH_PASSWORD(test_a_peer_cannot_try_one_user_after_another),
        WITH_PASSWORD(test_names_that_cannot_exist_displace_no_others),
        WITH_PASSWORD(test_the_addresses_of_a_network_count_as_one),
        WITH_PASSWORD(test_logins_by_name_and_changes_are_limited_separately),
        WITH_PASSWORD(test_a_user_is_not_locked_out_of_a_known_network),
        WITH_PASSWORD(test_attempts_from_a_known_network_wait_for_their_turn),
        WITH_PASSWORD(test_known_clients_get_a_place_among_many_guesses),
        WITH_PASSWORD(test_successful_logins_do_not_count_as_attempts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
