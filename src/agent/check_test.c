#include "agent/check.h"
#include "agent/common/temporary_dir.h"
#include "base/alloc.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define INSECURE        "note   INSECURE_SKIP_VERIFY is on"
#define PINNED          "ok     the server is identified by its key alone: PIN"
#define ENGINE_INSECURE "note   DOCKER_TLS_VERIFY is off"
#define PLAIN           "note   the connection to the server is not encrypted (URL)\n"
#define EXPOSED         "note   the connection to the server is not encrypted (URL), so the token"
#define CORRECTED       "note   SETTING was corrected"

static char *as_field(const char *text)
{
    return (char *)(uintptr_t)text; /* nothing is freed: there is no config_done() */
}

/* Runs the check with an engine and a server that are not there. */
static char *check(struct config *c)
{
    struct buf out = BUF_INIT(CHECK_MAX_TEXT);
    char dir[TEMPORARY_DIR_SIZE], token[TEMPORARY_DIR_SIZE + sizeof("/token")];
    struct loop *loop = NULL;

    assert_int_equal(temporary_dir_make(dir), 0);
    (void)snprintf(token, sizeof(token), "%s/token", dir);
    c->url = as_field("URL");
    c->ws_url = as_field("WS");
    c->docker_host = as_field("unix:///nonexistent/engine");
    c->http_address = as_field("http://127.0.0.1:1");
    c->http_prefix = as_field("");
    c->data_path = dir;
    c->token_path = token;
    assert_int_equal(loop_new(&loop, &(struct loop_options){0}, NULL), 0);
    assert_false(check_run(loop, c, &out));
    loop_free(loop);
    assert_int_equal(temporary_dir_remove(dir), 0);
    return buf_take(&out);
}

/* Each line about the configuration appears when it applies, and only then. */
static void test_lines_about_the_configuration(void **state)
{
    static const char *const lines[] = {INSECURE, PINNED, ENGINE_INSECURE, PLAIN, EXPOSED};
    /* clang-format off */
    static const struct {
        bool is_tls, is_insecure, is_pinned, is_engine_tls, is_engine_insecure, is_exposed;
        const char *expected[2]; /* of `lines` */
    } cases[] = {
        {.is_tls = true},
        {.is_tls = true, .is_insecure = true, .expected = {INSECURE}},
        {.is_tls = true, .is_pinned = true, .expected = {PINNED}},
        {.is_tls = true, .is_pinned = true, .is_insecure = true, .expected = {PINNED}},
        {.expected = {PLAIN}},
        {.is_insecure = true, .is_pinned = true, .expected = {PLAIN}},
        {.is_exposed = true, .expected = {EXPOSED}},
        {.is_tls = true, .is_engine_tls = true},
        {.is_tls = true, .is_engine_insecure = true},
        {.is_tls = true, .is_engine_tls = true, .is_engine_insecure = true,
         .expected = {ENGINE_INSECURE}},
        {.is_tls = true, .is_insecure = true, .is_engine_tls = true, .is_engine_insecure = true,
         .expected = {INSECURE, ENGINE_INSECURE}},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c = {
            .is_tls = cases[i].is_tls,
            .is_insecure = cases[i].is_insecure,
            .pins = cases[i].is_pinned ? as_field("PIN") : NULL,
            .is_engine_tls = cases[i].is_engine_tls,
            .is_engine_insecure = cases[i].is_engine_insecure,
            .is_exposed = cases[i].is_exposed,
        };
        _cleanup_free_ char *text = check(&c);

        assert_non_null(strstr(text, "ok     configuration: server WS, engine unix://"));
        for (size_t j = 0; j < ARRAY_LEN(lines); j++) {
            bool is_expected = str_eq(lines[j], cases[i].expected[0]) ||
                               str_eq(lines[j], cases[i].expected[1]);

            if (is_expected != (strstr(text, lines[j]) != NULL))
                fail_msg("case %zu, \"%s\":\n%s", i, lines[j], text);
        }
    }
}

/* The notes about corrected variables, and the lines about the data directory and the token. */
static void test_lines_about_the_data_directory(void **state)
{
    struct config c = {.is_tls = true, .notes = BUF_INIT(1000)};
    char *text;

    (void)state;
    assert_int_equal(buf_append_str(&c.notes, "SETTING was corrected\nand so was OTHER"), 0);
    text = check(&c);
    assert_non_null(strstr(text, CORRECTED "\nnote   and so was OTHER\n"));
    assert_non_null(strstr(text, "no permanent token yet"));
    assert_null(strstr(text, "spool"));
    free(text);

    c.permanent_token = as_field("secret");
    c.spool_mb = 1;
    c.spool_path = as_field("/dev/null/spool");
    text = check(&c);
    assert_non_null(strstr(text, "the permanent token is set by PERMANENT_TOKEN"));
    assert_non_null(strstr(text, "note   spool /dev/null/spool: "));
    assert_null(strstr(text, "secret"));
    assert_non_null(strstr(text, "WRONG  engine unix:///nonexistent/engine: "));
    assert_non_null(strstr(text, "WRONG  server http://127.0.0.1:1: "));
    free(text);
    buf_done(&c.notes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_about_the_configuration),
        cmocka_unit_test(test_lines_about_the_data_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
