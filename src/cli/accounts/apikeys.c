#include "base/alloc.h"
#include "cli/accounts/accounts.h"
#include "cli/accounts/scope.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"

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

const struct account_kind account_keys = {
    .path = "/api/v2/api-keys",
    .noun = "API key",
    .name = "name",
    .has_ids = true,
    .listing = {columns, ARRAY_LEN(columns), "name"},
    .has_scopes = true,
};

const struct verb verb_apikey_ls = {
    .name = "apikey ls",
    .usage = "[OPTIONS]",
    .summary = "List the API keys of the server",
    .examples = "  dockmon apikey ls\n",
    .flags = ls_flags,
    .n_flags = ARRAY_LEN(ls_flags),
    .options_size = sizeof(struct listing_options),
    .run = accounts_run_ls,
    .data = &account_keys,
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
    output_line("%s", member_text(answer, "key"));
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

const struct verb verb_apikey_rm = {
    .name = "apikey rm",
    .usage = "KEY [KEY...]",
    .summary = "Remove API keys by name or id",
    .examples = "  dockmon apikey rm deploy\n",
    .words = WORDS_KEYS,
    .min_words = 1,
    .run = accounts_run_rm,
    .data = &account_keys,
};
