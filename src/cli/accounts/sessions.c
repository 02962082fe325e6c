/*
 * session ls, rm: logins that are open. A user lists and ends the own ones, an admin those of all.
 */

#include "base/alloc.h"
#include "cli/accounts/accounts.h"
#include "cli/common/member.h"
#include "cli/common/verbs.h"

static char *format_current(const json_t *session, const void *owner)
{
    (void)owner;
    return xstrdup(member_is_true(session, "is_current") ? "this one" : "");
}

static char *format_created(const json_t *session, const void *owner)
{
    (void)owner;
    return account_time_ago(session, "created_at");
}

#define NARROW_COLUMNS 5 /* the first ones, shown without --wide */

static const struct listing_column columns[] = {
    {"SESSION",   "id",         NULL,           NULL},
    {"USER",      "username",   NULL,           NULL},
    {"FROM",      "peer",       NULL,           NULL},
    {"LOGGED IN", NULL,         format_created, NULL},
    {"CURRENT",   NULL,         format_current, NULL},
    {"EXPIRES",   "expires_at", NULL,           NULL},
};

const struct account_kind account_sessions = {
    .path = "/api/v2/auth/sessions",
    .member = "sessions",
    .noun = "session",
    .name = "id",
    .listing = {.columns = columns,
                .n_columns = ARRAY_LEN(columns),
                .n_narrow = NARROW_COLUMNS,
                .quiet_member = "id"},
};

const struct verb verb_session_ls = {
    .name = "session ls",
    .summary = "List your sessions, or those of all users as an admin",
    .examples = "  dockmon session ls\n  dockmon session ls --wide\n",
    ACCOUNTS_LS(account_sessions, wide_ids),
};

const struct verb verb_session_rm = {
    .name = "session rm",
    .usage = "SESSION [SESSION...]",
    .summary = "End sessions",
    .examples = "  dockmon session rm 0f1e2d3c4b5a6978\n",
    .words = WORDS_SESSIONS,
    ACCOUNTS_RM(account_sessions),
};
