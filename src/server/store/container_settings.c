#include "server/store/container_settings.h"
#include "server/sqlite/query.h"

#include <errno.h>

#define COLUMNS "host_id, container_id, container_name, data, updated_at_ms"

enum stmt { STMT_PUT, STMT_GET, STMT_MOVE, STMT_COUNT };

#define STATEMENTS(table)                                                                      \
    {                                                                                          \
        [STMT_PUT] = ("INSERT OR REPLACE INTO " table " (" COLUMNS ") VALUES (:host_id, "      \
                      ":container_id, :container_name, :data, :updated_at_ms)"),               \
        [STMT_GET] = ("SELECT " COLUMNS " FROM " table " WHERE host_id = :host_id AND "        \
                      "container_id = :container_id"),                                         \
        [STMT_MOVE] = ("UPDATE OR REPLACE " table " SET host_id = :to WHERE host_id = :from"), \
    }

static const char *const sql[CONTAINER_SETTING_KINDS][STMT_COUNT] = {
    [CONTAINER_AUTO_RESTART] = STATEMENTS("auto_restart_configs"),
    [CONTAINER_DESIRED_STATE] = STATEMENTS("container_desired_states"),
    [CONTAINER_TAGS] = STATEMENTS("tag_assignments"),
    [CONTAINER_UPDATE] = STATEMENTS("container_updates"),
    [CONTAINER_HTTP_HEALTH] = STATEMENTS("container_http_health_checks"),
};

static const struct column columns[] = {
    {":host_id",        COLUMN_TEXT, offsetof(struct container_setting, host_id)       },
    {":container_id",   COLUMN_TEXT, offsetof(struct container_setting, container_id)  },
    {":container_name", COLUMN_TEXT, offsetof(struct container_setting, container_name)},
    {":data",           COLUMN_TEXT, offsetof(struct container_setting, data)          },
    {":updated_at_ms",  COLUMN_I64,  offsetof(struct container_setting, updated_at_ms) },
};

void container_setting_done(struct container_setting *c)
{
    row_done(columns, ARRAY_LEN(columns), c);
}

int container_settings_put(struct db *s,
                           enum container_setting_kind kind,
                           const struct container_setting *row,
                           struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[kind][STMT_PUT], err);
    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), row);
    return query_run(&q, NULL, err);
}

int container_settings_get(struct db *s,
                           enum container_setting_kind kind,
                           const char *host_id,
                           const char *container_id,
                           struct container_setting *ret,
                           struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[kind][STMT_GET], err);
    if (r < 0)
        return r;
    query_text(&q, ":host_id", host_id);
    query_text(&q, ":container_id", container_id);
    r = query_step_to_one(&q, err, "no such setting of container %s", container_id);
    if (r < 0)
        return r;
    *ret = (struct container_setting){0};
    query_read_row(&q, columns, ARRAY_LEN(columns), ret);
    return 0;
}

static int move_kind(struct db *s,
                     enum container_setting_kind kind,
                     const char *from,
                     const char *to,
                     int64_t *ret_moved,
                     struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[kind][STMT_MOVE], err);
    if (r < 0)
        return r;
    query_text(&q, ":from", from);
    query_text(&q, ":to", to);
    return query_run(&q, ret_moved, err);
}

int container_settings_move_host(struct db *s,
                                 const char *from_host_id,
                                 const char *to_host_id,
                                 int64_t *ret_moved,
                                 struct error *err)
{
    int64_t total = 0, n;
    int r;

    for (int kind = 0; kind < CONTAINER_SETTING_KINDS; kind++) {
        r = move_kind(s, (enum container_setting_kind)kind, from_host_id, to_host_id, &n, err);
        if (r < 0)
            return r;
        total += n;
    }
    if (ret_moved)
        *ret_moved = total;
    return 0;
}
