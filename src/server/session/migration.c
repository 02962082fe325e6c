#include "server/session/migration.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/store/agents.h"
#include "server/store/container_settings.h"

#define MAX_RENAME_TRIES 100

void migration_result_done(struct migration_result *r)
{
    free(r->agent_id);
    free(r->host_id);
    free(r->source_host_id);
    free(r->source_name);
    *r = (struct migration_result){0};
}

static char *make_retired_name(struct db *s, const struct host *source)
{
    char *name = xasprintf("%s (migrated)", source->name);

    /* A host that was migrated, deleted and added again may have that name. */
    for (int i = 2; i < MAX_RENAME_TRIES && hosts_name_taken(s, name, source->id); i++) {
        free(name);
        name = xasprintf("%s (migrated %d)", source->name, i);
    }
    return name;
}

int migration_retire(struct db *s, struct host *source, int64_t now_ms, struct error *err)
{
    char *name = make_retired_name(s, source);
    int r;

    free(source->name);
    source->name = name;
    source->is_active = false;
    source->updated_at_ms = now_ms;
    r = hosts_update(s, source, err);
    return r < 0 ? error_wrap(err, r, "retire host %s", source->id) : 0;
}

int migration_transfer(
    struct db *s, struct host *source, const char *host_id, int64_t *ret_n, struct error *err)
{
    int r;

    free(source->replaced_by);
    source->replaced_by = xstrdup(host_id);
    r = hosts_update(s, source, err);
    if (r < 0)
        return error_wrap(err, r, "replace host %s", source->id);

    r = container_settings_move_host(s, source->id, host_id, ret_n, err);
    return r < 0 ? error_wrap(err, r, "move settings of host %s", source->id) : 0;
}

struct chosen {
    const char *agent_id, *source_host_id;
    struct migration_result result;
};

static int check_source(const struct host *source, const struct agent *agent, struct error *err)
{
    if (source->connection != HOST_REMOTE) {
        return error_set(err, -EINVAL,
                         "Only hosts connected over TCP or mTLS can be migrated to an agent");
    }
    if (!source->is_active)
        return error_set(err, -EINVAL, "Host '%s' has been migrated already", source->name);
    if (!str_eq(source->engine_id, agent->engine_id)) {
        return error_set(err, -EINVAL,
                         "Host '%s' is another Docker engine than the agent's (engine_id mismatch)",
                         source->name);
    }
    return 0;
}

static int migrate_chosen(struct db *s, void *arg, struct error *err)
{
    _cleanup_(host_done) struct host source = {0};
    _cleanup_(agent_done) struct agent agent = {0};
    struct chosen *c = arg;
    int r;

    r = agents_get(s, c->agent_id, &agent, err);
    if (r < 0)
        return r == -ENOENT ? error_set(err, r, "Agent not found") : r;
    r = hosts_get(s, c->source_host_id, &source, err);
    if (r < 0)
        return r == -ENOENT ? error_set(err, r, "Source host not found") : r;
    r = check_source(&source, &agent, err);
    if (r < 0)
        return r;

    c->result.agent_id = xstrdup(agent.id);
    c->result.host_id = xstrdup(agent.host_id);
    c->result.source_host_id = xstrdup(source.id);
    c->result.source_name = xstrdup(source.name);
    r = migration_retire(s, &source, time_utc_ms(), err);
    if (r < 0)
        return r;
    return migration_transfer(s, &source, agent.host_id, &c->result.n_transferred, err);
}

int migration_run(struct db *s,
                  const char *agent_id,
                  const char *source_host_id,
                  struct migration_result *ret,
                  struct error *err)
{
    struct chosen c = {.agent_id = agent_id, .source_host_id = source_host_id};
    int r = db_tx(s, migrate_chosen, &c, err);

    if (r < 0) {
        migration_result_done(&c.result);
        return r;
    }
    *ret = c.result;
    return 0;
}
