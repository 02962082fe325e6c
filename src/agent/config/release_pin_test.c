#include "agent/common/temporary_dir.h"
#include "agent/config/release_pin.h"
#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define FIRST  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SECOND "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void test_first_use(void **state)
{
    char dir[TEMPORARY_DIR_SIZE];
    struct error err = ERROR_INIT;
    char *path, *key;

    (void)state;
    assert_int_equal(temporary_dir_make(dir), 0);
    path = xasprintf("%s/" RELEASE_PIN_FILE, dir);
    assert_int_equal(release_pin_load(path, &key, &err), -ENOENT);
    assert_int_equal(release_pin_keep(path, "no key", &err), -EINVAL);
    assert_int_equal(release_pin_keep(path, FIRST, &err), 0);
    assert_int_equal(release_pin_keep(path, FIRST, &err), 0);
    assert_int_equal(release_pin_keep(path, SECOND, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(release_pin_load(path, &key, &err), 0);
    assert_string_equal(key, FIRST);
    free(key);

    /* A damaged file is no reason to trust the next key. */
    assert_int_equal(file_write_atomic(path, "x", 1, 0600, &err), 0);
    assert_int_equal(release_pin_load(path, &key, &err), -EBADMSG);
    assert_int_equal(release_pin_keep(path, SECOND, &err), -EBADMSG);
    free(path);
    assert_int_equal(temporary_dir_remove(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_first_use)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
