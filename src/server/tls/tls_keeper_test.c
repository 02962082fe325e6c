#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "net/certificate.h"
#include "server/tls/tls_keeper.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static int64_t days_ahead; /* of the test's clock */

static int64_t test_clock(void)
{
    return time_utc_ms() + days_ahead * DAY_MS;
}

struct fixture {
    struct loop *loop;
    char dir[64], cert[96], key[96];
    unsigned n_changes;
};

static void on_change(void *owner)
{
    struct fixture *f = owner;

    f->n_changes++;
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    days_ahead = 0;
    str_copy(f->dir, sizeof(f->dir), "/tmp/tls-keeper-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->cert, sizeof(f->cert), "%s/tls/cert.pem", f->dir);
    (void)snprintf(f->key, sizeof(f->key), "%s/tls/key.pem", f->dir);
    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char folder[80];

    (void)snprintf(folder, sizeof(folder), "%s/tls", f->dir);
    (void)unlink(f->cert);
    (void)unlink(f->key);
    (void)rmdir(folder);
    assert_int_equal(rmdir(f->dir), 0);
    loop_free(f->loop);
    free(f);
    return 0;
}

static int open_keeper(struct fixture *f,
                       const char *names,
                       struct tls_keeper **ret,
                       struct error *err)
{
    return tls_keeper_open(ret,
                           &(struct tls_keeper_options){
                               .loop = f->loop,
                               .files = {.data_dir = f->dir, .names = names},
                               .utc_ms = test_clock,
                               .on_change = on_change,
                               .owner = f,
    },
                           err);
}

static void check_made(struct fixture *f, const struct tls_keeper *k, const char *const *names)
{
    _cleanup_(certificate_info_done) struct certificate_info info = {0};
    struct stat st;

    assert_int_equal(stat(f->key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(certificate_read(f->cert, &info, NULL), 0);
    assert_string_equal(info.fingerprint, tls_keeper_fingerprint(k));
    assert_true((info.not_after_s * 1000 - time_utc_ms()) / DAY_MS > 800);
    for (size_t i = 0; names[i]; i++) {
        bool has = false;

        for (size_t j = 0; j < info.n_names; j++)
            has |= str_eq(info.names[j], names[i]);
        if (!has)
            fail_msg("%s is missing", names[i]);
    }
}

static void test_the_first_start_creates_a_certificate(void **state)
{
    static const char *const names[] = {"localhost", "127.0.0.1",  "::1",
                                        "a.example", "192.0.2.77", NULL};
    _cleanup_(tls_keeper_closep) struct tls_keeper *k = NULL;
    _cleanup_free_ char *found = NULL;
    struct fixture *f = *state;
    const struct tls_keeper_files files = {.data_dir = f->dir};
    struct error err = ERROR_INIT;

    assert_int_equal(tls_keeper_find_fingerprint(&files, &found, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "first starts"));
    assert_int_equal(open_keeper(f, "a.example, 192.0.2.77", &k, &err), 0);
    check_made(f, k, names);
    assert_non_null(tls_keeper_context(k));
    assert_int_equal(tls_keeper_find_fingerprint(&files, &found, &err), 0);
    assert_string_equal(found, tls_keeper_fingerprint(k));
    assert_int_equal(f->n_changes, 0);
}

static char *read_cert(const struct fixture *f)
{
    char *text;
    size_t size;

    assert_int_equal(file_read(f->cert, 65536, &text, &size, NULL), 0);
    return text;
}

/* Restarts and reloads keep the certificate. Age and new names renew it, with the same key. */
static void test_age_and_new_names_renew_the_certificate(void **state)
{
    static const struct {
        int days;
        const char *names;
        bool is_new;
    } steps[] = {
        {0,   "a.example",           false},
        {0,   NULL,                  false},
        {790, NULL,                  false},
        {796, NULL,                  true },
        {0,   "a.example,b.example", true },
        {0,   "b.example",           false},
        {900, "b.example",           true },
    };
    static const char *const kept[] = {"a.example", "b.example", NULL};
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    _cleanup_(tls_keeper_closep) struct tls_keeper *k = NULL;
    char fingerprint[TLS_FINGERPRINT_SIZE];

    assert_int_equal(open_keeper(f, "a.example", &k, &err), 0);
    str_copy(fingerprint, sizeof(fingerprint), tls_keeper_fingerprint(k));
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        _cleanup_free_ char *before = read_cert(f);
        _cleanup_free_ char *after = NULL;

        tls_keeper_close(TAKE_PTR(k));
        days_ahead = steps[i].days;
        assert_int_equal(open_keeper(f, steps[i].names, &k, &err), 0);
        after = read_cert(f);
        if (str_eq(before, after) == steps[i].is_new)
            fail_msg("step %zu", i);
        assert_string_equal(fingerprint, tls_keeper_fingerprint(k));
    }
    check_made(f, k, kept);
}

static void test_a_reload_reads_the_files_again(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    _cleanup_(tls_keeper_closep) struct tls_keeper *k = NULL;
    _cleanup_free_ char *before = NULL, *after = NULL;
    const struct ssl_ctx_st *ctx;

    assert_int_equal(open_keeper(f, NULL, &k, &err), 0);
    before = read_cert(f);
    days_ahead = 810;
    assert_int_equal(tls_keeper_reload(k, &err), 0);
    after = read_cert(f);
    assert_string_not_equal(before, after);
    assert_int_equal(f->n_changes, 1);

    /* Unreadable files change nothing. */
    days_ahead = 0;
    ctx = tls_keeper_context(k);
    assert_int_equal(file_write_atomic(f->cert, "rubbish", 7, 0644, NULL), 0);
    assert_int_equal(tls_keeper_reload(k, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "cert.pem"));
    assert_ptr_equal(tls_keeper_context(k), ctx);
    assert_int_equal(f->n_changes, 1);
}

/* Configured files are never written. */
static void test_configured_files_are_never_written(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    _cleanup_(tls_keeper_closep) struct tls_keeper *k = NULL;
    _cleanup_free_ char *before = NULL, *after = NULL;
    struct tls_keeper_options o = {
        .loop = f->loop,
        .files = {.data_dir = "/nonexistent", .cert_file = f->cert, .key_file = f->key},
        .utc_ms = test_clock,
        .on_change = on_change,
        .owner = f,
    };

    assert_int_equal(tls_keeper_open(&k, &o, &err), -EINVAL);
    assert_int_equal(open_keeper(f, NULL, &k, &err), 0);
    tls_keeper_close(TAKE_PTR(k));
    before = read_cert(f);
    days_ahead = 820;
    assert_int_equal(tls_keeper_open(&k, &o, &err), 0);
    after = read_cert(f);
    assert_string_equal(before, after);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_first_start_creates_a_certificate),
        TEST(test_age_and_new_names_renew_the_certificate),
        TEST(test_a_reload_reads_the_files_again),
        TEST(test_configured_files_are_never_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
