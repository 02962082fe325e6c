#include "server/store/agent_tokens.h"
#include "server/sqlite/query.h"

#include <errno.h>

enum stmt { STMT_ADD, STMT_PRUNE, STMT_FIND, STMT_SETTLE, STMT_CLEAR, STMT_EACH, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_ADD] = "INSERT INTO agent_tokens (agent_id, token_hash, created_at_ms) "
                 "VALUES (:agent, :hash, :now)",
    [STMT_PRUNE] =
        "DELETE FROM agent_tokens WHERE agent_id = :agent AND id NOT IN "
        "(SELECT id FROM agent_tokens WHERE agent_id = :agent ORDER BY id DESC LIMIT :max)",
    [STMT_FIND] = "SELECT agent_id FROM agent_tokens WHERE token_hash = :hash",
    [STMT_SETTLE] = "DELETE FROM agent_tokens WHERE agent_id = :agent AND id <= "
                    "(SELECT id FROM agent_tokens WHERE token_hash = :hash)",
    [STMT_EACH] = "SELECT agent_id, token_hash FROM agent_tokens "
                  "WHERE :agent IS NULL OR agent_id = :agent ORDER BY id",
    [STMT_CLEAR] = "DELETE FROM agent_tokens WHERE agent_id = :agent",
};

int agent_tokens_add(
    struct db *s, const char *agent_id, const char *token_hash, int64_t now_ms, struct error *err)
{
    _cleanup_(query_done) struct query add = {0}, prune = {0};
    int r;

    r = query_init(&add, s, sql[STMT_ADD], err);
    if (r < 0)
        return r;
    query_text(&add, ":agent", agent_id);
    query_text(&add, ":hash", token_hash);
    query_i64(&add, ":now", now_ms);
    r = query_run(&add, NULL, err);
    if (r < 0)
        return r;

    r = query_init(&prune, s, sql[STMT_PRUNE], err);
    if (r < 0)
        return r;
    query_text(&prune, ":agent", agent_id);
    query_i64(&prune, ":max", AGENT_TOKENS_MAX);
    return query_run(&prune, NULL, err);
}

int agent_tokens_find(struct db *s, const char *token_hash, char **ret_agent_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_FIND], err);
    if (r < 0)
        return r;
    query_text(&q, ":hash", token_hash);
    r = query_step_to_one(&q, err, "no such agent token");
    if (r < 0)
        return r;
    *ret_agent_id = query_column_text(&q, 0);
    return 0;
}

int agent_tokens_settle(struct db *s,
                        const char *agent_id,
                        const char *token_hash,
                        struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_SETTLE], err);
    if (r < 0)
        return r;
    query_text(&q, ":agent", agent_id);
    query_text(&q, ":hash", token_hash);
    return query_run(&q, NULL, err);
}

int agent_tokens_each(
    struct db *s, const char *agent_id, agent_tokens_row_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_EACH], err);
    if (r < 0)
        return r;
    query_text(&q, ":agent", agent_id);
    while ((r = query_step(&q, err)) > 0) {
        _cleanup_free_ char *id = query_column_text(&q, 0), *hash = query_column_text(&q, 1);

        fn(arg, id, hash);
    }
    return r;
}

int agent_tokens_clear(struct db *s, const char *agent_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_CLEAR], err);
    if (r < 0)
        return r;
    query_text(&q, ":agent", agent_id);
    return query_run(&q, NULL, err);
}
