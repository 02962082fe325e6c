/* Users with their passwords and roles, and API keys. */

#include "base/alloc.h"
#include "base/str.h"
#include "server/auth/auth.h"
#include "server/auth/first_user.h"
#include "server/auth/networks.h"
#include "server/auth/password.h"
#include "server/import/import.h"
#include "server/store/api_keys.h"
#include "server/store/users.h"

#include <errno.h>

#define MAX_USERS 10000
#define MAX_KEYS  10000

/*
 * A group counts only if the file calls it as every installation of DockMon does: a row without
 * one of these has the fewest rights, never more than its owner had.
 */
#define SYSTEM_GROUP \
    "(g.id, g.name) IN (VALUES (1, 'Administrators'), (2, 'Operators'), (3, 'Read Only'))"

static enum role read_role(const struct foreign_row *row)
{
    switch (foreign_row_i64(row, "system_group", 0)) {
    case 1: return ROLE_ADMIN;
    case 2: return ROLE_OPERATOR;
    default: return ROLE_VIEWER;
    }
}

/* The user of the first start gives way to its namesake until it has logged in. */
static bool is_untouched_first_user(const struct user *u)
{
    return str_eq(u->name, FIRST_USER_NAME) && u->last_login_at_ms == 0 && u->role == ROLE_ADMIN &&
           u->must_change_password && !u->scope;
}

static int replace_first_user(struct import *im,
                              const struct user *known,
                              const struct user *u,
                              struct error *err)
{
    int r = users_set_password(im->to, known->id, u->password_hash, u->must_change_password,
                               im->now_ms, err);

    if (r == 0)
        r = users_set_rights(im->to, known->id, u->role, NULL, im->now_ms, err);
    if (r == 0)
        r = users_set_profile(im->to, known->id, u->display_name, u->email, im->now_ms, err);
    return r;
}

/* Returns why a user cannot come, or NULL. */
static const char *find_obstacle(const struct foreign_row *row, const struct user *u)
{
    if (!u->name || !auth_name_is_valid(u->name))
        return "the name is missing, or not 1 to 63 letters, digits, `.`, `_`, `@` or `-`";
    if (foreign_row_i64(row, "approved", 1) == 0 || foreign_row_i64(row, "is_active", 1) == 0 ||
        foreign_row_is_set(row, "deleted_at"))
        return "not approved, or deleted, in DockMon";
    if (!u->password_hash || !password_is_known_hash(u->password_hash)) {
        return "the password is stored neither as argon2id nor as bcrypt within limits: create the "
               "user";
    }
    return NULL;
}

static void read_user(const struct foreign_row *row, struct import *im, struct user *u)
{
    u->name = foreign_row_text(row, "username", AUTH_MAX_NAME);
    u->password_hash = foreign_row_text(row, "password_hash", PASSWORD_HASH_SIZE - 1);
    u->display_name = foreign_row_text(row, "display_name", USER_MAX_DISPLAY_NAME);
    u->email = foreign_row_text(row, "email", USER_MAX_EMAIL);
    u->role = read_role(row);
    u->must_change_password = foreign_row_i64(row, "must_change_password", 0) != 0 ||
                              foreign_row_i64(row, "is_first_login", 0) != 0;
    u->created_at_ms = foreign_row_time(row, "created_at");
    u->updated_at_ms = im->now_ms;
}

static bool has_empty_preferences(const struct foreign_row *row)
{
    _cleanup_free_ char *prefs = foreign_row_text(row, "prefs", 2);

    return prefs && str_eq(prefs, "{}");
}

static int add_user(void *arg, const struct foreign_row *row, struct error *err)
{
    _cleanup_(user_done) struct user u = {0}, known = {0};
    struct import *im = arg;
    const char *why;
    int64_t id;
    int r;

    read_user(row, im, &u);
    why = find_obstacle(row, &u);
    if (why) {
        import_refuse(im, IMPORT_USERS, u.name, why);
        return 0;
    }
    r = users_get_by_name(im->to, u.name, &known, NULL);
    if (r == 0 &&
        (!is_untouched_first_user(&known) || str_eq(known.password_hash, u.password_hash)))
        return import_note(im, IMPORT_USERS, u.name, -EEXIST, err);
    if (foreign_row_is_set(row, "prefs") && !has_empty_preferences(row)) {
        import_remark(im, IMPORT_USERS, u.name, "comes without the preferences of the web UI");
    }
    if (!foreign_row_is_set(row, "system_group")) {
        import_remark(im, IMPORT_USERS, u.name,
                      "becomes a viewer: the file has the user in none of the groups "
                      "Administrators, Operators and Read Only");
    }
    r = r == 0 ? replace_first_user(im, &known, &u, err) : users_insert(im->to, &u, &id, err);
    return import_note(im, IMPORT_USERS, u.name, r, err);
}

/* Returns why a key cannot come, or NULL. A value that cannot be read counts as the worst one. */
static const char *find_key_obstacle(const struct import *im,
                                     const struct foreign_row *row,
                                     const struct api_key *k)
{
    struct networks networks;

    if (foreign_row_is_set(row, "revoked_at"))
        return "revoked";
    if (foreign_row_is_set(row, "expires_at") && k->expires_at_ms <= im->now_ms)
        return "expired";
    if (foreign_row_is_set(row, "allowed_ips") && !k->networks)
        return "limited to addresses in a form that is not known: create the key again";
    if (networks_parse(k->networks, &networks, NULL) < 0)
        return "limited to addresses that are invalid: create the key again with its networks";
    return NULL;
}

static int add_key(void *arg, const struct foreign_row *row, struct error *err)
{
    _cleanup_(api_key_done) struct api_key k = {0};
    _cleanup_free_ char *hash = foreign_row_text(row, "key_hash", 64);
    struct import *im = arg;
    const char *why;
    int r;

    k.name = foreign_row_text(row, "name", API_KEY_MAX_NAME);
    if (!k.name || !hash || !str_is_hex(hash, 64)) {
        import_refuse(im, IMPORT_KEYS, k.name, "its name or its hash is missing or invalid");
        return 0;
    }
    k.role = read_role(row);
    k.created_at_ms = foreign_row_time(row, "created_at");
    k.expires_at_ms = foreign_row_time(row, "expires_at");
    k.networks = foreign_row_text(row, "allowed_ips", NETWORKS_TEXT_MAX);
    k.description = foreign_row_text(row, "description", API_KEY_MAX_DESCRIPTION);
    k.prefix = foreign_row_text(row, "key_prefix", 20);
    if (!k.prefix)
        k.prefix = xstrdup(API_KEY_PREFIX);
    why = find_key_obstacle(im, row, &k);
    if (why) {
        import_refuse(im, IMPORT_KEYS, k.name, why);
        return 0;
    }
    r = api_keys_adopt(im->to, &k, hash, err);
    if (r == -EDOM) {
        import_refuse(im, IMPORT_KEYS, k.name, "the name is invalid");
        return 0;
    }
    if (r == 0 && !foreign_row_is_set(row, "system_group")) {
        import_remark(im, IMPORT_KEYS, k.name,
                      "becomes a key of a viewer: its group is none of Administrators, Operators "
                      "and Read Only");
    }
    return import_note(im, IMPORT_KEYS, k.name, r, err);
}

/*
 * The name of the table of members is not certain (IMPORT_MEMBERS_TABLES); without one, nobody is in
 * a group, which the report says.
 */
#define MEMBERS "CREATE TEMP VIEW IF NOT EXISTS dockmon_members AS SELECT "
#define GROUPS  "CREATE TEMP VIEW IF NOT EXISTS dockmon_groups AS SELECT "

static const struct foreign_alias group_tables[] = {
    {"custom_groups", GROUPS "id, name FROM main.custom_groups", {"id", "name"}},
    {NULL,            GROUPS "NULL AS id, NULL AS name WHERE 0", {NULL}        },
};
static const struct foreign_alias member_tables[] = {
    {"user_group_memberships",
     MEMBERS "user_id, group_id FROM main.user_group_memberships",
     {"user_id", "group_id"}                                                                               },
    {"group_memberships",
     MEMBERS "user_id, group_id FROM main.group_memberships",
     {"user_id", "group_id"}                                                                               },
    {"user_groups",            MEMBERS "user_id, group_id FROM main.user_groups",   {"user_id", "group_id"}},
    {NULL,                     MEMBERS "NULL AS user_id, NULL AS group_id WHERE 0", {NULL}                 },
};

int import_accounts(struct import *im, struct error *err)
{
    static const struct foreign_query users = {
        "users",
        "SELECT u.*, (SELECT min(g.id) FROM temp.dockmon_members AS m JOIN temp.dockmon_groups AS g "
        "ON g.id = m.group_id WHERE m.user_id = u.id AND " SYSTEM_GROUP ") AS system_group "
        "FROM main.users AS u ORDER BY u.id",
        MAX_USERS};
    static const struct foreign_query keys = {
        "api_keys",
        "SELECT k.*, (SELECT g.id FROM temp.dockmon_groups AS g WHERE g.id = k.group_id "
        "AND " SYSTEM_GROUP ") AS system_group FROM main.api_keys AS k ORDER BY k.id",
        MAX_KEYS};
    const char *groups_table;
    int r = foreign_file_alias(im->from, group_tables, &groups_table, err);

    if (r == 0)
        r = foreign_file_alias(im->from, member_tables, &im->members_table, err);
    if (r == 0)
        r = import_read_table(im, &users, IMPORT_USERS, add_user, im, err);
    if (r == 0)
        r = import_read_table(im, &keys, IMPORT_KEYS, add_key, im, err);
    return r;
}
