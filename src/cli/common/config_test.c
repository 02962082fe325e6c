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

/* A saved configuration with every setting that belongs to http://a:1. */
static void save_everything(void)
{
    struct config c = {0};

    assert_int_equal(config_load(&c, env, NULL), 0);
    assert_int_equal(config_set_url(&c, "http://a:1", NULL), 0);
    c.api_key = xstrdup("file");
    c.session = xstrdup("s");
    c.pin = xstrdup("sha256:1");
    c.ca_file = xstrdup("/ca");
    c.is_insecure = true;
    c.is_http_allowed = true;
    assert_int_equal(config_save(&c, NULL), 0);
    config_done(&c);
}

static void test_environment_overrides_file(void **state)
{
    static const struct {
        const char *env;
        const char *url, *key;
        bool keeps; /* the settings of the file */
    } cases[] = {
        {"",                                            "http://a:1",  "file", true },
        {"DOCKMON_API_KEY=env",                         "http://a:1",  "env",  true },
        {"DOCKMON_URL=http://a:1/",                     "http://a:1",  "file", true },
        {"DOCKMON_URL=http://b:2",                      "http://b:2",  NULL,   false},
        {"DOCKMON_URL=https://a:1",                     "https://a:1", NULL,   false},
        {"DOCKMON_URL=https://b:2 DOCKMON_API_KEY=env", "https://b:2", "env",  false},
        {"DOCKMON_URL=",                                "http://a:1",  "file", true },
    };
    struct config c = {0};

    (void)state;
    save_everything();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        variables = cases[i].env;
        assert_int_equal(config_load(&c, env, NULL), 0);
        assert_string_equal(c.url, cases[i].url);
        assert_true(str_eq(c.api_key, cases[i].key));
        assert_true(str_eq(c.pin, cases[i].keeps ? "sha256:1" : NULL));
        assert_true(str_eq(c.session, cases[i].keeps ? "s" : NULL));
        assert_true(str_eq(c.ca_file, cases[i].keeps ? "/ca" : NULL));
        assert_int_equal(c.is_insecure, cases[i].keeps);
        assert_int_equal(c.is_http_allowed, cases[i].keeps);
        config_done(&c);
    }
}

static void test_another_server_drops_settings(void **state)
{
    struct config c = {0};

    (void)state;
    save_everything();
    variables = "DOCKMON_INSECURE_HTTP=true";
    assert_int_equal(config_load(&c, env, NULL), 0);
    assert_int_equal(config_choose_server(&c, "http://a:1/", env, NULL), 0);
    assert_string_equal(c.pin, "sha256:1");
    assert_int_equal(config_choose_server(&c, "http://b", env, NULL), 0);
    assert_null(c.api_key);
    assert_null(c.pin);
    assert_null(c.ca_file);
    assert_false(c.is_insecure);
    assert_true(c.is_http_allowed); /* the environment asks for it, for any server */
    config_done(&c);

    variables = "DOCKMON_URL=http://b DOCKMON_INSECURE_HTTP=true";
    assert_int_equal(config_load(&c, env, NULL), 0);
    assert_true(c.is_http_allowed);
    assert_int_equal(config_choose_server(&c, "http://c", env, NULL), 0);
    assert_false(c.is_http_allowed); /* it was for b */
    config_done(&c);
}

static void test_plain_http_is_for_loopback(void **state)
{
    static const struct {
        const char *url;
        bool is_allowed;
    } cases[] = {
        {"http://127.0.0.1:8001", true },
        {"http://localhost",      true },
        {"http://[::1]:8001/x",   true },
        {"https://example:1",     true },
        {"http://example:1",      false},
        {"HTTP://10.0.0.1",       false},
        {"http://127.example",    false},
        {"http://localhost.x/",   false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c = {0};
        struct error err = ERROR_INIT;

        assert_int_equal(config_set_url(&c, cases[i].url, NULL), 0);
        if ((config_check_transport(&c, &err) == 0) != cases[i].is_allowed)
            fail_msg("%s: %s", cases[i].url, err.msg);
        if (!cases[i].is_allowed)
            assert_non_null(strstr(err.msg, "--insecure-http"));
        c.is_http_allowed = true;
        assert_int_equal(config_check_transport(&c, NULL), 0);
        config_done(&c);
    }
}

static void test_modes(void **state)
{
    static const struct {
        mode_t mode;
        int result;
        bool is_exposed;
    } cases[] = {
        {0600, 0,      false},
        {0640, 0,      true },
        {0604, 0,      true },
        {0620, -EPERM, false},
        {0602, -EPERM, false},
        {0666, -EPERM, false},
    };
    struct config c = {0};

    (void)state;
    save_everything();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *path = xasprintf("%s/dockmon/config", folder);
        struct error err = ERROR_INIT;

        assert_int_equal(chmod(path, cases[i].mode), 0);
        assert_int_equal(config_load(&c, env, &err), cases[i].result);
        assert_int_equal(c.is_exposed, cases[i].is_exposed);
        if (cases[i].result < 0)
            assert_non_null(strstr(err.msg, "chmod 600"));
        config_done(&c);
        c = (struct config){0};
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
        {"HTTPS://a",             "https://a"            },
        {"server:8001",           "https://server:8001"  },
        {"10.0.0.1",              "https://10.0.0.1"     },
        {"127.0.0.1:8001",        "http://127.0.0.1:8001"},
        {"localhost:8001/",       "http://localhost:8001"},
        {"[::1]:8001",            "http://[::1]:8001"    },
        {"http://a/path/",        "http://a/path"        },
        {"a/path",                "https://a/path"       },
        {"http://",               NULL                   },
        {"http://a/path?x",       NULL                   },
        {"http://a:0x1",          NULL                   },
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
        TEST(test_defaults),
        TEST(test_path),
        TEST(test_save_and_load),
        TEST(test_environment_overrides_file),
        TEST(test_invalid_files),
        TEST(test_comments_and_unknown_keys),
        TEST(test_urls),
        TEST(test_another_server_drops_settings),
        TEST(test_plain_http_is_for_loopback),
        TEST(test_modes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
