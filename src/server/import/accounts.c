/* Users with their passwords and roles, and API keys. */

#include "base/alloc.h"
#include "base/str.h"
#include "server/auth/first_user.h"
#include "server/auth/password.h"
#include "server/import/import.h"
#include "server/store/api_keys.h"
#include "server/store/users.h"

#include <errno.h>

#define MAX_USERS 10000
#define MAX_KEYS  10000
#define MAX_NAME  63
#define MAX_TEXT  2000

/* In the words of the groups that every installation of DockMon has. */
static enum role role_of_group(int64_t id)
{
    switch (id) {
    case 1: return ROLE_ADMIN;
    case 2: return ROLE_OPERATOR;
    default: return ROLE_VIEWER;
    }
}

/* Files without groups have a role, or only administrators. */
static enum role read_role(const struct foreign_row *row)
{
    _cleanup_free_ char *text = foreign_row_text(row, "role", MAX_NAME);
    int64_t group = foreign_row_i64(row, "group_id", -1);

    if (group >= 0)
        return role_of_group(group);
    if (!text)
        return foreign_row_i64(row, "has_groups", 0) == 1 ? ROLE_VIEWER : ROLE_ADMIN;
    if (str_eq(text, "admin"))
        return ROLE_ADMIN;
    return str_eq(text, "operator") || str_eq(text, "user") ? ROLE_OPERATOR : ROLE_VIEWER;
}

/* The user whom the first start creates gives way until it has logged in. */
static int replace_first_user(struct import *im,
                              const struct user *known,
                              const struct user *u,
                              struct error *err)
{
    int r;

    if (!str_eq(u->name, FIRST_USER_NAME) || known->last_login_at_ms != 0 ||
        str_eq(known->password_hash, u->password_hash))
        return import_note(im, IMPORT_USERS, u->name, -EEXIST, err);
    r = users_set_password(im->to, known->id, u->password_hash, u->must_change_password, im->now_ms,
                           err);
    return import_note(im, IMPORT_USERS, u->name, r, err);
}

static int add_user(void *arg, const struct foreign_row *row, struct error *err)
{
    _cleanup_(user_done) struct user u = {0}, known = {0};
    struct import *im = arg;
    int64_t id;

    u.name = foreign_row_text(row, "username", MAX_NAME);
    u.password_hash = foreign_row_text(row, "password_hash", PASSWORD_HASH_SIZE - 1);
    if (!u.name) {
        import_refuse(im, IMPORT_USERS, NULL, "the name is missing, or longer than 63 bytes");
        return 0;
    }
    if (!u.password_hash || !password_is_known_hash(u.password_hash)) {
        import_refuse(im, IMPORT_USERS, u.name,
                      "the password is not stored as argon2id within limits: create the user");
        return 0;
    }
    u.role = read_role(row);
    u.must_change_password = foreign_row_i64(row, "must_change_password", 0) == 1;
    u.created_at_ms = foreign_row_time(row, "created_at");
    u.updated_at_ms = im->now_ms;
    if (users_get_by_name(im->to, u.name, &known, NULL) == 0)
        return replace_first_user(im, &known, &u, err);
    return import_note(im, IMPORT_USERS, u.name, users_insert(im->to, &u, &id, err), err);
}

static bool is_key_usable(struct import *im, const struct foreign_row *row, const char *name)
{
    _cleanup_free_ char *revoked = foreign_row_text(row, "revoked_at", MAX_NAME);
    _cleanup_free_ char *expires = foreign_row_text(row, "expires_at", MAX_NAME);
    int64_t at_ms = foreign_row_time(row, "expires_at");

    if (revoked) {
        import_refuse(im, IMPORT_KEYS, name, "revoked");
    } else if (expires && at_ms <= im->now_ms) {
        import_refuse(im, IMPORT_KEYS, name, "expired");
    } else {
        return true;
    }
    return false;
}

static int add_key(void *arg, const struct foreign_row *row, struct error *err)
{
    _cleanup_(api_key_done) struct api_key k = {0};
    _cleanup_free_ char *hash = foreign_row_text(row, "key_hash", 64);
    _cleanup_free_ char *allowed = foreign_row_text(row, "allowed_ips", MAX_TEXT);
    struct import *im = arg;
    int r;

    k.name = foreign_row_text(row, "name", API_KEY_MAX_NAME);
    if (!k.name || !hash || !str_is_hex(hash, 64)) {
        import_refuse(im, IMPORT_KEYS, k.name, "its name or its hash is missing or invalid");
        return 0;
    }
    if (!is_key_usable(im, row, k.name))
        return 0;
    if (allowed) {
        import_refuse(im, IMPORT_KEYS, k.name,
                      "limited to addresses: create the key again with its networks");
        return 0;
    }
    k.role = role_of_group(foreign_row_i64(row, "group_id", 0));
    k.created_at_ms = foreign_row_time(row, "created_at");
    k.expires_at_ms = foreign_row_time(row, "expires_at");
    k.prefix = foreign_row_text(row, "key_prefix", 20);
    if (!k.prefix)
        k.prefix = xstrdup(API_KEY_PREFIX);
    r = api_keys_adopt(im->to, &k, hash, err);
    if (r == -EDOM) {
        import_refuse(im, IMPORT_KEYS, k.name, "the name is invalid");
        return 0;
    }
    return import_note(im, IMPORT_KEYS, k.name, r, err);
}

int import_accounts(struct import *im, struct error *err)
{
    int r = foreign_file_has(im->from, "users", err);
    int has_groups = r > 0 ? foreign_file_has(im->from, "user_group_memberships", err) : 0;

    if (has_groups < 0)
        return has_groups;
    if (r > 0) {
        r = foreign_file_each(im->from,
                              has_groups ? "SELECT *, 1 AS has_groups, (SELECT min(group_id) FROM "
                                           "main.user_group_memberships AS m WHERE m.user_id = "
                                           "u.id) AS group_id FROM main.users AS u"
                                         : "SELECT * FROM main.users",
                              MAX_USERS, add_user, im, err);
    }
    if (r == -EINVAL) {
        import_refuse(im, IMPORT_USERS, "groups", "the table has other columns than expected");
        r = 0;
    }
    if (r == 0)
        r = foreign_file_has(im->from, "api_keys", err);
    if (r > 0)
        r = foreign_file_each(im->from, "SELECT * FROM main.api_keys", MAX_KEYS, add_key, im, err);
    return r;
}
