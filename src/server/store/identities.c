#include "server/store/identities.h"
#include "server/sqlite/query.h"

#include <errno.h>

#define KEY_COLUMNS                                                                                 \
    "SELECT 0, k.id, coalesce(k.created_by, 0), k.name, 0, k.expires_at_ms, k.last_used_at_ms, "    \
    "k.networks, k.scope, u.scope, u.name, NULL, k.role, coalesce(u.role, k.role) FROM api_keys k " \
    "LEFT JOIN users u ON u.id = k.created_by "
#define KEY_IS_VALID "AND (k.expires_at_ms = 0 OR k.expires_at_ms > :now)"

enum stmt { STMT_BY_SESSION, STMT_BY_KEY, STMT_BY_USER_ID, STMT_BY_KEY_ID, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_BY_SESSION] =
        "SELECT u.id, 0, u.id, u.name, u.must_change_password, s.expires_at_ms, 0, "
        "NULL, u.scope, NULL, u.name, u.display_name, u.role, u.role FROM user_sessions s JOIN users u ON u.id = s.user_id "
        "WHERE s.id_hash = :hash AND s.expires_at_ms > :now",
    [STMT_BY_KEY] = KEY_COLUMNS "WHERE k.key_hash = :hash " KEY_IS_VALID,
    [STMT_BY_USER_ID] =
        "SELECT u.id, 0, u.id, u.name, u.must_change_password, 0, 0, "
        "NULL, u.scope, NULL, u.name, u.display_name, u.role, u.role FROM users u WHERE u.id = :id",
    [STMT_BY_KEY_ID] = KEY_COLUMNS "WHERE k.id = :id " KEY_IS_VALID,
};

static const struct column columns[] = {
    {":user_id",              COLUMN_I64,  offsetof(struct identity_row, user_id)             },
    {":key_id",               COLUMN_I64,  offsetof(struct identity_row, key_id)              },
    {":owner_id",             COLUMN_I64,  offsetof(struct identity_row, owner_id)            },
    {":name",                 COLUMN_TEXT, offsetof(struct identity_row, name)                },
    {":must_change_password", COLUMN_BOOL, offsetof(struct identity_row, must_change_password)},
    {":expires_at_ms",        COLUMN_I64,  offsetof(struct identity_row, expires_at_ms)       },
    {":last_used_at_ms",      COLUMN_I64,  offsetof(struct identity_row, last_used_at_ms)     },
    {":networks",             COLUMN_TEXT, offsetof(struct identity_row, networks)            },
    {":scope",                COLUMN_TEXT, offsetof(struct identity_row, scope)               },
    {":scope_ceiling",        COLUMN_TEXT, offsetof(struct identity_row, scope_ceiling)       },
    {":owner_name",           COLUMN_TEXT, offsetof(struct identity_row, owner_name)          },
    {":display_name",         COLUMN_TEXT, offsetof(struct identity_row, display_name)        },
    {":role",                 COLUMN_ROLE, offsetof(struct identity_row, role)                },
};

#define COLUMN_CEILING \
    ((int)ARRAY_LEN(columns)) /* selected after those of `columns`: the role of the creator */

void identity_row_done(struct identity_row *row)
{
    row_done(columns, ARRAY_LEN(columns), row);
}

/* Reads the only row of a query whose parameters are bound. */
static int read_row(struct query *q, struct identity_row *ret, struct error *err)
{
    int r = query_step_to_one(q, err, "unknown or expired");
    enum role ceiling;

    if (r < 0)
        return r;
    *ret = (struct identity_row){0};
    query_read_row(q, columns, ARRAY_LEN(columns), ret);
    ceiling = query_column_role(q, COLUMN_CEILING);
    if (ret->role > ceiling)
        ret->role = ceiling;
    return 0;
}

static int get_by(struct db *s,
                  enum stmt stmt,
                  const char *hash,
                  int64_t now_ms,
                  struct identity_row *ret,
                  struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[stmt], err);
    if (r < 0)
        return r;
    query_text(&q, ":hash", hash);
    query_i64(&q, ":now", now_ms);
    return read_row(&q, ret, err);
}

int identities_get_by_session(
    struct db *s, const char *id_hash, int64_t now_ms, struct identity_row *ret, struct error *err)
{
    return get_by(s, STMT_BY_SESSION, id_hash, now_ms, ret, err);
}

int identities_get_by_key(
    struct db *s, const char *key_hash, int64_t now_ms, struct identity_row *ret, struct error *err)
{
    return get_by(s, STMT_BY_KEY, key_hash, now_ms, ret, err);
}

int identities_get_by_id(struct db *s,
                         int64_t user_id,
                         int64_t key_id,
                         int64_t now_ms,
                         struct identity_row *ret,
                         struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[user_id ? STMT_BY_USER_ID : STMT_BY_KEY_ID], err);
    if (r < 0)
        return r;
    query_i64(&q, ":id", user_id ? user_id : key_id);
    if (!user_id)
        query_i64(&q, ":now", now_ms);
    return read_row(&q, ret, err);
}
