#include "agent/config/token_key.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define S32 "0123456789abcdefghijklmnopqrstuv"
#define S33 S32 "w"

static char root[] = "/tmp/token_key_test.XXXXXX";
static char *credentials, *named;

static void make_directory(const char *path)
{
    _cleanup_free_ char *full = xasprintf("%s%s", root, path);

    assert_int_equal(mkdir(full, 0700), 0);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    make_directory("/run");
    make_directory("/run/secrets");
    make_directory("/credentials");
    credentials = xasprintf("%s/credentials", root);
    named = xasprintf("%s/named", root);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const paths[] = {"/run/secrets/dockmon_token_key",
                                        "/credentials/dockmon_token_key",
                                        "/named",
                                        "/run/secrets",
                                        "/run",
                                        "/credentials"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        _cleanup_free_ char *full = xasprintf("%s%s", root, paths[i]);

        (void)remove(full);
    }
    free(credentials);
    free(named);
    return rmdir(root);
}

static void put(const char *path, const char *secret)
{
    _cleanup_free_ char *full = xasprintf("%s%s", root, path);

    if (secret) {
        assert_int_equal(file_write_atomic(full, secret, strlen(secret), 0600, NULL), 0);
    } else {
        (void)unlink(full);
    }
}

static void test_find(void **state)
{
    static const struct {
        const char *named, *secret, *credential; /* contents of the files; NULL: missing */
        int r;
        const char *source; /* end of it */
        const char *words;  /* in the error */
    } cases[] = {
        {NULL,    NULL, NULL, 0,        NULL,                             NULL                    },
        {S32,     NULL, NULL, 0,        "/named",                         NULL                    },
        {NULL,    S32,  NULL, 0,        "/run/secrets/dockmon_token_key", NULL                    },
        {NULL,    NULL, S32,  0,        "/credentials/dockmon_token_key", NULL                    },
        {S32,     S32,  NULL, -EEXIST,  NULL,                             "the Docker secret"     },
        {S32,     NULL, S32,  -EEXIST,  NULL,                             "the systemd credential"},
        {NULL,    S32,  S32,  -EEXIST,  NULL,                             "has two sources"       },
        {S32,     S33,  S33,  -EEXIST,  NULL,                             "has two sources"       },
        {"short", NULL, NULL, -EBADMSG, NULL,                             "at least 32 bytes"     },
        {NULL,    "",   NULL, -EBADMSG, NULL,                             "not 0"                 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct token_key_places places = {
            .file = cases[i].named ? named : NULL, .credentials = credentials, .root = root};
        struct error err = ERROR_INIT;
        struct token_key key;

        put("/named", cases[i].named);
        put(TOKEN_KEY_SECRET, cases[i].secret);
        put("/credentials/" TOKEN_KEY_NAME, cases[i].credential);
        assert_int_equal(token_key_find(&key, &places, &err), cases[i].r);
        assert_int_equal(key.is_set, cases[i].source != NULL);
        if (cases[i].source)
            assert_true(str_ends_with(key.source, cases[i].source));
        if (cases[i].words)
            assert_non_null(strstr(err.msg, cases[i].words));
        assert_null(strstr(err.msg, "short")); /* no part of a secret */
        token_key_done(&key);
    }
}

/* A file that is named must be there; the same file by two names is one place. */
static void test_named(void **state)
{
    _cleanup_free_ char *secret = xasprintf("%s%s", root, TOKEN_KEY_SECRET);
    struct token_key_places places = {.file = named, .root = root};
    struct error err = ERROR_INIT;
    struct token_key key;

    (void)state;
    put("/named", NULL);
    put(TOKEN_KEY_SECRET, NULL);
    assert_int_equal(token_key_find(&key, &places, &err), -ENOENT);
    assert_non_null(strstr(err.msg, named));

    put(TOKEN_KEY_SECRET, S32);
    places.file = secret;
    assert_int_equal(token_key_find(&key, &places, &err), 0);
    assert_string_equal(key.source, secret);
    token_key_done(&key);
    put(TOKEN_KEY_SECRET, NULL);
}

static void test_make(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_same;
    } cases[] = {
        {S32,     S32,        true },
        {S32,     S32 "\n",   true },
        {S32,     S32 "\r\n", true },
        {S33,     S33 "\n",   true },
        {S33,     S33 "\r\n", true },
        {S33,     S33 "\n\n", false},
        {S32,     S33,        false},
        {S33,     S33 "x",    false},
        {S32 " ", S32,        false},
    };
    struct token_key a, b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(token_key_make(&a, cases[i].a, strlen(cases[i].a), "a", NULL), 0);
        assert_int_equal(token_key_make(&b, cases[i].b, strlen(cases[i].b), "b", NULL), 0);
        assert_int_equal(memcmp(a.bytes, b.bytes, TOKEN_KEY_SIZE) == 0, cases[i].is_same);
        token_key_done(&a);
        token_key_done(&b);
    }
    /* 32 bytes are the key itself, also when they end with a line break. */
    assert_int_equal(token_key_make(&a, "0123456789abcdefghijklmnopqrst\r\n", 32, "a", NULL), 0);
    assert_memory_equal(a.bytes, "0123456789abcdefghijklmnopqrst\r\n", TOKEN_KEY_SIZE);
    token_key_done(&a);
    assert_int_equal(token_key_make(&a, S32, 31, "a", NULL), -EBADMSG);
    assert_int_equal(token_key_make(&a, "0123456789abcdefghijklmnopqrstu", 0, "a", NULL), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_make),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
