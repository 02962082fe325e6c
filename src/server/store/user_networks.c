#include "server/store/user_networks.h"
#include "server/sqlite/query.h"

#define LIFETIME_MS ((int64_t)USER_NETWORKS_DAYS * 24 * 60 * 60 * 1000)

enum stmt { STMT_NOTE, STMT_TRIM, STMT_HAVE, STMT_DELETE_USER, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_NOTE] = "INSERT INTO user_networks (user_id, network, seen_at_ms) "
                  "VALUES (:user, :network, :now) ON CONFLICT (user_id, network) "
                  "DO UPDATE SET seen_at_ms = excluded.seen_at_ms",
    [STMT_TRIM] = "DELETE FROM user_networks WHERE user_id = :user AND network IN "
                  "(SELECT network FROM user_networks WHERE user_id = :user "
                  "ORDER BY seen_at_ms DESC, network LIMIT -1 OFFSET :max)",
    [STMT_HAVE] = ("SELECT count(*) FROM user_networks "
                   "WHERE user_id = :user AND network = :network AND seen_at_ms > :oldest"),
    [STMT_DELETE_USER] = "DELETE FROM user_networks WHERE user_id = :user",
};

static int trim(struct db *s, int64_t user_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_TRIM], err);
    if (r < 0)
        return r;
    query_i64(&q, ":user", user_id);
    query_i64(&q, ":max", USER_NETWORKS_MAX);
    return query_run(&q, NULL, err);
}

int user_networks_note(
    struct db *s, int64_t user_id, const char *network, int64_t now_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_NOTE], err);
    if (r < 0)
        return r;
    query_i64(&q, ":user", user_id);
    query_text(&q, ":network", network);
    query_i64(&q, ":now", now_ms);
    r = query_run(&q, NULL, err);
    return r < 0 ? r : trim(s, user_id, err);
}

int user_networks_have(struct db *s,
                       int64_t user_id,
                       const char *network,
                       int64_t now_ms,
                       bool *ret,
                       struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_HAVE], err);
    if (r < 0)
        return r;
    query_i64(&q, ":user", user_id);
    query_text(&q, ":network", network);
    query_i64(&q, ":oldest", now_ms - LIFETIME_MS);
    r = query_step_to_one(&q, err, "no number of networks");
    if (r == 0)
        *ret = query_column_i64(&q, 0) > 0;
    return r;
}

int user_networks_delete_user(struct db *s, int64_t user_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_DELETE_USER], err);
    if (r < 0)
        return r;
    query_i64(&q, ":user", user_id);
    return query_run(&q, NULL, err);
}
