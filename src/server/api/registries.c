/*
 * /api/registry-credentials: how registries are reached, and the credentials for them. Passwords are
 * sealed before they reach the store, and never answered. POST /api/registry-webhook/{secret} is
 * called by registries.
 */

#include "server/store/registries.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/registry/reference.h"
#include "server/store/secret.h"
#include "server/view/json_values.h"

#include <errno.h>
#include <string.h>

#define MAX_SECURITY 16
#define MAX_HOST     255

/* The members of job->args: the row, in the end that of the store. */
enum {
    ARG_DOMAIN,
    ARG_USERNAME,
    ARG_PASSWORD,
    ARG_SEALED,
    ARG_TOKEN_HOST,
    ARG_CA,
    ARG_SECURITY,
    ARG_WEBHOOK_HASH,
    ARG_WEBHOOK, /* secret */
};

/* job->numbers[0] is the id; bit n of job->numbers[1] is set when the body has the member. */
#define HAS(job, arg) (((job)->numbers[1] & (INT64_C(1) << (arg))) != 0)

static json_t *make_json(const struct registry *r)
{
    return json_pack(
        "{s:I, s:o, s:o, s:b, s:o, s:o, s:o, s:b, s:o, s:o}", "id", (json_int_t)r->id,
        "registry_url", json_text_str(r->domain), "username", json_value_string(r->username),
        "has_password", r->sealed != NULL, "token_host", json_value_string(r->token_host), "ca_pem",
        json_value_string(r->ca_pem), "security", json_text_str(r->security), "has_webhook",
        r->webhook_hash != NULL, "created_at", json_value_time(r->created_at_ms), "updated_at",
        json_value_time(r->updated_at_ms));
}

static void append_row(void *arg, const struct registry *r)
{
    struct api_job *job = arg;

    (void)json_array_append_new(job->result, make_json(r));
}

static int list_work(struct api_job *job)
{
    job->result = json_array();
    return registries_each(job->store, append_row, job, &job->err);
}

void registries_list(struct api_call *call)
{
    api_job_start(api_job_new(call, list_work, NULL));
}

/* Absent: unchanged. Null or "" removes the value. */
static int read_text(const json_t *body, const char *name, size_t max, struct api_job *job, int arg)
{
    const json_t *v = json_object_get(body, name);
    const char *text = NULL;
    int r = 0;

    if (!v)
        return 0;
    job->numbers[1] |= INT64_C(1) << arg;
    if (!json_is_null(v) && !str_eq(json_string_value(v), ""))
        r = api_body_string(body, name, max, &text, &job->err);
    if (r == 0)
        job->args[arg] = xstrdup(text);
    return r;
}

static bool is_security(const char *text)
{
    return str_eq(text, "verified") || str_eq(text, "any_certificate") || str_eq(text, "plain");
}

static int check_texts(struct api_job *job)
{
    const char *username = job->args[ARG_USERNAME], *ca = job->args[ARG_CA];

    if (username && strpbrk(username, ":\r\n"))
        return error_set(&job->err, -EDOM, "`username` must have no colon and no line break");
    if (job->args[ARG_PASSWORD] && strpbrk(job->args[ARG_PASSWORD], "\r\n"))
        return error_set(&job->err, -EDOM, "`password` must have no line break");
    if (ca && !strstr(ca, "-----BEGIN CERTIFICATE-----"))
        return error_set(&job->err, -EDOM, "`ca_pem` must be certificates in the form PEM");
    if (job->args[ARG_SECURITY] && !is_security(job->args[ARG_SECURITY])) {
        return error_set(&job->err, -EDOM, "`security` must be verified, any_certificate or plain");
    }
    return 0;
}

static int read_body(struct api_call *call, struct api_job *job)
{
    const json_t *body;
    int r = api_body(call, &body, &job->err);

    if (r == 0)
        r = read_text(body, "username", REGISTRY_MAX_USERNAME, job, ARG_USERNAME);
    if (r == 0)
        r = read_text(body, "password", REGISTRY_MAX_PASSWORD, job, ARG_PASSWORD);
    if (r == 0)
        r = read_text(body, "token_host", MAX_HOST, job, ARG_TOKEN_HOST);
    if (r == 0)
        r = read_text(body, "ca_pem", REGISTRY_MAX_CA, job, ARG_CA);
    if (r == 0)
        r = read_text(body, "security", MAX_SECURITY, job, ARG_SECURITY);
    return r < 0 ? r : check_texts(job);
}

static void seal(struct api_call *call, struct api_job *job)
{
    if (HAS(job, ARG_PASSWORD)) {
        job->numbers[1] |= INT64_C(1) << ARG_SEALED;
        if (job->args[ARG_PASSWORD]) {
            job->args[ARG_SEALED] = checker_seal(call->api->o.checker, job->args[ARG_DOMAIN],
                                                 job->args[ARG_PASSWORD]);
        }
    }
    secret_free(TAKE_PTR(job->args[ARG_PASSWORD]));
}

/* The row in job->args, which is borrowed. */
static struct registry get_row(const struct api_job *job)
{
    return (struct registry){
        .id = job->numbers[0],
        .domain = job->args[ARG_DOMAIN],
        .username = job->args[ARG_USERNAME],
        .sealed = job->args[ARG_SEALED],
        .token_host = job->args[ARG_TOKEN_HOST],
        .ca_pem = job->args[ARG_CA],
        .security = job->args[ARG_SECURITY],
        .webhook_hash = job->args[ARG_WEBHOOK_HASH],
    };
}

/* Replaces the members that the body does not have by those of the row. */
static void keep_members(struct api_job *job, struct registry *old)
{
    struct {
        int arg;
        char **value;
    } members[] = {
        {ARG_USERNAME,     &old->username    },
        {ARG_SEALED,       &old->sealed      },
        {ARG_TOKEN_HOST,   &old->token_host  },
        {ARG_CA,           &old->ca_pem      },
        {ARG_SECURITY,     &old->security    },
        {ARG_WEBHOOK_HASH, &old->webhook_hash},
    };

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        int arg = members[i].arg;

        if (!HAS(job, arg) || (arg == ARG_SECURITY && !job->args[arg])) {
            free(job->args[arg]);
            job->args[arg] = TAKE_PTR(*members[i].value);
        }
    }
}

static int create_work(struct api_job *job)
{
    struct registry spec = get_row(job), row = {0};
    int r;

    spec.created_at_ms = spec.updated_at_ms = job->numbers[2];
    r = registries_create(job->store, &spec, &job->numbers[0], &job->err);
    if (r == 0)
        r = registries_get(job->store, job->numbers[0], &row, &job->err);
    if (r == 0)
        job->result = make_json(&row);
    registry_done(&row);
    return r;
}

static int update_row(struct db *s, void *arg, struct error *err)
{
    struct api_job *job = arg;
    struct registry old = {0}, spec;
    int r = registries_get(s, job->numbers[0], &old, err);

    if (r < 0)
        return r;
    if (job->args[ARG_DOMAIN] && !str_eq(job->args[ARG_DOMAIN], old.domain)) {
        registry_done(&old);
        return error_set(err, -EBUSY, "the registry was replaced meanwhile");
    }
    free(job->args[ARG_DOMAIN]);
    job->args[ARG_DOMAIN] = xstrdup(old.domain);
    keep_members(job, &old);
    spec = get_row(job);
    spec.created_at_ms = old.created_at_ms;
    spec.updated_at_ms = job->numbers[2];
    r = registries_update(s, &spec, err);
    if (r == 0)
        job->result = make_json(&spec);
    registry_done(&old);
    return r;
}

static int update_work(struct api_job *job)
{
    return db_tx(job->store, update_row, job, &job->err);
}

static void put_done(struct api_job *job)
{
    struct registry row = get_row(job);

    if (job->code < 0) {
        api_job_answer(job);
        return;
    }
    checker_put_registry(job->call->api->o.checker, &row);
    if (!job->call->target)
        job->call->target = xstrdup(row.domain);
    if (job->args[ARG_WEBHOOK]) {
        _cleanup_free_ char *path = xasprintf("/api/registry-webhook/%s", job->args[ARG_WEBHOOK]);

        json_text_set(job->result, "webhook_path", json_text_str(path));
    }
    api_reply(job->call, job->work == create_work ? 201 : 200, TAKE_PTR(job->result));
}

void registries_post(struct api_call *call)
{
    struct api_job *job = api_job_new(call, create_work, put_done);
    const char *name = NULL;
    const json_t *body;
    int r = api_body(call, &body, &job->err);

    if (r == 0)
        r = api_body_string(body, "registry_url", REFERENCE_MAX_NAME, &name, &job->err);
    if (r == 0)
        r = read_body(call, job);
    if (r == 0) {
        job->args[ARG_DOMAIN] = reference_domain(name);
        if (!job->args[ARG_DOMAIN]) {
            r = error_set(&job->err, -EDOM,
                          "`registry_url` must be the host of a registry, such as ghcr.io");
        }
    }
    if (r < 0) {
        api_fail_error(call, &job->err);
        api_job_free(job);
        return;
    }
    seal(call, job);
    if (!job->args[ARG_SECURITY])
        job->args[ARG_SECURITY] = xstrdup("verified");
    job->numbers[2] = time_utc_ms();
    call->target = xstrdup(job->args[ARG_DOMAIN]);
    api_job_start(job);
}

static bool read_id(struct api_call *call, uint64_t *ret)
{
    if (parse_u64(api_param(call, 0), INT64_MAX, ret) == 0)
        return true;
    api_fail_code(call, CODE_INVALID_ARGUMENT, "Invalid registry id: it must be a number");
    return false;
}

/* The name of a registry, which its password is sealed for, is read first. */
static int name_work(struct api_job *job)
{
    struct registry row = {0};
    int r = registries_get(job->store, job->numbers[0], &row, &job->err);

    if (r == 0)
        job->args[ARG_DOMAIN] = xstrdup(row.domain);
    registry_done(&row);
    return r;
}

static void name_done(struct api_job *job)
{
    struct api_job *change;

    if (job->code < 0) {
        api_job_answer(job);
        return;
    }
    change = api_job_new(job->call, update_work, put_done);
    for (size_t i = 0; i < API_JOB_ARGS; i++) {
        change->args[i] = TAKE_PTR(job->args[i]);
        change->numbers[i] = job->numbers[i];
    }
    change->numbers[2] = time_utc_ms();
    job->call->target = xstrdup(change->args[ARG_DOMAIN]);
    seal(job->call, change);
    api_job_start(change);
}

void registries_put(struct api_call *call)
{
    struct api_job *job;
    uint64_t id;

    if (!read_id(call, &id))
        return;
    job = api_job_new(call, name_work, name_done);
    if (read_body(call, job) < 0) {
        api_fail_error(call, &job->err);
        api_job_free(job);
        return;
    }
    job->numbers[0] = (int64_t)id;
    api_job_start(job);
}

void registries_webhook_post(struct api_call *call)
{
    struct api_job *job;
    char hash[SECRET_HASH_SIZE];
    uint64_t id;

    if (!read_id(call, &id))
        return;
    job = api_job_new(call, update_work, put_done);
    job->numbers[0] = (int64_t)id;
    job->numbers[1] = INT64_C(1) << ARG_WEBHOOK_HASH;
    job->numbers[2] = time_utc_ms();
    job->args[ARG_WEBHOOK] = secret_new();
    secret_hash(job->args[ARG_WEBHOOK], hash);
    job->args[ARG_WEBHOOK_HASH] = xstrdup(hash);
    api_job_start(job);
}

static int delete_work(struct api_job *job)
{
    int r = name_work(job);

    if (r == 0)
        r = registries_delete(job->store, job->numbers[0], &job->err);
    if (r == 0)
        job->result = json_pack("{s:s}", "message", "Registry deleted");
    return r;
}

static void delete_done(struct api_job *job)
{
    if (job->code == 0) {
        checker_drop_registry(job->call->api->o.checker, job->args[ARG_DOMAIN]);
        job->call->target = xstrdup(job->args[ARG_DOMAIN]);
    }
    api_job_answer(job);
}

void registries_delete_one(struct api_call *call)
{
    struct api_job *job;
    uint64_t id;

    if (!read_id(call, &id))
        return;
    job = api_job_new(call, delete_work, delete_done);
    job->numbers[0] = (int64_t)id;
    api_job_start(job);
}

/* The repository of a notification: of Docker Hub, or the first of the distribution project's. */
static const char *find_repository(const json_t *body)
{
    const json_t *event = json_array_get(json_object_get(body, "events"), 0);
    const char *name = json_text_get(json_object_get(body, "repository"), "repo_name");

    return name ? name : json_text_get(json_object_get(event, "target"), "repository");
}

void registry_webhook_call(struct api_call *call)
{
    const char *domain = checker_find_webhook(call->api->o.checker, api_param(call, 0));
    struct error err = ERROR_INIT;
    const json_t *body;
    size_t n;

    if (api_body(call, &body, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    if (!domain) {
        api_fail_code(call, CODE_NOT_FOUND, "No registry has this webhook");
        return;
    }
    call->target = xstrdup(domain);
    n = checker_ask_registry(call->api->o.checker, domain, find_repository(body));
    api_reply(call, 202, json_pack("{s:I}", "queued", (json_int_t)n));
}
