#include "server/store/tokens.h"
#include "base/alloc.h"
#include "base/random.h"
#include "server/sqlite/query.h"
#include "server/store/secret.h"

#define PURGE_AFTER_MS (INT64_C(24) * 60 * 60 * 1000)

enum stmt { STMT_INSERT, STMT_CONSUME, STMT_GET, STMT_PURGE, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_INSERT] = "INSERT INTO registration_tokens (token_hash, created_by, created_at_ms, "
                    "expires_at_ms, max_uses) VALUES (:hash, :created_by, :now, :expires, :max)",
    [STMT_CONSUME] = "UPDATE registration_tokens SET use_count = use_count + 1, "
                     "last_used_at_ms = :now WHERE token_hash = :hash AND expires_at_ms > :now "
                     "AND (max_uses IS NULL OR use_count < max_uses)",
    [STMT_GET] = "SELECT expires_at_ms > :now FROM registration_tokens WHERE token_hash = :hash",
    [STMT_PURGE] = "DELETE FROM registration_tokens WHERE expires_at_ms < :before",
};

int tokens_create(struct db *s,
                  const char *created_by,
                  bool is_multi_use,
                  int64_t now_ms,
                  char **ret_token,
                  struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    char token[UUID_TEXT_SIZE], hash[SECRET_HASH_SIZE];
    int r;

    r = query_init(&q, s, sql[STMT_INSERT], err);
    if (r < 0)
        return r;
    random_uuid(token);
    secret_hash(token, hash);
    query_text(&q, ":hash", hash);
    query_text(&q, ":created_by", created_by);
    query_i64(&q, ":now", now_ms);
    query_i64(&q, ":expires", now_ms + TOKEN_LIFETIME_MS);
    query_i64_or_null(&q, ":max", is_multi_use ? 0 : 1);
    r = query_run(&q, NULL, err);
    if (r < 0)
        return r;
    *ret_token = xstrdup(token);
    return 0;
}

/* Finds the reason why the token could not be used. */
static int find_reason(
    struct db *s, const char *hash, int64_t now_ms, enum token_verdict *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_GET], err);
    if (r < 0)
        return r;
    query_text(&q, ":hash", hash);
    query_i64(&q, ":now", now_ms);
    r = query_step(&q, err);
    if (r < 0)
        return r;
    *ret = TOKEN_UNKNOWN;
    if (r > 0)
        *ret = query_column_i64(&q, 0) ? TOKEN_USED : TOKEN_EXPIRED;
    return 0;
}

int tokens_consume(
    struct db *s, const char *token, int64_t now_ms, enum token_verdict *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    char hash[SECRET_HASH_SIZE];
    int64_t n;
    int r;

    secret_hash(token, hash);
    r = query_init(&q, s, sql[STMT_CONSUME], err);
    if (r < 0)
        return r;
    query_text(&q, ":hash", hash);
    query_i64(&q, ":now", now_ms);
    r = query_run(&q, &n, err);
    if (r < 0)
        return r;
    if (n == 0)
        return find_reason(s, hash, now_ms, ret, err);
    *ret = TOKEN_OK;
    return 0;
}

int tokens_is_alive(struct db *s, const char *token, int64_t now_ms, struct error *err)
{
    enum token_verdict verdict;
    char hash[SECRET_HASH_SIZE];
    int r;

    secret_hash(token, hash);
    r = find_reason(s, hash, now_ms, &verdict, err);
    return r < 0 ? r : verdict == TOKEN_USED;
}

int tokens_purge(struct db *s, int64_t now_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_PURGE], err);
    if (r < 0)
        return r;
    query_i64(&q, ":before", now_ms - PURGE_AFTER_MS);
    return query_run(&q, NULL, err);
}
