/*
 * A signal reaches the process whose environment was read only, even if that ends and another
 * process gets its number right before the signal is sent.
 */

#include "agent/engine/exec_killer.h"
#include "agent/engine/process_mark.h"
#include "base/macros.h"
#include "base/str.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __real_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number);

static pid_t marked;
static bool reuses; /* the number of `marked` is reused before a signal is sent */
static pid_t successor;

/* Returns 0 after `marked` has ended and another process has its number; -1: not permitted. */
static int reuse_number(void)
{
    pid_t wanted = marked;
    struct clone_args args = {
        .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&wanted, .set_tid_size = 1};

    (void)__real_kill(marked, SIGKILL);
    (void)waitpid(marked, NULL, 0);
    successor = (pid_t)__real_syscall(SYS_clone3, &args, sizeof(args));
    if (successor == 0) {
        (void)pause();
        _exit(0);
    }
    return successor == wanted ? 0 : -1;
}

long __wrap_syscall(long number, ...)
{
    long a[4];
    va_list ap;

    va_start(ap, number);
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (number == SYS_pidfd_send_signal && reuses && reuse_number() < 0)
        skip();
    return __real_syscall(number, a[0], a[1], a[2], a[3]);
}

int __wrap_kill(pid_t pid, int number)
{
    if (reuses && reuse_number() < 0)
        skip();
    return __real_kill(pid, number);
}

static pid_t start_marked(const char *mark)
{
    char name[] = "sleep", seconds[] = "60", variable[EXEC_MARK_SIZE];
    char *const argv[] = {name, seconds, NULL};
    char *const env[] = {variable, NULL};
    pid_t pid;

    str_copy(variable, sizeof(variable), mark);
    pid = fork();
    if (pid == 0) {
        (void)execve("/bin/sleep", argv, env);
        _exit(127);
    }
    return pid;
}

/* Returns whether the process has called execve(), and so has its mark. */
static bool is_started(pid_t pid)
{
    char path[64], text[16] = "";
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return false;
    if (!fgets(text, sizeof(text), f))
        text[0] = '\0';
    (void)fclose(f);
    return str_eq(text, "sleep\n");
}

static unsigned signal_it(const char *mark)
{
    for (int i = 0; i < 500 && !is_started(marked); i++)
        (void)poll(NULL, 0, 10);
    return process_mark_signal(mark, SIGTERM);
}

static void test_a_marked_process_is_signalled(void **state)
{
    static const char mark[] = EXEC_MARK_NAME "=exec-killer-test-1";
    int status;

    (void)state;
    reuses = false;
    marked = start_marked(mark);
    assert_int_equal(signal_it(mark), 1);
    assert_int_equal(waitpid(marked, &status, 0), marked);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void test_a_reused_number_is_not_signalled(void **state)
{
    static const char mark[] = EXEC_MARK_NAME "=exec-killer-test-2";
    int status;

    (void)state;
    reuses = true;
    marked = start_marked(mark);
    assert_int_equal(signal_it(mark), 0);
    (void)poll(NULL, 0, 50); /* a signal would have ended it by now */
    assert_int_equal(waitpid(successor, &status, WNOHANG), 0);
    (void)__real_kill(successor, SIGKILL);
    (void)waitpid(successor, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_marked_process_is_signalled),
        cmocka_unit_test(test_a_reused_number_is_not_signalled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
