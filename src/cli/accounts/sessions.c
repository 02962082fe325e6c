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

static const struct listing_column columns[] = {
    {"SESSION", "id",         NULL,           NULL},
    {"USER",    "username",   NULL,           NULL},
    {"FROM",    "peer",       NULL,           NULL},
    {"SINCE",   "created_at", NULL,           NULL},
    {"EXPIRES", "expires_at", NULL,           NULL},
    {"CURRENT", NULL,         format_current, NULL},
};

const struct account_kind account_sessions = {
    .path = "/api/v2/auth/sessions",
    .member = "sessions",
    .noun = "session",
    .name = "id",
    .listing = {.columns = columns, .n_columns = ARRAY_LEN(columns), .quiet_member = "id"},
};

const struct verb verb_session_ls = {
    .name = "session ls",
    .summary = "List your sessions, or those of all users as an admin",
    .examples = "  dockmon session ls\n",
    ACCOUNTS_LS(account_sessions, ids),
};

const struct verb verb_session_rm = {
    .name = "session rm",
    .usage = "SESSION [SESSION...]",
    .summary = "End sessions",
    .examples = "  dockmon session rm 0f1e2d3c4b5a6978\n",
    .words = WORDS_SESSIONS,
    ACCOUNTS_RM(account_sessions),
};
