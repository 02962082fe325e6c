#include "base/log.h"
#include "base/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum lamp { LAMP_OFF, LAMP_ON, LAMP_BROKEN };

static const struct state_row rows[] = {
    STATE_ROW(LAMP_OFF, "off", STATE_TO(LAMP_ON)),
    STATE_ROW(LAMP_ON, "on", STATE_TO(LAMP_OFF) | STATE_TO(LAMP_BROKEN)),
    STATE_ROW(LAMP_BROKEN, "broken", 0),
};
static const struct state_machine machine = STATE_MACHINE("lamp", rows);

/* Runs the check in a child and returns its wait status; `log` gets the child's stderr. */
static int check_in_child(const char *id, unsigned from, unsigned to, char *log, size_t size)
{
    int fds[2], status;
    size_t used = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(fds[1], STDERR_FILENO);
        log_set_level(LOG_LEVEL_DEBUG);
        state_check(&machine, id, from, to);
        _exit(0);
    }
    close(fds[1]);
    while (used < size - 1 && (n = read(fds[0], log + used, size - 1 - used)) > 0)
        used += (size_t)n;
    log[used] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_legal_transitions_are_logged(void **state)
{
    char log[4096];

    (void)state;
    assert_int_equal(check_in_child(NULL, LAMP_OFF, LAMP_ON, log, sizeof(log)), 0);
    assert_non_null(strstr(log, "lamp: off -> on"));
    assert_null(strstr(log, "id="));
    assert_int_equal(check_in_child("hall", LAMP_ON, LAMP_BROKEN, log, sizeof(log)), 0);
    assert_non_null(strstr(log, "lamp: on -> broken"));
    assert_non_null(strstr(log, "id=hall"));
}

static void test_illegal_transitions_abort(void **state)
{
    static const struct {
        unsigned from, to;
        const char *message;
    } cases[] = {
        {LAMP_OFF,    LAMP_BROKEN, "lamp: illegal transition off -> broken"},
        {LAMP_BROKEN, LAMP_ON,     "lamp: illegal transition broken -> on" },
        {LAMP_ON,     LAMP_ON,     "lamp: illegal transition on -> on"     },
        {LAMP_OFF,    3,           "state_name"                            },
    };
    char log[4096];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int status = check_in_child(NULL, cases[i].from, cases[i].to, log, sizeof(log));

        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
        assert_non_null(strstr(log, cases[i].message));
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(state_name(&machine, LAMP_BROKEN), "broken");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_legal_transitions_are_logged),
        cmocka_unit_test(test_illegal_transitions_abort),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
