/*
 * apikey ls, create, rm. The server stores only a hash of a key, so that a new key is printed once.
 */

#include "base/alloc.h"
#include "cli/accounts/accounts.h"
#include "cli/accounts/scope.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"

static char *format_used(const json_t *key, const void *owner)
{
    (void)owner;
    return account_time_ago(key, "last_used_at");
}

#define NARROW_COLUMNS 4 /* the first ones, shown without --wide */

static const struct listing_column columns[] = {
    {"ID",        "id",          NULL,        NULL},
    {"NAME",      "name",        NULL,        NULL},
    {"ROLE",      "role",        NULL,        NULL},
    {"LAST USED", NULL,          format_used, NULL},
    {"PREFIX",    "prefix",      NULL,        NULL},
    {"SCOPE",     NULL,          scope_text,  NULL},
    {"EXPIRES",   "expires_at",  NULL,        NULL},
    {"FROM",      "allowed_ips", NULL,        NULL},
};

const struct account_kind account_keys = {
    .path = "/api/v2/api-keys",
    .noun = "API key",
    .name = "name",
    .has_ids = true,
    .listing =
        {
                  .columns = columns,
                  .n_columns = ARRAY_LEN(columns),
                  .n_narrow = NARROW_COLUMNS,
                  .quiet_member = "name",
                  },
    .has_scopes = true,
};

const struct verb verb_apikey_ls = {
    .name = "apikey ls",
    .summary = "List your API keys, or those of all users as an admin",
    .examples = "  dockmon apikey ls\n  dockmon apikey ls --wide\n",
    ACCOUNTS_LS(account_keys, wide_names),
};

struct create_options {
    const char *role, *from;
    int64_t days;
    struct args_list scope;
};

#define AT(m) offsetof(struct create_options, m)

static const struct flag create_flags[] = {
    ROLE_FLAG(create_options, role),
    {"days", 0, FLAG_NUMBER, AT(days), "DAYS",
                            "days until the key expires (default: never, or with the key that creates it)"              },
    {"from", 0, FLAG_STRING, AT(from), "NETWORKS",
                            "accept the key from these networks only, such as 10.0.0.0/8,::1 (default: from everywhere)"},
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

    (void)verb;
    (void)json_object_set_new(body, "scope", scope_json(&o->scope));
    if (o->days)
        (void)json_object_set_new(body, "expires_days", json_integer(o->days));
    if (o->from)
        (void)json_object_set_new(body, "allowed_ips", json_string(o->from));
    if (!c) {
        json_decref(body);
        return 1;
    }
    if (client_send(c, "POST", xstrdup("/api/v2/api-keys"), body, &answer, &err) < 0)
        return output_failure(NULL, err.msg);
    output_line("%s", member_text(answer, "key"));
    output_note("Keep this key: it is not shown again.");
    return 0;
}

const struct verb verb_apikey_create = {
    .name = "apikey create",
    .usage = "[OPTIONS] NAME",
    .summary = "Create an API key and print it",
    .examples = "  dockmon apikey create --role operator --days 90 deploy\n"
                "  dockmon apikey create --scope host=web-1,label=team=web dashboard\n",
    VERB_FLAGS(create_flags),
    .min_words = 1,
    .max_words = 1,
    .options_size = sizeof(struct create_options),
    .run = run_create,
};

const struct verb verb_apikey_rm = {
    .name = "apikey rm",
    .usage = "KEY [KEY...]",
    .summary = "Remove API keys by name or id, with the keys created with them",
    .examples = "  dockmon apikey rm deploy\n",
    .words = WORDS_KEYS,
    ACCOUNTS_RM(account_keys),
};
