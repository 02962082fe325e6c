#include "base/alloc.h"
#include "base/str.h"
#include "cli/containers.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include <errno.h>
#include <string.h>

#define MAX_OUTPUT (SIZE_MAX / 2)
#define MIN_PREFIX 4

static bool is_revoked(const json_t *agent)
{
    return json_is_true(json_object_get(agent, "revoked"));
}

static json_t *list_agents(struct client *c, json_t **ret_answer)
{
    struct error err = ERROR_INIT;

    if (client_get(c, xstrdup("/api/agent/list"), ret_answer, &err) < 0) {
        output_error("%s", err.msg);
        return NULL;
    }
    if (!json_is_array(json_object_get(*ret_answer, "agents"))) {
        output_error("the server's list of agents cannot be read");
        return NULL;
    }
    return json_object_get(*ret_answer, "agents");
}

/* --- ls -------------------------------------------------------------------------------------------- */

struct ls_options {
    bool quiet, json;
};

static const struct flag ls_flags[] = {
    {"quiet", 'q', FLAG_BOOL, offsetof(struct ls_options, quiet), NULL, "show ids only"},
    {"json",  0,   FLAG_BOOL, offsetof(struct ls_options, json),  NULL,
     "print the server's list as a JSON array"                                         },
};

static void add_row(struct table *t, const json_t *a)
{
    const char *status = is_revoked(a) ? "revoked" : container_text(a, "status");
    bool can_rotate = json_is_true(
        json_object_get(json_object_get(a, "capabilities"), "token_rotate"));

    table_add(t, container_text(a, "agent_id"));
    table_add(t, container_text(a, "host_name"));
    table_add_coloured(t, status, str_eq(status, "online") ? COLOUR_GREEN : COLOUR_RED);
    table_add(t, container_text(a, "version"));
    table_add(t, can_rotate ? "yes" : "no");
    table_add(t, container_text(a, "registered_at"));
    table_add(t, container_text(a, "last_seen_at"));
}

static void print_table(const json_t *list)
{
    static const char *const headers[] = {"AGENT ID",  "HOST",       "STATUS",   "VERSION",
                                          "ROTATABLE", "REGISTERED", "LAST SEEN"};
    struct buf out = BUF_INIT(MAX_OUTPUT);
    struct table t;

    table_init(&t, ARRAY_LEN(headers), headers);
    for (size_t i = 0; i < json_array_size(list); i++)
        add_row(&t, json_array_get(list, i));
    table_print(&t, output_has_colours(), &out);
    output_raw(buf_str(&out), out.size);
    buf_done(&out);
    table_done(&t);
}

static int run_ls(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct ls_options *o = options;
    json_auto_t *answer = NULL;
    const json_t *list;

    (void)verb;
    (void)words;
    list = c ? list_agents(c, &answer) : NULL;
    if (!list)
        return 1;
    if (o->json) {
        output_json(list);
    } else if (o->quiet) {
        for (size_t i = 0; i < json_array_size(list); i++)
            output_line("%s", container_text(json_array_get(list, i), "agent_id"));
    } else {
        print_table(list);
    }
    return 0;
}

const struct verb verb_agent_ls = {
    .name = "agent ls",
    .usage = "[OPTIONS]",
    .summary = "List the agents of the hosts",
    .examples = "  dockmon agent ls\n",
    .flags = ls_flags,
    .n_flags = ARRAY_LEN(ls_flags),
    .options_size = sizeof(struct ls_options),
    .run = run_ls,
};

/* --- rotate, revoke -------------------------------------------------------------------------------- */

/* Better matches are tried first, as for hosts. */
enum match { MATCH_ID, MATCH_NAME, MATCH_PREFIX, N_MATCHES };

static bool fits(const json_t *a, const char *word, enum match how)
{
    const char *agent = container_text(a, "agent_id"), *host = container_text(a, "host_id");

    switch (how) {
    case MATCH_ID: return str_eq(agent, word) || str_eq(host, word);
    case MATCH_NAME: return str_eq(container_text(a, "host_name"), word);
    case MATCH_PREFIX:
        return strlen(word) >= MIN_PREFIX &&
               (str_starts_with(agent, word) || str_starts_with(host, word));
    case N_MATCHES: break;
    }
    return false;
}

/* By host name, host id, agent id, or the beginning of one of the two. */
static const json_t *find_agent(const json_t *list, const char *word, struct error *err)
{
    const json_t *found = NULL;
    size_t n = 0;

    for (int how = 0; how < N_MATCHES && n == 0; how++) {
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *a = json_array_get(list, i);

            if (fits(a, word, (enum match)how) && n++ == 0)
                found = a;
        }
    }
    if (n == 0)
        (void)error_set(err, -ENOENT, "there is no such host or agent; see `dockmon agent ls`");
    if (n > 1) {
        (void)error_set(err, -EEXIST, "%zu agents match: give the agent's id of `dockmon agent ls`",
                        n);
    }
    return n == 1 ? found : NULL;
}

static int change(struct client *c, const char *verb, const json_t *agent, struct error *err)
{
    return client_send(c, "POST",
                       xasprintf("/api/agent/%s/%s", container_text(agent, "agent_id"), verb), NULL,
                       NULL, err);
}

/* Returns the exit code. */
static int change_one(struct client *c, const char *verb, const json_t *list, const char *word)
{
    struct error err = ERROR_INIT;
    const json_t *agent = find_agent(list, word, &err);

    if (!agent || change(c, verb, agent, &err) < 0) {
        output_error("%s: %s", word, err.msg);
        return 1;
    }
    output_line("%s", word);
    return 0;
}

/* Those whose token is revoked have none to replace. */
static int rotate_all(struct client *c, const json_t *list)
{
    int exit_code = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *a = json_array_get(list, i);
        struct error err = ERROR_INIT;

        if (is_revoked(a))
            continue;
        if (change(c, "rotate-token", a, &err) < 0) {
            output_error("%s: %s", container_text(a, "host_name"), err.msg);
            exit_code = 1;
        } else {
            output_line("%s", container_text(a, "host_name"));
        }
    }
    return exit_code;
}

struct rotate_options {
    bool all;
};

static const struct flag rotate_flags[] = {
    {"all", 'a', FLAG_BOOL, offsetof(struct rotate_options, all), NULL,
     "the agents of all hosts, one after the other"},
};

static int run_rotate(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct rotate_options *o = options;
    _cleanup_(client_closep) struct client *c = NULL;
    json_auto_t *answer = NULL;
    const json_t *list;
    int exit_code = 0;

    if (o->all == (words->n > 0)) {
        output_error("dockmon %s: expected either hosts or --all", verb->name);
        return EXIT_USAGE;
    }
    c = client_open_configured();
    list = c ? list_agents(c, &answer) : NULL;
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
    .usage = "[OPTIONS] HOST [HOST...]",
    .summary = "Give agents a new permanent token",
    .examples = "  dockmon agent rotate web1 web2\n  dockmon agent rotate --all\n",
    .flags = rotate_flags,
    .n_flags = ARRAY_LEN(rotate_flags),
    .words = WORDS_HOSTS,
    .max_words = SIZE_MAX,
    .options_size = sizeof(struct rotate_options),
    .run = run_rotate,
};

static int run_revoke(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    json_auto_t *answer = NULL;
    const json_t *list;
    int exit_code = 0;

    (void)verb;
    (void)options;
    list = c ? list_agents(c, &answer) : NULL;
    if (!list)
        return 1;
    for (size_t i = 0; i < words->n; i++)
        exit_code |= change_one(c, "revoke", list, words->items[i]);
    return exit_code;
}

const struct verb verb_agent_revoke = {
    .name = "agent revoke",
    .usage = "HOST [HOST...]",
    .summary = "Refuse agents' tokens from now on; a registration token brings them back",
    .examples = "  dockmon agent revoke web1\n",
    .words = WORDS_HOSTS,
    .min_words = 1,
    .run = run_revoke,
};
