/*
 * /api/agent and GET /api/hosts/{host}/agent: registration tokens, the list and state of agents,
 * and the migration of a host. Their permanent tokens are in agent_tokens.c.
 */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/downloads.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/download/agent_release.h"
#include "server/fleet/scope_view.h"
#include "server/session/agent_token.h"
#include "server/session/migration.h"
#include "server/store/tokens.h"
#include "server/view/agent_json.h"
#include "server/view/json_values.h"

#include <errno.h>
#include <string.h>

#define MAX_HOST 255 /* of a name or an id */

/* args[0]: the host whose agent is replaced, or NULL; args[1]: its name, set by the job. */
static int create_token(struct api_job *job, char **ret_token)
{
    _cleanup_free_ char *creator = NULL;

    if (job->who.user_id)
        creator = xasprintf("%jd", (intmax_t)job->who.user_id);
    if (!job->args[0]) {
        return tokens_create(job->store, creator, job->numbers[0] != 0, job->numbers[1], ret_token,
                             &job->err);
    }
    return tokens_create_replacing(job->store,
                                   &(struct token_replacing){.created_by = creator,
                                                             .host = job->args[0],
                                                             .now_ms = job->numbers[1]},
                                   ret_token, &job->args[1], &job->err);
}

static int token_work(struct api_job *job)
{
    _cleanup_free_ char *token = NULL;
    int r = create_token(job, &token);

    if (r < 0)
        return r;
    job->result = json_pack("{s:b, s:o, s:o, s:b}", "success", 1, "token", json_text_str(token),
                            "expires_at", json_value_time(job->numbers[1] + TOKEN_LIFETIME_MS),
                            "multi_use", job->numbers[0] != 0);
    if (job->args[1])
        json_text_set(job->result, "replaces", json_text_str(job->args[1]));
    return 0;
}

/* Adds the server's fingerprint, by which the new agent identifies it, and the line to paste. */
static void token_done(struct api_job *job)
{
    const char *fingerprint = downloads_fingerprint(job->call);
    _cleanup_free_ char *line = NULL;

    if (job->args[1]) {
        free(job->call->target);
        job->call->target = TAKE_PTR(job->args[1]);
    }
    if (job->result) {
        line = downloads_join_line(job->call,
                                   json_string_value(json_object_get(job->result, "token")));
    }
    if (line)
        (void)json_object_set_new(job->result, "install_command", json_text_str(line));
    if (job->result && fingerprint)
        (void)json_object_set_new(job->result, "fingerprint", json_text_str(fingerprint));
    api_job_answer(job);
}

void agents_token_post(struct api_call *call)
{
    struct error err = ERROR_INIT;
    const char *replace = NULL;
    const json_t *body;
    struct api_job *job;
    bool is_multi_use = false;
    int r;

    r = api_body(call, &body, &err);
    if (r == 0)
        r = api_body_bool(body, "multi_use", false, &is_multi_use, &err);
    if (r == 0)
        r = api_body_optional_string(body, "replace", MAX_HOST, &replace, &err);
    if (r == 0 && replace && is_multi_use) {
        r = error_set(&err, -EDOM,
                      "a token with `replace` is for one agent: `multi_use` must be "
                      "false");
    }
    if (r < 0) {
        api_fail_error(call, &err);
        return;
    }
    job = api_job_new(call, token_work, token_done);
    job->args[0] = xstrdup(replace);
    call->target = xstrdup(replace);
    job->numbers[0] = is_multi_use;
    job->numbers[1] = time_utc_ms();
    api_job_start(job);
}

void agents_list(struct api_call *call)
{
    json_t *list = json_array();
    size_t connected = 0;

    map_foreach(fleet_hosts(call->api->o.fleet), e) {
        const struct fleet_host *h = e->value;

        if (!h->agent.id || !scope_allows_host(&call->who.scope, h))
            continue;
        connected += h->is_online;
        (void)json_array_append_new(list, agent_json(h));
    }
    api_reply(call, 200,
              json_pack("{s:b, s:o, s:I, s:I}", "success", 1, "agents", list, "total",
                        (json_int_t)json_array_size(list), "connected_count",
                        (json_int_t)connected));
}

void agents_refusals(struct api_call *call)
{
    const struct refusals *r = sessions_refusals(call->api->o.sessions);
    json_t *list = json_array();

    for (size_t i = 0; i < r->n; i++) {
        const struct refusal *e = &r->entries[i];
        json_t *o = json_object();

        json_text_set(o, "at", json_value_time(e->at_ms));
        json_text_set(o, "address", json_text_str(*e->peer ? e->peer : NULL));
        json_text_set(o, "code", json_text_str(e->code));
        json_text_set(o, "message", json_text_str(e->text));
        json_text_set(o, "count", json_integer((json_int_t)e->count));
        (void)json_array_append_new(list, o);
    }
    api_reply(call, 200, json_pack("{s:o}", "refusals", list));
}

struct fleet_host *api_agent(struct api_call *call)
{
    struct fleet_host *h = fleet_find_agent(call->api->o.fleet, api_param(call, 0));

    if (!h)
        api_fail_no_agent(call, api_param(call, 0));
    return h;
}

void agents_status(struct api_call *call)
{
    const struct fleet_host *h = api_agent(call);

    if (h)
        api_reply(call, 200, json_pack("{s:b, s:o}", "success", 1, "agent", agent_json(h)));
}

/* The version of the program that the server has for the agent's machine, to be freed, or NULL. */
static char *find_latest(const struct api_call *call, const struct agent *a)
{
    const struct api_options *o = &call->api->o;
    _cleanup_free_ char *platform = xasprintf("%s-%s", a->os ? a->os : "", a->arch ? a->arch : "");
    struct agent_release found = {0};
    char *version;

    if (agent_release_find(o->agent_files, o->release_key, platform, &found, NULL) < 0)
        return NULL;
    version = xstrdup(found.release.version);
    agent_release_done(&found);
    return version;
}

void hosts_agent_get(struct api_call *call)
{
    const struct fleet_host *h = api_host(call, 0);
    int64_t offset_ms;
    _cleanup_free_ char *latest = NULL;
    json_t *details;

    if (!h)
        return;
    if (!h->agent.id) {
        api_fail_as(call, 400, CODE_NO_AGENT, "Host %s has no agent", h->row.name);
        return;
    }
    latest = find_latest(call, &h->agent);
    details = agent_json_details(h, latest);
    json_object_set_new(details, "clock_offset_ms",
                        sessions_clock_offset(call->api->o.sessions, h->agent.id, &offset_ms)
                            ? json_integer(offset_ms)
                            : json_null());
    json_object_set_new(
        details, "circuit",
        json_text_str(commands_circuit(sessions_commands(call->api->o.sessions), h->agent.id)));
    api_reply(call, 200, details);
}

/* --- migration of a host that was reached over mTLS ------------------------------------------- */

static int migrate_work(struct api_job *job)
{
    struct migration_result m;
    int r;

    r = migration_run(job->store, job->args[0], job->args[1], &m, &job->err);
    if (r < 0)
        return r;
    job->result = json_pack("{s:b, s:s, s:s, s:{s:s, s:o}, s:I}", "success", 1, "agent_id",
                            m.agent_id, "host_id", m.host_id, "migrated_from", "host_id",
                            m.source_host_id, "host_name", json_text_str(m.source_name),
                            "transferred_count", (json_int_t)m.n_transferred);
    migration_result_done(&m);
    return 0;
}

static char *copy_result_text(const json_t *o, const char *name)
{
    return (char *)(uintptr_t)json_string_value(json_object_get(o, name));
}

static void migrate_done(struct api_job *job)
{
    const json_t *from = json_object_get(job->result, "migrated_from");
    const struct migration_result m = {
        .agent_id = copy_result_text(job->result, "agent_id"),
        .host_id = copy_result_text(job->result, "host_id"),
        .source_host_id = copy_result_text(from, "host_id"),
        .source_name = copy_result_text(from, "host_name"),
    };

    if (job->code == 0)
        sessions_on_migrated(job->call->api->o.sessions, &m);
    api_job_answer(job);
}

void agents_migrate(struct api_call *call)
{
    struct api_job *job = api_job_new(call, migrate_work, migrate_done);

    job->args[0] = xstrdup(api_param(call, 0));
    job->args[1] = xstrdup(api_param(call, 1));
    api_job_start(job);
}
