#include "base/alloc.h"
#include "base/str.h"
#include "cli/containers.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/scope.h"
#include "cli/verbs.h"

#include <errno.h>

static const struct flag ls_flags[] = {
    LISTING_QUIET(0, "names"),
    LISTING_JSON(0),
};

static const struct listing_column columns[] = {
    {"ID",        "id",           NULL,       NULL},
    {"NAME",      "name",         NULL,       NULL},
    {"PREFIX",    "prefix",       NULL,       NULL},
    {"ROLE",      "role",         NULL,       NULL},
    {"LAST USED", "last_used_at", NULL,       NULL},
    {"EXPIRES",   "expires_at",   NULL,       NULL},
    {"FROM",      "allowed_ips",  NULL,       NULL},
    {"SCOPE",     NULL,           scope_text, NULL},
};

static const struct listing listing = {columns, ARRAY_LEN(columns), "name"};

static int run_ls(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct listing_options *o = options;
    struct error err = ERROR_INIT;
    json_auto_t *keys = NULL, *hosts = NULL;

    (void)verb;
    (void)words;
    if (!c)
        return 1;
    if (client_get(c, xstrdup("/api/v2/api-keys"), &keys, &err) < 0) {
        output_error("%s", err.msg);
        return 1;
    }
    if (!o->json && !o->quiet)
        hosts = scope_fetch_hosts(c, keys);
    listing_print(&listing, keys, options, hosts);
    return 0;
}

const struct verb verb_apikey_ls = {
    .name = "apikey ls",
    .usage = "[OPTIONS]",
    .summary = "List the API keys of the server",
    .examples = "  dockmon apikey ls\n",
    .flags = ls_flags,
    .n_flags = ARRAY_LEN(ls_flags),
    .options_size = sizeof(struct listing_options),
    .run = run_ls,
};

struct create_options {
    const char *role, *from;
    int64_t days;
    struct args_list scope;
};

#define AT(m) offsetof(struct create_options, m)

static const struct flag create_flags[] = {
    {"role", 'r', FLAG_STRING, AT(role), "ROLE",     "viewer (default), operator or admin"         },
    {"days", 0,   FLAG_NUMBER, AT(days), "DAYS",     "how long it is good; for ever when not given"},
    {"from", 0,   FLAG_STRING, AT(from), "NETWORKS",
     "where it may be used, such as 10.0.0.0/8,::1; everywhere when not given"                     },
    SCOPE_FLAG(create_options, scope),
};

static int run_create(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct create_options *o = options;
    struct error err = ERROR_INIT;
    json_auto_t *answer = NULL;
    json_t *body = json_pack("{s:s, s:s}", "name", words->items[0], "role",
                             o->role ? o->role : "viewer");

    (void)json_object_set_new(body, "scope", scope_json(&o->scope));

    (void)verb;
    if (o->days)
        (void)json_object_set_new(body, "expires_days", json_integer(o->days));
    if (o->from)
        (void)json_object_set_new(body, "allowed_ips", json_string(o->from));
    if (!c) {
        json_decref(body);
        return 1;
    }
    if (client_send(c, "POST", xstrdup("/api/v2/api-keys"), body, &answer, &err) < 0) {
        output_error("%s", err.msg);
        return 1;
    }
    output_line("%s", container_text(answer, "key"));
    output_note("This key is shown once.");
    return 0;
}

const struct verb verb_apikey_create = {
    .name = "apikey create",
    .usage = "[OPTIONS] NAME",
    .summary = "Make an API key, and print it",
    .examples = "  dockmon apikey create --role operator --days 90 deploy\n"
                "  dockmon apikey create --scope host=web-1,label=team=web dashboard\n",
    .flags = create_flags,
    .n_flags = ARRAY_LEN(create_flags),
    .min_words = 1,
    .max_words = 1,
    .options_size = sizeof(struct create_options),
    .run = run_create,
};

/* By id or by name. */
static int remove_key(struct client *c, const json_t *keys, const char *word, struct error *err)
{
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *k = json_array_get(keys, i);
        long long number = (long long)json_integer_value(json_object_get(k, "id"));
        _cleanup_free_ char *id = xasprintf("%lld", number);

        if (str_eq(id, word) || str_eq(container_text(k, "name"), word))
            return client_send(c, "DELETE", xasprintf("/api/v2/api-keys/%s", id), NULL, NULL, err);
    }
    return error_set(err, -ENOENT, "there is no such API key");
}

static int run_rm(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    struct error err = ERROR_INIT;
    json_auto_t *keys = NULL;
    int exit_code = 0;

    (void)verb;
    (void)options;
    if (!c)
        return 1;
    if (client_get(c, xstrdup("/api/v2/api-keys"), &keys, &err) < 0) {
        output_error("%s", err.msg);
        return 1;
    }
    for (size_t i = 0; i < words->n; i++) {
        if (remove_key(c, keys, words->items[i], &err) < 0) {
            output_error("%s: %s", words->items[i], err.msg);
            exit_code = 1;
        } else {
            output_line("%s", words->items[i]);
        }
    }
    return exit_code;
}

const struct verb verb_apikey_rm = {
    .name = "apikey rm",
    .usage = "KEY [KEY...]",
    .summary = "Remove API keys by name or id",
    .examples = "  dockmon apikey rm deploy\n",
    .words = WORDS_KEYS,
    .min_words = 1,
    .run = run_rm,
};
