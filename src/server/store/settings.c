#include "server/store/settings.h"
#include "server/sqlite/query.h"

#include <errno.h>

enum stmt { STMT_GET, STMT_SET, STMT_DELETE, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_GET] = "SELECT value FROM settings WHERE key = :key",
    [STMT_SET] = "INSERT OR REPLACE INTO settings (key, value) VALUES (:key, :value)",
    [STMT_DELETE] = "DELETE FROM settings WHERE key = :key",
};

int settings_get(struct db *s, const char *key, char **ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_GET], err);
    if (r < 0)
        return r;
    query_text(&q, ":key", key);
    r = query_step_to_one(&q, err, "no setting `%s`", key);
    if (r < 0)
        return r;
    *ret = query_column_text(&q, 0);
    return 0;
}

int settings_set(struct db *s, const char *key, const char *value, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[value ? STMT_SET : STMT_DELETE], err);
    if (r < 0)
        return r;
    query_text(&q, ":key", key);
    if (value)
        query_text(&q, ":value", value);
    return query_run(&q, NULL, err);
}
