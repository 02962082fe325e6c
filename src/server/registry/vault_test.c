#include "base/alloc.h"
#include "base/file.h"
#include "server/registry/vault.h"
#include "server/store/secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static void test_seal(void **state)
{
    char dir[] = "/tmp/vault-XXXXXX";
    _cleanup_free_ char *sealed = NULL, *path = NULL;
    struct vault v = {0}, again = {0};
    struct error err = ERROR_INIT;
    char *secret = NULL;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(vault_open(&v, dir, &err), 0);
    path = xasprintf("%s/" VAULT_FILE, dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    sealed = vault_seal(&v, "ghcr.io", "pass word");
    assert_null(strstr(sealed, "pass"));

    assert_int_equal(vault_open(&again, dir, &err), 0); /* the same key */
    assert_int_equal(vault_unseal(&again, "ghcr.io", sealed, &secret, &err), 0);
    assert_string_equal(secret, "pass word");
    secret_free(secret);

    assert_int_equal(vault_unseal(&v, "docker.io", sealed, &secret, &err), -EKEYREJECTED);
    sealed[0] = sealed[0] == 'A' ? 'B' : 'A';
    assert_int_equal(vault_unseal(&v, "ghcr.io", sealed, &secret, &err), -EKEYREJECTED);
    assert_int_equal(vault_unseal(&v, "ghcr.io", "", &secret, &err), -EKEYREJECTED);
    v.key[0] ^= 1;
    sealed[0] = sealed[0] == 'A' ? 'B' : 'A';
    assert_int_equal(vault_unseal(&v, "ghcr.io", sealed, &secret, &err), -EKEYREJECTED);
    assert_int_equal(file_write_atomic(path, "short", 5, 0600, &err), 0);
    assert_int_equal(vault_open(&v, dir, &err), -EBADMSG);
    vault_close(&v);
    vault_close(&again);
    file_remove_tree(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seal)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
