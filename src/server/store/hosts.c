#include "server/store/hosts.h"
#include "base/str.h"
#include "server/sqlite/query.h"

#include <assert.h>
#include <errno.h>

#define MAX_FORMER_NAMES 10000

#define COLUMNS                                                                                  \
    "id, name, url, is_active, replaced_by, engine_id, tags, description, os_type, os_version, " \
    "kernel_version, docker_version, daemon_started_at, total_memory, num_cpus, host_ips, "      \
    "is_podman, created_at_ms, updated_at_ms, is_name_given, connection"

enum stmt {
    STMT_INSERT,
    STMT_UPDATE,
    STMT_GET,
    STMT_FIND,
    STMT_DELETE,
    STMT_NAME_TAKEN,
    STMT_NAME_LEFT,
    STMT_NAMES_PRUNE,
    STMT_NAME_FORMER,
    STMT_EACH,
    STMT_EACH_ENGINE,
    STMT_COUNT
};

static const char *const sql[STMT_COUNT] = {
    [STMT_INSERT] =
        "INSERT INTO hosts (" COLUMNS ") VALUES (:id, :name, :url, :is_active, "
        ":replaced_by, :engine_id, :tags, :description, :os_type, :os_version, "
        ":kernel_version, :docker_version, :daemon_started_at, :total_memory, "
        ":num_cpus, :host_ips, :is_podman, :created_at_ms, :updated_at_ms, :is_name_given, "
        ":connection)",
    [STMT_UPDATE] = "UPDATE hosts SET name = :name, url = :url, is_active = :is_active, "
                    "replaced_by = :replaced_by, engine_id = :engine_id, tags = :tags, "
                    "description = :description, os_type = :os_type, os_version = :os_version, "
                    "kernel_version = :kernel_version, docker_version = :docker_version, "
                    "daemon_started_at = :daemon_started_at, total_memory = :total_memory, "
                    "num_cpus = :num_cpus, host_ips = :host_ips, is_podman = :is_podman, "
                    "created_at_ms = :created_at_ms, updated_at_ms = :updated_at_ms, "
                    "is_name_given = :is_name_given, connection = :connection WHERE id = :id",
    [STMT_GET] = "SELECT " COLUMNS " FROM hosts WHERE id = :id",
    [STMT_FIND] = "SELECT " COLUMNS " FROM hosts WHERE (id = :id OR name = :id) AND is_active = 1 "
                  "ORDER BY id = :id DESC",
    [STMT_DELETE] = "DELETE FROM hosts WHERE id = :id",
    [STMT_NAME_TAKEN] = "SELECT 1 FROM hosts WHERE name = :name AND is_active = 1 "
                        "AND id IS NOT :except",
    [STMT_NAME_LEFT] = "INSERT OR REPLACE INTO host_former_names (name, host_id) "
                       "SELECT name, id FROM hosts WHERE id = :id AND name IS NOT :name",
    [STMT_NAMES_PRUNE] = "DELETE FROM host_former_names WHERE rowid <= "
                         "(SELECT max(rowid) FROM host_former_names) - :max",
    [STMT_NAME_FORMER] = "SELECT 1 FROM host_former_names WHERE name = :name AND host_id <> :id",
    [STMT_EACH] = "SELECT " COLUMNS " FROM hosts WHERE is_active = 1 ORDER BY name",
    [STMT_EACH_ENGINE] = "SELECT " COLUMNS " FROM hosts WHERE engine_id = :engine_id "
                         "AND connection = :connection AND is_active = 1 ORDER BY name",
};

static const struct column columns[] = {
    {":id",                COLUMN_TEXT, offsetof(struct host, id)               },
    {":name",              COLUMN_TEXT, offsetof(struct host, name)             },
    {":url",               COLUMN_TEXT, offsetof(struct host, url)              },
    {":is_active",         COLUMN_BOOL, offsetof(struct host, is_active)        },
    {":replaced_by",       COLUMN_TEXT, offsetof(struct host, replaced_by)      },
    {":engine_id",         COLUMN_TEXT, offsetof(struct host, engine_id)        },
    {":tags",              COLUMN_TEXT, offsetof(struct host, tags)             },
    {":description",       COLUMN_TEXT, offsetof(struct host, description)      },
    {":os_type",           COLUMN_TEXT, offsetof(struct host, os_type)          },
    {":os_version",        COLUMN_TEXT, offsetof(struct host, os_version)       },
    {":kernel_version",    COLUMN_TEXT, offsetof(struct host, kernel_version)   },
    {":docker_version",    COLUMN_TEXT, offsetof(struct host, docker_version)   },
    {":daemon_started_at", COLUMN_TEXT, offsetof(struct host, daemon_started_at)},
    {":total_memory",      COLUMN_I64,  offsetof(struct host, total_memory)     },
    {":num_cpus",          COLUMN_I64,  offsetof(struct host, num_cpus)         },
    {":host_ips",          COLUMN_TEXT, offsetof(struct host, host_ips)         },
    {":is_podman",         COLUMN_BOOL, offsetof(struct host, is_podman)        },
    {":created_at_ms",     COLUMN_I64,  offsetof(struct host, created_at_ms)    },
    {":updated_at_ms",     COLUMN_I64,  offsetof(struct host, updated_at_ms)    },
    {":is_name_given",     COLUMN_BOOL, offsetof(struct host, is_name_given)    },
};

#define COLUMN_CONNECTION ((int)ARRAY_LEN(columns)) /* selected after those of `columns` */

static const char *const connection_names[] = {
    [HOST_LOCAL] = "local", [HOST_REMOTE] = "remote", [HOST_AGENT] = "agent"};

void host_done(struct host *h)
{
    row_done(columns, ARRAY_LEN(columns), h);
}

static void read_host(const struct query *q, struct host *ret)
{
    _cleanup_free_ char *connection = query_column_text(q, COLUMN_CONNECTION);

    query_read_row(q, columns, ARRAY_LEN(columns), ret);
    for (size_t i = 0; i < ARRAY_LEN(connection_names); i++) {
        if (str_eq(connection, connection_names[i]))
            ret->connection = (enum host_connection)i;
    }
}

static int each_row(struct query *q, hosts_row_fn fn, void *arg, struct error *err)
{
    int r;

    while ((r = query_step(q, err)) > 0) {
        _cleanup_(host_done) struct host h = {0};

        read_host(q, &h);
        fn(arg, &h);
    }
    return r;
}

static int write_row(
    struct db *s, enum stmt stmt, const struct host *h, int64_t *ret_changes, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[stmt], err);
    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), h);
    query_text(&q, ":connection", connection_names[h->connection]);
    r = query_run(&q, ret_changes, err);
    if (r == -EEXIST)
        return error_set(err, r, "a host named `%s` already exists", h->name);
    return r;
}

int hosts_insert(struct db *s, const struct host *h, struct error *err)
{
    return write_row(s, STMT_INSERT, h, NULL, err);
}

/* Remembers the host's present name if it is not `name`. */
static int leave_name(struct db *s, const char *id, const char *name, struct error *err)
{
    _cleanup_(query_done) struct query add = {0}, prune = {0};
    int64_t n;
    int r;

    r = query_init(&add, s, sql[STMT_NAME_LEFT], err);
    if (r < 0)
        return r;
    query_text(&add, ":id", id);
    query_text(&add, ":name", name);
    r = query_run(&add, &n, err);
    if (r < 0 || n == 0)
        return r;
    r = query_init(&prune, s, sql[STMT_NAMES_PRUNE], err);
    if (r < 0)
        return r;
    query_i64(&prune, ":max", MAX_FORMER_NAMES);
    return query_run(&prune, NULL, err);
}

int hosts_update(struct db *s, const struct host *h, struct error *err)
{
    int64_t n;
    int r;

    r = leave_name(s, h->id, h->name, err);
    if (r < 0)
        return r;
    r = write_row(s, STMT_UPDATE, h, &n, err);
    if (r == 0 && n == 0)
        return error_set(err, -ENOENT, "no host `%s`", h->id);
    return r;
}

static int get_by(struct db *s, enum stmt stmt, const char *id, struct host *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[stmt], err);
    if (r < 0)
        return r;
    query_text(&q, ":id", id);
    r = query_step_to_one(&q, err, "no host `%s`", id);
    if (r < 0)
        return r;
    *ret = (struct host){0};
    read_host(&q, ret);
    return 0;
}

int hosts_get(struct db *s, const char *id, struct host *ret, struct error *err)
{
    return get_by(s, STMT_GET, id, ret, err);
}

int hosts_find(struct db *s, const char *ref, struct host *ret, struct error *err)
{
    return get_by(s, STMT_FIND, ref, ret, err);
}

int hosts_delete(struct db *s, const char *id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = leave_name(s, id, NULL, err);
    if (r < 0)
        return r;
    r = query_init(&q, s, sql[STMT_DELETE], err);
    if (r < 0)
        return r;
    query_text(&q, ":id", id);
    return query_run_for_one(&q, err, "no host `%s`", id);
}

bool hosts_name_taken(struct db *s, const char *name, const char *except_id)
{
    _cleanup_(query_done) struct query q = {0};

    if (query_init(&q, s, sql[STMT_NAME_TAKEN], NULL) < 0)
        return false; /* the write that follows reports the failure, or violates the unique index */
    query_text(&q, ":name", name);
    query_text(&q, ":except", except_id);
    return query_step(&q, NULL) > 0;
}

bool hosts_name_was_of_other(struct db *s, const char *name, const char *host_id)
{
    _cleanup_(query_done) struct query q = {0};

    if (query_init(&q, s, sql[STMT_NAME_FORMER], NULL) < 0)
        return true;
    query_text(&q, ":name", name);
    query_text(&q, ":id", host_id);
    return query_step(&q, NULL) != 0;
}

int hosts_each(struct db *s, hosts_row_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_EACH], err);
    if (r < 0)
        return r;
    return each_row(&q, fn, arg, err);
}

int hosts_each_engine(struct db *s,
                      const char *engine_id,
                      enum host_connection c,
                      hosts_row_fn fn,
                      void *arg,
                      struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_EACH_ENGINE], err);
    if (r < 0)
        return r;
    query_text(&q, ":engine_id", engine_id);
    query_text(&q, ":connection", connection_names[c]);
    return each_row(&q, fn, arg, err);
}
