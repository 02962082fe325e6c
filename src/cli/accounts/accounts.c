#include "cli/accounts/accounts.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/accounts/scope.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/text.h"

#include <errno.h>

const struct flag account_flags_ls_names[] = {LISTING_QUIET(0, "names"), LISTING_JSON(0)};
const struct flag account_flags_ls_wide_names[] = {LISTING_QUIET(0, "names"), LISTING_JSON(0),
                                                   LISTING_WIDE(0, "the remaining columns")};
const struct flag account_flags_ls_wide_ids[] = {LISTING_QUIET(0, "ids"), LISTING_JSON(0),
                                                 LISTING_WIDE(0, "the remaining columns")};

char *account_time_ago(const json_t *account, const char *member)
{
    return text_ago(member_text(account, member), time_utc_ms(), "never");
}

int accounts_fetch(struct client *c,
                   const struct account_kind *kind,
                   json_t **ret,
                   struct error *err)
{
    json_auto_t *answer = NULL;
    json_t *list;
    int r;

    r = client_get(c, xstrdup(kind->path), &answer, err);
    if (r < 0)
        return r;
    list = kind->member ? json_object_get(answer, kind->member) : answer;
    if (!json_is_array(list))
        return error_set(err, -EPROTO, MSG_INVALID_LIST "s", kind->noun);
    *ret = json_incref(list);
    return 0;
}

static bool has_name(const struct account_kind *kind, const json_t *account, const char *word)
{
    long long number = (long long)member_integer(account, "id");
    _cleanup_free_ char *id = xasprintf("%lld", number);

    return str_eq(member_text(account, kind->name), word) || (kind->has_ids && str_eq(id, word));
}

json_t *accounts_find(const struct account_kind *kind,
                      const json_t *list,
                      const char *word,
                      struct error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *account = json_array_get(list, i);

        if (has_name(kind, account, word))
            return account;
    }
    (void)error_set(err, -ENOENT, MSG_NOT_FOUND, kind->noun, word);
    return NULL;
}

char *account_path(const struct account_kind *kind, const json_t *account, const char *tail)
{
    const char *id = json_string_value(json_object_get(account, "id"));

    if (id) {
        _cleanup_free_ char *escaped = text_url_encode(id);

        return xasprintf("%s/%s%s", kind->path, escaped, tail);
    }
    return xasprintf("%s/%lld%s", kind->path, (long long)member_integer(account, "id"), tail);
}

json_t *accounts_fetch_or_print(struct client *c, const struct account_kind *kind)
{
    struct error err = ERROR_INIT;
    json_t *list = NULL;

    if (c && accounts_fetch(c, kind, &list, &err) < 0)
        (void)output_failure(NULL, err.msg);
    return list;
}

int accounts_run_ls(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct account_kind *kind = verb->data;
    const struct listing_options *o = options;
    json_auto_t *list = accounts_fetch_or_print(c, kind), *hosts = NULL;

    (void)words;
    if (!list)
        return 1;
    if (kind->has_scopes && !o->json && !o->quiet)
        hosts = scope_fetch_hosts(c, list);
    listing_print(&kind->listing, list, o, hosts);
    return 0;
}

int accounts_run_rm(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct account_kind *kind = verb->data;
    json_auto_t *list = accounts_fetch_or_print(c, kind);
    int exit_code = 0;

    (void)options;
    if (!list)
        return 1;
    for (size_t i = 0; i < words->n; i++) {
        struct error err = ERROR_INIT;
        const json_t *account = accounts_find(kind, list, words->items[i], &err);

        if (!account) {
            exit_code = output_failure(NULL, err.msg);
        } else if (client_send(c, "DELETE", account_path(kind, account, ""), NULL, NULL, &err) <
                   0) {
            exit_code = output_failure(words->items[i], err.msg);
        } else {
            output_line("%s", words->items[i]);
        }
    }
    return exit_code;
}
