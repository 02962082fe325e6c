#include "server/sqlite/migrate.h"
#include "server/sqlite/db_internal.h"
#include "server/sqlite/query.h"

#include <errno.h>
#include <stdio.h>

#define APPLICATION_ID 0x446b4d6e /* "DkMn", in the header of our files */

enum stmt { STMT_VERSION, STMT_APPLICATION_ID, STMT_COUNT_TABLES, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_VERSION] = "SELECT user_version FROM pragma_user_version",
    [STMT_APPLICATION_ID] = "SELECT application_id FROM pragma_application_id",
    [STMT_COUNT_TABLES] = "SELECT count(*) FROM sqlite_schema",
};

static int check_owner(struct db *s, struct error *err)
{
    int64_t id = 0, n_tables = 0;
    int r;

    r = query_number(s, sql[STMT_APPLICATION_ID], &id, err);
    if (r == 0)
        r = query_number(s, sql[STMT_COUNT_TABLES], &n_tables, err);
    if (r < 0)
        return r;
    if (id != APPLICATION_ID && (id != 0 || n_tables > 0)) {
        return error_set(err, -EDOM,
                         "%s is a database of another program; use an empty data directory",
                         s->path);
    }
    return 0;
}

struct step {
    int64_t version; /* read inside the transaction: another process may migrate, too */
    bool is_done;
};

static int apply_next(struct db *s, void *arg, struct error *err)
{
    struct step *step = arg;
    char pragmas[96];
    int r;

    r = query_number(s, sql[STMT_VERSION], &step->version, err);
    if (r < 0)
        return r;
    if (step->version >= (int64_t)n_migrations) {
        step->is_done = true;
        return 0;
    }

    r = db_exec(s, migrations[step->version].sql, err);
    if (r < 0)
        return error_wrap(err, r, "migration %s", migrations[step->version].name);
    (void)snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   APPLICATION_ID, (int)step->version + 1);
    return db_exec(s, pragmas, err);
}

static int refuse_newer(const struct db *s, int64_t version, struct error *err)
{
    return error_set(
        err, -EDOM,
        "%s was written by a newer version of the program (schema %d, this one supports %u)",
        s->path, (int)version, n_migrations);
}

int migrate_check(struct db *s, struct error *err)
{
    int64_t version = 0;
    int r;

    r = check_owner(s, err);
    if (r == 0)
        r = query_number(s, sql[STMT_VERSION], &version, err);
    if (r < 0)
        return r;
    if (version == 0)
        return error_set(err, -EDOM, "%s holds no data of dockmond", s->path);
    return version > (int64_t)n_migrations ? refuse_newer(s, version, err) : 0;
}

int migrate_run(struct db *s, struct error *err)
{
    struct step step = {0};
    int r;

    r = check_owner(s, err);
    if (r == 0)
        r = query_number(s, sql[STMT_VERSION], &step.version, err);
    if (r < 0)
        return r;
    if (step.version == (int64_t)n_migrations)
        return 0;

    while (!step.is_done) {
        r = db_tx(s, apply_next, &step, err);
        if (r < 0)
            return r;
        if (step.version > (int64_t)n_migrations)
            return refuse_newer(s, step.version, err);
    }
    return 0;
}
