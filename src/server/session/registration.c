#include "server/session/registration.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "proto/json_text.h"
#include "proto/known_texts.h"
#include "server/session/agent_token.h"
#include "server/session/host_facts.h"
#include "server/session/migration.h"
#include "server/store/agent_tokens.h"
#include "server/store/events.h"
#include "server/store/secret.h"
#include "server/store/tokens.h"

#define MAX_CANDIDATES 50
#define SHORT_NAME     40

struct attempt {
    const struct msg_register *m;
    uint64_t max_agents;
    int64_t now_ms;
    struct registration *out;
    struct host *remotes; /* active mTLS hosts of the same engine; only id and name are set */
    size_t n_remotes;
    bool has_local;
};

void registration_done(struct registration *r)
{
    host_done(&r->host);
    agent_done(&r->agent);
    secret_free(r->permanent_token);
    free(r->token_hashes);
    free(r->former_name);
    free(r->former_engine);
    free(r->migrated_id);
    free(r->migrated_name);
    json_decref(r->candidates);
    *r = (struct registration){0};
}

static void attempt_done(struct attempt *a)
{
    for (size_t i = 0; i < a->n_remotes; i++)
        host_done(&a->remotes[i]);
    free(a->remotes);
}

static void issue_secret(struct registration *out, const char *prefix)
{
    secret_free(out->permanent_token);
    out->permanent_token = secret_new();
    free(out->agent.token_hash);
    out->agent.token_hash = agent_token_hash(out->permanent_token, prefix);
}

/* --- reconnecting ----------------------------------------------------------------------------- */

/* True if a registration with this engine id would find another agent. */
static bool is_engine_of_other(struct db *s, const char *engine_id, const char *agent_id)
{
    _cleanup_(agent_done) struct agent other = {0};

    return agents_get_by_engine(s, engine_id, &other, NULL) == 0 && !str_eq(other.id, agent_id);
}

/*
 * Engine ids change: Podman invents them, upgrades of Docker and lost folders replace them. The
 * agent keeps its former one if that is how another agent is found.
 */
static void follow_engine(struct db *s, struct attempt *a)
{
    struct registration *out = a->out;
    const char *now = a->m->engine_id;

    if (out->host.engine_id && !str_eq(out->host.engine_id, now))
        out->former_engine = xstrdup(out->host.engine_id);
    host_facts_set(&out->host.engine_id, now);
    if (out->agent.force_unique || !is_engine_of_other(s, now, out->agent.id))
        host_facts_set(&out->agent.engine_id, now);
}

/*
 * An agent renames its host when the machine is renamed, but not to a name that another host has
 * or had, because people may still mean that one, nor when a user has given the name.
 */
static void follow_name(struct db *s, struct attempt *a)
{
    struct host *h = &a->out->host;
    _cleanup_free_ char *name = host_facts_name(a->m->hostname);

    if (!name || str_eq(name, h->name))
        return;
    if (a->out->is_replaced)
        h->is_name_given = true; /* by the user who made the token for this name */
    if (h->is_name_given || hosts_name_taken(s, name, h->id) ||
        hosts_name_was_of_other(s, name, h->id))
        return;
    a->out->former_name = h->name;
    h->name = TAKE_PTR(name);
}

/* Updates the rows of a known agent and its host. The caller has set the agent's token hash. */
static int refresh(struct db *s, struct attempt *a, struct error *err)
{
    struct registration *out = a->out;
    int r;

    r = hosts_get(s, out->agent.host_id, &out->host, err);
    if (r < 0)
        return error_wrap(err, r == -ENOENT ? -EIO : r, "host of agent %s", out->agent.id);
    follow_name(s, a);
    follow_engine(s, a);
    host_facts_put(&out->host, a->m, a->now_ms);
    host_facts_put_agent(&out->agent, a->m, a->now_ms);

    r = hosts_update(s, &out->host, err);
    if (r < 0)
        return error_wrap(err, r == -EEXIST ? -EIO : r, "update host %s", out->host.id);
    r = agents_update(s, &out->agent, err);
    if (r < 0)
        return error_wrap(err, r == -EEXIST ? -EIO : r, "update agent %s", out->agent.id);
    return events_newest_engine_ns(s, out->host.id, &out->events_since, err);
}

/* Hashes the registration token with the host name: clones of a machine may use the same token. */
static char *make_join_hash(const struct msg_register *m)
{
    char *text = xasprintf("%s %s", m->token, m->hostname ? m->hostname : "");
    char *hash = agent_token_hash(text, "");

    secret_free(text);
    return hash;
}

static void set_joined_with(struct agent *agent, char *hash)
{
    free(agent->joined_with);
    agent->joined_with = hash;
}

static int reconnect(struct db *s, struct attempt *a, bool is_legacy, struct error *err)
{
    struct registration *out = a->out;

    if (is_legacy) {
        issue_secret(out, AGENT_TOKEN_UNCONFIRMED);
    } else {
        out->permanent_token = xstrdup(a->m->token);
        set_joined_with(&out->agent, NULL);
    }
    return refresh(s, a, err);
}

/* --- registering ------------------------------------------------------------------------------ */

static int consume_token(struct db *s, const struct attempt *a, struct error *err)
{
    enum token_verdict verdict;
    int r = tokens_consume(s, a->m->token, a->now_ms, &verdict, err);

    if (r < 0)
        return r;

    switch (verdict) {
    case TOKEN_OK: return 0;
    case TOKEN_UNKNOWN: return error_code_set(err, CODE_TOKEN_INVALID, TEXT_TOKEN_INVALID);
    case TOKEN_EXPIRED: return error_code_set(err, CODE_TOKEN_EXPIRED, TEXT_TOKEN_EXPIRED);
    case TOKEN_USED: return error_code_set(err, CODE_TOKEN_USED_UP, TEXT_TOKEN_USED_UP);
    }
    return error_set(err, -EIO, "token verdict %d", (int)verdict);
}

static void on_local(void *arg, const struct host *h _unused_)
{
    ((struct attempt *)arg)->has_local = true;
}

static void on_remote(void *arg, const struct host *h)
{
    struct attempt *a = arg;

    if (a->n_remotes == MAX_CANDIDATES)
        return;
    a->remotes = xrealloc(a->remotes, a->n_remotes + 1, sizeof(*a->remotes));
    a->remotes[a->n_remotes++] = (struct host){.id = xstrdup(h->id), .name = xstrdup(h->name)};
}

static int check_force_unique(const struct msg_register *m, const char *name, struct error *err)
{
    if (name && str_eq(m->hostname_source, "agent_name"))
        return 0;

    return error_code_set(err, CODE_AGENT_NAME_REQUIRED, TEXT_AGENT_NAME_REQUIRED,
                          str_is_empty(m->hostname_source) ? "none" : m->hostname_source);
}

/* The name of the host, or its id if the name is too long for an error text. */
static const char *short_ref(const struct host *h)
{
    return strlen(h->name) <= SHORT_NAME ? h->name : h->id;
}

/* The advice names the commands, so that it can be followed without documentation. */
static int refuse_engine(struct db *s, const struct agent *known, struct error *err)
{
    _cleanup_(host_done) struct host h = {0};
    const char *ref;
    int r = hosts_get(s, known->host_id, &h, err);

    if (r < 0)
        return error_wrap(err, r == -EACCES ? -EIO : r, "host of agent %s", known->id);
    ref = short_ref(&h);
    return error_code_set(
        err, CODE_ENGINE_REGISTERED,
        TEXT_ENGINE_REGISTERED
        ". This host is known as `%s`. If its data directory was lost: run `dockmon token create "
        "--replace %s`, and start the agent with that token. If it is a clone of that host: delete "
        "/var/lib/docker/engine-id (or /etc/docker/key.json) here and restart Docker, or set "
        "FORCE_UNIQUE_REGISTRATION=true together with a unique AGENT_NAME.",
        ref, ref);
}

static int refuse_name(struct db *s, const char *name, struct error *err)
{
    _cleanup_(host_done) struct host h = {0};
    int r = hosts_find(s, name, &h, err);

    if (r < 0)
        return error_wrap(err, r == -EACCES ? -EIO : r, "host of the name %s", name);
    return error_code_set(err, CODE_HOST_NAME_TAKEN,
                          TEXT_HOST_NAME_TAKEN
                          " If this machine takes the place of that host: run `dockmon token "
                          "create --replace %s`, and start the agent with that token.",
                          STR_CUT(name, 255), short_ref(&h));
}

/* The engine may be that of no other known host; that of the agent `replaced` (NULL: none) may be. */
static int check_engine(
    struct db *s, struct attempt *a, const char *name, const char *replaced, struct error *err)
{
    _cleanup_(agent_done) struct agent same = {0};
    int r = hosts_each_engine(s, a->m->engine_id, HOST_LOCAL, on_local, a, err);

    if (r < 0)
        return r;
    if (a->has_local)
        return error_code_set(err, CODE_ENGINE_IS_LOCAL, TEXT_ENGINE_IS_LOCAL);
    if (a->m->force_unique_registration)
        return check_force_unique(a->m, name, err);

    r = agents_get_by_engine(s, a->m->engine_id, &same, err);
    if (r == 0 && !str_eq(same.id, replaced))
        return refuse_engine(s, &same, err);
    return r == -ENOENT ? 0 : r;
}

static void make_rows(struct attempt *a, const char *name)
{
    struct host *h = &a->out->host;
    struct agent *agent = &a->out->agent;
    char id[UUID_TEXT_SIZE];

    random_uuid(id);
    h->id = xstrdup(id);
    h->name = name ? xstrdup(name) : xasprintf("Agent-%.12s", a->m->engine_id);
    h->url = xstrdup("agent://");
    h->connection = HOST_AGENT;
    h->is_active = true;
    h->engine_id = xstrdup(a->m->engine_id);
    h->tags = xstrdup("[]");
    h->created_at_ms = a->now_ms;
    host_facts_put(h, a->m, a->now_ms);

    random_uuid(id);
    agent->id = xstrdup(id);
    agent->host_id = xstrdup(h->id);
    agent->engine_id = xstrdup(a->m->engine_id);
    agent->force_unique = a->m->force_unique_registration;
    agent->registered_at_ms = a->now_ms;
    host_facts_put_agent(agent, a->m, a->now_ms);
    issue_secret(a->out, AGENT_TOKEN_PROVEN);
    set_joined_with(agent, make_join_hash(a->m));
    a->out->is_new = true;
}

static int insert_rows(struct db *s, const struct attempt *a, struct error *err)
{
    const struct registration *out = a->out;
    int r = hosts_insert(s, &out->host, err);

    if (r == -EEXIST)
        return refuse_name(s, out->host.name, err);
    if (r < 0)
        return error_wrap(err, r, "insert host");

    r = agents_insert(s, &out->agent, a->max_agents, err);
    if (r == -EDQUOT) {
        return error_code_set(err, CODE_TOO_MANY_AGENTS,
                              "This server has reached its limit of %" PRIu64
                              " agents. Delete hosts that are no longer used, or raise "
                              "--max-agents",
                              a->max_agents);
    }
    return r < 0 ? error_wrap(err, r == -EEXIST ? -EIO : r, "insert agent") : 0;
}

/* Registers an agent in place of the only mTLS host of its engine, with the name of that host. */
static int register_migrated(struct db *s, struct attempt *a, struct error *err)
{
    _cleanup_(host_done) struct host source = {0};
    struct registration *out = a->out;
    int64_t n;
    int r;

    r = hosts_get(s, a->remotes[0].id, &source, err);
    if (r < 0)
        return error_wrap(err, r == -EACCES ? -EIO : r, "host to migrate");

    out->migrated_id = xstrdup(source.id);
    out->migrated_name = xstrdup(source.name);
    host_facts_set(&out->host.name, source.name);
    host_facts_set(&out->host.tags, source.tags);
    host_facts_set(&out->host.description, source.description);

    r = migration_retire(s, &source, a->now_ms, err);
    if (r < 0)
        return r;
    r = insert_rows(s, a, err);
    if (r < 0)
        return r;
    return migration_transfer(s, &source, out->host.id, &n, err);
}

static void remember_candidates(const struct attempt *a)
{
    a->out->candidates = json_array();
    for (size_t i = 0; i < a->n_remotes; i++) {
        json_t *c = json_object();

        json_text_set(c, "host_id", json_text_str(a->remotes[i].id));
        json_text_set(c, "host_name", json_text_str(a->remotes[i].name));
        json_array_append_new(a->out->candidates, c);
    }
}

/* --- joining again ---------------------------------------------------------------------------- */

struct by_name {
    const char *name;
    char *host_id;
};

static void on_named(void *arg, const struct host *h)
{
    struct by_name *n = arg;

    if (!n->host_id && str_eq(h->name, n->name))
        n->host_id = xstrdup(h->id);
}

/*
 * Finds the former agent of this machine, by its engine and, where clones share that, by its
 * name.
 */
static int find_former(struct db *s, struct attempt *a, const char *name, struct error *err)
{
    struct by_name n = {.name = name};
    int r;

    if (!a->m->force_unique_registration)
        return agents_get_by_engine(s, a->m->engine_id, &a->out->agent, err);
    r = name ? hosts_each_engine(s, a->m->engine_id, HOST_AGENT, on_named, &n, err) : 0;
    if (r == 0 && !n.host_id)
        r = error_set(err, -ENOENT, "no such host");
    if (r == 0)
        r = agents_get_by_host(s, n.host_id, &a->out->agent, err);
    free(n.host_id);
    return r;
}

/*
 * Gives an agent its place again in two cases: its token was revoked, and it has a new
 * registration token; or it has the one it joined with, and may not have received the answer.
 * -ENOENT: neither is true.
 */
static int rejoin(struct db *s, struct attempt *a, const char *name, struct error *err)
{
    struct agent *agent = &a->out->agent;
    _cleanup_free_ char *hash = make_join_hash(a->m);
    bool is_repeated;
    int r;

    r = find_former(s, a, name, err);
    if (r < 0)
        return r;
    r = str_eq(agent->joined_with, hash) ? tokens_is_alive(s, a->m->token, a->now_ms, err) : 0;
    is_repeated = r > 0;
    if (r == 0 && !agent_token_is_revoked(agent))
        r = error_set(err, -ENOENT, "the agent is registered");
    if (r == 0)
        r = consume_token(s, a, err);
    if (r >= 0 && a->m->force_unique_registration)
        r = check_force_unique(a->m, name, err);
    if (r >= 0)
        r = agent_tokens_clear(s, agent->id, err);
    if (r < 0) {
        agent_done(agent);
        return r;
    }
    a->out->is_repeated = is_repeated;
    issue_secret(a->out, AGENT_TOKEN_PROVEN);
    set_joined_with(agent, TAKE_PTR(hash));
    return refresh(s, a, err);
}

/*
 * Gives the agent the place of the former one of this host, whose tokens become invalid. The host
 * keeps its name, as the token was made for it.
 */
static int replace_agent(struct db *s, struct attempt *a, const char *host_id, struct error *err)
{
    struct agent *agent = &a->out->agent;
    _cleanup_free_ char *name = host_facts_name(a->m->hostname);
    _cleanup_free_ char *hash = make_join_hash(a->m);
    int r;

    r = agents_get_by_host(s, host_id, agent, err);
    if (r < 0)
        return error_wrap(err, -EIO, "agent of host %s", host_id);
    r = str_eq(agent->joined_with, hash) ? tokens_is_alive(s, a->m->token, a->now_ms, err) : 0;
    a->out->is_repeated = r > 0;
    if (r == 0)
        r = consume_token(s, a, err);
    if (r >= 0)
        r = check_engine(s, a, name, a->out->agent.id, err);
    if (r >= 0)
        r = agent_tokens_clear(s, agent->id, err);
    if (r < 0)
        return r;
    a->out->is_replaced = true;
    agent->force_unique = a->m->force_unique_registration;
    host_facts_set(&agent->engine_id, a->m->engine_id);
    issue_secret(a->out, AGENT_TOKEN_PROVEN);
    set_joined_with(agent, TAKE_PTR(hash));
    return refresh(s, a, err);
}

static int register_new(struct db *s, struct attempt *a, struct error *err)
{
    _cleanup_free_ char *name = host_facts_name(a->m->hostname);
    _cleanup_free_ char *replaced = NULL;
    int r = tokens_get_replaced(s, a->m->token, &replaced, err);

    if (r < 0)
        return r;
    if (replaced)
        return replace_agent(s, a, replaced, err);
    r = rejoin(s, a, name, err);
    if (r != -ENOENT)
        return r;
    r = consume_token(s, a, err);
    if (r < 0)
        return r;
    r = check_engine(s, a, name, NULL, err);
    if (r == 0 && !a->m->force_unique_registration)
        r = hosts_each_engine(s, a->m->engine_id, HOST_REMOTE, on_remote, a, err);
    if (r < 0)
        return r;

    make_rows(a, name);
    if (a->n_remotes == 1)
        return register_migrated(s, a, err);
    if (a->n_remotes > 1)
        remember_candidates(a);
    return insert_rows(s, a, err);
}

static int find_place(struct db *s, struct attempt *a, struct error *err)
{
    bool is_legacy;
    int r;

    if (str_is_empty(a->m->engine_id))
        return error_code_set(err, CODE_INVALID_REGISTRATION, "engine_id is required");

    r = agent_token_find(s, a->m->token, &a->out->agent, &is_legacy, err);
    if (r == 0)
        return reconnect(s, a, is_legacy, err);
    if (r != -ENOENT)
        return r;
    return register_new(s, a, err);
}

static int decide(struct db *s, void *arg, struct error *err)
{
    struct attempt *a = arg;
    int r = find_place(s, a, err);

    return r < 0 ? r : agent_token_list(s, &a->out->agent, &a->out->token_hashes, err);
}

int registration_run(struct db *s,
                     const struct msg_register *m,
                     uint64_t max_agents,
                     int64_t now_ms,
                     struct registration *ret,
                     struct error *err)
{
    struct registration out = {0};
    _cleanup_(attempt_done) struct attempt a = {
        .m = m, .max_agents = max_agents, .now_ms = now_ms, .out = &out};
    int r = db_tx(s, decide, &a, err);

    if (r < 0) {
        registration_done(&out);
        return r;
    }
    out.can_inventory = json_is_true(json_object_get(m->capabilities, "inventory"));
    out.can_samples = json_is_true(json_object_get(m->capabilities, "samples"));
    out.can_replay = json_is_true(json_object_get(m->capabilities, "event_replay"));
    *ret = out;
    return 0;
}
