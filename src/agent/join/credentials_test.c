#include "agent/config/token.h"
#include "agent/join/credentials.h"
#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static char dir[] = "/tmp/credentials_test.XXXXXX";
static char *path, *engine_path, *era_path;
static char env_token[] = "from-env";
static char reg_token[] = "registration";

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    path = xasprintf("%s/permanent_token", dir);
    engine_path = xasprintf("%s/engine_id", dir);
    era_path = xasprintf("%s/server_era", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(engine_path);
    (void)unlink(era_path);
    free(path);
    free(era_path);
    free(engine_path);
    return rmdir(dir);
}

static void apply(struct credentials *c, enum auth_verdict verdict)
{
    struct auth_reply reply = {.verdict = verdict};

    credentials_apply(c, &reply);
}

static void test_choice(void **state)
{
    struct config config = {.token_path = path, .engine_id_path = engine_path};
    struct credentials c;

    (void)state;
    (void)unlink(path);
    assert_int_equal(credentials_init(&c, &config, NULL), -ENOENT);
    credentials_done(&c);

    config.registration_token = reg_token;
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_token(&c), "registration");
    credentials_done(&c);

    assert_int_equal(file_write_atomic(path, "stored\n", 7, 0600, NULL), 0);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_token(&c), "stored");
    credentials_done(&c);

    config.permanent_token = env_token;
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_token(&c), "from-env");
    credentials_done(&c);
}

/* The token in the file may be newer than PERMANENT_TOKEN: both are tried, in turns. */
static void test_two_permanent_tokens(void **state)
{
    struct config config = {.token_path = path,
                            .engine_id_path = engine_path,
                            .permanent_token = env_token,
                            .registration_token = reg_token};
    struct auth_attempt attempt;
    struct credentials c;

    (void)state;
    assert_int_equal(file_write_atomic(path, "exchanged", 9, 0600, NULL), 0);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_token(&c), "from-env");
    credentials_attempt(&c, &attempt);
    assert_true(attempt.has_other_token);

    apply(&c, AUTH_USE_OTHER_TOKEN);
    assert_string_equal(credentials_token(&c), "exchanged");
    credentials_attempt(&c, &attempt);
    assert_true(attempt.with_permanent);
    assert_false(attempt.has_other_token);
    apply(&c, AUTH_USE_REGISTRATION);
    assert_string_equal(credentials_token(&c), "registration");
    apply(&c, AUTH_REFUSED);
    credentials_attempt(&c, &attempt);
    assert_true(attempt.has_other_token);

    assert_string_equal(credentials_token(&c), "exchanged");
    apply(&c, AUTH_ACCEPTED);
    assert_int_equal(credentials_keep(&c, "exchanged", NULL), 0);
    credentials_done(&c);

    /* The same token twice is one. */
    assert_int_equal(file_write_atomic(path, env_token, strlen(env_token), 0600, NULL), 0);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    credentials_attempt(&c, &attempt);
    assert_false(attempt.has_other_token);
    credentials_done(&c);
}

/* A failed write is tried again, for the token and the engine id. */
static void test_save_again(void **state)
{
    _cleanup_free_ char *missing = xasprintf("%s/missing", dir);
    _cleanup_free_ char *token_path = xasprintf("%s/permanent_token", missing);
    _cleanup_free_ char *engine_id_path = xasprintf("%s/engine_id", missing);
    struct config config = {.token_path = token_path,
                            .engine_id_path = engine_id_path,
                            .registration_token = reg_token};
    _cleanup_free_ char *stored = NULL;
    struct error err = ERROR_INIT;
    struct credentials c;

    (void)state;
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_engine_id(&c, "E1"), "E1");
    apply(&c, AUTH_ACCEPTED);
    assert_int_equal(credentials_keep(&c, "issued", &err), -ENOENT);
    assert_non_null(strstr(err.msg, "cannot store the permanent token"));
    assert_int_equal(credentials_save(&c, &err), -ENOENT);

    assert_int_equal(mkdir(missing, 0700), 0);
    assert_int_equal(credentials_save(&c, &err), 0);
    assert_int_equal(token_load(&(struct token_file){.path = token_path}, &stored, NULL, NULL), 0);
    assert_string_equal(stored, "issued");
    assert_int_equal(access(engine_id_path, F_OK), 0);

    assert_int_equal(unlink(token_path), 0);
    assert_int_equal(unlink(engine_id_path), 0);
    assert_int_equal(credentials_save(&c, &err), 0); /* there is nothing left to write */
    assert_int_equal(rmdir(missing), 0);
    credentials_done(&c);
}

static void expect_engine(const char *id)
{
    _cleanup_free_ char *text = NULL;
    size_t size;

    assert_int_equal(file_read(engine_path, 1024, &text, &size, NULL), 0);
    assert_string_equal(text, id);
}

/* The engine id of the registration is sent again, whatever the engine reports later. */
static void test_engine_id(void **state)
{
    struct config config = {
        .token_path = path, .engine_id_path = engine_path, .registration_token = reg_token};
    struct auth_attempt attempt;
    struct credentials c;

    (void)state;
    (void)unlink(path);
    assert_int_equal(file_write_atomic(engine_path, "OLD", 3, 0600, NULL), 0);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_engine_id(&c, "E1"), "E1"); /* no token: OLD counts nothing */
    apply(&c, AUTH_FAILED);
    assert_string_equal(credentials_engine_id(&c, "E2"), "E1"); /* the answer may have been lost */
    apply(&c, AUTH_REFUSED);
    assert_string_equal(credentials_engine_id(&c, "E3"), "E3");
    apply(&c, AUTH_ACCEPTED);
    assert_int_equal(credentials_keep(&c, "issued", NULL), 0);
    expect_engine("E3");
    assert_string_equal(credentials_engine_id(&c, "E4"), "E3");
    credentials_done(&c);

    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_engine_id(&c, "E5"), "E3");
    apply(&c, AUTH_USE_REGISTRATION);
    assert_string_equal(credentials_engine_id(&c, "E5"), "E3");
    apply(&c, AUTH_REFUSED);
    assert_string_equal(credentials_engine_id(&c, "E5"), "E3");

    /* A server that refuses it is asked with the present one, once. */
    credentials_attempt(&c, &attempt);
    assert_true(attempt.is_other_engine);
    apply(&c, AUTH_USE_PRESENT_ENGINE);
    assert_string_equal(credentials_engine_id(&c, "E5"), "E5");
    credentials_attempt(&c, &attempt);
    assert_false(attempt.is_other_engine);
    apply(&c, AUTH_REFUSED);
    assert_string_equal(credentials_engine_id(&c, "E5"), "E3");
    apply(&c, AUTH_USE_PRESENT_ENGINE);
    assert_string_equal(credentials_engine_id(&c, "E5"), "E5");
    apply(&c, AUTH_ACCEPTED);
    assert_int_equal(credentials_keep(&c, NULL, NULL), 0);
    expect_engine("E5");
    credentials_done(&c);

    /* The state of an older version has no such file: the id of today is kept. */
    assert_int_equal(unlink(engine_path), 0);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_engine_id(&c, "E6"), "E6");
    apply(&c, AUTH_ACCEPTED);
    assert_int_equal(credentials_keep(&c, "issued", NULL), 0);
    expect_engine("E6");
    credentials_done(&c);

    /* A damaged file is ignored. */
    assert_int_equal(file_write_atomic(engine_path, "no good", 7, 0600, NULL), 0);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_engine_id(&c, "E7"), "E7");
    credentials_done(&c);
}

/* The registration token is tried once after each refusal of the permanent one. */
static void test_refusal(void **state)
{
    struct config config = {.token_path = path,
                            .engine_id_path = engine_path,
                            .permanent_token = env_token,
                            .registration_token = reg_token};
    struct auth_attempt attempt;
    struct credentials c;

    (void)state;
    (void)unlink(path);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    credentials_attempt(&c, &attempt);
    assert_true(attempt.with_permanent && attempt.has_registration);
    assert_false(attempt.has_other_token);

    apply(&c, AUTH_USE_REGISTRATION);
    assert_string_equal(credentials_token(&c), "registration");
    credentials_attempt(&c, &attempt);
    assert_false(attempt.with_permanent);
    apply(&c, AUTH_FAILED);
    assert_string_equal(credentials_token(&c), "registration");
    apply(&c, AUTH_REFUSED);
    assert_string_equal(credentials_token(&c), "from-env");

    apply(&c, AUTH_USE_REGISTRATION);
    apply(&c, AUTH_ACCEPTED);
    assert_int_equal(credentials_keep(&c, "brand-new", NULL), 0);
    assert_string_equal(credentials_token(&c), "brand-new");
    credentials_done(&c);
}

static void test_keep(void **state)
{
    struct config config = {
        .token_path = path, .engine_id_path = engine_path, .registration_token = reg_token};
    _cleanup_free_ char *stored = NULL;
    struct error err = ERROR_INIT;
    struct credentials c;

    (void)state;
    (void)unlink(path);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_int_equal(credentials_keep(&c, NULL, NULL), 0);
    assert_int_equal(credentials_keep(&c, "", NULL), 0);
    assert_string_equal(credentials_token(&c), "registration");
    assert_int_equal(credentials_keep(&c, "no good", &err), -EBADMSG);
    assert_string_equal(credentials_token(&c), "registration");

    assert_int_equal(credentials_keep(&c, "issued", NULL), 0);
    assert_int_equal(token_load(&(struct token_file){.path = path}, &stored, NULL, NULL), 0);
    assert_string_equal(stored, "issued");

    /* The same token is not written again. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(credentials_keep(&c, "issued", NULL), 0);
    assert_int_equal(access(path, F_OK), -1);

    /* A token that cannot be written is used nevertheless. */
    config.token_path = (char *)(uintptr_t) "/nonexistent/permanent_token";
    assert_int_equal(credentials_keep(&c, "unwritten", &err), -ENOENT);
    assert_string_equal(credentials_token(&c), "unwritten");
    credentials_done(&c);
}

static void test_dropped(void **state)
{
    struct config config = {.token_path = path,
                            .engine_id_path = engine_path,
                            .era_path = era_path,
                            .registration_token = reg_token};
    char field[] = "agent_os";
    struct auth_reply reply = {.verdict = AUTH_DROP_FIELD, .field = field};
    struct auth_attempt attempt;
    struct credentials c;

    (void)state;
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    credentials_apply(&c, &reply);
    credentials_attempt(&c, &attempt);
    assert_int_equal(attempt.dropped->n, 6);
    assert_string_equal(attempt.dropped->items[0], "agent_os");
    assert_string_equal(attempt.dropped->items[5], "force_unique_registration");
    apply(&c, AUTH_ACCEPTED);
    assert_int_equal(credentials_keep(&c, "issued", NULL), 0);
    credentials_review_dropped(&c);
    assert_int_equal(attempt.dropped->n, 6);
    credentials_done(&c);

    /* It is remembered with the token, across restarts, for a day. */
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_int_equal(c.dropped.n, 6);
    c.era.refused_at_ms -= KEPT_ERA_MS;
    credentials_review_dropped(&c);
    assert_int_equal(c.dropped.n, 0);
    apply(&c, AUTH_ACCEPTED);
    assert_int_equal(credentials_keep(&c, NULL, NULL), 0);
    assert_int_equal(access(era_path, F_OK), -1);
    credentials_done(&c);

    /* Without a token it is another server. */
    assert_int_equal(file_write_atomic(era_path, "4102444800000", 13, 0600, NULL), 0);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_int_equal(c.dropped.n, 0); /* a time in the future */
    credentials_done(&c);
    (void)unlink(path);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_int_equal(c.era.refused_at_ms, 0);
    credentials_done(&c);
}

/*
 * A plain token is sealed as soon as there is a key; a sealed one that cannot be opened is an
 * error.
 */
static void test_sealed(void **state)
{
    struct config config = {
        .token_path = path, .engine_id_path = engine_path, .registration_token = reg_token};
    struct token_key other = {0};
    struct error err = ERROR_INIT;
    _cleanup_free_ char *kept = NULL;
    struct credentials c;
    size_t size;

    (void)state;
    assert_int_equal(
        token_key_make(&config.token_key, "a secret of thirty-two bytes or so.", 35, "/key", NULL),
        0);
    assert_int_equal(
        token_key_make(&other, "another secret of thirty-two bytes.", 35, "/other", NULL), 0);
    assert_int_equal(file_write_atomic(path, "stored", 6, 0600, NULL), 0);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_token(&c), "stored");
    credentials_done(&c);
    assert_int_equal(file_read(path, 4096, &kept, &size, NULL), 0);
    assert_null(memmem(kept, size, "stored", 6));

    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_token(&c), "stored");
    assert_int_equal(credentials_keep(&c, "issued", NULL), 0);
    credentials_done(&c);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_string_equal(credentials_token(&c), "issued");
    credentials_done(&c);

    token_key_done(&config.token_key);
    assert_int_equal(credentials_init(&c, &config, &err), -ENOKEY);
    credentials_done(&c);
    config.token_key = other;
    assert_int_equal(credentials_init(&c, &config, &err), -EKEYREJECTED);
    credentials_done(&c);
    token_key_done(&config.token_key);
}

/* The file is written first: a token that cannot be written is not used. */
static void test_rotate(void **state)
{
    struct config config = {
        .token_path = path, .engine_id_path = engine_path, .registration_token = reg_token};
    _cleanup_free_ char *stored = NULL;
    struct error err = ERROR_INIT;
    struct credentials c;

    (void)state;
    assert_int_equal(file_write_atomic(path, "first", 5, 0600, NULL), 0);
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_int_equal(credentials_rotate(&c, "second", NULL), 0);
    assert_string_equal(credentials_token(&c), "second");
    assert_int_equal(token_load(&(struct token_file){.path = path}, &stored, NULL, NULL), 0);
    assert_string_equal(stored, "second");

    assert_int_equal(credentials_rotate(&c, "no good", &err), -EBADMSG);
    assert_int_equal(credentials_rotate(&c, "", &err), -EBADMSG);
    config.token_path = (char *)(uintptr_t) "/nonexistent/permanent_token";
    assert_int_equal(credentials_rotate(&c, "third", &err), -ENOENT);
    assert_null(strstr(err.msg, "third"));
    assert_string_equal(credentials_token(&c), "second");

    credentials_done(&c);

    config.token_path = path;
    config.permanent_token = env_token;
    assert_int_equal(credentials_init(&c, &config, NULL), 0);
    assert_int_equal(credentials_rotate(&c, "third", &err), -EBUSY);
    assert_string_equal(credentials_token(&c), "from-env");

    /* The server has issued another one in exchange: that one is in the file, and can be rotated. */
    assert_int_equal(credentials_keep(&c, "exchanged", NULL), 0);
    assert_int_equal(credentials_rotate(&c, "third", NULL), 0);
    assert_string_equal(credentials_token(&c), "third");
    credentials_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_sealed),
        cmocka_unit_test(test_rotate),
        cmocka_unit_test(test_two_permanent_tokens),
        cmocka_unit_test(test_save_again),
        cmocka_unit_test(test_engine_id),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
