#include "server/store/user_sessions.h"
#include "server/sqlite/query.h"

#include <errno.h>

enum stmt {
    STMT_INSERT,
    STMT_DELETE,
    STMT_DELETE_USER,
    STMT_EACH,
    STMT_REVOKE,
    STMT_PURGE,
    STMT_COUNT
};

static const char *const sql[STMT_COUNT] = {
    [STMT_INSERT] = ("INSERT INTO user_sessions (id_hash, user_id, peer, created_at_ms, "
                     "expires_at_ms) VALUES (:id_hash, :user_id, :peer, :created_at_ms, "
                     ":expires_at_ms)"),
    [STMT_DELETE] = "DELETE FROM user_sessions WHERE id_hash = :id_hash",
    [STMT_DELETE_USER] =
        "DELETE FROM user_sessions WHERE user_id = :user_id AND id_hash IS NOT :keep",
    [STMT_EACH] = ("SELECT id_hash, user_id, peer, created_at_ms, expires_at_ms FROM user_sessions "
                   "WHERE expires_at_ms > :now AND (:user_id = 0 OR user_id = :user_id) "
                   "ORDER BY created_at_ms DESC, id_hash"),
    [STMT_REVOKE] = ("DELETE FROM user_sessions WHERE substr(id_hash, 1, 16) = :short "
                     "AND (:user_id = 0 OR user_id = :user_id)"),
    [STMT_PURGE] = "DELETE FROM user_sessions WHERE expires_at_ms <= :now",
};

static const struct column columns[] = {
    {":id_hash",       COLUMN_TEXT, offsetof(struct user_session, id_hash)      },
    {":user_id",       COLUMN_I64,  offsetof(struct user_session, user_id)      },
    {":peer",          COLUMN_TEXT, offsetof(struct user_session, peer)         },
    {":created_at_ms", COLUMN_I64,  offsetof(struct user_session, created_at_ms)},
    {":expires_at_ms", COLUMN_I64,  offsetof(struct user_session, expires_at_ms)},
};

int user_sessions_insert(struct db *s, const struct user_session *row, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_INSERT], err);
    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), row);
    return query_run(&q, NULL, err);
}

int user_sessions_delete(struct db *s, const char *id_hash, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_DELETE], err);
    if (r < 0)
        return r;
    query_text(&q, ":id_hash", id_hash);
    return query_run(&q, NULL, err);
}

int user_sessions_delete_user(struct db *s,
                              int64_t user_id,
                              const char *keep_id_hash,
                              struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_DELETE_USER], err);
    if (r < 0)
        return r;
    query_i64(&q, ":user_id", user_id);
    query_text(&q, ":keep", keep_id_hash);
    return query_run(&q, NULL, err);
}

int user_sessions_each(struct db *s,
                       const struct user_sessions_filter *filter,
                       user_sessions_row_fn fn,
                       void *arg,
                       struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_EACH], err);
    if (r < 0)
        return r;
    query_i64(&q, ":user_id", filter->user_id);
    query_i64(&q, ":now", filter->now_ms);
    while ((r = query_step(&q, err)) > 0) {
        struct user_session row = {0};

        query_read_row(&q, columns, ARRAY_LEN(columns), &row);
        fn(arg, &row);
        row_done(columns, ARRAY_LEN(columns), &row);
    }
    return r;
}

int user_sessions_revoke(struct db *s, const char *short_hash, int64_t user_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_REVOKE], err);
    if (r < 0)
        return r;
    query_text(&q, ":short", short_hash);
    query_i64(&q, ":user_id", user_id);
    return query_run_for_one(&q, err, "No such session");
}

int user_sessions_purge(struct db *s, int64_t now_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_PURGE], err);
    if (r < 0)
        return r;
    query_i64(&q, ":now", now_ms);
    return query_run(&q, NULL, err);
}
