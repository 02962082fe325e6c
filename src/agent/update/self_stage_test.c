#include "agent/update/self_stage.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PROGRAM_SUM \
    "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" /* of "foo" */
#define KILLED 42

static const char *test_program; /* the path of this one */
static char dir[] = "/tmp/dockmon-self-XXXXXX";
static int kill_at; /* the process ends before this system call; 0: never */
static int n_calls;
static bool has_no_links;

/* The linker replaces the system calls that change the folder by these. */
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

static void count(void)
{
    if (++n_calls == kill_at)
        _exit(KILLED);
}

int __wrap_rename(const char *from, const char *to)
{
    count();
    return __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
    count();
    return __real_unlink(path);
}

int __wrap_link(const char *from, const char *to)
{
    count();
    if (has_no_links) {
        errno = EXDEV;
        return -1;
    }
    return __real_link(from, to);
}

int __wrap_fsync(int fd)
{
    count();
    return __real_fsync(fd);
}

static char *path_of(const char *name)
{
    return xasprintf("%s/bin/%s", dir, name);
}

static char *content_of(const char *name)
{
    _cleanup_free_ char *path = path_of(name);
    char *text = NULL;
    size_t size;

    return file_read(path, (size_t)64 << 20, &text, &size, NULL) == 0 ? text : NULL;
}

static bool exists(const char *name)
{
    _cleanup_free_ char *path = path_of(name);

    return access(path, F_OK) == 0;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_size == y.st_size;
}

static void empty_folder(void)
{
    file_remove_tree(dir);
    assert_int_equal(mkdir(dir, 0700), 0);
}

static int install(void)
{
    _cleanup_free_ char *folder = path_of("");
    struct self_stage s;
    struct error err = ERROR_INIT;
    int r;

    self_stage_init(&s, folder);
    r = self_stage_lock(&s, &err);
    if (r == 0)
        r = self_stage_begin(&s, &err);
    if (r == 0)
        r = self_stage_write(&s, "foo", 3, &err);
    if (r == 0)
        r = self_stage_finish(&s, PROGRAM_SUM, &err);
    if (r == 0)
        r = self_stage_install(&s, &err);
    self_stage_done(&s);
    return r;
}

/* In a process, which is killed before the call with this number. Returns whether it was. */
static bool install_until(int call)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        n_calls = 0;
        kill_at = call;
        _exit(install() == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == KILLED));
    return WEXITSTATUS(status) == KILLED;
}

/* The running program is the packaged one. */
static void test_killed_anywhere_beside_the_package(void **state)
{
    int call = 1;
    bool was_killed;

    (void)state;
    do {
        empty_folder();
        was_killed = install_until(call++);
        if (exists("dockmon-agent")) {
            _cleanup_free_ char *program = content_of("dockmon-agent");
            _cleanup_free_ char *tries = content_of("tries");

            assert_string_equal(program, "foo");
            assert_string_equal(tries, "0");
        }
        assert_false(exists("dockmon-agent.old"));
        assert_int_equal(install(), 0); /* nothing left is in the way */
    } while (was_killed);
    assert_true(call > 5);
}

/* Puts this program into the folder and starts it there, to be killed before the call. */
static int run_installed(const char *current, int call, int links)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *number = xasprintf("%d", call);
    _cleanup_free_ char *folder = path_of("");
    size_t size;
    int status;
    pid_t pid;

    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(file_read(test_program, (size_t)64 << 20, &text, &size, NULL), 0);
    assert_int_equal(file_write_atomic(current, text, size, 0755, NULL), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl(current, current, dir, number, links ? "1" : "0", (char *)NULL);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/*
 * The running program is the one in the folder: a process of this test that was started there. It
 * ends at one call after the other, and prints the number of the first that is beyond the last.
 */
static void test_killed_anywhere_with_a_previous_update(void **state)
{
    _cleanup_free_ char *current = path_of("dockmon-agent");
    _cleanup_free_ char *previous = path_of("dockmon-agent.old");
    int call = 1, status;

    (void)state;
    for (int links = 0; links < 2; links++, call = 1) {
        do {
            _cleanup_free_ char *program = NULL;

            empty_folder();
            status = run_installed(current, call++, links);
            assert_true(WIFEXITED(status));
            program = content_of("dockmon-agent");
            assert_non_null(program);
            if (!str_eq(program, "foo")) {
                assert_true(is_same_file(current, test_program));
            } else {
                _cleanup_free_ char *tries = content_of("tries");

                assert_string_equal(tries, "0");
                assert_true(is_same_file(previous, test_program));
                assert_int_equal(access(previous, X_OK), 0);
            }
            assert_true(WEXITSTATUS(status) == KILLED || str_eq(program, "foo"));
        } while (WEXITSTATUS(status) == KILLED);
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_true(call > 6);
        assert_false(exists("dockmon-agent.copy"));
    }
}

static void test_a_wrong_sum_is_not_installed(void **state)
{
    _cleanup_free_ char *folder = path_of("");
    struct error err = ERROR_INIT;
    struct self_stage s;

    (void)state;
    empty_folder();
    self_stage_init(&s, folder);
    assert_int_equal(self_stage_lock(&s, &err), 0);
    assert_int_equal(self_stage_begin(&s, &err), 0);
    assert_int_equal(self_stage_write(&s, "fo0", 3, &err), 0);
    assert_int_equal(self_stage_finish(&s, PROGRAM_SUM, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "somebody has changed it"));
    self_stage_end(&s);
    assert_false(exists("dockmon-agent.new"));
    assert_false(exists("dockmon-agent"));
    self_stage_done(&s);
}

static void test_one_agent_at_a_time(void **state)
{
    _cleanup_free_ char *folder = path_of("");
    struct error err = ERROR_INIT;
    struct self_stage a, b;

    (void)state;
    empty_folder();
    self_stage_init(&a, folder);
    self_stage_init(&b, folder);
    assert_int_equal(self_stage_lock(&a, &err), 0);
    assert_int_equal(self_stage_lock(&b, &err), -EBUSY);
    assert_non_null(strstr(err.msg, "another agent is being updated"));
    self_stage_end(&b); /* has nothing to remove */
    self_stage_end(&a);
    assert_int_equal(self_stage_lock(&b, &err), 0);
    self_stage_done(&a);
    self_stage_done(&b);
}

static int remove_folder(void **state)
{
    (void)state;
    file_remove_tree(dir);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t call = 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_anywhere_beside_the_package),
        cmocka_unit_test(test_killed_anywhere_with_a_previous_update),
        cmocka_unit_test(test_a_wrong_sum_is_not_installed),
        cmocka_unit_test(test_one_agent_at_a_time),
    };

    if (argc == 4) { /* started by test_killed_anywhere_with_a_previous_update() */
        str_copy(dir, sizeof(dir), argv[1]);
        assert_int_equal(parse_u64(argv[2], 1000, &call), 0);
        kill_at = (int)call;
        has_no_links = argv[3][0] == '1';
        return install() == 0 ? 0 : 1;
    }
    test_program = argv[0];
    assert_non_null(mkdtemp(dir));
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
