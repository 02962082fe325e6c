#include "server/session/agent_token.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "proto/known_texts.h"
#include "server/store/agent_tokens.h"
#include "server/store/secret.h"

#define MAX_LIST ((AGENT_TOKENS_MAX + 2) * SECRET_HASH_SIZE + 1)

char *agent_token_hash(const char *token, const char *prefix)
{
    char hex[SECRET_HASH_SIZE];

    secret_hash(token, hex);
    return xasprintf("%s%s", prefix, hex);
}

bool agent_token_is_unproven(const struct agent *a)
{
    return !a->token_hash || str_starts_with(a->token_hash, AGENT_TOKEN_UNCONFIRMED);
}

bool agent_token_is_revoked(const struct agent *a)
{
    return a->token_hash && str_starts_with(a->token_hash, AGENT_TOKEN_REVOKED);
}

static void set_hash(struct agent *a, char *hash)
{
    free(a->token_hash);
    a->token_hash = hash;
}

/* --- finding an agent ------------------------------------------------------------------------- */

static int find_current(struct db *s, const char *token, struct agent *ret, struct error *err)
{
    static const char *const prefixes[] = {AGENT_TOKEN_PROVEN, AGENT_TOKEN_UNCONFIRMED,
                                           AGENT_TOKEN_REVOKED};
    int r = -ENOENT;

    for (size_t i = 0; i < ARRAY_LEN(prefixes) && r == -ENOENT; i++) {
        _cleanup_free_ char *hash = agent_token_hash(token, prefixes[i]);

        r = agents_get_by_token_hash(s, hash, ret, err);
    }
    if (r == 0 && agent_token_is_revoked(ret)) {
        agent_done(ret);
        return error_code_set(err, CODE_TOKEN_REVOKED, TEXT_TOKEN_REVOKED);
    }
    if (r == 0)
        set_hash(ret, agent_token_hash(token, AGENT_TOKEN_PROVEN));
    return r;
}

static int find_rotated(struct db *s, const char *token, struct agent *ret, struct error *err)
{
    _cleanup_free_ char *hash = agent_token_hash(token, AGENT_TOKEN_PROVEN);
    _cleanup_free_ char *id = NULL;
    int r;

    r = agent_tokens_find(s, hash, &id, err);
    if (r == 0)
        r = agent_tokens_settle(s, id, hash, err);
    if (r == 0)
        r = agents_get(s, id, ret, err);
    if (r == 0)
        set_hash(ret, TAKE_PTR(hash));
    return r;
}

int agent_token_find(
    struct db *s, const char *token, struct agent *ret, bool *ret_is_legacy, struct error *err)
{
    int r;

    *ret_is_legacy = false;
    r = find_current(s, token, ret, err);
    if (r == -ENOENT)
        r = find_rotated(s, token, ret, err);
    if (r != -ENOENT)
        return r;

    r = agents_get(s, token, ret, err);
    if (r < 0)
        return r;
    if (!agent_token_is_unproven(ret)) {
        agent_done(ret); /* an id is accepted only until the agent has proven a token */
        return error_set(err, -ENOENT, "no such agent");
    }
    *ret_is_legacy = true;
    return 0;
}

/* --- listing ---------------------------------------------------------------------------------- */

static void add_hash(void *arg, const char *agent_id _unused_, const char *token_hash)
{
    (void)buf_printf(arg, " %s", token_hash);
}

int agent_token_list(struct db *s, const struct agent *a, char **ret, struct error *err)
{
    struct buf text = BUF_INIT(MAX_LIST);
    _cleanup_free_ char *id_hash = agent_token_hash(a->id, AGENT_TOKEN_PROVEN);
    int r = 0;

    if (!agent_token_is_revoked(a)) {
        if (a->token_hash) {
            add_hash(&text, NULL,
                     agent_token_is_unproven(a) ? a->token_hash + strlen(AGENT_TOKEN_UNCONFIRMED)
                                                : a->token_hash);
        }
        if (agent_token_is_unproven(a))
            add_hash(&text, NULL, id_hash);
        r = agent_tokens_each(s, a->id, add_hash, &text, err);
    }
    if (r == 0)
        *ret = xstrdup(text.size > 0 ? buf_str(&text) + 1 : "");
    buf_done(&text);
    return r;
}

int agent_token_list_of(struct db *s, const char *agent_id, char **ret, struct error *err)
{
    _cleanup_(agent_done) struct agent a = {0};
    int r = agents_get(s, agent_id, &a, err);

    return r < 0 ? r : agent_token_list(s, &a, ret, err);
}

/* --- changes ---------------------------------------------------------------------------------- */

struct change {
    const char *agent_id, *token;
    int64_t now_ms;
    char *made;
};

static int rotate(struct db *s, void *arg, struct error *err)
{
    _cleanup_(agent_done) struct agent a = {0};
    _cleanup_(secret_freep) char *token = NULL;
    _cleanup_free_ char *hash = NULL;
    struct change *c = arg;
    int r;

    r = agents_get(s, c->agent_id, &a, err);
    if (r < 0)
        return r;
    if (agent_token_is_revoked(&a))
        return error_set(err, -EBUSY, "The agent's token is revoked: it has to join again");
    token = secret_new();
    hash = agent_token_hash(token, AGENT_TOKEN_PROVEN);
    r = agent_tokens_add(s, a.id, hash, c->now_ms, err);
    if (r < 0)
        return r;
    c->made = TAKE_PTR(token);
    return 0;
}

int agent_token_rotate(
    struct db *s, const char *agent_id, int64_t now_ms, char **ret_token, struct error *err)
{
    struct change c = {.agent_id = agent_id, .now_ms = now_ms};
    int r = db_tx(s, rotate, &c, err);

    if (r < 0) {
        secret_free(c.made);
        return r;
    }
    *ret_token = c.made;
    return 0;
}

static int confirm(struct db *s, void *arg, struct error *err)
{
    _cleanup_(agent_done) struct agent a = {0};
    const struct change *c = arg;
    int r;

    r = find_rotated(s, c->token, &a, err);
    if (r == -ENOENT)
        return 0; /* the agent has used it meanwhile, or a later one */
    if (r < 0)
        return r;
    free(a.joined_with);
    a.joined_with = NULL;
    return agents_update(s, &a, err);
}

int agent_token_confirm(struct db *s, const char *token, struct error *err)
{
    struct change c = {.token = token};

    return db_tx(s, confirm, &c, err);
}

static int revoke_all(struct db *s, void *arg, struct error *err)
{
    _cleanup_(agent_done) struct agent a = {0};
    const struct change *c = arg;
    int r;

    r = agents_get(s, c->agent_id, &a, err);
    if (r == 0)
        r = agent_tokens_clear(s, a.id, err);
    if (r < 0 || agent_token_is_revoked(&a))
        return r;
    /* The hash is kept, so that the refusal has a reason. A legacy agent's token is its id. */
    if (!a.token_hash) {
        set_hash(&a, agent_token_hash(a.id, AGENT_TOKEN_REVOKED));
    } else {
        const char *bare = agent_token_is_unproven(&a)
                               ? a.token_hash + strlen(AGENT_TOKEN_UNCONFIRMED)
                               : a.token_hash;

        set_hash(&a, xasprintf("%s%s", AGENT_TOKEN_REVOKED, bare));
    }
    free(a.joined_with);
    a.joined_with = NULL;
    return agents_update(s, &a, err);
}

int agent_token_revoke(struct db *s, const char *agent_id, struct error *err)
{
    struct change c = {.agent_id = agent_id};

    return db_tx(s, revoke_all, &c, err);
}
