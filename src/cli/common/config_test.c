#include "cli/common/config.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* The environment of the running test: "NAME=value NAME=value". */
static const char *variables;
#define TEMPLATE "/tmp/dockmon-config-XXXXXX"
static char folder[] = TEMPLATE;

static char *env(const char *name)
{
    static char values[4][256]; /* used in turn, because callers hold several */
    static size_t turn;
    char *value = values[turn++ % ARRAY_LEN(values)];
    size_t size = strlen(name);

    for (const char *v = variables; v; v = strchr(v, ' ')) {
        v += *v == ' ';
        if (strncmp(v, name, size) == 0 && v[size] == '=') {
            str_copy(value, sizeof(values[0]), v + size + 1);
            value[strcspn(value, " ")] = '\0';
            return value;
        }
    }
    return str_eq(name, "XDG_CONFIG_HOME") ? folder : NULL;
}

static int make_folder(void **state)
{
    (void)state;
    variables = NULL;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    _cleanup_free_ char *inner = xasprintf("%s/dockmon", folder);
    _cleanup_free_ char *file = xasprintf("%s/config", inner);

    (void)state;
    (void)unlink(file);
    (void)rmdir(inner);
    (void)rmdir(folder);
    str_copy(folder, sizeof(folder), TEMPLATE);
    return 0;
}

static void test_defaults(void **state)
{
    struct config c = {0};

    (void)state;
    assert_int_equal(config_load(&c, env, NULL), 0);
    assert_string_equal(c.url, CONFIG_DEFAULT_URL);
    assert_false(c.is_url_given);
    assert_null(c.api_key);
    config_done(&c);
}

static void test_path(void **state)
{
    struct config c = {0};

    (void)state;
    variables = "HOME=/home/x XDG_CONFIG_HOME=";
    assert_int_equal(config_load(&c, env, NULL), 0);
    assert_string_equal(c.path, "/home/x/.config/dockmon/config");
    config_done(&c);
}

static void test_save_and_load(void **state)
{
    struct config c = {0}, again = {0};
    struct stat st;

    (void)state;
    assert_int_equal(config_load(&c, env, NULL), 0);
    assert_int_equal(config_set_url(&c, "https://dockmon.example:8443/", NULL), 0);
    c.api_key = xstrdup("secret=with=signs");
    c.is_insecure = true;
    assert_int_equal(config_save(&c, NULL), 0);
    assert_int_equal(stat(c.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    *strrchr(c.path, '/') = '\0'; /* the folder, which config_save() created */
    assert_int_equal(stat(c.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);

    assert_int_equal(config_load(&again, env, NULL), 0);
    assert_string_equal(again.url, "https://dockmon.example:8443");
    assert_string_equal(again.api_key, "secret=with=signs");
    assert_null(again.session);
    assert_true(again.is_insecure);
    assert_true(again.is_url_given);
    config_done(&c);
    config_done(&again);
}

static void test_environment_overrides_file(void **state)
{
    static const struct {
        const char *env;
        const char *url, *key;
    } cases[] = {
        {"",                                           "http://a:1", "file"},
        {"DOCKMON_API_KEY=env",                        "http://a:1", "env" },
        {"DOCKMON_URL=http://a:1/",                    "http://a:1", "file"},
        {"DOCKMON_URL=http://b:2",                     "http://b:2", NULL  }, /* not for b */
        {"DOCKMON_URL=http://b:2 DOCKMON_API_KEY=env", "http://b:2", "env" },
        {"DOCKMON_URL=",                               "http://a:1", "file"},
    };
    struct config c = {0};

    (void)state;
    assert_int_equal(config_load(&c, env, NULL), 0);
    assert_int_equal(config_set_url(&c, "a:1", NULL), 0);
    c.api_key = xstrdup("file");
    c.pin = xstrdup("sha256:1");
    assert_int_equal(config_save(&c, NULL), 0);
    config_done(&c);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        variables = cases[i].env;
        assert_int_equal(config_load(&c, env, NULL), 0);
        assert_string_equal(c.url, cases[i].url);
        assert_true(str_eq(c.api_key, cases[i].key));
        assert_true(str_eq(c.pin, str_eq(c.url, "http://a:1") ? "sha256:1" : NULL));
        config_done(&c);
    }
}

static void test_invalid_files(void **state)
{
    static const char *const texts[] = {
        "DOCKMON_URL",
        "DOCKMON_URL=ftp://x\n",
        "DOCKMON_INSECURE=perhaps\n",
    };
    struct config c = {0};

    (void)state;
    assert_int_equal(config_load(&c, env, NULL), 0);
    assert_int_equal(config_save(&c, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct config bad = {0};
        struct error err = ERROR_INIT;

        assert_int_equal(file_write_atomic(c.path, texts[i], strlen(texts[i]), 0600, NULL), 0);
        assert_int_equal(config_load(&bad, env, &err), -EINVAL);
        assert_true(str_starts_with(err.msg, c.path));
        assert_null(bad.url);
    }
    config_done(&c);
}

static void test_comments_and_unknown_keys(void **state)
{
    static const char text[] = "# comment\n\n  DOCKMON_URL = http://a:1 \r\nLATER=7\n";
    struct config c = {0}, again = {0};

    (void)state;
    assert_int_equal(config_load(&c, env, NULL), 0);
    assert_int_equal(config_save(&c, NULL), 0);
    assert_int_equal(file_write_atomic(c.path, text, strlen(text), 0600, NULL), 0);
    assert_int_equal(config_load(&again, env, NULL), 0);
    assert_string_equal(again.url, "http://a:1");
    config_done(&c);
    config_done(&again);
}

static void test_urls(void **state)
{
    static const struct {
        const char *url, *expected; /* NULL: refused */
    } cases[] = {
        {"http://127.0.0.1:8001", "http://127.0.0.1:8001"},
        {"http://a/",             "http://a"             },
        {"https://[::1]:8001///", "https://[::1]:8001"   },
        {"server:8001",           "http://server:8001"   },
        {"http://",               NULL                   },
        {"http://a/path",         NULL                   },
        {"http://u:p@a",          NULL                   },
        {"http://a b",            NULL                   },
        {"unix:///x",             NULL                   },
        {"",                      NULL                   },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c = {0};
        struct error err = ERROR_INIT;

        assert_int_equal(config_set_url(&c, cases[i].url, &err), cases[i].expected ? 0 : -EINVAL);
        assert_true(str_eq(c.url, cases[i].expected));
        config_done(&c);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),      TEST(test_path),
        TEST(test_save_and_load), TEST(test_environment_overrides_file),
        TEST(test_invalid_files), TEST(test_comments_and_unknown_keys),
        TEST(test_urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
