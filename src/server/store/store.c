#include "server/store/store.h"
#include "base/alloc.h"
#include "server/sqlite/migrate.h"

#include <errno.h>
#include <unistd.h>

int store_open(struct db **ret, const char *data_dir, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" STORE_FILE, data_dir);
    _cleanup_(db_closep) struct db *db = NULL;
    int r;

    r = db_open(&db, data_dir, path, NULL, err);
    if (r == 0)
        r = migrate_run(db, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(db);
    return 0;
}

int store_require(const char *data_dir, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" STORE_FILE, data_dir);

    if (access(path, F_OK) == 0)
        return 0;
    return error_set(err, -errno, "no database in %s (%s); is --data-dir right?", data_dir,
                     error_text(-errno));
}

int store_open_copy(struct db **ret, const char *data_dir, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" STORE_FILE, data_dir);
    _cleanup_free_ char *name = xasprintf("a copy of %s", path);
    _cleanup_(db_closep) struct db *from = NULL, *copy = NULL;
    int r = db_open_private(&copy, name, err);

    if (r < 0)
        return r;
    r = db_open_unchanged(&from, path, err);
    if (r == 0) {
        r = db_copy(from, copy, err);
    } else if (r == -ENOENT) {
        r = 0; /* the first start would create it */
    }
    if (r == 0)
        r = migrate_run(copy, err);
    if (r == 0)
        r = db_exec(copy, "PRAGMA foreign_keys = ON", err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(copy);
    return 0;
}
