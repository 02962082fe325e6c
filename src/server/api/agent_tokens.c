/*
 * Rotation of an agent's permanent token, and its revocation.
 *
 * A rotation is a flow of three steps: store the new token beside the old one, send it to the
 * agent, and make it the only valid token once the agent has saved it. If server or agent crash in
 * between, both tokens stay valid until the agent uses one of them.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/fleet/scope_view.h"
#include "server/session/agent_token.h"
#include "server/store/secret.h"
#include "server/view/json_values.h"

#include <errno.h>

#define ANSWER_MS 20000

/* Arguments of the jobs. */
enum { ARG_AGENT, ARG_TOKEN, ARG_HASHES };

/* Returns the host whose agent is addressed. The caller's scope must cover the whole host;
 * otherwise answers the call and returns NULL. */
static struct fleet_host *find_host(struct api_call *call)
{
    struct fleet_host *h = api_agent(call);

    if (!h)
        return NULL;
    call->target = xstrdup(h->row.name);
    if (scope_allows_whole_host(&call->who.scope, h))
        return h;
    api_fail_code(call, CODE_OUT_OF_SCOPE,
                  "Permission denied: the scope of %s does not cover all of host %s",
                  call->who.name, h->row.name);
    return NULL;
}

/* The job's last step: the tokens that are valid now, for note_tokens(). */
static int list_tokens(struct api_job *job)
{
    return agent_token_list_of(job->store, job->args[ARG_AGENT], &job->args[ARG_HASHES], &job->err);
}

/* Every change of a token ends here. */
static void note_tokens(const struct api_job *job)
{
    if (job->args[ARG_HASHES]) {
        sessions_set_tokens(job->call->api->o.sessions, job->args[ARG_AGENT],
                            job->args[ARG_HASHES]);
    }
}

static bool can_rotate(const struct agent *a)
{
    json_t *capabilities = json_value_column(a->capabilities, json_object());
    bool can = json_is_true(json_object_get(capabilities, TOKEN_ROTATE_CAPABILITY));

    json_decref(capabilities);
    return can;
}

/* Returns false after answering the call. */
static bool check_rotation(struct api_call *call, const struct fleet_host *h)
{
    if (agent_token_is_revoked(&h->agent)) {
        api_fail(
            call, -EBUSY,
            "The token of the agent of host %s is revoked; register the agent again with a registration token",
            h->row.name);
        return false;
    }
    if (!api_agent_check(call, h))
        return false;
    if (!can_rotate(&h->agent)) {
        api_fail(call, -EBUSY,
                 "The agent of host %s (version %s) does not support token rotation. Update it, or "
                 "revoke its token and register the agent again",
                 h->row.name, h->agent.version);
        return false;
    }
    return true;
}

/* --- step 3: the agent has saved the token ---------------------------------------------------- */

static int confirm_work(struct api_job *job)
{
    int r = agent_token_confirm(job->store, job->args[ARG_TOKEN], &job->err);

    if (r == 0)
        r = list_tokens(job);
    if (r == 0) {
        job->result = json_pack("{s:b, s:o}", "success", 1, "agent_id",
                                json_text_str(job->args[ARG_AGENT]));
    }
    return r;
}

static void confirm_done(struct api_job *job)
{
    note_tokens(job);
    api_job_answer(job);
}

struct rotation {
    struct api_call *call;
    char *agent_id, *token;
};

static void on_answer(void *owner, const struct command_result *result)
{
    struct rotation *rotation = owner;
    struct api_job *job;

    if (result->code < 0) {
        struct command_result failure = *result;
        _cleanup_free_ char *message = xasprintf(
            "%s. The current token and the new one both stay valid until the agent uses one of them",
            result->message);

        failure.message = message;
        api_fail_command(rotation->call, &failure);
        secret_free(rotation->token);
        free(rotation->agent_id);
    } else {
        job = api_job_new(rotation->call, confirm_work, confirm_done);
        job->args[ARG_AGENT] = rotation->agent_id;
        job->args[ARG_TOKEN] = rotation->token;
        api_job_start(job);
    }
    free(rotation);
}

/* --- step 2: send the token ------------------------------------------------------------------- */

static void rotate_done(struct api_job *job)
{
    struct api_call *call = job->call;
    const struct fleet_host *h = fleet_find_agent(call->api->o.fleet, job->args[ARG_AGENT]);
    struct rotation *rotation;

    note_tokens(job);
    if (job->code < 0 || !h) {
        if (job->code < 0) {
            api_fail(call, job->code, "%s", job->err.msg);
        } else {
            api_fail_deleted_host(call);
        }
        return;
    }
    rotation = xcalloc(1, sizeof(*rotation));
    rotation->call = call;
    rotation->agent_id = TAKE_PTR(job->args[ARG_AGENT]);
    rotation->token = TAKE_PTR(job->args[ARG_TOKEN]);
    api_agent_ask(
        call, h,
        &(struct api_operation){
            .operation = OPERATION_TOKEN_ROTATE,
            .payload = json_pack("{s:o}", "permanent_token", json_text_str(rotation->token)),
            .timeout_ms = ANSWER_MS,
            .done = on_answer,
            .owner = rotation,
        });
}

/* --- step 1: store the token ------------------------------------------------------------------ */

static int rotate_work(struct api_job *job)
{
    int r = agent_token_rotate(job->store, job->args[ARG_AGENT], job->numbers[0],
                               &job->args[ARG_TOKEN], &job->err);

    return r < 0 ? r : list_tokens(job);
}

void agents_rotate(struct api_call *call)
{
    const struct fleet_host *h = find_host(call);
    struct api_job *job;

    if (!h || !check_rotation(call, h))
        return;
    job = api_job_new(call, rotate_work, rotate_done);
    job->args[ARG_AGENT] = xstrdup(h->agent.id);
    job->numbers[0] = time_utc_ms();
    api_job_start(job);
}

/* --- revocation ------------------------------------------------------------------------------- */

static int revoke_work(struct api_job *job)
{
    int r = agent_token_revoke(job->store, job->args[ARG_AGENT], &job->err);

    if (r == 0)
        r = list_tokens(job);
    if (r == 0) {
        job->result = json_pack("{s:b, s:o}", "success", 1, "agent_id",
                                json_text_str(job->args[ARG_AGENT]));
    }
    return r;
}

static void revoke_done(struct api_job *job)
{
    struct fleet_host *h = fleet_find_agent(job->call->api->o.fleet, job->args[ARG_AGENT]);

    note_tokens(job);
    if (job->code == 0 && h) {
        if (!agent_token_is_revoked(&h->agent)) {
            free(h->agent.token_hash);
            /* The live model only needs to know that the token is revoked. */
            h->agent.token_hash = xstrdup(AGENT_TOKEN_REVOKED);
            h->version++;
        }
        sessions_close_agent(job->call->api->o.sessions, h->agent.id, "Token revoked");
    }
    api_job_answer(job);
}

void agents_revoke(struct api_call *call)
{
    const struct fleet_host *h = find_host(call);
    struct api_job *job;

    if (!h)
        return;
    job = api_job_new(call, revoke_work, revoke_done);
    job->args[ARG_AGENT] = xstrdup(h->agent.id);
    api_job_start(job);
}
