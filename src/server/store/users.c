#include "server/store/users.h"
#include "server/sqlite/query.h"

#include <errno.h>

#define COLUMNS                                                                     \
    "id, name, password_hash, must_change_password, created_at_ms, updated_at_ms, " \
    "last_login_at_ms, scope, display_name, email, role"

enum stmt {
    STMT_INSERT,
    STMT_GET,
    STMT_GET_BY_NAME,
    STMT_SET_PASSWORD,
    STMT_TOUCH_LOGIN,
    STMT_HOW_MANY,
    STMT_EACH,
    STMT_SET_RIGHTS,
    STMT_SET_PROFILE,
    STMT_DELETE,
    STMT_ADMINS,
    STMT_COUNT
};

static const char *const sql[STMT_COUNT] = {
    [STMT_INSERT] =
        "INSERT INTO users (name, password_hash, must_change_password, created_at_ms, "
        "updated_at_ms, role, scope, display_name, email) VALUES (:name, :password_hash, "
        ":must_change_password, :created_at_ms, :updated_at_ms, :role, :scope, :display_name, "
        ":email)",
    [STMT_GET] = "SELECT " COLUMNS " FROM users WHERE id = :id",
    [STMT_GET_BY_NAME] = "SELECT " COLUMNS " FROM users WHERE name = :name",
    [STMT_SET_PASSWORD] = ("UPDATE users SET password_hash = :hash, must_change_password = :must, "
                           "updated_at_ms = :now WHERE id = :id"),
    [STMT_TOUCH_LOGIN] = "UPDATE users SET last_login_at_ms = :now WHERE id = :id",
    [STMT_HOW_MANY] = "SELECT count(*) FROM users",
    [STMT_EACH] = "SELECT " COLUMNS " FROM users ORDER BY name",
    [STMT_SET_RIGHTS] =
        "UPDATE users SET role = :role, scope = :scope, updated_at_ms = :now WHERE id = :id",
    [STMT_SET_PROFILE] = ("UPDATE users SET display_name = :display_name, email = :email, "
                          "updated_at_ms = :now WHERE id = :id"),
    [STMT_DELETE] = "DELETE FROM users WHERE id = :id",
    [STMT_ADMINS] = "SELECT count(*) FROM users WHERE role = 'admin' AND scope IS NULL",
};

static const struct column columns[] = {
    {":id",                   COLUMN_I64,  offsetof(struct user, id)                  },
    {":name",                 COLUMN_TEXT, offsetof(struct user, name)                },
    {":password_hash",        COLUMN_TEXT, offsetof(struct user, password_hash)       },
    {":must_change_password", COLUMN_BOOL, offsetof(struct user, must_change_password)},
    {":created_at_ms",        COLUMN_I64,  offsetof(struct user, created_at_ms)       },
    {":updated_at_ms",        COLUMN_I64,  offsetof(struct user, updated_at_ms)       },
    {":last_login_at_ms",     COLUMN_I64,  offsetof(struct user, last_login_at_ms)    },
    {":scope",                COLUMN_TEXT, offsetof(struct user, scope)               },
    {":display_name",         COLUMN_TEXT, offsetof(struct user, display_name)        },
    {":email",                COLUMN_TEXT, offsetof(struct user, email)               },
    {":role",                 COLUMN_ROLE, offsetof(struct user, role)                },
};

void user_done(struct user *u)
{
    row_done(columns, ARRAY_LEN(columns), u);
}

int users_insert(struct db *s, const struct user *u, int64_t *ret_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_INSERT], err);
    if (r < 0)
        return r;
    query_text(&q, ":name", u->name);
    query_text(&q, ":password_hash", u->password_hash);
    query_i64(&q, ":must_change_password", u->must_change_password);
    query_i64(&q, ":created_at_ms", u->created_at_ms);
    query_i64(&q, ":updated_at_ms", u->updated_at_ms);
    query_text(&q, ":role", role_name(u->role));
    query_text(&q, ":scope", u->scope);
    query_text(&q, ":display_name", u->display_name);
    query_text(&q, ":email", u->email);
    r = query_run(&q, NULL, err);
    if (r == -EEXIST)
        return error_set(err, r, "a user named `%s` already exists", u->name);
    if (r < 0)
        return r;
    *ret_id = query_last_id(&q);
    return 0;
}

static int get_one(struct query *q, struct user *ret, struct error *err)
{
    int r = query_step_to_one(q, err, "no such user");

    if (r < 0)
        return r;
    *ret = (struct user){0};
    query_read_row(q, columns, ARRAY_LEN(columns), ret);
    return 0;
}

int users_get(struct db *s, int64_t id, struct user *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_GET], err);
    if (r < 0)
        return r;
    query_i64(&q, ":id", id);
    return get_one(&q, ret, err);
}

int users_get_by_name(struct db *s, const char *name, struct user *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_GET_BY_NAME], err);
    if (r < 0)
        return r;
    query_text(&q, ":name", name);
    return get_one(&q, ret, err);
}

int users_set_password(struct db *s,
                       int64_t id,
                       const char *password_hash,
                       bool must_change,
                       int64_t now_ms,
                       struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_SET_PASSWORD], err);
    if (r < 0)
        return r;
    query_i64(&q, ":id", id);
    query_text(&q, ":hash", password_hash);
    query_i64(&q, ":must", must_change);
    query_i64(&q, ":now", now_ms);
    return query_run_for_one(&q, err, "no such user");
}

int users_touch_login(struct db *s, int64_t id, int64_t now_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_TOUCH_LOGIN], err);
    if (r < 0)
        return r;
    query_i64(&q, ":id", id);
    query_i64(&q, ":now", now_ms);
    return query_run(&q, NULL, err);
}

int users_each(struct db *s, users_row_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    struct user u = {0};
    int r;

    r = query_init(&q, s, sql[STMT_EACH], err);
    if (r < 0)
        return r;
    while ((r = query_next_row(&q, columns, ARRAY_LEN(columns), &u, err)) > 0)
        fn(arg, &u);
    return r;
}

int users_set_rights(
    struct db *s, int64_t id, enum role role, const char *scope, int64_t now_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_SET_RIGHTS], err);
    if (r < 0)
        return r;
    query_i64(&q, ":id", id);
    query_text(&q, ":role", role_name(role));
    query_text(&q, ":scope", scope);
    query_i64(&q, ":now", now_ms);
    return query_run_for_one(&q, err, "no such user");
}

int users_set_profile(struct db *s,
                      int64_t id,
                      const char *display_name,
                      const char *email,
                      int64_t now_ms,
                      struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_SET_PROFILE], err);
    if (r < 0)
        return r;
    query_i64(&q, ":id", id);
    query_text(&q, ":display_name", display_name);
    query_text(&q, ":email", email);
    query_i64(&q, ":now", now_ms);
    return query_run_for_one(&q, err, "no such user");
}

int users_delete(struct db *s, int64_t id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_DELETE], err);
    if (r < 0)
        return r;
    query_i64(&q, ":id", id);
    return query_run_for_one(&q, err, "no such user");
}

int users_count(struct db *s, int64_t *ret, struct error *err)
{
    return query_number(s, sql[STMT_HOW_MANY], ret, err);
}

int users_count_admins(struct db *s, int64_t *ret, struct error *err)
{
    return query_number(s, sql[STMT_ADMINS], ret, err);
}
