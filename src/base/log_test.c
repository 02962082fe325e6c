#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

/* Redirects stderr to a file while a line is written. */
static int log_fd = -1, saved_stderr = -1;
static char output[64 * 1024];

static void capture_start(void)
{
    assert_int_equal(ftruncate(log_fd, 0), 0);
    assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
    (void)fflush(stderr);
    assert_true(dup3(log_fd, STDERR_FILENO, O_CLOEXEC) >= 0);
}

static const char *capture_end(void)
{
    ssize_t n;

    (void)fflush(stderr);
    assert_true(dup3(saved_stderr, STDERR_FILENO, 0) >= 0);
    n = pread(log_fd, output, sizeof(output) - 1, 0);
    assert_true(n >= 0);
    output[n] = '\0';
    return output;
}

/* Checks the timestamp of a line, and returns the rest. */
static const char *after_time(const char *line)
{
    char stamp[TIME_TEXT_SIZE];
    int64_t ns;

    str_copy(stamp, sizeof(stamp), line);
    stamp[strlen("2026-11-23T01:53:00.123Z")] = '\0';
    assert_int_equal(time_parse_ns(stamp, &ns), 0);
    return line + strlen(stamp) + 1;
}

static void test_text_lines(void **state)
{
    static const struct {
        const char *key, *value, *msg, *want;
    } cases[] = {
        {NULL, NULL,      "hello",          "info msg=\"hello\"\n"                    },
        {NULL, NULL,      "a \"b\" \\ c",   "info msg=\"a \\\"b\\\" \\\\ c\"\n"       },
        {NULL, NULL,      "two\nlines\r\t", "info msg=\"two\\nlines\\u000d\\u0009\"\n"},
        {NULL, NULL,      "\033[31m",       "info msg=\"\\u001b[31m\"\n"              },
        {NULL, NULL,      "gr\u00fcn",      "info msg=\"gr\u00fcn\"\n"                },
        {NULL, NULL,
         "\xc2\x9b"
         "31m",                             "info msg=\"\\u009b31m\"\n"               },
        {"k",  "v",       "m",              "info msg=\"m\" k=v\n"                    },
        {"k",  "",        "m",              "info msg=\"m\" k=\"\"\n"                 },
        {"k",  NULL,      "m",              "info msg=\"m\" k=\"\"\n"                 },
        {"k",  "a b",     "m",              "info msg=\"m\" k=\"a b\"\n"              },
        {"k",  "a=b",     "m",              "info msg=\"m\" k=\"a=b\"\n"              },
        {"k",  "a\"b",    "m",              "info msg=\"m\" k=\"a\\\"b\"\n"           },
        {"k",  "a\nb",    "m",              "info msg=\"m\" k=\"a\\nb\"\n"            },
        {"k",  "a\x7f",   "m",              "info msg=\"m\" k=\"a\\u007f\"\n"         },
        {"k",  "x msg=y", "m",              "info msg=\"m\" k=\"x msg=y\"\n"          },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        capture_start();
        log_info(LOG_FIELDS(cases[i].key, cases[i].value), "%s", cases[i].msg);
        assert_string_equal(after_time(capture_end()), cases[i].want);
    }
}

static void test_several_fields(void **state)
{
    (void)state;
    capture_start();
    log_warn(LOG_FIELDS("host", "h1", "container", "c1"), "went %s", "away");
    log_error(NULL, "second");
    assert_string_equal(after_time(capture_end()), strchr(output, ' ') + 1);
    assert_non_null(strstr(output, "warning msg=\"went away\" host=h1 container=c1\n"));
    assert_non_null(strstr(output, "Z error msg=\"second\"\n"));
}

static void test_json_lines(void **state)
{
    static const struct {
        const char *value, *want;
    } cases[] = {
        {"v",           "\"msg\":\"m\",\"k\":\"v\"}\n"                  },
        {NULL,          "\"msg\":\"m\",\"k\":\"\"}\n"                   },
        {"a\"\\\n\x01", "\"msg\":\"m\",\"k\":\"a\\\"\\\\\\n\\u0001\"}\n"},
        {"\u20ac",      "\"msg\":\"m\",\"k\":\"\u20ac\"}\n"             },
        {"a\xff"
         "b",  "\"msg\":\"m\",\"k\":\"a\\ufffdb\"}\n"          },
        {"a\xe2\x82",   "\"msg\":\"m\",\"k\":\"a\\ufffd\\ufffd\"}\n"    },
    };

    (void)state;
    log_set_json(true);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *line;

        capture_start();
        log_info(LOG_FIELDS("k", cases[i].value), "m");
        line = capture_end();
        assert_true(str_starts_with(line, "{\"time\":\"2"));
        assert_true(str_starts_with(strchr(line, ','), ",\"level\":\"info\","));
        assert_string_equal(strstr(line, "\"msg\""), cases[i].want);
    }
    log_set_json(false);
}

static void test_level_filter(void **state)
{
    (void)state;
    capture_start();
    log_debug(NULL, "hidden");
    assert_string_equal(capture_end(), "");

    log_set_level(LOG_LEVEL_DEBUG);
    capture_start();
    log_debug(NULL, "shown");
    assert_string_equal(after_time(capture_end()), "debug msg=\"shown\"\n");

    log_set_level(LOG_LEVEL_ERROR);
    capture_start();
    log_warn(NULL, "hidden");
    log_error(NULL, "shown");
    assert_string_equal(after_time(capture_end()), "error msg=\"shown\"\n");
    log_set_level(LOG_LEVEL_INFO);
}

static void assert_one_whole_line(const char *text, const char *end)
{
    assert_true(str_ends_with(text, end));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

/* With values of any length the result is one complete line. */
static void test_long_lines_stay_whole(void **state)
{
    static char big[20000], control[20000];

    (void)state;
    memset(big, 'x', sizeof(big) - 1);
    memset(control, 1, sizeof(control) - 1);
    for (int json = 0; json < 2; json++) {
        log_set_json(json);
        capture_start();
        log_info(LOG_FIELDS("a", big, "b", control, "c", control, "d", control, "e", control, "f",
                            control),
                 "%s", control);
        assert_one_whole_line(capture_end(), json ? "\"}\n" : "\"\n");
        assert_true(strlen(output) < 33000);

        capture_start();
        log_info(LOG_FIELDS("a", big), "m");
        assert_one_whole_line(capture_end(), json ? "\"}\n" : "x\n");
        assert_non_null(strstr(output, "xxxxxxxxxx"));
    }
    log_set_json(false);
}

static void test_journal_prefix(void **state)
{
    (void)state;
    assert_int_equal(setenv("JOURNAL_STREAM", "8:1", 1), 0);
    capture_start();
    log_warn(LOG_FIELDS("k", "v"), "m");
    assert_string_equal(capture_end(), "<4>warning msg=\"m\" k=v\n");
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void test_level_names(void **state)
{
    static const struct {
        const char *text;
        int r;
        enum log_level level;
    } cases[] = {
        {"debug",   0,       LOG_LEVEL_DEBUG},
        {"INFO",    0,       LOG_LEVEL_INFO },
        {"Warn",    0,       LOG_LEVEL_WARN },
        {"warning", 0,       LOG_LEVEL_WARN },
        {"error",   0,       LOG_LEVEL_ERROR},
        {"",        -EINVAL, 0              },
        {"err",     -EINVAL, 0              },
        {"info ",   -EINVAL, 0              },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum log_level level = LOG_LEVEL_DEBUG;

        assert_int_equal(log_level_parse(cases[i].text, &level), cases[i].r);
        assert_int_equal(level, cases[i].level);
    }
    for (enum log_level level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_ERROR; level++) {
        enum log_level same = LOG_LEVEL_DEBUG;

        assert_int_equal(log_level_parse(log_level_name(level), &same), 0);
        assert_int_equal(same, level);
    }
}

static void test_limit(void **state)
{
    struct log_limit l = {0};
    uint64_t now_ms = 5;
    unsigned n;

    (void)state;
    for (int i = 0; i < LOG_LIMIT_LINES; i++) {
        assert_true(log_limit_pass(&l, now_ms, &n));
        assert_int_equal(n, 0);
    }
    for (int i = 0; i < 7; i++)
        assert_false(log_limit_pass(&l, now_ms += 8000, &n));
    assert_true(log_limit_pass(&l, now_ms += 8000, &n));
    assert_int_equal(n, 7);
    assert_true(log_limit_pass(&l, now_ms, &n));
    assert_int_equal(n, 0);
}

static int open_log(void **state)
{
    char path[] = "/tmp/log_test.XXXXXX";

    (void)state;
    (void)unsetenv("JOURNAL_STREAM");
    log_fd = mkostemp(path, O_CLOEXEC);
    saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    return log_fd < 0 || saved_stderr < 0 ? -1 : unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_lines),
        cmocka_unit_test(test_several_fields),
        cmocka_unit_test(test_json_lines),
        cmocka_unit_test(test_level_filter),
        cmocka_unit_test(test_long_lines_stay_whole),
        cmocka_unit_test(test_journal_prefix),
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, open_log, NULL);
}
