#include "base/str.h"
#include "server/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define MAX_WORDS 4

static int read_words(const char *const *words,
                      const char *const *env,
                      struct config *c,
                      struct buf *errors)
{
    char *argv[MAX_WORDS + 2] = {(char *)(uintptr_t) "dockmond"};
    int argc = 1;

    for (size_t i = 0; i < MAX_WORDS && words[i]; i++)
        argv[argc++] = (char *)(uintptr_t)words[i];
    return config_read(argc, argv, env, c, errors);
}

static void test_options_have_defaults(void **state)
{
    struct buf errors = BUF_INIT(4096);
    struct config c;

    (void)state;
    assert_int_equal(read_words((const char *const[MAX_WORDS]){0}, NULL, &c, &errors), 0);
    assert_string_equal(c.host, "127.0.0.1");
    assert_int_equal(c.port, 8001);
    assert_int_equal(c.session_lifetime_ms, 24 * 3600 * 1000);
    assert_int_equal(c.max_agent_message, 16 << 20);
    config_done(&c);
    buf_done(&errors);
}

static void test_flags_win_over_the_environment(void **state)
{
    static const char *const env[] = {"DOCKMOND_LISTEN=127.0.0.1:1", "DOCKMOND_DATA_DIR=/env",
                                      NULL};
    struct buf errors = BUF_INIT(4096);
    struct config c;

    (void)state;
    assert_int_equal(
        read_words((const char *const[MAX_WORDS]){"--listen", "[::1]:2"}, env, &c, &errors), 0);
    assert_string_equal(c.host, "::1");
    assert_int_equal(c.port, 2);
    assert_string_equal(c.data_dir, "/env");
    config_done(&c);
    buf_done(&errors);
}

static void test_bad_values_are_named(void **state)
{
    static const struct {
        const char *words[MAX_WORDS];
        const char *named;
    } cases[] = {
        {{"--listen", "nowhere"},                "DOCKMOND_LISTEN"           },
        {{"--listen", "127.0.0.1:70000"},        "127.0.0.1:70000"           },
        {{"--tls-cert", "a"},                    "--tls-key"                 },
        {{"--tls-key", "a"},                     "--tls-cert"                },
        {{"--tls-san", "a,b c"},                 "`b c`"                     },
        {{"--insecure-http", "--tls"},           "--insecure-http"           },
        {{"--log-level", "loud"},                "DOCKMOND_LOG_LEVEL"        },
        {{"--log-format", "xml"},                "DOCKMOND_LOG_FORMAT"       },
        {{"--session-lifetime", "1"},            "DOCKMOND_SESSION_LIFETIME" },
        {{"--max-agent-message", "1"},           "DOCKMOND_MAX_AGENT_MESSAGE"},
        {{"--trusted-proxies", "proxy"},         "`proxy`"                   },
        {{"--trusted-proxies", "10.0.0.1/8"},    "DOCKMOND_TRUSTED_PROXIES"  },
        {{"--trusted-origins", "example.org"},   "DOCKMOND_TRUSTED_ORIGINS"  },
        {{"--trusted-origins", "https://a/b"},   "DOCKMOND_TRUSTED_ORIGINS"  },
        {{"--base-path", "x"},                   "DOCKMOND_BASE_PATH"        },
        {{"--base-path", "/x/../y"},             "DOCKMOND_BASE_PATH"        },
        {{"--public-url", "http://example.org"}, "DOCKMOND_PUBLIC_URL"       },
        {{"--public-url", "https://a/$(x)"},     "DOCKMOND_PUBLIC_URL"       },
        {{"--no-such"},                          "--no-such"                 },
        {{"sing"},                               "sing"                      },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf errors = BUF_INIT(4096);
        struct config c;

        assert_true(read_words(cases[i].words, NULL, &c, &errors) < 0);
        if (!strstr(buf_str(&errors), cases[i].named))
            fail_msg("case %zu: %s", i, buf_str(&errors));
        config_done(&c);
        buf_done(&errors);
    }
}

static void test_the_path_of_the_public_url_is_the_default_of_the_base_path(void **state)
{
    static const struct {
        const char *words[MAX_WORDS], *url, *base_path;
    } cases[] = {
        {{"--public-url", "https://a.example"},                        "https://a.example",   NULL},
        {{"--public-url", "https://a.example/"},                       "https://a.example",   NULL},
        {{"--public-url", "https://a.example/x/"},                     "https://a.example/x", "/x"},
        {{"--public-url", "https://a.example/x", "--base-path", "/y"}, "https://a.example/x", "/y"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf errors = BUF_INIT(4096);
        struct config c;

        assert_int_equal(read_words(cases[i].words, NULL, &c, &errors), 0);
        assert_string_equal(c.front.public_url, cases[i].url);
        assert_true(str_eq(c.front.base_path, cases[i].base_path));
        config_done(&c);
        buf_done(&errors);
    }
}

static void test_tls_is_on_beyond_loopback(void **state)
{
    static const struct {
        const char *words[MAX_WORDS];
        bool is_tls;
    } cases[] = {
        {{NULL},                                                             false},
        {{"--listen", "localhost:1"},                                        false},
        {{"--listen", "[::1]:1"},                                            false},
        {{"--listen", "127.example.com:1"},                                  true },
        {{"--tls"},                                                          true },
        {{"--tls-cert=a", "--tls-key=b"},                                    true },
        {{"--insecure-http"},                                                false},
        {{"--listen", ":1"},                                                 true },
        {{"--listen", "0.0.0.0:1"},                                          true },
        {{"--listen", "[::]:1"},                                             true },
        {{"--listen", "192.0.2.1:1"},                                        true },
        {{"--listen", "0.0.0.0:1", "--insecure-http"},                       false},
        {{"--listen", "0.0.0.0:1", "--tls-san", "a.example, 192.0.2.1,::2"}, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf errors = BUF_INIT(4096);
        struct config c;

        if (read_words(cases[i].words, NULL, &c, &errors) < 0 || c.is_tls != cases[i].is_tls)
            fail_msg("case %zu: %d %s", i, c.is_tls, buf_str(&errors));
        config_done(&c);
        buf_done(&errors);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_have_defaults),
        cmocka_unit_test(test_flags_win_over_the_environment),
        cmocka_unit_test(test_bad_values_are_named),
        cmocka_unit_test(test_the_path_of_the_public_url_is_the_default_of_the_base_path),
        cmocka_unit_test(test_tls_is_on_beyond_loopback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
