/*
 * /api/v2/api-keys: list, create, change and delete. A key never has more rights than its creator, and does
 * not outlive it: role, scope, networks and expiry are inherited or narrowed. Its secret is
 * returned once and stored hashed.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/api/role_body.h"
#include "server/api/scope_body.h"
#include "server/rights/groups.h"
#include "server/store/api_keys.h"
#include "server/store/identities.h"
#include "server/store/secret.h"
#include "server/store/users.h"
#include "server/view/json_values.h"
#include "server/view/scope_json.h"

#include <errno.h>

static json_t *make_id(int64_t id)
{
    return id ? json_integer(id) : json_null();
}

/* Deleting a key is the only way to revoke it, so a key in the list never is. */
static json_t *make_key_json(struct db *s, const struct api_key *k)
{
    const struct group *group = group_of_role(k->role);
    struct user owner = {0};
    json_t *o;

    if (k->created_by && users_get(s, k->created_by, &owner, NULL) < 0)
        owner = (struct user){0}; /* it was just deleted */
    o = json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:s, s:o, s:o, s:I, s:o, s:n, s:o, s:o, s:o, s:o}",
        "id", (json_int_t)k->id, "name", json_text_str(k->name), "description",
        json_value_string(k->description), "prefix", json_text_str(k->prefix), "key_prefix",
        json_text_str(k->prefix), "group_id", (json_int_t)group->id, "group_name",
        json_text_str(group->name), "created_by_username", json_value_string(owner.name), "role",
        role_name(k->role), "created_at", json_value_time(k->created_at_ms), "last_used_at",
        json_value_time(k->last_used_at_ms), "usage_count", (json_int_t)k->usage_count,
        "expires_at", json_value_time(k->expires_at_ms), "revoked_at", "allowed_ips",
        json_value_string(k->networks), "scope", scope_json(k->scope), "user_id",
        make_id(k->created_by), "parent_id", make_id(k->parent_id));
    user_done(&owner);
    return o;
}

static void append_key(void *arg, const struct api_key *k)
{
    struct api_job *job = arg;

    (void)json_array_append_new(job->result, make_key_json(job->store, k));
}

/* Admins see and delete all keys, others those of their own. A key with limits only has itself and
 * those created with it, whatever its role. */
static struct api_keys_owner get_owner(const struct identity *who)
{
    if (who->role == ROLE_ADMIN && !scope_is_limited(&who->scope) && !identity_is_limited_key(who))
        return (struct api_keys_owner){0};
    if (who->owner_id && !identity_is_limited_key(who))
        return (struct api_keys_owner){.user_id = who->owner_id};
    return (struct api_keys_owner){.key_id = who->key_id};
}

static int list_work(struct api_job *job)
{
    struct api_keys_owner owner = get_owner(&job->who);

    job->result = json_array();
    return api_keys_each(job->store, &owner, append_key, job, &job->err);
}

void keys_list(struct api_call *call)
{
    api_job_start(api_job_new(call, list_work, NULL));
}

/* The members of job->args. */
enum { KEY_NAME, KEY_NETWORKS, KEY_SCOPE, KEY_DESCRIPTION, KEY_SESSION_HASH };

/* A session may have ended while the job was waiting, for example because the password was reset,
 * and a key that is created after that would survive the reset. A key that has ended has no row. */
static int check_session(struct db *s, const struct api_job *job, struct error *err)
{
    struct identity_row row = {0};
    int r;

    if (job->who.key_id)
        return 0;
    r = identities_get_by_session(s, job->args[KEY_SESSION_HASH], job->numbers[1], &row, err);
    identity_row_done(&row);
    return r == -ENOENT ? error_set(err, -ENOKEY, "The session has ended") : r;
}

/* Narrows the key to the limits of the key that it is created with. */
static int inherit(struct api_job *job,
                   const struct api_key *parent,
                   struct api_key *spec,
                   struct error *err)
{
    struct networks networks;
    int r;

    spec->created_by = parent->created_by;
    spec->parent_id = parent->id;
    if (parent->expires_at_ms &&
        (!spec->expires_at_ms || spec->expires_at_ms > parent->expires_at_ms))
        spec->expires_at_ms = parent->expires_at_ms;
    r = networks_parse(spec->networks, &networks, err);
    if (r < 0)
        return r;
    if (!networks_are_within(&networks, &job->who.networks)) {
        free(job->args[KEY_NETWORKS]);
        spec->networks = job->args[KEY_NETWORKS] = xstrdup(parent->networks);
    }
    if (parent->scope) {
        free(job->args[KEY_SCOPE]);
        spec->scope = job->args[KEY_SCOPE] = xstrdup(parent->scope);
    }
    return 0;
}

struct creation {
    struct api_job *job;
    char *key; /* secret */
};

static int create_key(struct db *s, void *arg, struct error *err)
{
    struct creation *c = arg;
    struct api_job *job = c->job;
    struct api_key row = {0}, parent = {0};
    struct api_key spec = {
        .name = job->args[KEY_NAME],
        .role = (enum role)job->numbers[0],
        .created_by = job->who.user_id,
        .created_at_ms = job->numbers[1],
        .expires_at_ms = job->numbers[2],
        .networks = job->args[KEY_NETWORKS],
        .scope = job->args[KEY_SCOPE],
        .description = job->args[KEY_DESCRIPTION],
    };
    int r;

    r = check_session(s, job, err);
    if (r == 0 && job->who.key_id) {
        r = api_keys_get(s, job->who.key_id, &parent, err);
        if (r == 0)
            r = inherit(job, &parent, &spec, err);
        api_key_done(&parent);
    }
    if (r == 0)
        r = api_keys_create(s, &spec, &c->key, &row, err);
    if (r == 0)
        job->result = make_key_json(s, &row);
    api_key_done(&row);
    return r;
}

static int create_work(struct api_job *job)
{
    struct creation c = {.job = job};
    int r;

    r = db_tx(job->store, create_key, &c, &job->err);
    if (r == 0) {
        (void)json_object_set_new(job->result, "key", json_text_str(c.key));
        (void)json_object_set_new(job->result, "message",
                                  json_text_str("Keep this key: it is not shown again"));
    }
    secret_free(c.key);
    return r;
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

/* Absent, null or empty means none. */
static int read_description(const json_t *body, char **ret, struct error *err)
{
    const json_t *v = json_object_get(body, "description");
    const char *text = NULL;
    int r;

    if (!v || json_is_null(v))
        return 0;
    r = api_body_string(body, "description", API_KEY_MAX_DESCRIPTION, &text, err);
    if (r == 0 && *text)
        *ret = xstrdup(text);
    return r;
}

static int read_key(struct api_call *call, struct api_job *job, struct error *err)
{
    const json_t *body, *days;
    const char *name = NULL;
    enum role role = ROLE_NONE;
    int r;

    r = api_body(call, &body, err);
    if (r == 0)
        r = api_body_string(body, "name", API_KEY_MAX_NAME, &name, err);
    if (r == 0)
        r = api_body_role(body, &role, err);
    if (r == 0)
        r = read_description(body, &job->args[KEY_DESCRIPTION], err);
    if (r < 0)
        return r;
    if (role == ROLE_NONE)
        return error_set(err, -EDOM, "`role` or `group_id` is required");
    if (role > call->who.role) {
        return error_set(err, -EACCES,
                         "Permission denied: a key of role %s would exceed your own role, %s",
                         role_name(role), role_name(call->who.role));
    }
    days = json_object_get(body, "expires_days");
    if (days && !json_is_null(days) &&
        (!json_is_integer(days) || json_integer_value(days) < 1 || json_integer_value(days) > 3650))
        return error_set(err, -EDOM, "`expires_days` must be a number from 1 to 3650");
    r = read_networks(body, &job->args[KEY_NETWORKS], err);
    if (r == 0)
        r = api_body_scope(call, body, &job->args[KEY_SCOPE], err);
    if (r < 0)
        return r;
    if (job->args[KEY_SCOPE] && call->who.key_id && call->who.scope.own.n_rules > 0) {
        return error_set(
            err, -EACCES,
            "Permission denied: a key with a scope can only create keys with the same scope");
    }
    job->args[KEY_NAME] = xstrdup(name);
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
    char hash[SECRET_HASH_SIZE];

    if (read_key(call, job, &err) < 0) {
        api_fail_error(call, &err);
        api_job_free(job);
        return;
    }
    if (!call->who.key_id) {
        secret_hash(call->credentials->session_id, hash);
        job->args[KEY_SESSION_HASH] = xstrdup(hash);
    }
    call->target = xstrdup(job->args[KEY_NAME]);
    api_job_start(job);
}

/* A key must not end a stronger key of its user. */
static int check_role(struct api_job *job, const struct api_keys_owner *owner)
{
    struct api_key row = {0};
    int r;

    if (!owner->user_id)
        return 0;
    r = api_keys_get(job->store, job->numbers[0], &row, &job->err);
    if (r == 0 && job->who.key_id && owner->user_id == row.created_by && row.role > job->who.role) {
        r = error_set(&job->err, -EACCES,
                      "Permission denied: a key of role %s cannot delete one of role %s",
                      role_name(job->who.role), role_name(row.role));
    }
    api_key_done(&row);
    return r;
}

static int delete_work(struct api_job *job)
{
    struct api_keys_owner owner = get_owner(&job->who);
    int r;

    r = check_role(job, &owner);
    if (r == 0)
        r = api_keys_delete(job->store, job->numbers[0], &owner, &job->err);
    if (r == 0)
        job->result = json_pack("{s:s}", "message", "API key deleted");
    return r;
}

static void delete_done(struct api_job *job)
{
    if (job->code == 0)
        auth_forget_all(job->call->api->o.auth); /* including keys created with it */
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

/* --- changes --- */

enum { HAS_NETWORKS = 1, HAS_DESCRIPTION }; /* in job->numbers, after the id */

static void replace(char **to, char **from)
{
    free(*to);
    *to = TAKE_PTR(*from);
}

static int update_key(struct db *s, void *arg, struct error *err)
{
    struct api_job *job = arg;
    struct api_keys_owner owner = get_owner(&job->who);
    struct api_key row = {0};
    int r = check_role(job, &owner);

    if (r == 0)
        r = api_keys_get(s, job->numbers[0], &row, err);
    if (r == 0 && job->numbers[HAS_NETWORKS] && row.parent_id) {
        r = error_set(
            err, -EACCES,
            "Permission denied: a key that was created with another key keeps its networks");
    }
    if (r == 0) {
        if (job->args[KEY_NAME])
            replace(&row.name, &job->args[KEY_NAME]);
        if (job->numbers[HAS_NETWORKS])
            replace(&row.networks, &job->args[KEY_NETWORKS]);
        if (job->numbers[HAS_DESCRIPTION])
            replace(&row.description, &job->args[KEY_DESCRIPTION]);
        r = api_keys_update(s, &row, &owner, err);
    }
    if (r == 0)
        job->result = make_key_json(s, &row);
    api_key_done(&row);
    return r;
}

static int update_work(struct api_job *job)
{
    return db_tx(job->store, update_key, job, &job->err);
}

static int read_update(struct api_call *call, struct api_job *job, struct error *err)
{
    const char *name = NULL;
    const json_t *body;
    int r;

    r = api_body(call, &body, err);
    if (r == 0)
        r = api_body_optional_string(body, "name", API_KEY_MAX_NAME, &name, err);
    if (r == 0)
        r = read_description(body, &job->args[KEY_DESCRIPTION], err);
    if (r == 0)
        r = read_networks(body, &job->args[KEY_NETWORKS], err);
    if (r < 0)
        return r;
    job->args[KEY_NAME] = xstrdup(name);
    job->numbers[HAS_NETWORKS] = json_object_get(body, "allowed_ips") != NULL;
    job->numbers[HAS_DESCRIPTION] = json_object_get(body, "description") != NULL;
    return 0;
}

/* A key with limits could free itself of its networks. */
void keys_patch(struct api_call *call)
{
    struct error err = ERROR_INIT;
    struct api_job *job;
    uint64_t id;

    if (parse_u64(api_param(call, 0), INT64_MAX, &id) < 0) {
        api_fail_code(call, CODE_INVALID_ARGUMENT, "Invalid API key id: it must be a number");
        return;
    }
    job = api_job_new(call, update_work, delete_done);
    job->numbers[0] = (int64_t)id;
    if (read_update(call, job, &err) == 0 && identity_is_limited_key(&call->who)) {
        (void)error_set(&err, -EACCES,
                        "Permission denied: an API key with limits cannot change API keys");
    }
    if (err.code < 0) {
        api_fail_error(call, &err);
        api_job_free(job);
        return;
    }
    api_job_start(job);
}
