/*
 * host rename, host tag, host rm: changes of one or several hosts by an administrator.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/prompt.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/hosts/hosts.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* *host: the host that the word names; borrowed from *all, which the caller frees. */
static int fetch_host(
    struct client *c, const char *word, json_t **all, json_t **host, struct error *err)
{
    int r = client_get(c, xstrdup("/api/hosts"), all, err);

    return r < 0 ? r : hosts_find(*all, word, host, err);
}

/* --- rename ----------------------------------------------------------------------------------- */

static int run_rename(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    json_auto_t *all = NULL;
    json_t *host = NULL;
    struct error err = ERROR_INIT;
    int r;

    (void)verb;
    (void)options;
    if (!c)
        return 1;
    r = fetch_host(c, words->items[0], &all, &host, &err);
    if (r == 0) {
        r = client_send(c, "PUT", host_path(host, ""), json_pack("{s:s}", "name", words->items[1]),
                        NULL, &err);
    }
    return r < 0 ? output_failure(words->items[0], err.msg) : 0;
}

const struct verb verb_host_rename = {
    .name = "host rename",
    .usage = "HOST NEW_NAME",
    .summary = "Give a host another name",
    .examples = "  dockmon host rename vm-17 web-1\n",
    .words = WORDS_ONE_HOST,
    .min_words = 2,
    .max_words = 2,
    .run = run_rename,
};

/* --- tag -------------------------------------------------------------------------------------- */

/*
 * "prod" and "+prod" add a tag, "prod-" and "-prod" remove it: both notations are in use by tools
 * of this kind.
 */
static json_t *make_tags(const struct args_list *words)
{
    json_t *add = json_array(), *remove = json_array();

    for (size_t i = 1; i < words->n; i++) {
        const char *tag = words->items[i];
        size_t n = strlen(tag);
        bool has_sign = n > 1 && (tag[0] == '+' || tag[0] == '-');
        bool has_dash = n > 1 && !has_sign && tag[n - 1] == '-';

        (void)json_array_append_new(has_dash || (has_sign && tag[0] == '-') ? remove : add,
                                    json_stringn(tag + has_sign, n - has_sign - has_dash));
    }
    return json_pack("{s:o, s:o}", "tags_to_add", add, "tags_to_remove", remove);
}

static void print_tags(const json_t *tags)
{
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));

        output_line("%s", tag ? tag : "");
    }
}

static int run_tag(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    json_auto_t *all = NULL, *answer = NULL;
    json_t *host = NULL;
    struct error err = ERROR_INIT;
    int r;

    (void)verb;
    (void)options;
    if (!c)
        return 1;
    r = fetch_host(c, words->items[0], &all, &host, &err);
    if (r == 0 && words->n > 1)
        r = client_send(c, "PATCH", host_path(host, "tags"), make_tags(words), &answer, &err);
    if (r < 0)
        return output_failure(words->items[0], err.msg);
    print_tags(json_object_get(answer ? answer : host, "tags"));
    return 0;
}

const struct verb verb_host_tag = {
    .name = "host tag",
    .usage = "HOST [TAG | TAG-]...",
    .summary = "Add tags to a host, remove those with a dash behind them, and print the tags",
    .examples = "  dockmon host tag web-1 prod +eu\n  dockmon host tag web-1 eu-\n"
                "  dockmon host tag web-1 -- -eu\n",
    .words = WORDS_ONE_HOST,
    .min_words = 1,
    .max_words = SIZE_MAX,
    .run = run_tag,
};

/* --- rm --------------------------------------------------------------------------------------- */

struct rm_options {
    bool is_forced;
};

static const struct flag rm_flags[] = {
    {"force", 'f', FLAG_BOOL, offsetof(struct rm_options, is_forced), NULL, "do not ask"},
};

/* Returns 0 for yes, 1 for no, or a negative errno if there is no terminal to ask on. */
static int confirm(const char *name, struct error *err)
{
    _cleanup_free_ char *safe = text_escape_str(name);
    _cleanup_free_ char *question = xasprintf(
        "The events of %s are removed, and its agent can no longer connect.\n"
        "Are you sure you want to continue? [y/N] ",
        safe);
    _cleanup_free_ char *answer = NULL;
    int r = prompt_line(question, false, &answer, err);

    if (r == -ENOTTY) {
        return error_set(err, r,
                         "there is no terminal to ask on; use --force to remove without asking");
    }
    if (r < 0)
        return r;
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0 ? 0 : 1;
}

/* Returns the exit code. */
static int remove_one(struct client *c, const json_t *all, const char *word, bool is_forced)
{
    struct error err = ERROR_INIT;
    json_t *host = NULL;
    int r = hosts_find(all, word, &host, &err);

    if (r == 0 && !is_forced)
        r = confirm(member_text(host, "name"), &err);
    if (r > 0)
        return 1;
    if (r == 0)
        r = client_send(c, "DELETE", host_path(host, ""), NULL, NULL, &err);
    if (r < 0)
        return output_failure(word, err.msg);
    output_line("%s", word);
    return 0;
}

static int run_rm(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct rm_options *o = options;
    json_auto_t *all = NULL;
    struct error err = ERROR_INIT;
    int exit_code = 0;

    (void)verb;
    if (!c)
        return 1;
    if (client_get(c, xstrdup("/api/hosts"), &all, &err) < 0)
        return output_failure(NULL, err.msg);
    for (size_t i = 0; i < words->n; i++)
        exit_code |= remove_one(c, all, words->items[i], o->is_forced);
    return exit_code;
}

const struct verb verb_host_rm = {
    .name = "host rm",
    .usage = "[OPTIONS] HOST [HOST...]",
    .summary = "Remove hosts, their events and the access of their agents",
    .examples = "  dockmon host rm old-vm\n",
    VERB_FLAGS(rm_flags),
    .words = WORDS_ONE_HOST,
    .min_words = 1,
    .options_size = sizeof(struct rm_options),
    .run = run_rm,
};
