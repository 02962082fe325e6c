#pragma once

/*
 * For unit tests: an auth on a real loop and store, with the test's own clocks, and the outcome of
 * the last call.
 */

#include "server/auth/auth.h"
#include "server/store/fixture.h"

#define BENCH_LIFETIME_MS (UINT64_C(24) * 60 * 60 * 1000)

extern uint64_t bench_clock_ms;
extern int64_t bench_utc_ms;

struct bench {
    struct fixture *f;
    struct loop *loop;
    struct job_queue *store_jobs, *hash_jobs; /* each with room for 20 waiting jobs */
    struct auth *auth;
    uint64_t login_delay_ms; /* for bench_restart(): logins can wait for so long; 0: they cannot */
    char *password_file;
    int64_t admin_id; /* of a user that nobody can log in as */
    int n_done, code;
    struct identity who;
    char session_id[80], message[200];
    uint64_t retry_after_s;
};

int bench_setup(void **state);
int bench_teardown(void **state);
#define BENCH(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

/* Replaces the auth with a new one; login_attempts 0: the default. */
void bench_restart(struct bench *b, unsigned login_attempts);
void bench_drain(struct bench *b); /* until both queues are idle */

/* Adds a user with whom no test can log in; returns the id. */
int64_t bench_add_user(struct bench *b, const char *name, enum role role);
/* Adds a key of an operator; `scope` NULL: no restriction. The caller frees the key. */
char *bench_add_key(
    struct bench *b, const char *name, const char *scope, int64_t created_by, int64_t *ret_id);

/* Sessions are named by one hexadecimal digit, and last for a second. */
const char *bench_session_id(char name, char ret[80]);
void bench_add_session(struct bench *b, char name, int64_t user_id);

/* Calls auth_check() and returns its code when all jobs are done. */
int bench_check(struct bench *b, const struct auth_proof *proof);
void bench_on_identity(void *owner, int code, const struct identity *who);

/* As bench_setup(), but admin has BENCH_PASSWORD, which must be changed. */
#define BENCH_PASSWORD "correct horse"
int bench_setup_password(void **state);
/* Return the code when all jobs are done, and set the members of the bench. */
int bench_log_in_from(struct bench *b, const char *peer, const char *name, const char *password);
int bench_change_password(struct bench *b,
                          const char *current,
                          const char *new_password,
                          const char *keep /* a session, or NULL */);
void bench_on_login(void *owner, const struct auth_login_result *r);
void bench_on_code(void *owner, int code, const struct error *err);
