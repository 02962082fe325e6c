/* The first user is created once. Its password is in a file, which is deleted when it is out of
 * date. */

#include "base/file.h"
#include "base/str.h"
#include "server/auth/first_user.h"
#include "server/auth/password.h"
#include "server/store/fixture.h"
#include "server/store/users.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_the_first_start_creates_an_admin(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = fixture_path(f, FIRST_USER_FILE);
    _cleanup_free_ char *text = NULL, *again = NULL;
    struct user user = {0};
    struct stat st;

    assert_int_equal(first_user_ensure(f->store, f->dir, NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(file_read(path, 100, &text, NULL, NULL), 0);
    assert_int_equal(users_get_by_name(f->store, "admin", &user, NULL), 0);
    assert_int_equal(user.role, ROLE_ADMIN);
    assert_true(user.must_change_password);
    assert_true(password_verify(str_trim(text), user.password_hash));
    user_done(&user);

    assert_int_equal(unlink(path), 0);
    assert_int_equal(first_user_ensure(f->store, f->dir, NULL), 0); /* no change the second time */
    assert_int_equal(file_read(path, 100, &again, NULL, NULL), -ENOENT);
}

static void test_the_password_file_of_another_database_is_deleted(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = fixture_path(f, FIRST_USER_FILE);
    char hash[PASSWORD_HASH_SIZE];
    struct user user = {0};

    assert_int_equal(first_user_forget_stale(f->store, f->dir, NULL), 0); /* there is no file */
    assert_int_equal(first_user_ensure(f->store, f->dir, NULL), 0);
    assert_int_equal(first_user_forget_stale(f->store, f->dir, NULL), 0);
    assert_int_equal(access(path, F_OK), 0);

    assert_int_equal(users_get_by_name(f->store, "admin", &user, NULL), 0);
    assert_int_equal(password_hash("something else", hash, NULL), 0);
    assert_int_equal(users_set_password(f->store, user.id, hash, false, 1, NULL), 0);
    user_done(&user);
    assert_int_equal(first_user_forget_stale(f->store, f->dir, NULL), 0);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_first_start_creates_an_admin),
        TEST(test_the_password_file_of_another_database_is_deleted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
