#include "agent/shell/exec_request.h"
#include "base/alloc.h"
#include "base/macros.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ATTACHED \
    "{\"AttachStdin\":true,\"AttachStdout\":true,\"AttachStderr\":true,\"Tty\":true,\"Env\":"
#define PLAIN \
    "{\"AttachStdin\":true,\"AttachStdout\":true,\"AttachStderr\":true,\"Tty\":false,\"Env\":"
#define DETACHED \
    "{\"AttachStdin\":false,\"AttachStdout\":false,\"AttachStderr\":false,\"Tty\":false,\"Env\":"
#define SHELL \
    "\"Cmd\":[\"/bin/sh\",\"-c\",\"command -v bash >/dev/null 2>&1 && exec bash; exec sh\"]"

/* The request is the text that the engine gets: each member is the one that was asked for. */
static void test_requests(void **state)
{
    char *words[] = {(char[]){"ls"}, (char[]){"-l \"x\""}};
    char *env[] = {(char[]){"A=b"}, (char[]){"C="}};
    const struct {
        struct msg_shell_session start;
        const char *mark, *expected;
    } cases[] = {
        {.expected = ATTACHED "[\"TERM=xterm-256color\"]," SHELL "}"            },
        { .mark = "MARK=1", .expected = ATTACHED "[\"MARK=1\",\"TERM=xterm-256color\"]," SHELL "}"},
        { .start = {.is_plain = true, .user = (char[]){""}, .workdir = (char[]){""}},
         .expected = PLAIN "[]," SHELL "}"},
        {                                       .start = {.is_plain = true, .is_detached = true, .cmd = {.items = words, .n = 2}},
         .expected = DETACHED "[],\"Cmd\":[\"ls\",\"-l \\\"x\\\"\"]}"},
        {            .start = {.env = {.items = env, .n = 2}, .cmd = {.items = words, .n = 1}},
         .mark = "MARK=1",
         .expected = ATTACHED
         "[\"MARK=1\",\"TERM=xterm-256color\",\"A=b\",\"C=\"],\"Cmd\":[\"ls\"]}"},
        {   .start = {.is_plain = true,
                   .user = (char[]){"1000:0"},
                   .workdir = (char[]){"/w"},
                   .cmd = {.items = words, .n = 1}},
         .expected = PLAIN "[],\"Cmd\":[\"ls\"],\"User\":\"1000:0\",\"WorkingDir\":\"/w\"}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *text = exec_request_write(&cases[i].start, cases[i].mark);

        assert_string_equal(text, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
