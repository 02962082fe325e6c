/*
 * user ls, create, set, rm, passwd. The initial password of a user comes from the server and is
 * printed once; users change their own password with new_password.h.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/accounts/accounts.h"
#include "cli/accounts/new_password.h"
#include "cli/accounts/scope.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/prompt.h"
#include "cli/common/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static char *format_password(const json_t *user, const void *owner)
{
    bool is_initial = member_is_true(user, "must_change_password");

    (void)owner;
    return xstrdup(is_initial ? "to be changed" : "");
}

static char *format_login(const json_t *user, const void *owner)
{
    (void)owner;
    return account_time_ago(user, "last_login");
}

static const struct listing_column columns[] = {
    {"USER",       "username", NULL,            NULL},
    {"ROLE",       "role",     NULL,            NULL},
    {"LAST LOGIN", NULL,       format_login,    NULL},
    {"PASSWORD",   NULL,       format_password, NULL},
    {"SCOPE",      NULL,       scope_text,      NULL},
};

const struct account_kind account_users = {
    .path = "/api/v2/users",
    .member = "users",
    .noun = "user",
    .name = "username",
    .listing = {.columns = columns, .n_columns = ARRAY_LEN(columns), .quiet_member = "username"},
    .has_scopes = true,
};

const struct verb verb_user_ls = {
    .name = "user ls",
    .summary = "List the users of the server",
    .examples = "  dockmon user ls\n",
    ACCOUNTS_LS(account_users, names),
};

/* The user with this name; *ret is the caller's. */
static int find_user(struct client *c, const char *name, json_t **ret, struct error *err)
{
    json_auto_t *users = NULL;
    int r = accounts_fetch(c, &account_users, &users, err);

    if (r < 0)
        return r;
    *ret = json_incref(accounts_find(&account_users, users, name, err));
    return *ret ? 0 : err->code;
}

/* Prints the new password in the answer, or the error. Returns the exit code. */
static int print_password(int r, const json_t *answer, const char *member, const struct error *err)
{
    if (r < 0)
        return output_failure(NULL, err->msg);
    output_line("%s", member_text(answer, member));
    output_note(
        "Keep this password: it is not shown again. It must be changed at the first login.");
    return 0;
}

struct create_options {
    const char *role;
    struct args_list scope;
};

static const struct flag create_flags[] = {
    ROLE_FLAG(create_options, role),
    SCOPE_FLAG(create_options, scope),
};

static int run_create(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct create_options *o = options;
    struct error err = ERROR_INIT;
    json_auto_t *answer = NULL;
    int r;

    (void)verb;
    if (!c)
        return 1;
    r = client_send(c, "POST", xstrdup("/api/v2/users"),
                    json_pack("{s:s, s:s, s:o}", "username", words->items[0], "role",
                              o->role ? o->role : "viewer", "scope", scope_json(&o->scope)),
                    &answer, &err);
    return print_password(r, answer, "password", &err);
}

const struct verb verb_user_create = {
    .name = "user create",
    .usage = "[OPTIONS] NAME",
    .summary = "Create a user and print the initial password",
    .examples = "  dockmon user create --role operator olga\n"
                "  dockmon user create --scope host=web-1 --scope label=team=web vera\n",
    VERB_FLAGS(create_flags),
    .min_words = 1,
    .max_words = 1,
    .options_size = sizeof(struct create_options),
    .run = run_create,
};

struct set_options {
    const char *role;
    struct args_list scope;
    bool no_scope;
};

static const struct flag set_flags[] = {
    {"role",     'r', FLAG_STRING, offsetof(struct set_options, role),     "ROLE",
     "viewer, operator or admin"                       },
    SCOPE_FLAG(set_options, scope),
    {"no-scope", 0,   FLAG_BOOL,   offsetof(struct set_options, no_scope), NULL,
     "remove the scope: everything is accessible again"},
};

static int run_set(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    const struct set_options *o = options;
    json_auto_t *user = NULL;
    struct error err = ERROR_INIT;
    json_t *body;
    int r;

    (void)verb;
    if (o->scope.n > 0 && o->no_scope) {
        output_error(MSG_EXCLUSIVE, "scope", "no-scope");
        return EXIT_USAGE;
    }
    c = client_open_configured();
    if (!c)
        return 1;
    r = find_user(c, words->items[0], &user, &err);
    if (r == 0) {
        body = json_pack("{s:s}", "role", o->role ? o->role : member_text(user, "role"));
        if (o->scope.n > 0 || o->no_scope)
            (void)json_object_set_new(body, "scope", scope_json(&o->scope));
        r = client_send(c, "PUT", account_path(&account_users, user, ""), body, NULL, &err);
    }
    if (r < 0)
        return output_failure(NULL, err.msg);
    output_line("%s", words->items[0]);
    return 0;
}

const struct verb verb_user_set = {
    .name = "user set",
    .usage = "[OPTIONS] NAME",
    .summary = "Change the role or the scope of a user, and end the user's sessions",
    .examples = "  dockmon user set --role operator --scope tag=staging olga\n"
                "  dockmon user set --no-scope olga\n",
    VERB_FLAGS(set_flags),
    .words = WORDS_USERS,
    .min_words = 1,
    .max_words = 1,
    .options_size = sizeof(struct set_options),
    .run = run_set,
};

const struct verb verb_user_rm = {
    .name = "user rm",
    .usage = "NAME [NAME...]",
    .summary = "Remove users, with their sessions and API keys",
    .examples = "  dockmon user rm olga\n",
    .words = WORDS_USERS,
    ACCOUNTS_RM(account_users),
};

struct passwd_options {
    const char *user;
    bool is_stdin, keep_keys;
};

static const struct flag passwd_flags[] = {
    {"username",  'u', FLAG_STRING, offsetof(struct passwd_options, user),      "USER",
     "your user name, to log in and change your password; asked for when you use an API key"},
    {"keep-keys", 0,   FLAG_BOOL,   offsetof(struct passwd_options, keep_keys), NULL,
     "keep your API keys, which end with the password otherwise"                            },
    {"stdin",     0,   FLAG_BOOL,   offsetof(struct passwd_options, is_stdin),  NULL,
     "read two lines from standard input: the current password and the new one"             },
};

static int read_both(char **ret_current, char **ret_new, struct error *err)
{
    int r = prompt_read_stdin("current password", ret_current, err);

    return r == 0 ? prompt_read_stdin("new password", ret_new, err) : r;
}

/* The user to log in as for the change; *ret is NULL if a session already identifies the user. */
static int find_user_name(struct client *c, const char *given, char **ret, struct error *err)
{
    json_auto_t *me = NULL;
    int r;

    if (given) {
        *ret = xstrdup(given);
        return 0;
    }
    r = client_get(c, xstrdup("/api/v2/auth/me"), &me, err);
    if (r < 0 || member_integer(json_object_get(me, "user"), "id") != 0)
        return r;
    r = prompt_line("User: ", false, ret, err);
    return r == -ENOTTY
               ? error_set(
                     err, r,
                     "you are logged in with an API key, which has no password; name the user "
                     "with --username")
               : r;
}

static int change_own_password(struct client *c, const struct passwd_options *o, struct error *err)
{
    _cleanup_(prompt_free_secretp) char *current = NULL, *new_password = NULL;
    _cleanup_free_ char *user = NULL;
    struct new_password change;
    int r;

    r = find_user_name(c, o->user, &user, err);
    if (r < 0)
        return r;
    if (o->is_stdin) {
        r = read_both(&current, &new_password, err);
    } else {
        r = prompt_line("Current password: ", true, &current, err);
        if (r == 0)
            r = new_password_ask(&new_password, err);
    }
    if (r < 0)
        return r;
    change = (struct new_password){current, new_password, o->keep_keys};
    return user ? new_password_send_as(user, &change, err) : new_password_send(c, &change, err);
}

static int run_passwd(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    const struct passwd_options *o = options;
    struct error err = ERROR_INIT;
    json_auto_t *answer = NULL, *user = NULL;
    int r;

    (void)verb;
    if (!c)
        return 1;
    if (words->n == 0) {
        r = change_own_password(c, o, &err);
        return r < 0 ? output_failure(NULL, err.msg) : 0;
    }
    r = find_user(c, words->items[0], &user, &err);
    if (r == 0) {
        r = client_send(c, "POST", account_path(&account_users, user, "/reset-password"),
                        json_object(), &answer, &err);
    }
    return print_password(r, answer, "temporary_password", &err);
}

const struct verb verb_user_passwd = {
    .name = "user passwd",
    .usage = "[OPTIONS] [NAME]",
    .summary =
        "Change your password, or reset that of a user to a random one; sessions and API keys end",
    .examples = "  dockmon user passwd -u olga\n  dockmon user passwd olga\n",
    VERB_FLAGS(passwd_flags),
    .words = WORDS_USERS,
    .max_words = 1,
    .options_size = sizeof(struct passwd_options),
    .run = run_passwd,
};
