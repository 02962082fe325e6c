#include "server/store/store.h"
#include "base/alloc.h"
#include "server/sqlite/migrate.h"

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
