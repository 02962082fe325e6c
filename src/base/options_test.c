#include "base/file.h"
#include "base/options.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

struct config {
    char *listen;
    char *token;
    char *url;
    bool is_verbose;
    uint64_t workers;
    uint64_t wait_ms;
    char *internal;
};

#define OPT(member) offsetof(struct config, member)

static const struct option_spec specs[] = {
    {"listen",  "T_LISTEN",   OPTION_STRING,   OPT(listen),     0,               "127.0.0.1:8001", 0,    24,    "ADDR:PORT"},
    {"token",   "T_TOKEN",    OPTION_STRING,   OPT(token),      OPTION_SECRET,   NULL,             0,    8,     "secret"   },
    {"url",     "T_URL",      OPTION_STRING,   OPT(url),        OPTION_REQUIRED, NULL,             0,    0,     "server"   },
    {"verbose", "T_VERBOSE",  OPTION_BOOL,     OPT(is_verbose), 0,               NULL,             0,    0,     "say more" },
    {"workers", "T_WORKERS",  OPTION_U64,      OPT(workers),    0,               "2",              1,    16,    "threads"  },
    {"wait",    NULL,         OPTION_DURATION, OPT(wait_ms),    0,               "1s",             1000, 60000, "patience" },
    {NULL,      "T_INTERNAL", OPTION_STRING,   OPT(internal),   0,               NULL,             0,    0,     "no flag"  },
};

static char file_path[] = "/tmp/options_test.XXXXXX";

/* The results of a parse. */
struct run {
    struct config config;
    struct buf errors;
    char *argv[16];
    int argc;
    int first;
    int r;
};

static void run_init(struct run *run, const char *const *args)
{
    *run = (struct run){.errors = BUF_INIT(4096)};
    run->argv[run->argc++] = (char *)(uintptr_t) "program";
    for (; args && *args; args++)
        run->argv[run->argc++] = (char *)(uintptr_t)*args;
}

static void run_parse(struct run *run, const char *const *env, const char *file)
{
    const struct option_source source = {run->argc, run->argv, file, env};

    run->r = options_parse(specs, ARRAY_LEN(specs), &source, &run->config, &run->first,
                           &run->errors);
}

static void run_done(struct run *run)
{
    options_done(specs, ARRAY_LEN(specs), &run->config);
    assert_null(run->config.listen);
    buf_done(&run->errors);
}

static void write_config(const char *text, size_t size)
{
    struct error err = ERROR_INIT;

    if (file_write_atomic(file_path, text, size, 0600, &err) < 0)
        fail_msg("%s", err.msg);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" lacks \"%s\"", text, part);
}

static const char *const url_only[] = {"--url=u", NULL};

static void test_defaults(void **state)
{
    struct run run;

    (void)state;
    run_init(&run, url_only);
    run_parse(&run, NULL, NULL);
    assert_int_equal(run.r, 0);
    assert_string_equal(run.config.listen, "127.0.0.1:8001");
    assert_null(run.config.token);
    assert_string_equal(run.config.url, "u");
    assert_false(run.config.is_verbose);
    assert_int_equal(run.config.workers, 2);
    assert_int_equal(run.config.wait_ms, 1000);
    assert_null(run.config.internal);
    assert_int_equal(run.errors.size, 0);
    assert_int_equal(run.first, run.argc);
    run_done(&run);
}

static void test_precedence(void **state)
{
    static const char *const env[] = {
        "T_URL=env-url", "T_WORKERS=5", "T_LISTEN=", "T_URLX=no", "T_INTERNAL=env-internal", NULL};
    static const char text[] = "T_URL=file-url\nT_WORKERS=6\nT_LISTEN=file:1\nT_TOKEN=file\n";
    static const char *const args[] = {"--url", "flag-url", NULL};
    struct run run;

    (void)state;
    write_config(text, strlen(text));
    run_init(&run, args);
    run_parse(&run, env, file_path);
    assert_int_equal(run.r, 0);
    assert_string_equal(run.config.url, "flag-url");
    assert_int_equal(run.config.workers, 5);
    assert_string_equal(run.config.listen, "file:1"); /* an empty variable is an unset one */
    assert_string_equal(run.config.token, "file");
    assert_string_equal(run.config.internal, "env-internal");
    run_done(&run);
}

static void test_flag_forms(void **state)
{
    static const struct {
        const char *args[6];
        bool is_verbose;
        uint64_t workers;
        const char *url;
    } cases[] = {
        {{"--url=a"},                             false, 2,  "a"        },
        {{"--url", "a"},                          false, 2,  "a"        },
        {{"--url=a=b"},                           false, 2,  "a=b"      },
        {{"--url", "--verbose"},                  false, 2,  "--verbose"},
        {{"--url=a", "--url=b"},                  false, 2,  "b"        },
        {{"--url=a", "--verbose"},                true,  2,  "a"        },
        {{"--verbose", "--url=a"},                true,  2,  "a"        },
        {{"--url=a", "--verbose=true"},           true,  2,  "a"        },
        {{"--url=a", "--verbose", "--verbose=0"}, false, 2,  "a"        },
        {{"--url=a", "--workers", "16"},          false, 16, "a"        },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run run;

        run_init(&run, cases[i].args);
        run_parse(&run, NULL, NULL);
        if (run.r != 0)
            fail_msg("case %zu: %s", i, buf_str(&run.errors));
        assert_int_equal(run.config.is_verbose, cases[i].is_verbose);
        assert_int_equal(run.config.workers, cases[i].workers);
        assert_string_equal(run.config.url, cases[i].url);
        run_done(&run);
    }
}

static void test_words_move_behind_flags(void **state)
{
    static const char *const args[] = {"token",     "--url", "u",     "create", "-",
                                       "--verbose", "--",    "--url", "-x",     NULL};
    static const char *const want[] = {"program", "--url",  "u", "--verbose", "--",
                                       "token",   "create", "-", "--url",     "-x"};
    struct run run;

    (void)state;
    run_init(&run, args);
    run_parse(&run, NULL, NULL);
    assert_int_equal(run.r, 0);
    assert_string_equal(run.config.url, "u");
    assert_true(run.config.is_verbose);
    assert_int_equal(run.first, 5);
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_string_equal(run.argv[i], want[i]);
    run_done(&run);
}

static void test_bad_values(void **state)
{
    static const struct {
        const char *args[5];
        const char *error; /* the whole text */
    } cases[] = {
        {{"--url=u", "--nope"},                             "--nope: unknown flag\n"                                      },
        {{"--url=u", "--nope=1"},                           "--nope: unknown flag\n"                                      },
        {{"--url=u", "--list=x"},                           "--list: unknown flag\n"                                      },
        {{"--url=u", "--listening=x"},                      "--listening: unknown flag\n"                                 },
        {{"--url=u", "-v"},                                 "-v: unknown flag\n"                                          },
        {{"--url=u", "--=v"},                               "--: unknown flag\n"                                          },
        {{"--url=u", "--workers"},                          "--workers: needs a value\n"                                  },
        {{"--url=u", "--config"},                           "--config: needs a value\n"                                   },
        {{"--url=u", "--workers=0"},
         "--workers=0 (T_WORKERS): expected a whole number from 1 to 16\n"                                                },
        {{"--url=u", "--workers=17"},
         "--workers=17 (T_WORKERS): expected a whole number from 1 to 16\n"                                               },
        {{"--url=u", "--workers="},
         "--workers= (T_WORKERS): expected a whole number from 1 to 16\n"                                                 },
        {{"--url=u", "--workers=2x"},
         "--workers=2x (T_WORKERS): expected a whole number from 1 to 16\n"                                               },
        {{"--url=u", "--workers", "-1"},
         "--workers=-1 (T_WORKERS): expected a whole number from 1 to 16\n"                                               },
        {{"--url=u", "--verbose=ja"},                       "--verbose=ja (T_VERBOSE): expected true or false\n"          },
        {{"--url=u", "--wait=5"},                           "--wait=5: expected a duration such as 1m30s, from 1s to 1m\n"},
        {{"--url=u", "--wait=61s"},
         "--wait=61s: expected a duration such as 1m30s, from 1s to 1m\n"                                                 },
        {{"--url=u", "--wait=999ms"},
         "--wait=999ms: expected a duration such as 1m30s, from 1s to 1m\n"                                               },
        {{"--url=u", "--listen=0123456789012345678901234"},
         "--listen=0123456789012345678901234 (T_LISTEN): expected at most 24 bytes\n"                                     },
        {{"--url=u", "--token=hunter2-hunter2"},
         "--token=(secret) (T_TOKEN): expected at most 8 bytes\n"                                                         },
        {{"--url=u", "--workers=a\nb\033"},
         "--workers=a?b? (T_WORKERS): expected a whole number from 1 to 16\n"                                             },
        {{"--url="},                                        "T_URL or --url is required: server\n"                        },
        {{NULL},                                            "T_URL or --url is required: server\n"                        },
        {{"--url=u", "--config=/nonexistent/x"},
         "open /nonexistent/x: No such file or directory\n"                                                               },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run run;

        run_init(&run, cases[i].args);
        run_parse(&run, NULL, NULL);
        assert_int_equal(run.r, -EINVAL);
        assert_string_equal(buf_str(&run.errors), cases[i].error);
        run_done(&run);
    }
}

static void test_all_errors_at_once(void **state)
{
    static const char *const env[] = {"T_WORKERS=many", "T_VERBOSE=si", NULL};
    static const char *const args[] = {"--wait=soon", "--what", "--listen=ok:1", NULL};
    struct run run;

    (void)state;
    run_init(&run, args);
    run_parse(&run, env, NULL);
    assert_int_equal(run.r, -EINVAL);
    assert_string_equal(buf_str(&run.errors),
                        "--what: unknown flag\n"
                        "T_URL or --url is required: server\n"
                        "T_VERBOSE=si: expected true or false\n"
                        "T_WORKERS=many: expected a whole number from 1 to 16\n"
                        "--wait=soon: expected a duration such as 1m30s, from 1s to 1m\n");
    assert_string_equal(run.config.listen, "ok:1"); /* valid values are filled in */
    run_done(&run);
}

static void test_long_value_is_cut_in_error(void **state)
{
    static char flag[5000];
    const char *args[] = {"--url=u", flag, NULL};
    struct run run;

    (void)state;
    (void)snprintf(flag, sizeof(flag), "--workers=%4900d", 7);
    run_init(&run, args);
    run_parse(&run, NULL, NULL);
    assert_int_equal(run.r, -EINVAL);
    assert_contains(buf_str(&run.errors), "   ... (T_WORKERS): expected a whole number");
    assert_true(run.errors.size < 250);
    run_done(&run);
}

static void test_file_format(void **state)
{
    static const struct {
        const char *text;
        const char *url; /* NULL: an error */
        const char *error;
    } cases[] = {
        {"T_URL=u",                            "u",          NULL                              },
        {"T_URL=u\n",                          "u",          NULL                              },
        {"T_URL=u\r\n",                        "u",          NULL                              },
        {"\n\n# comment\n  # more\nT_URL=u\n", "u",          NULL                              },
        {"  T_URL = u v \n",                   "u v",        NULL                              },
        {"export T_URL=u\n",                   "u",          NULL                              },
        {"export   T_URL=u\n",                 "u",          NULL                              },
        {"T_URL=\"u v\"\n",                    "u v",        NULL                              },
        {"T_URL=' u '\n",                      " u ",        NULL                              },
        {"T_URL='say \"hi\"'\n",               "say \"hi\"", NULL                              },
        {"T_URL=a=b#c\n",                      "a=b#c",      NULL                              },
        {"T_URL=it's\n",                       "it's",       NULL                              },
        {"T_URL=a\nT_URL=b\n",                 "b",          NULL                              },
        {"T_URL=\"u\n",                        NULL,         "line 1: T_URL: unbalanced quotes"},
        {"T_URL=\"\n",                         NULL,         "line 1: T_URL: unbalanced quotes"},
        {"T_URL=\"u\" v\n",                    NULL,         "line 1: T_URL: unbalanced quotes"},
        {"T_URL=\"u\"v\"\n",                   NULL,         "line 1: T_URL: unbalanced quotes"},
        {"\nT_URL\n",                          NULL,         "line 2: expected KEY=value"      },
        {"=u\n",                               NULL,         "line 1: expected KEY=value"      },
        {"T_URL=u\n\nT_NOPE=1\n",              NULL,         "line 3: unknown key T_NOPE"      },
        {"T_URL=u\nt_listen=1\n",              NULL,         "line 2: unknown key t_listen"    },
        {"T_URL=u\nlisten=1\n",                NULL,         "line 2: unknown key listen"      },
        {"T_URL=u\nT_WORKERS=x\n",             NULL,         "line 2: T_WORKERS=x: expected"   },
        {"T_URL=\n",                           NULL,         "T_URL or --url is required"      },
    };
    char flag[64];

    (void)state;
    (void)snprintf(flag, sizeof(flag), "--config=%s", file_path);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *args[] = {flag, NULL};
        struct run run;

        write_config(cases[i].text, strlen(cases[i].text));
        run_init(&run, args);
        run_parse(&run, NULL, NULL);
        if (cases[i].url) {
            if (run.r != 0)
                fail_msg("case %zu: %s", i, buf_str(&run.errors));
            assert_string_equal(run.config.url, cases[i].url);
        } else {
            assert_int_equal(run.r, -EINVAL);
            assert_contains(buf_str(&run.errors), cases[i].error);
        }
        run_done(&run);
    }
}

static void test_default_file_is_lenient(void **state)
{
    static const char text[] = "OTHER_PROGRAM=1\nT_WORKERS=3\n";
    struct run run;

    (void)state;
    write_config(text, strlen(text));
    run_init(&run, url_only);
    run_parse(&run, NULL, file_path);
    assert_int_equal(run.r, 0);
    assert_int_equal(run.config.workers, 3);
    run_done(&run);

    run_init(&run, url_only);
    run_parse(&run, NULL, "/nonexistent/options");
    assert_int_equal(run.r, 0);
    run_done(&run);
}

static void test_config_flag_replaces_default_file(void **state)
{
    static const char text[] = "T_WORKERS=4\n";
    const char *args[] = {"--config", file_path, "--url=u", NULL};
    struct run run;

    (void)state;
    write_config(text, strlen(text));
    run_init(&run, args);
    run_parse(&run, NULL, "/etc/passwd");
    assert_int_equal(run.r, 0);
    assert_int_equal(run.config.workers, 4);
    run_done(&run);
}

static void test_file_limits(void **state)
{
    static char big[64 * 1024 + 1];
    static const char with_nul[] = "T_WORKERS=4\0T_LISTEN=5\n";
    struct run run;

    (void)state;
    memset(big, '#', sizeof(big));
    write_config(big, sizeof(big) - 1);
    run_init(&run, url_only);
    run_parse(&run, NULL, file_path);
    assert_int_equal(run.r, 0);
    run_done(&run);

    write_config(big, sizeof(big));
    run_init(&run, url_only);
    run_parse(&run, NULL, file_path);
    assert_int_equal(run.r, -EINVAL);
    assert_contains(buf_str(&run.errors), "larger than 65536 bytes");
    run_done(&run);

    write_config(with_nul, sizeof(with_nul) - 1);
    run_init(&run, url_only);
    run_parse(&run, NULL, file_path);
    assert_int_equal(run.r, -EINVAL);
    assert_contains(buf_str(&run.errors), "not a text file");
    run_done(&run);
}

static void test_no_arguments_at_all(void **state)
{
    const struct option_source source = {0, NULL, NULL, NULL};
    struct config config = {0};
    struct buf errors = BUF_INIT(1024);
    int first = -1;

    (void)state;
    assert_int_equal(options_parse(specs, ARRAY_LEN(specs), &source, &config, &first, &errors),
                     -EINVAL);
    assert_int_equal(first, 0);
    options_done(specs, ARRAY_LEN(specs), &config);
    options_done(specs, ARRAY_LEN(specs), &config);
    buf_done(&errors);
}

static void test_help(void **state)
{
    struct buf out = BUF_INIT(4096);

    (void)state;
    options_help(specs, ARRAY_LEN(specs), &out);
    assert_contains(buf_str(&out), "  --listen    ADDR:PORT\n"
                                   "              [T_LISTEN, default 127.0.0.1:8001]\n");
    assert_contains(buf_str(&out),
                    "  --token     secret\n"
                    "              (as a flag it stays in the history of the shell)\n"
                    "              [T_TOKEN]\n");
    assert_contains(buf_str(&out), "  --wait      patience\n              [default 1s]\n");
    assert_contains(buf_str(&out), "  T_INTERNAL  no flag\n");
    assert_contains(buf_str(&out), "  --config    FILE");
    buf_done(&out);
}

static void test_help_is_wrapped(void **state)
{
    static const struct option_spec spec = {
        .flag = "long",
        .type = OPTION_BOOL,
        .help =
            "text which fits before column 100 stays in one line; this option has eighty-seven bytes "
            "here",
    };
    struct buf out = BUF_INIT(4096);

    (void)state;
    options_help(&spec, 1, &out);
    assert_contains(buf_str(&out), "  --long    text which fits");
    assert_contains(buf_str(&out), "eighty-seven bytes\n            here\n");
    buf_done(&out);
}

static void test_unlisted_option_is_parsed_and_not_in_help(void **state)
{
    static const struct option_spec one[] = {
        {.flag = "an-unlisted-option",
         .env = "T_UNLISTED",
         .type = OPTION_U64,
         .flags = OPTION_UNLISTED,
         .max = 9,
         .help = "no effect"},
    };
    const char *const env[] = {"T_UNLISTED=7", NULL};
    const struct option_source source = {0, NULL, NULL, env};
    struct buf errors = BUF_INIT(1024);
    struct buf out = BUF_INIT(4096);
    uint64_t value = 0;

    (void)state;
    assert_int_equal(options_parse(one, 1, &source, &value, NULL, &errors), 0);
    assert_int_equal(value, 7);
    options_help(one, 1, &out);
    assert_string_equal(buf_str(&out), "  --config  FILE of KEY=value lines to read\n");
    buf_done(&errors);
    buf_done(&out);
}

static int make_file(void **state)
{
    int fd = mkstemp(file_path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file_path);
}

/* Only the values of secrets are overwritten in argv, with "=" and without. */
static void test_hide_secrets(void **state)
{
    char words[][24] = {"program", "--token=secret", "--listen",      "a:1",
                        "--token", "hidden",         "--tokens=kept", "--token"};
    char *argv[ARRAY_LEN(words) + 1] = {NULL};
    const struct option_source source = {(int)ARRAY_LEN(words), argv, NULL, NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        argv[i] = words[i];
    options_hide_secrets(specs, ARRAY_LEN(specs), &source);
    assert_string_equal(argv[1], "--token=xxxxxx");
    assert_string_equal(argv[2], "--listen");
    assert_string_equal(argv[3], "a:1");
    assert_string_equal(argv[4], "--token");
    assert_string_equal(argv[5], "xxxxxx");
    assert_string_equal(argv[6], "--tokens=kept");
    assert_string_equal(argv[7], "--token");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_flag_forms),
        cmocka_unit_test(test_words_move_behind_flags),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_all_errors_at_once),
        cmocka_unit_test(test_long_value_is_cut_in_error),
        cmocka_unit_test(test_file_format),
        cmocka_unit_test(test_default_file_is_lenient),
        cmocka_unit_test(test_config_flag_replaces_default_file),
        cmocka_unit_test(test_file_limits),
        cmocka_unit_test(test_no_arguments_at_all),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_help_is_wrapped),
        cmocka_unit_test(test_unlisted_option_is_parsed_and_not_in_help),
        cmocka_unit_test(test_hide_secrets),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
