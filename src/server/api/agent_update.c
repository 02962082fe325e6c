/*
 * POST /api/hosts/{host}/agent/update: a self-update of the agent of a host. The agent reports it by
 * records, which GET /api/hosts/{host}/agent shows.
 */

#include "base/alloc.h"
#include "base/random.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "proto/self_update.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/download/agent_release.h"

#include <errno.h>

#define MAX_URL 2048
#define ASK_MS  30000

struct program {
    char *description, *url, *path;
    char version[RELEASE_VERSION_MAX];
    int64_t size;
    bool allow_older, is_dry_run;
};

static void program_done(struct program *p)
{
    free(p->description);
    free(p->url);
    free(p->path);
}

/* A call that waits for the agent's answer. */
struct request {
    struct api_call *call;
    char *current, *target, *update_id;
};

static void reply(struct api_call *call,
                  const char *message,
                  const char *current,
                  const char *target,
                  const char *update_id)
{
    json_t *o = json_object();

    json_text_set(o, "success", json_true());
    json_text_set(o, "message", json_text_str(message));
    json_text_set(o, "current_version", json_text_str(current));
    json_text_set(o, "target_version", json_text_str(target));
    json_text_set(o, "update_id", json_text_str(update_id));
    api_reply(call, 200, o);
}

static void on_answer(void *owner, const struct command_result *r)
{
    struct request *q = owner;

    if (r->code < 0) {
        api_fail_command(q->call, r);
    } else {
        reply(q->call, "The update of the agent has started", q->current, q->target, q->update_id);
    }
    free(q->current);
    free(q->target);
    free(q->update_id);
    free(q);
}

static int read_body(struct api_call *call, struct program *p, struct error *err)
{
    const json_t *body = NULL;
    const char *url = NULL, *description = NULL;
    int r = api_body(call, &body, err);

    if (r == 0)
        r = api_body_optional_string(body, "url", MAX_URL, &url, err);
    if (r == 0)
        r = api_body_optional_string(body, "description", RELEASE_MAX, &description, err);
    if (r == 0)
        r = api_body_bool(body, "allow_older", false, &p->allow_older, err);
    if (r == 0)
        r = api_body_bool(body, "dry_run", false, &p->is_dry_run, err);
    if (r == 0 && !url != !description) {
        r = error_set(err, -EDOM,
                      "`url` and `description` belong together: the program and the signed text "
                      "that describes it");
    }
    p->url = xstrdup(url);
    p->description = xstrdup(description);
    return r;
}

/* The program of the URL, or the one that this server has for the agent's machine. */
static int find_program(const struct api_call *call,
                        const struct agent *a,
                        struct program *p,
                        struct error *err)
{
    const struct api_options *o = &call->api->o;
    _cleanup_free_ char *platform = xasprintf("%s-%s", a->os ? a->os : "", a->arch ? a->arch : "");
    struct agent_release found = {0};
    struct release release;
    struct error why = ERROR_INIT;
    bool is_signed;
    int r;

    if (p->url) {
        r = release_parse(p->description, &release, &is_signed, err);
        if (r < 0)
            return error_wrap(err, -EDOM, "the body is invalid");
        str_copy(p->version, sizeof(p->version), release.version);
        return 0;
    }
    r = agent_release_find(o->agent_files, o->release_key, platform, &found, &why);
    if (r == -EBADMSG)
        return error_code_set(err, CODE_UPDATE_REFUSED, "%s", why.msg);
    if (r < 0)
        return error_set(err, r, "%s", why.msg);
    str_copy(p->version, sizeof(p->version), found.release.version);
    p->description = TAKE_PTR(found.text);
    p->path = xasprintf("/download/agent/%s", platform);
    p->size = (int64_t)found.file->size;
    agent_release_done(&found);
    return 0;
}

static void ask(struct api_call *call, const struct fleet_host *h, const struct program *p)
{
    char update_id[UUID_TEXT_SIZE];
    const struct self_update_args args = {
        .update_id = update_id,
        .description = p->description,
        .url = p->url,
        .path = p->path,
        .size = p->size,
        .allow_older = p->allow_older,
    };
    struct request *q = xcalloc(1, sizeof(*q));

    random_uuid(update_id);
    q->call = call;
    q->current = xstrdup(h->agent.version);
    q->target = xstrdup(p->version);
    q->update_id = xstrdup(update_id);
    api_agent_ask(call, h,
                  &(struct api_operation){
                      .operation = OPERATION_SELF_UPDATE,
                      .payload = self_update_args_encode(&args),
                      .timeout_ms = ASK_MS,
                      .done = on_answer,
                      .owner = q,
                  });
}

void hosts_agent_update(struct api_call *call)
{
    struct program p = {0};
    struct error err = ERROR_INIT;
    const struct fleet_host *h = api_agent_host(call);

    if (!h)
        return;
    call->target = xstrdup(h->row.name);
    if (!fleet_host_can(h, SELF_UPDATE_CAPABILITY)) {
        api_fail_code(call, CODE_UNKNOWN_OPERATION,
                      "The agent of host %s (version %s) cannot update itself: update its package "
                      "or its image on the host",
                      h->row.name, h->agent.version);
    } else if (read_body(call, &p, &err) < 0 || find_program(call, &h->agent, &p, &err) < 0) {
        api_fail_error(call, &err);
    } else if (p.is_dry_run) {
        reply(call, "Nothing was changed", h->agent.version, p.version, NULL);
    } else {
        ask(call, h, &p);
    }
    program_done(&p);
}
