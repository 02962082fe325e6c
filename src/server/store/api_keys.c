#include "server/store/api_keys.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/sqlite/query.h"
#include "server/store/secret.h"

#include <errno.h>
#include <string.h>

#define COLUMNS                                                                          \
    "id, name, prefix, coalesce(created_by, 0), coalesce(parent_id, 0), created_at_ms, " \
    "last_used_at_ms, expires_at_ms, networks, scope, description, usage_count, role"

/* A list of ids before, and a condition of, statements for the keys of a struct api_keys_owner. */
#define WITH_DERIVED                                     \
    "WITH RECURSIVE derived (id) AS (SELECT :key UNION " \
    "SELECT k.id FROM api_keys k JOIN derived d ON k.parent_id = d.id) "
#define IS_OWN                                                             \
    "((:user = 0 AND :key = 0) OR (:user != 0 AND created_by = :user) OR " \
    "(:key != 0 AND id IN (SELECT id FROM derived)))"

#define PREFIX_LENGTH (strlen(API_KEY_PREFIX) + 5)

enum stmt {
    STMT_INSERT,
    STMT_UPDATE,
    STMT_DELETE,
    STMT_DELETE_USER,
    STMT_GET,
    STMT_EACH,
    STMT_TOUCH,
    STMT_OF_USER,
    STMT_COUNT
};

static const char *const sql[STMT_COUNT] = {
    [STMT_INSERT] =
        "INSERT INTO api_keys (name, key_hash, prefix, role, created_by, parent_id, "
        "created_at_ms, expires_at_ms, networks, scope, description) VALUES (:name, :key_hash, "
        ":prefix, :role, :created_by, :parent_id, :created_at_ms, :expires_at_ms, :networks, "
        ":scope, :description)",
    [STMT_UPDATE] = WITH_DERIVED "UPDATE api_keys SET name = :name, description = :description, "
                                 "networks = :networks WHERE id = :id AND " IS_OWN,
    [STMT_DELETE] = WITH_DERIVED "DELETE FROM api_keys WHERE id = :id AND " IS_OWN,
    [STMT_DELETE_USER] = "DELETE FROM api_keys WHERE created_by = :user",
    [STMT_GET] = "SELECT " COLUMNS " FROM api_keys WHERE id = :id",
    [STMT_EACH] = WITH_DERIVED "SELECT " COLUMNS " FROM api_keys WHERE " IS_OWN " ORDER BY name",
    [STMT_TOUCH] = ("UPDATE api_keys SET last_used_at_ms = :now, "
                    "usage_count = usage_count + 1 WHERE id = :id"),
    [STMT_OF_USER] = ("SELECT count(*) FROM api_keys WHERE created_by IS :user "
                      "AND (:user IS NOT NULL OR parent_id IS NOT NULL)"),
};

static const struct column columns[] = {
    {":id",              COLUMN_I64,  offsetof(struct api_key, id)             },
    {":name",            COLUMN_TEXT, offsetof(struct api_key, name)           },
    {":prefix",          COLUMN_TEXT, offsetof(struct api_key, prefix)         },
    {":created_by",      COLUMN_I64,  offsetof(struct api_key, created_by)     },
    {":parent_id",       COLUMN_I64,  offsetof(struct api_key, parent_id)      },
    {":created_at_ms",   COLUMN_I64,  offsetof(struct api_key, created_at_ms)  },
    {":last_used_at_ms", COLUMN_I64,  offsetof(struct api_key, last_used_at_ms)},
    {":expires_at_ms",   COLUMN_I64,  offsetof(struct api_key, expires_at_ms)  },
    {":networks",        COLUMN_TEXT, offsetof(struct api_key, networks)       },
    {":scope",           COLUMN_TEXT, offsetof(struct api_key, scope)          },
    {":description",     COLUMN_TEXT, offsetof(struct api_key, description)    },
    {":usage_count",     COLUMN_I64,  offsetof(struct api_key, usage_count)    },
    {":role",            COLUMN_ROLE, offsetof(struct api_key, role)           },
};

void api_key_done(struct api_key *k)
{
    row_done(columns, ARRAY_LEN(columns), k);
}

static int check_spec(const struct api_key *spec, struct error *err)
{
    size_t length = spec->name ? strlen(spec->name) : 0;

    if (length == 0 || length > API_KEY_MAX_NAME) {
        return error_set(err, -EDOM, "the name of an API key must have 1 to %d bytes",
                         API_KEY_MAX_NAME);
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)spec->name[i] < ' ' || spec->name[i] == 0x7f)
            return error_set(err, -EDOM, "the name of an API key must have no control characters");
    }
    if (!str_is_utf8(spec->name, length))
        return error_set(err, -EDOM, "the name of an API key must be UTF-8");
    if (spec->role < ROLE_VIEWER || spec->role > ROLE_ADMIN)
        return error_set(err, -EDOM, "the role of an API key must be viewer, operator or admin");
    return 0;
}

/* Keys that offline commands create are not counted; those created with them are, together. */
static int check_number(struct db *s, const struct api_key *spec, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    if (!spec->created_by && !spec->parent_id)
        return 0;
    r = query_init(&q, s, sql[STMT_OF_USER], err);
    if (r < 0)
        return r;
    query_i64_or_null(&q, ":user", spec->created_by);
    r = query_step_to_one(&q, err, "no number of API keys");
    if (r < 0)
        return r;
    if (query_column_i64(&q, 0) >= API_KEYS_MAX_OF_USER) {
        return error_set(err, -EBUSY,
                         "there are %d API keys of this user already, the maximum: delete some",
                         API_KEYS_MAX_OF_USER);
    }
    return 0;
}

int api_keys_adopt(struct db *s, const struct api_key *spec, const char *hash, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = check_spec(spec, err);

    if (r == 0)
        r = query_init(&q, s, sql[STMT_INSERT], err);
    if (r < 0)
        return r;
    query_text(&q, ":name", spec->name);
    query_text(&q, ":key_hash", hash);
    query_text(&q, ":prefix", spec->prefix);
    query_text(&q, ":role", role_name(spec->role));
    query_i64(&q, ":created_at_ms", spec->created_at_ms);
    query_i64(&q, ":expires_at_ms", spec->expires_at_ms);
    query_text(&q, ":networks", spec->networks);
    query_text(&q, ":description", spec->description);
    return query_run(&q, NULL, err);
}

int api_keys_create(struct db *s,
                    const struct api_key *spec,
                    char **ret_key,
                    struct api_key *ret,
                    struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    _cleanup_(secret_freep) char *secret = NULL, *key = NULL;
    _cleanup_free_ char *prefix = NULL;
    char hash[SECRET_HASH_SIZE];
    int r;

    r = check_spec(spec, err);
    if (r == 0)
        r = check_number(s, spec, err);
    if (r == 0)
        r = query_init(&q, s, sql[STMT_INSERT], err);
    if (r < 0)
        return r;

    secret = secret_new();
    key = xasprintf(API_KEY_PREFIX "%s", secret);
    secret_hash(key, hash);
    prefix = xstrndup(key, PREFIX_LENGTH);
    query_text(&q, ":name", spec->name);
    query_text(&q, ":key_hash", hash);
    query_text(&q, ":prefix", prefix);
    query_text(&q, ":role", role_name(spec->role));
    query_i64_or_null(&q, ":created_by", spec->created_by);
    query_i64_or_null(&q, ":parent_id", spec->parent_id);
    query_i64(&q, ":created_at_ms", spec->created_at_ms);
    query_i64(&q, ":expires_at_ms", spec->expires_at_ms);
    query_text(&q, ":networks", spec->networks);
    query_text(&q, ":scope", spec->scope);
    query_text(&q, ":description", spec->description);
    r = query_run(&q, NULL, err);
    if (r == -EEXIST)
        return error_set(err, r, "an API key named `%s` already exists", spec->name);
    if (r < 0)
        return r;

    if (ret) {
        *ret = (struct api_key){
            .id = query_last_id(&q),
            .name = xstrdup(spec->name),
            .prefix = TAKE_PTR(prefix),
            .role = spec->role,
            .created_by = spec->created_by,
            .parent_id = spec->parent_id,
            .created_at_ms = spec->created_at_ms,
            .expires_at_ms = spec->expires_at_ms,
            .networks = xstrdup(spec->networks),
            .scope = xstrdup(spec->scope),
            .description = xstrdup(spec->description),
        };
    }
    *ret_key = TAKE_PTR(key);
    return 0;
}

static void bind_owner(struct query *q, const struct api_keys_owner *owner)
{
    query_i64(q, ":user", owner->user_id);
    query_i64(q, ":key", owner->key_id);
}

int api_keys_update(struct db *s,
                    const struct api_key *k,
                    const struct api_keys_owner *owner,
                    struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = check_spec(k, err);
    if (r == 0)
        r = query_init(&q, s, sql[STMT_UPDATE], err);
    if (r < 0)
        return r;
    query_i64(&q, ":id", k->id);
    query_text(&q, ":name", k->name);
    query_text(&q, ":description", k->description);
    query_text(&q, ":networks", k->networks);
    bind_owner(&q, owner);
    r = query_run_for_one(&q, err, "no such API key");
    return r == -EEXIST ? error_set(err, r, "an API key named `%s` already exists", k->name) : r;
}

int api_keys_delete_user(struct db *s, int64_t user_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_DELETE_USER], err);
    if (r < 0)
        return r;
    query_i64(&q, ":user", user_id);
    return query_run(&q, NULL, err);
}

int api_keys_delete(struct db *s, int64_t id, const struct api_keys_owner *owner, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_DELETE], err);
    if (r < 0)
        return r;
    query_i64(&q, ":id", id);
    bind_owner(&q, owner);
    return query_run_for_one(&q, err, "no such API key");
}

int api_keys_get(struct db *s, int64_t id, struct api_key *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_GET], err);
    if (r < 0)
        return r;
    query_i64(&q, ":id", id);
    r = query_step_to_one(&q, err, "no such API key");
    if (r < 0)
        return r;
    *ret = (struct api_key){0};
    query_read_row(&q, columns, ARRAY_LEN(columns), ret);
    return 0;
}

int api_keys_each(struct db *s,
                  const struct api_keys_owner *owner,
                  api_keys_row_fn fn,
                  void *arg,
                  struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    struct api_key k = {0};
    int r;

    r = query_init(&q, s, sql[STMT_EACH], err);
    if (r < 0)
        return r;
    bind_owner(&q, owner);
    while ((r = query_next_row(&q, columns, ARRAY_LEN(columns), &k, err)) > 0)
        fn(arg, &k);
    return r;
}

int api_keys_touch(struct db *s, int64_t id, int64_t now_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_TOUCH], err);
    if (r < 0)
        return r;
    query_i64(&q, ":id", id);
    query_i64(&q, ":now", now_ms);
    return query_run(&q, NULL, err);
}
