#include "agent/common/temporary_dir.h"
#include "agent/config/data_dir.h"
#include "base/alloc.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TEMPORARY_DIR_SIZE];

static void test_a_directory_of_others_is_reported(void **state)
{
    static const struct {
        mode_t mode;
        gid_t gid;
        const char *said; /* NULL: nothing */
    } cases[] = {
        {0700,  0,     NULL                        },
        {0755,  0,     NULL                        },
        {01777, 0,     NULL                        },
        {0770,  0,     NULL                        },
        {0777,  0,     "every user of this machine"},
        {0702,  0,     "every user of this machine"},
        {0770,  65534, "its group"                 },
        {01770, 65534, NULL                        },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *doubt = NULL;

        if (cases[i].gid && chown(dir, (uid_t)-1, cases[i].gid) < 0)
            continue; /* not root */
        assert_int_equal(chmod(dir, cases[i].mode), 0);
        doubt = data_dir_protect(dir);
        if (!doubt != !cases[i].said || (doubt && !strstr(doubt, cases[i].said)))
            fail_msg("case %zu: %s", i, doubt ? doubt : "(nothing)");
    }
}

/* Files of ours become private; others, and what a link points to, stay as they are. */
static void test_files_are_made_private(void **state)
{
    static const struct {
        const char *name;
        mode_t before, after;
    } cases[] = {
        {"permanent_token", 0666, 0600},
        {"engine_id",       0644, 0600},
        {"spool",           0777, 0700},
        {"other",           0666, 0666},
    };
    char path[TEMPORARY_DIR_SIZE + 32], target[TEMPORARY_DIR_SIZE + 32];
    struct stat st;

    (void)state;
    (void)snprintf(target, sizeof(target), "%s/other", dir);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, cases[i].name);
        if (cases[i].before == 0777) {
            assert_int_equal(mkdir(path, 0700), 0);
        } else {
            _cleanup_close_ int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

            assert_true(fd >= 0);
        }
        assert_int_equal(chmod(path, cases[i].before), 0);
    }
    (void)snprintf(path, sizeof(path), "%s/network_undo", dir);
    assert_int_equal(symlink(target, path), 0);
    free(data_dir_protect(dir));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, cases[i].name);
        assert_int_equal(stat(path, &st), 0);
        if ((st.st_mode & 0777) != cases[i].after)
            fail_msg("%s: %o", cases[i].name, st.st_mode & 0777);
    }
}

static int set_up(void **state)
{
    (void)state;
    return temporary_dir_make(dir);
}

static int tear_down(void **state)
{
    (void)state;
    return temporary_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_directory_of_others_is_reported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_are_made_private, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
