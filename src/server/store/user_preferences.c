#include "server/store/user_preferences.h"
#include "server/sqlite/query.h"

enum stmt { STMT_GET, STMT_SET, STMT_DELETE_USER, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_GET] = "SELECT data FROM user_preferences WHERE user_id = :user",
    [STMT_SET] = ("INSERT OR REPLACE INTO user_preferences (user_id, data, updated_at_ms) "
                  "VALUES (:user, :data, :now)"),
    [STMT_DELETE_USER] = "DELETE FROM user_preferences WHERE user_id = :user",
};

int user_preferences_get(struct db *s, int64_t user_id, char **ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_GET], err);
    if (r < 0)
        return r;
    query_i64(&q, ":user", user_id);
    r = query_step_to_one(&q, err, "no preferences");
    if (r < 0)
        return r;
    *ret = query_column_text(&q, 0);
    return 0;
}

int user_preferences_set(
    struct db *s, int64_t user_id, const char *data, int64_t now_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_SET], err);
    if (r < 0)
        return r;
    query_i64(&q, ":user", user_id);
    query_text(&q, ":data", data);
    query_i64(&q, ":now", now_ms);
    return query_run(&q, NULL, err);
}

int user_preferences_delete_user(struct db *s, int64_t user_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_DELETE_USER], err);
    if (r < 0)
        return r;
    query_i64(&q, ":user", user_id);
    return query_run(&q, NULL, err);
}
