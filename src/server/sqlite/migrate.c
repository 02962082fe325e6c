#include "server/sqlite/migrate.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/sqlite/db_internal.h"
#include "server/sqlite/query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define APPLICATION_ID 0x446b4d6e /* "DkMn", in the header of our files */

enum stmt { STMT_VERSION, STMT_APPLICATION_ID, STMT_COUNT_TABLES, STMT_SCHEMA, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_VERSION] = "SELECT user_version FROM pragma_user_version",
    [STMT_APPLICATION_ID] = "SELECT application_id FROM pragma_application_id",
    [STMT_COUNT_TABLES] = "SELECT count(*) FROM sqlite_schema",
    [STMT_SCHEMA] = "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') "
                    "FROM sqlite_schema WHERE name NOT LIKE 'sqlite@_%' ESCAPE '@' "
                    "ORDER BY type, name",
};

static int check_owner(struct db *s, struct error *err)
{
    int64_t id = 0, n_tables = 0;
    int r;

    /* In this order: another process may create the tables, and the id with them, in between. */
    r = query_number(s, sql[STMT_COUNT_TABLES], &n_tables, err);
    if (r == 0)
        r = query_number(s, sql[STMT_APPLICATION_ID], &id, err);
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

/* Reads the next object of the schema; *ret is NULL after the last. */
static int next_object(struct query *q, char **ret, struct error *err)
{
    int r = query_step(q, err);

    free(*ret);
    *ret = r > 0 ? query_column_text(q, 0) : NULL;
    return r < 0 ? r : 0;
}

static int compare_schemas(struct db *s, struct db *right, struct error *err)
{
    _cleanup_(query_done) struct query q = {0}, expected = {0};
    _cleanup_free_ char *a = NULL, *b = NULL;
    int r;

    r = query_init(&q, s, sql[STMT_SCHEMA], err);
    if (r == 0)
        r = query_init(&expected, right, sql[STMT_SCHEMA], err);
    do {
        if (r == 0)
            r = next_object(&q, &a, err);
        if (r == 0)
            r = next_object(&expected, &b, err);
        if (r < 0)
            return r;
        if (!str_eq(a, b)) {
            const char *found = a ? a : "nothing", *right_one = b ? b : "nothing";

            return error_set(err, -EUCLEAN,
                             "%s has a schema that this program does not create: `%.*s` instead of "
                             "`%.*s`",
                             s->path, STR_CUT(found, 200), STR_CUT(right_one, 200));
        }
    } while (a);
    return 0;
}

int migrate_check_schema(struct db *s, struct error *err)
{
    _cleanup_(db_closep) struct db *right = NULL;
    int64_t version = 0;
    int r;

    r = query_number(s, sql[STMT_VERSION], &version, err);
    if (r == 0 && version > (int64_t)n_migrations)
        r = refuse_newer(s, version, err);
    if (r == 0)
        r = db_open_file(&right, ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, err);
    for (int64_t i = 0; r == 0 && i < version; i++)
        r = db_exec(right, migrations[i].sql, err);
    return r < 0 ? r : compare_schemas(s, right, err);
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
