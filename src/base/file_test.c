#include "base/alloc.h"
#include "base/file.h"

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
#include <stdbool.h>
#include <sys/stat.h>

static char dir[] = "/tmp/file_test.XXXXXX";
static char path[64];
static char tmp_path[64];

int __real_fsync(int fd);
int __wrap_fsync(int fd);

static bool is_directory_synced; /* after `path` got its name */
static bool is_file_synced;      /* before it */

/* Replaces fsync() of the code under test. */
int __wrap_fsync(int fd)
{
    struct stat st;
    bool is_there = access(path, F_OK) == 0;

    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        is_directory_synced = is_there;
    } else {
        is_file_synced = !is_there;
    }
    return __real_fsync(fd);
}

static void write_text(const char *text, mode_t mode)
{
    struct error err = ERROR_INIT;

    if (file_write_atomic(path, text, strlen(text), mode, &err) < 0)
        fail_msg("%s", err.msg);
}

static void test_write_and_read(void **state)
{
    static const char data[] = "a\0b\xff\n";
    struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    struct stat st;

    (void)state;
    assert_int_equal(file_write_atomic(path, data, sizeof(data), 0600, &err), 0);
    assert_int_equal(file_read(path, 100, &text, &size, &err), 0);
    assert_int_equal(size, sizeof(data));
    assert_memory_equal(text, data, sizeof(data));
    assert_int_equal(text[size], '\0');
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(access(tmp_path, F_OK), -1);
}

static void test_file_and_name_are_synced(void **state)
{
    (void)state;
    (void)unlink(path);
    is_directory_synced = is_file_synced = false;
    write_text("a", 0600);
    assert_true(is_file_synced);
    assert_true(is_directory_synced);
}

static void test_mode_is_exact(void **state)
{
    mode_t old = umask(077);
    struct stat st;

    (void)state;
    write_text("x", 0644);
    (void)umask(old);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);

    old = umask(0);
    write_text("x", 0600);
    (void)umask(old);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_overwrite_shortens(void **state)
{
    _cleanup_free_ char *text = NULL;

    (void)state;
    write_text("a long text", 0600);
    write_text("short", 0600);
    assert_int_equal(file_read(path, 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "short");
}

static void test_stale_temporary_is_no_obstacle(void **state)
{
    _cleanup_free_ char *text = NULL;
    struct stat st;
    int fd = open(tmp_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a much longer rest", 18), 18);
    (void)close(fd);
    write_text("new", 0600);
    assert_int_equal(file_read(path, 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "new");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_read_limits(void **state)
{
    struct error err = ERROR_INIT;
    char *text = NULL;
    size_t size = 77;

    (void)state;
    write_text("12345", 0600);
    assert_int_equal(file_read(path, 4, &text, &size, &err), -EMSGSIZE);
    assert_null(text);
    assert_int_equal(size, 77);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(file_read(path, 5, &text, &size, &err), 0);
    assert_string_equal(text, "12345");
    free(text);

    write_text("", 0600);
    assert_int_equal(file_read(path, 0, &text, &size, &err), 0);
    assert_string_equal(text, "");
    assert_int_equal(size, 0);
    free(text);
}

static void test_large_file(void **state)
{
    enum { SIZE = 1000003 };
    _cleanup_free_ char *data = xmalloc(SIZE);
    _cleanup_free_ char *text = NULL;
    size_t size = 0;

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i % 251);
    assert_int_equal(file_write_atomic(path, data, SIZE, 0600, NULL), 0);
    assert_int_equal(file_read(path, SIZE, &text, &size, NULL), 0);
    assert_int_equal(size, SIZE);
    assert_memory_equal(text, data, SIZE);
}

static void test_failures_name_the_path(void **state)
{
    struct error err = ERROR_INIT;
    char *text = NULL;

    (void)state;
    assert_int_equal(file_read("/nonexistent/a", 9, &text, NULL, &err), -ENOENT);
    assert_string_equal(err.msg, "open /nonexistent/a: No such file or directory");
    assert_int_equal(file_write_atomic("/nonexistent/a", "x", 1, 0600, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "/nonexistent/a"));
    assert_int_equal(file_read(dir, 9, &text, NULL, &err), -EISDIR);
    assert_null(text);
    assert_int_equal(file_read("/nonexistent/a", 9, &text, NULL, NULL), -ENOENT);
}

static void test_failed_write_leaves_the_old_file(void **state)
{
    char target[sizeof(path) + 8];
    struct error err = ERROR_INIT;

    (void)state;
    /* Renaming a file over a directory fails after everything else has worked. */
    (void)snprintf(target, sizeof(target), "%s/sub", dir);
    assert_int_equal(mkdir(target, 0700), 0);
    assert_int_equal(file_write_atomic(target, "x", 1, 0600, &err), -EISDIR);
    assert_non_null(strstr(err.msg, target));
    assert_int_equal(rmdir(target), 0);
    (void)snprintf(target, sizeof(target), "%s/sub.tmp", dir);
    assert_int_equal(access(target, F_OK), -1);
}

static void test_symlinked_temporary_is_refused(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(symlink("/dev/full", tmp_path), 0);
    assert_int_equal(file_write_atomic(path, "x", 1, 0600, &err), -ELOOP);
    assert_int_equal(unlink(tmp_path), 0);
}

static void test_bare_name(void **state)
{
    _cleanup_free_ char *text = NULL;
    char *cwd = getcwd(NULL, 0);

    (void)state;
    assert_non_null(cwd);
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(file_write_atomic("file", "here", 4, 0600, NULL), 0);
    assert_int_equal(chdir(cwd), 0);
    free(cwd);
    assert_int_equal(file_read(path, 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "here");
}

static void test_directories_are_created_with_their_parents(void **state)
{
    static const char *const names[] = {"a/b/c", "a/b/d/", "a/b/c"};
    struct stat st;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        _cleanup_free_ char *made = xasprintf("%s/%s", dir, names[i]);

        assert_int_equal(file_make_directory(made), 0);
        assert_int_equal(stat(made, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
    }
    {
        _cleanup_free_ char *parent = xasprintf("%s/a", dir), *below = xasprintf("%s/x/y", path);

        assert_int_equal(stat(parent, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0755);
        write_text("a file", 0600);
        assert_int_equal(file_make_directory(below), -ENOTDIR);
    }
    for (size_t i = 0; i < 4; i++) {
        static const char *const made[] = {"a/b/c", "a/b/d", "a/b", "a"};
        _cleanup_free_ char *one = xasprintf("%s/%s", dir, made[i]);

        assert_int_equal(rmdir(one), 0);
    }
}

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/file", dir);
    (void)snprintf(tmp_path, sizeof(tmp_path), "%s/file.tmp", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),
        cmocka_unit_test(test_file_and_name_are_synced),
        cmocka_unit_test(test_mode_is_exact),
        cmocka_unit_test(test_overwrite_shortens),
        cmocka_unit_test(test_stale_temporary_is_no_obstacle),
        cmocka_unit_test(test_read_limits),
        cmocka_unit_test(test_large_file),
        cmocka_unit_test(test_failures_name_the_path),
        cmocka_unit_test(test_failed_write_leaves_the_old_file),
        cmocka_unit_test(test_symlinked_temporary_is_refused),
        cmocka_unit_test(test_bare_name),
        cmocka_unit_test(test_directories_are_created_with_their_parents),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
