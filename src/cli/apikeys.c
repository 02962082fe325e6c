#include "base/alloc.h"
#include "base/str.h"
#include "cli/containers.h"
#include "cli/output.h"
#include "cli/scope.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include <errno.h>

#define MAX_OUTPUT (SIZE_MAX / 2)

struct ls_options {
    bool json;
};

static const struct flag ls_flags[] = {
    {"json", 0, FLAG_BOOL, offsetof(struct ls_options, json), NULL,
     "print the server's list as a JSON array"},
};

static void print_table(const json_t *keys, const json_t *hosts)
{
    static const char *const headers[] = {"ID",        "NAME",    "PREFIX", "ROLE",
                                          "LAST USED", "EXPIRES", "FROM",   "SCOPE"};
    struct buf out = BUF_INIT(MAX_OUTPUT);
    struct table t;

    table_init(&t, ARRAY_LEN(headers), headers);
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *k = json_array_get(keys, i);
        _cleanup_free_ char *id = xasprintf(
            "%lld", (long long)json_integer_value(json_object_get(k, "id")));
        _cleanup_free_ char *scope = scope_describe(json_object_get(k, "scope"), hosts);

        table_add(&t, id);
        table_add(&t, container_text(k, "name"));
        table_add(&t, container_text(k, "prefix"));
        table_add(&t, container_text(k, "role"));
        table_add(&t, container_text(k, "last_used_at"));
        table_add(&t, container_text(k, "expires_at"));
        table_add(&t, container_text(k, "allowed_ips"));
        table_add(&t, scope);
    }
    table_print(&t, output_has_colours(), &out);
    output_raw(buf_str(&out), out.size);
    buf_done(&out);
    table_done(&t);
}

static int run_ls(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct ls_options *o = options;
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
    if (o->json) {
        output_json(keys);
    } else {
        hosts = scope_fetch_hosts(c, keys);
        print_table(keys, hosts);
    }
    return 0;
}

const struct verb verb_apikey_ls = {
    .name = "apikey ls",
    .usage = "[OPTIONS]",
    .summary = "List the API keys of the server",
    .examples = "  dockmon apikey ls\n",
    .flags = ls_flags,
    .n_flags = ARRAY_LEN(ls_flags),
    .options_size = sizeof(struct ls_options),
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
