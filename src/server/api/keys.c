/*
 * /api/v2/api-keys: list, create and delete. A key never has more rights than its creator: role,
 * scope and networks are inherited or narrowed. Its secret is returned once and stored hashed.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/api/scope_body.h"
#include "server/store/api_keys.h"
#include "server/store/secret.h"
#include "server/view/json_values.h"
#include "server/view/scope_json.h"

#include <errno.h>

static json_t *make_key_json(const struct api_key *k)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)k->id,
                     "name", k->name, "prefix", k->prefix, "role", role_name(k->role), "created_at",
                     json_value_time(k->created_at_ms), "last_used_at",
                     json_value_time(k->last_used_at_ms), "expires_at",
                     json_value_time(k->expires_at_ms), "allowed_ips",
                     json_value_string(k->networks), "scope", scope_json(k->scope));
}

static void append_key(void *arg, const struct api_key *k)
{
    (void)json_array_append_new(arg, make_key_json(k));
}

static int list_work(struct api_job *job)
{
    job->result = json_array();
    return api_keys_each(job->store, append_key, job->result, &job->err);
}

void keys_list(struct api_call *call)
{
    api_job_start(api_job_new(call, list_work, NULL));
}

static int create_work(struct api_job *job)
{
    struct api_key row = {0};
    struct api_key spec = {
        .name = job->args[0],
        .role = (enum role)job->numbers[0],
        .created_by = job->who.user_id,
        .created_at_ms = job->numbers[1],
        .expires_at_ms = job->numbers[2],
        .networks = job->args[1],
        .scope = job->args[2],
    };
    char *key = NULL;
    int r;

    /* A key created with a key belongs to the same user, and is deleted with that user. */
    if (job->who.key_id) {
        r = api_keys_get(job->store, job->who.key_id, &row, &job->err);
        if (r < 0)
            return r;
        spec.created_by = row.created_by;
        if (row.networks) { /* it also keeps the key's networks */
            free(job->args[1]);
            job->args[1] = xstrdup(row.networks);
            spec.networks = job->args[1];
        }
        if (row.scope) {
            free(job->args[2]);
            job->args[2] = xstrdup(row.scope);
            spec.scope = job->args[2];
        }
        api_key_done(&row);
    }
    r = api_keys_create(job->store, &spec, &key, &row, &job->err);
    if (r < 0)
        return r;
    job->result = make_key_json(&row);
    (void)json_object_set_new(job->result, "key", json_string(key));
    api_key_done(&row);
    secret_free(key);
    return 0;
}

/* Reads "allowed_ips": networks separated by commas; absent, null or empty means no restriction. */
static int read_networks(const json_t *body, char **ret, struct error *err)
{
    const json_t *text = json_object_get(body, "allowed_ips");
    struct networks networks;
    int r;

    if (!text || json_is_null(text))
        return 0;
    if (!json_is_string(text) || json_string_length(text) > NETWORKS_TEXT_MAX) {
        return error_set(err, -EDOM, "`allowed_ips` must be a string such as `10.0.0.0/8, ::1`");
    }
    r = networks_parse(json_string_value(text), &networks, err);
    if (r < 0)
        return error_wrap(err, r, "`allowed_ips`");
    if (networks.n > 0)
        *ret = xstrdup(json_string_value(text));
    return 0;
}

static int read_key(struct api_call *call, struct api_job *job, struct error *err)
{
    const char *name = NULL, *role_text = NULL;
    const json_t *body, *days;
    enum role role;
    int r;

    r = api_body(call, &body, err);
    if (r == 0)
        r = api_body_string(body, "name", API_KEY_MAX_NAME, &name, err);
    if (r == 0)
        r = api_body_string(body, "role", 16, &role_text, err);
    if (r < 0)
        return r;
    if (role_parse(role_text, &role) < 0)
        return error_set(err, -EDOM, "`role` must be viewer, operator or admin");
    if (role > call->who.role) {
        return error_set(err, -EACCES,
                         "Permission denied: a key of role %s would exceed your own role, %s",
                         role_text, role_name(call->who.role));
    }
    days = json_object_get(body, "expires_days");
    if (days && !json_is_null(days) &&
        (!json_is_integer(days) || json_integer_value(days) < 1 || json_integer_value(days) > 3650))
        return error_set(err, -EDOM, "`expires_days` must be a number from 1 to 3650");
    r = read_networks(body, &job->args[1], err);
    if (r == 0)
        r = api_body_scope(call, body, &job->args[2], err);
    if (r < 0)
        return r;
    if (job->args[2] && call->who.key_id && call->who.scope.own.n_rules > 0) {
        return error_set(
            err, -EACCES,
            "Permission denied: a key with a scope can only create keys with the same scope");
    }
    job->args[0] = xstrdup(name);
    job->numbers[0] = (int64_t)role;
    job->numbers[1] = time_utc_ms();
    job->numbers[2] = json_is_integer(days) ? job->numbers[1] + json_integer_value(days) * 86400000
                                            : 0;
    return 0;
}

void keys_create(struct api_call *call)
{
    struct api_job *job = api_job_new(call, create_work, NULL);
    struct error err = ERROR_INIT;

    if (read_key(call, job, &err) < 0) {
        api_fail_error(call, &err);
        api_job_free(job);
        return;
    }
    call->target = xstrdup(job->args[0]);
    api_job_start(job);
}

static int delete_work(struct api_job *job)
{
    int r = api_keys_delete(job->store, job->numbers[0], &job->err);

    if (r == 0)
        job->result = json_pack("{s:s}", "message", "API key deleted");
    return r;
}

static void delete_done(struct api_job *job)
{
    if (job->code == 0)
        auth_forget_key(job->call->api->o.auth, job->numbers[0]);
    api_job_answer(job);
}

void keys_delete(struct api_call *call)
{
    struct api_job *job;
    uint64_t id;

    if (parse_u64(api_param(call, 0), INT64_MAX, &id) < 0) {
        api_fail_code(call, CODE_INVALID_ARGUMENT, "Invalid API key id: it must be a number");
        return;
    }
    job = api_job_new(call, delete_work, delete_done);
    job->numbers[0] = (int64_t)id;
    api_job_start(job);
}
