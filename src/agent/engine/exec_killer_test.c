/*
 * The signal of the exec killer reaches the process whose environment was read, even if that ends
 * and another process gets its number right before the signal is sent.
 */

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static long hooked_syscall(long number, long a, long b, long c, long d);
static int hooked_kill(pid_t pid, int number);

#define syscall(number, ...)         hooked_syscall(number, HOOKED_ARGS(__VA_ARGS__, 0, 0, 0))
#define HOOKED_ARGS(a, b, c, d, ...) (long)(a), (long)(b), (long)(c), (long)(d)
#define kill(pid, number)            hooked_kill(pid, number)
#include "agent/engine/exec_killer.c"
#undef syscall
#undef kill

#include <linux/sched.h>

static pid_t marked;
static bool reuses; /* the number of `marked` is reused before a signal is sent */
static pid_t successor;

/* Returns 0 after `marked` has ended and another process has its number; -1: not permitted. */
static int reuse_number(void)
{
    pid_t wanted = marked;
    struct clone_args args = {
        .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&wanted, .set_tid_size = 1};

    (void)kill(marked, SIGKILL);
    (void)waitpid(marked, NULL, 0);
    successor = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (successor == 0) {
        (void)pause();
        _exit(0);
    }
    return successor == wanted ? 0 : -1;
}

static long hooked_syscall(long number, long a, long b, long c, long d)
{
    if (number == SYS_pidfd_send_signal && reuses && reuse_number() < 0)
        skip();
    return syscall(number, a, b, c, d);
}

static int hooked_kill(pid_t pid, int number)
{
    if (reuses && reuse_number() < 0)
        skip();
    return kill(pid, number);
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

static bool signal_it(const char *mark)
{
    char name[16];
    _cleanup_free_ char *room = xmalloc(MAX_ENVIRON);

    (void)snprintf(name, sizeof(name), "%d", (int)marked);
    for (int i = 0; i < 500 && !has_mark(name, mark, room); i++)
        (void)poll(NULL, 0, 10); /* it has not called execve() yet */
    return signal_if_marked(name, mark, room, SIGTERM);
}

static void test_a_marked_process_is_signalled(void **state)
{
    static const char mark[] = EXEC_MARK_NAME "=exec-killer-test-1";
    int status;

    (void)state;
    reuses = false;
    marked = start_marked(mark);
    assert_true(signal_it(mark));
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
    assert_false(signal_it(mark));
    (void)poll(NULL, 0, 50); /* a signal would have ended it by now */
    assert_int_equal(waitpid(successor, &status, WNOHANG), 0);
    (void)kill(successor, SIGKILL);
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
