/*
 * agent ls, agent rotate, agent revoke: the agents and their permanent tokens.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/accounts/accounts.h"
#include "cli/common/match.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"

#include <errno.h>
#include <string.h>

#define MIN_PREFIX 4

static bool is_revoked(const json_t *agent)
{
    return member_is_true(agent, "revoked");
}

/* --- ls --------------------------------------------------------------------------------------- */

static char *format_status(const json_t *agent, const void *owner)
{
    (void)owner;
    return xstrdup(is_revoked(agent) ? "revoked" : member_text(agent, "status"));
}

static enum table_colour choose_status_colour(const json_t *agent)
{
    bool is_online = !is_revoked(agent) && str_eq(member_text(agent, "status"), "online");

    return is_online ? COLOUR_GREEN : COLOUR_RED;
}

static char *format_rotatable(const json_t *agent, const void *owner)
{
    const json_t *can = json_object_get(json_object_get(agent, "capabilities"), "token_rotate");

    (void)owner;
    return xstrdup(json_is_true(can) ? "yes" : "no");
}

/* Other verbs take the beginning of an id. */
static char *format_id(const json_t *agent, const void *owner)
{
    (void)owner;
    return xstrndup(member_text(agent, "agent_id"), 12);
}

static char *format_seen(const json_t *agent, const void *owner)
{
    (void)owner;
    return account_time_ago(agent, "last_seen_at");
}

static char *format_registered(const json_t *agent, const void *owner)
{
    (void)owner;
    return account_time_ago(agent, "registered_at");
}

#define NARROW_COLUMNS 5 /* the first ones, shown without --wide */

static const struct listing_column columns[] = {
    {"AGENT ID",   NULL,        format_id,         NULL                },
    {"HOST",       "host_name", NULL,              NULL                },
    {"STATUS",     NULL,        format_status,     choose_status_colour},
    {"VERSION",    "version",   NULL,              NULL                },
    {"LAST SEEN",  NULL,        format_seen,       NULL                },
    {"REGISTERED", NULL,        format_registered, NULL                },
    {"ROTATABLE",  NULL,        format_rotatable,  NULL                },
};

static const struct account_kind account_agents = {
    .path = "/api/agent/list",
    .member = "agents",
    .noun = "agent",
    .listing =
        {
                  .columns = columns,
                  .n_columns = ARRAY_LEN(columns),
                  .n_narrow = NARROW_COLUMNS,
                  .quiet_member = "agent_id",
                  },
};

const struct verb verb_agent_ls = {
    .name = "agent ls",
    .summary = "List the agents of the hosts",
    .examples = "  dockmon agent ls\n  dockmon agent ls --wide\n",
    ACCOUNTS_LS(account_agents, wide_ids),
};

/* --- rotate, revoke --------------------------------------------------------------------------- */

static bool matches(const json_t *agent, const void *ref, enum match how)
{
    const char *id = member_text(agent, "agent_id"), *host_id = member_text(agent, "host_id");
    const char *word = ref;

    switch (how) {
    case MATCH_ID: return str_eq(id, word) || str_eq(host_id, word);
    case MATCH_NAME: return str_eq(member_text(agent, "host_name"), word);
    case MATCH_PREFIX:
        return strlen(word) >= MIN_PREFIX &&
               (str_starts_with(id, word) || str_starts_with(host_id, word));
    case N_MATCHES: break;
    }
    return false;
}

/* By the name or id of its host, its own id, or the beginning of one of the ids. */
static const json_t *find_agent(const json_t *list, const char *word, struct error *err)
{
    json_auto_t *found = match_best(list, matches, word, word);
    size_t n = json_array_size(found);

    if (n == 0)
        (void)error_set(err, -ENOENT, MSG_NOT_FOUND "; see `dockmon agent ls`", "agent", word);
    if (n > 1) {
        (void)error_set(err, -EEXIST, MSG_AMBIGUOUS "give an agent id from `dockmon agent ls`",
                        word, n, "agents");
    }
    return n == 1 ? json_array_get(found, 0) : NULL;
}

static int change(struct client *c, const char *verb, const json_t *agent, struct error *err)
{
    return client_send(c, "POST",
                       xasprintf("/api/agent/%s/%s", member_text(agent, "agent_id"), verb), NULL,
                       NULL, err);
}

/* Returns the exit code. */
static int change_one(struct client *c, const char *verb, const json_t *list, const char *word)
{
    struct error err = ERROR_INIT;
    const json_t *agent = find_agent(list, word, &err);

    if (!agent)
        return output_failure(NULL, err.msg);
    if (change(c, verb, agent, &err) < 0)
        return output_failure(word, err.msg);
    output_line("%s", word);
    return 0;
}

/* Skips agents whose token is revoked: they have none to replace. */
static int rotate_all(struct client *c, const json_t *list)
{
    int exit_code = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *a = json_array_get(list, i);
        struct error err = ERROR_INIT;

        if (is_revoked(a))
            continue;
        if (change(c, "rotate-token", a, &err) < 0) {
            exit_code = output_failure(member_text(a, "host_name"), err.msg);
        } else {
            output_line("%s", member_text(a, "host_name"));
        }
    }
    return exit_code;
}

struct rotate_options {
    bool all;
};

static const struct flag rotate_flags[] = {
    {"all", 'a', FLAG_BOOL, offsetof(struct rotate_options, all), NULL,
     "rotate the tokens of all agents, one after the other"},
};

static int run_rotate(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct rotate_options *o = options;
    _cleanup_(client_closep) struct client *c = NULL;
    json_auto_t *list = NULL;
    int exit_code = 0;

    if (o->all == (words->n > 0)) {
        output_error("dockmon %s: give either hosts or --all", verb->name);
        return EXIT_USAGE;
    }
    c = client_open_configured();
    list = accounts_fetch_or_print(c, &account_agents);
    if (!list)
        return 1;
    if (o->all)
        return rotate_all(c, list);
    for (size_t i = 0; i < words->n; i++)
        exit_code |= change_one(c, "rotate-token", list, words->items[i]);
    return exit_code;
}

const struct verb verb_agent_rotate = {
    .name = "agent rotate",
    .operation = OPERATION_TOKEN_ROTATE,
    .usage = "[OPTIONS] HOST [HOST...]",
    .summary = "Replace the permanent tokens of agents",
    .examples = "  dockmon agent rotate web1 web2\n  dockmon agent rotate --all\n",
    VERB_FLAGS(rotate_flags),
    .words = WORDS_ONE_HOST,
    .max_words = SIZE_MAX,
    .options_size = sizeof(struct rotate_options),
    .run = run_rotate,
};

static int run_revoke(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    json_auto_t *list = NULL;
    int exit_code = 0;

    (void)verb;
    (void)options;
    list = accounts_fetch_or_print(c, &account_agents);
    if (!list)
        return 1;
    for (size_t i = 0; i < words->n; i++)
        exit_code |= change_one(c, "revoke", list, words->items[i]);
    return exit_code;
}

const struct verb verb_agent_revoke = {
    .name = "agent revoke",
    .usage = "HOST [HOST...]",
    .summary = "Revoke the tokens of agents; a registration token lets them join again",
    .examples = "  dockmon agent revoke web1\n",
    .words = WORDS_ONE_HOST,
    .min_words = 1,
    .run = run_revoke,
};
