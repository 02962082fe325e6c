#include "base/alloc.h"
#include "server/store/backup.h"
#include "server/store/fixture.h"

#include <sys/stat.h>
#include <unistd.h>

int __real_fsync(int fd);
int __wrap_fsync(int fd);

/* A file, and its inode when a directory was synced last. */
static const char *synced_path;
static ino_t synced_inode;

/* Replaces fsync() of the code under test; SQLite has its own. */
int __wrap_fsync(int fd)
{
    struct stat st, file;

    if (synced_path && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        synced_inode = stat(synced_path, &file) == 0 ? file.st_ino : 0;
    return __real_fsync(fd);
}

static ino_t inode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

/* A power cut after the success must not bring the replaced file back. */
static void test_directory_is_synced_after_each_rename(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup"),
                        *database = fixture_path(f, "dockmon.db");
    const struct backup_options options = {.data_dir = f->dir, .file = file};
    ino_t old = inode_of(database);

    synced_path = file;
    synced_inode = 0;
    assert_int_equal(backup_save(&options, NULL), 0);
    assert_int_equal(synced_inode, inode_of(file));
    db_close(TAKE_PTR(f->store));
    synced_path = database;
    synced_inode = 0;
    assert_int_equal(backup_restore(&options, NULL), 0);
    assert_int_not_equal(inode_of(database), old);
    assert_int_equal(synced_inode, inode_of(database));
    synced_path = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_directory_is_synced_after_each_rename),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
