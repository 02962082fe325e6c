/* Tests users, user_sessions, api_keys and identities. */

#include "base/buf.h"
#include "base/str.h"
#include "server/sqlite/query.h"
#include "server/store/api_keys.h"
#include "server/store/fixture.h"
#include "server/store/identities.h"
#include "server/store/secret.h"
#include "server/store/user_sessions.h"
#include "server/store/users.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int64_t add_user(struct db *s, const char *name, enum role role)
{
    char copy[64], hash[] = "hash";
    struct user u = {.name = copy,
                     .password_hash = hash,
                     .role = role,
                     .must_change_password = true,
                     .created_at_ms = 1,
                     .updated_at_ms = 2};
    int64_t id = 0;

    memcpy(copy, name, strlen(name) + 1);
    assert_int_equal(users_insert(s, &u, &id, NULL), 0);
    assert_true(id > 0);
    return id;
}

static void test_all_columns_of_users_are_stored(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    int64_t id = add_user(s, "ann", ROLE_OPERATOR), n = 0;
    struct user u = {0};

    assert_int_equal(users_get(s, id, &u, NULL), 0);
    assert_int_equal(u.id, id);
    assert_string_equal(u.name, "ann");
    assert_string_equal(u.password_hash, "hash");
    assert_int_equal(u.role, ROLE_OPERATOR);
    assert_true(u.must_change_password);
    assert_int_equal(u.created_at_ms, 1);
    assert_int_equal(u.updated_at_ms, 2);
    assert_int_equal(u.last_login_at_ms, 0);
    user_done(&u);

    assert_int_equal(users_set_password(s, id, "new", false, 50, NULL), 0);
    assert_int_equal(users_touch_login(s, id, 60, NULL), 0);
    assert_int_equal(users_get_by_name(s, "ann", &u, NULL), 0);
    assert_string_equal(u.password_hash, "new");
    assert_false(u.must_change_password);
    assert_int_equal(u.updated_at_ms, 50);
    assert_int_equal(u.last_login_at_ms, 60);
    user_done(&u);

    assert_int_equal(users_get_by_name(s, "Ann", &u, NULL), -ENOENT);
    assert_int_equal(users_get(s, id + 1, &u, NULL), -ENOENT);
    assert_int_equal(users_set_password(s, id + 1, "x", false, 1, NULL), -ENOENT);
    assert_int_equal(users_count(s, &n, NULL), 0);
    assert_int_equal(n, 1);
}

static void test_user_names_are_unique(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char name[] = "ann", hash[] = "h";
    struct user u = {.name = name, .password_hash = hash, .role = ROLE_VIEWER};
    struct error err = ERROR_INIT;
    int64_t id = 7;

    (void)add_user(s, "ann", ROLE_ADMIN);
    assert_int_equal(users_insert(s, &u, &id, &err), -EEXIST);
    assert_non_null(strstr(err.msg, "ann"));
    assert_int_equal(id, 7);
    u.name = hash;
    u.role = ROLE_NONE;
    assert_int_equal(users_insert(s, &u, &id, NULL), -EINVAL);
}

static void add_session(struct db *s, const char *hash, int64_t user_id)
{
    char copy[16], peer[] = "127.0.0.1";
    struct user_session row = {.id_hash = copy,
                               .user_id = user_id,
                               .peer = peer,
                               .created_at_ms = 100,
                               .expires_at_ms = 200};

    memcpy(copy, hash, strlen(hash) + 1);
    assert_int_equal(user_sessions_insert(s, &row, NULL), 0);
}

static bool is_session(struct db *s, const char *hash, int64_t now_ms)
{
    struct identity_row row = {0};
    int r = identities_get_by_session(s, hash, now_ms, &row, NULL);

    assert_true(r == 0 || r == -ENOENT);
    identity_row_done(&row);
    return r == 0;
}

static void test_sessions_identify_their_user(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    int64_t ann = add_user(s, "ann", ROLE_OPERATOR);
    struct identity_row row = {0};

    add_session(s, "s1", ann);
    assert_int_equal(identities_get_by_session(s, "s1", 199, &row, NULL), 0);
    assert_int_equal(row.user_id, ann);
    assert_int_equal(row.key_id, 0);
    assert_string_equal(row.name, "ann");
    assert_int_equal(row.role, ROLE_OPERATOR);
    assert_true(row.must_change_password);
    assert_int_equal(row.expires_at_ms, 200);
    identity_row_done(&row);
    assert_false(is_session(s, "s1", 200)); /* expired */
    assert_false(is_session(s, "s2", 100));
}

static void test_sessions_end_by_logout_user_and_time(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    int64_t ann = add_user(s, "ann", ROLE_ADMIN), bob = add_user(s, "bob", ROLE_ADMIN);
    char hash[] = "x";
    struct user_session orphan = {.id_hash = hash, .user_id = 99};

    add_session(s, "a1", ann);
    add_session(s, "a2", ann);
    add_session(s, "a3", ann);
    add_session(s, "b1", bob);
    assert_int_equal(user_sessions_insert(s, &orphan, NULL), -EINVAL);

    assert_int_equal(user_sessions_delete(s, "a1", NULL), 0);
    assert_int_equal(user_sessions_delete(s, "a1", NULL), 0);
    assert_false(is_session(s, "a1", 150));
    assert_int_equal(user_sessions_delete_user(s, ann, "a2", NULL), 0);
    assert_true(is_session(s, "a2", 150));
    assert_false(is_session(s, "a3", 150));
    assert_true(is_session(s, "b1", 150));
    assert_int_equal(user_sessions_delete_user(s, ann, NULL, NULL), 0);
    assert_false(is_session(s, "a2", 150));
    assert_int_equal(user_sessions_purge(s, 199, NULL), 0);
    assert_true(is_session(s, "b1", 150));
    assert_int_equal(user_sessions_purge(s, 200, NULL), 0);
    assert_false(is_session(s, "b1", 150));
}

static int key_create(struct db *s, const struct api_key *spec, char **ret_key, int64_t *ret_id)
{
    struct api_key row = {0};
    int r = api_keys_create(s, spec, ret_key, &row, NULL);

    if (r == 0)
        *ret_id = row.id;
    api_key_done(&row);
    return r;
}

static int key_role(struct db *s, const char *key, int64_t now_ms)
{
    char hash[SECRET_HASH_SIZE];
    struct identity_row row = {0};
    enum role role;

    secret_hash(key, hash);
    if (identities_get_by_key(s, hash, now_ms, &row, NULL) < 0)
        return -1;
    assert_int_equal(row.user_id, 0);
    assert_true(row.key_id > 0);
    assert_string_equal(row.name, "ci");
    role = row.role;
    identity_row_done(&row);
    return (int)role;
}

static void test_key_is_valid_until_it_is_deleted(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char name[] = "ci";
    struct api_key spec = {.name = name, .role = ROLE_OPERATOR, .created_at_ms = 5};
    struct api_key row = {0};
    _cleanup_(secret_freep) char *key = NULL, *other = NULL;
    int64_t id = 0;

    assert_int_equal(key_create(s, &spec, &key, &id), 0);
    assert_int_equal(strlen(key), strlen(API_KEY_PREFIX) + 64);
    assert_memory_equal(key, "dockmon_", 8);
    assert_int_equal(key_role(s, key, 10), ROLE_OPERATOR);
    assert_int_equal(key_role(s, key + 8, 10), -1);

    assert_int_equal(api_keys_get(s, id, &row, NULL), 0);
    assert_string_equal(row.name, "ci");
    assert_int_equal(strlen(row.prefix), 13);
    assert_memory_equal(row.prefix, key, 13);
    assert_int_equal(row.role, ROLE_OPERATOR);
    assert_int_equal(row.created_by, 0);
    assert_int_equal(row.created_at_ms, 5);
    assert_int_equal(row.last_used_at_ms, 0);
    assert_int_equal(row.expires_at_ms, 0);
    api_key_done(&row);

    assert_int_equal(key_create(s, &spec, &other, &id), -EEXIST);
    assert_int_equal(api_keys_touch(s, id, 77, NULL), 0);
    assert_int_equal(api_keys_get(s, id, &row, NULL), 0);
    assert_int_equal(row.last_used_at_ms, 77);
    api_key_done(&row);
    assert_int_equal(api_keys_delete(s, id, &(struct api_keys_owner){0}, NULL), 0);
    assert_int_equal(api_keys_delete(s, id, &(struct api_keys_owner){0}, NULL), -ENOENT);
    assert_int_equal(api_keys_get(s, id, &row, NULL), -ENOENT);
    assert_int_equal(key_role(s, key, 10), -1);
}

static void test_keys_expire(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char name[] = "ci";
    struct api_key spec = {.name = name, .role = ROLE_VIEWER, .expires_at_ms = 100};
    _cleanup_(secret_freep) char *key = NULL;
    int64_t id = 0;

    assert_int_equal(key_create(s, &spec, &key, &id), 0);
    assert_int_equal(key_role(s, key, 99), ROLE_VIEWER);
    assert_int_equal(key_role(s, key, 100), -1);
}

static void test_keys_never_exceed_the_rights_of_their_creator(void **state)
{
    static const char demote[] = "UPDATE users SET role = 'viewer'";
    static const char drop[] = "DELETE FROM users";
    struct db *s = ((struct fixture *)*state)->store;
    char name[] = "ci";
    struct api_key spec = {
        .name = name, .role = ROLE_ADMIN, .created_by = add_user(s, "ann", ROLE_ADMIN)};
    _cleanup_(secret_freep) char *key = NULL;
    int64_t id = 0;

    assert_int_equal(key_create(s, &spec, &key, &id), 0);
    assert_int_equal(key_role(s, key, 1), ROLE_ADMIN);
    assert_int_equal(db_exec(s, demote, NULL), 0);
    assert_int_equal(key_role(s, key, 1), ROLE_VIEWER);
    assert_int_equal(db_exec(s, drop, NULL), 0);
    assert_int_equal(key_role(s, key, 1), -1);
}

static void assert_scope(struct db *s, const char *key, const char *own, const char *ceiling)
{
    char hash[SECRET_HASH_SIZE];
    struct identity_row row = {0};

    secret_hash(key, hash);
    assert_int_equal(identities_get_by_key(s, hash, 1, &row, NULL), 0);
    assert_true(str_eq(row.scope, own));
    assert_true(str_eq(row.scope_ceiling, ceiling));
    identity_row_done(&row);
}

static void test_scopes_are_stored_and_limit_the_keys_of_a_user(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char name[] = "ci", scope[] = "label=team=web\nhost=h2";
    struct api_key spec = {.name = name, .role = ROLE_ADMIN, .scope = scope};
    struct identity_row row = {0};
    _cleanup_(secret_freep) char *key = NULL;
    int64_t ann = add_user(s, "ann", ROLE_ADMIN), id = 0, n = 0;
    struct user u = {0};

    spec.created_by = ann;
    assert_int_equal(key_create(s, &spec, &key, &id), 0);
    assert_scope(s, key, scope, NULL);
    assert_int_equal(users_count_admins(s, &n, NULL), 0);
    assert_int_equal(n, 1);

    assert_int_equal(users_set_rights(s, ann, ROLE_ADMIN, "host=h1", 9, NULL), 0);
    assert_int_equal(users_set_rights(s, ann + 1, ROLE_ADMIN, "host=h1", 9, NULL), -ENOENT);
    assert_scope(s, key, scope, "host=h1");
    assert_int_equal(users_count_admins(s, &n, NULL), 0);
    assert_int_equal(n, 0); /* no admin without a scope remains */
    assert_int_equal(users_get(s, ann, &u, NULL), 0);
    assert_string_equal(u.scope, "host=h1");
    user_done(&u);
    add_session(s, "s1", ann);
    assert_int_equal(identities_get_by_session(s, "s1", 150, &row, NULL), 0);
    assert_string_equal(row.scope, "host=h1");
    assert_null(row.scope_ceiling);
    identity_row_done(&row);

    assert_int_equal(users_set_rights(s, ann, ROLE_ADMIN, NULL, 9, NULL), 0);
    assert_scope(s, key, scope, NULL);
}

static void test_key_names_and_roles_are_checked(void **state)
{
    static const struct {
        const char *name;
        enum role role;
    } bad[] = {
        {"",                                                                 ROLE_VIEWER   },
        {"a\nb",                                                             ROLE_VIEWER   },
        {"a\x7f",                                                            ROLE_VIEWER   },
        {"\xff",                                                             ROLE_VIEWER   },
        {"x",                                                                ROLE_NONE     },
        {"x",                                                                ROLE_ADMIN + 1},
        {"0123456789012345678901234567890123456789012345678901234567890123", ROLE_VIEWER   },
    };
    struct db *s = ((struct fixture *)*state)->store;
    char *key = NULL;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char name[80];
        struct api_key spec = {.name = name, .role = bad[i].role};

        memcpy(name, bad[i].name, strlen(bad[i].name) + 1);
        assert_int_equal(api_keys_create(s, &spec, &key, NULL, NULL), -EDOM);
        assert_null(key);
    }
}

static void append_name(void *arg, const struct api_key *k)
{
    assert_int_equal(buf_printf(arg, "%s:%s ", k->name, role_name(k->role)), 0);
}

static void test_keys_are_listed_by_name(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct buf names = BUF_INIT(100);
    char b[] = "b", a[] = "a";
    char *key = NULL;

    assert_int_equal(
        api_keys_create(s, &(struct api_key){.name = b, .role = ROLE_ADMIN}, &key, NULL, NULL), 0);
    secret_free(key);
    assert_int_equal(
        api_keys_create(s, &(struct api_key){.name = a, .role = ROLE_VIEWER}, &key, NULL, NULL), 0);
    secret_free(key);
    assert_int_equal(api_keys_each(s, &(struct api_keys_owner){0}, append_name, &names, NULL), 0);
    assert_string_equal(buf_str(&names), "a:viewer b:admin ");
    buf_done(&names);
}

static int64_t add_key(struct db *s, int n, int64_t user, int64_t parent)
{
    char name[16];
    const struct api_key spec = {
        .name = name, .role = ROLE_VIEWER, .created_by = user, .parent_id = parent};
    char *key = NULL;
    int64_t id = 0;
    int r;

    (void)snprintf(name, sizeof(name), "k%d", n);
    r = key_create(s, &spec, &key, &id);
    secret_free(key);
    return r < 0 ? r : id;
}

static void assert_keys(struct db *s, struct api_keys_owner owner, const char *expected)
{
    struct buf names = BUF_INIT(4000);

    assert_int_equal(api_keys_each(s, &owner, append_name, &names, NULL), 0);
    assert_string_equal(buf_str(&names), expected);
    buf_done(&names);
}

/* k1 (ann) -> k2 -> k3, k4 (ann), k5 (bob), k6 (offline) -> k7 */
static void test_keys_end_with_the_key_that_created_them(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    int64_t ann = add_user(s, "ann", ROLE_VIEWER), bob = add_user(s, "bob", ROLE_VIEWER);
    int64_t k1 = add_key(s, 1, ann, 0), k2 = add_key(s, 2, ann, k1);
    int64_t k3 = add_key(s, 3, ann, k2), k6;

    (void)add_key(s, 4, ann, 0);
    (void)add_key(s, 5, bob, 0);
    k6 = add_key(s, 6, 0, 0);
    (void)add_key(s, 7, 0, k6);
    assert_keys(s, (struct api_keys_owner){.key_id = k2}, "k2:viewer k3:viewer ");
    assert_keys(s, (struct api_keys_owner){.key_id = k6}, "k6:viewer k7:viewer ");
    assert_keys(s, (struct api_keys_owner){.user_id = ann},
                "k1:viewer k2:viewer k3:viewer k4:viewer ");

    assert_int_equal(api_keys_delete(s, k1, &(struct api_keys_owner){.key_id = k2}, NULL), -ENOENT);
    assert_int_equal(api_keys_delete(s, k1, &(struct api_keys_owner){.user_id = bob}, NULL),
                     -ENOENT);
    assert_int_equal(api_keys_delete(s, k3, &(struct api_keys_owner){.key_id = k2}, NULL), 0);
    (void)add_key(s, 3, ann, k2);
    assert_int_equal(api_keys_delete(s, k1, &(struct api_keys_owner){.user_id = ann}, NULL), 0);
    assert_keys(s, (struct api_keys_owner){0}, "k4:viewer k5:viewer k6:viewer k7:viewer ");
    assert_int_equal(api_keys_delete_user(s, ann, NULL), 0);
    assert_int_equal(api_keys_delete(s, k6, &(struct api_keys_owner){0}, NULL), 0);
    assert_keys(s, (struct api_keys_owner){0}, "k5:viewer ");
}

static void test_the_number_of_keys_is_limited_by_user(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    int64_t ann = add_user(s, "ann", ROLE_VIEWER), bob = add_user(s, "bob", ROLE_VIEWER),
            root = add_key(s, 0, 0, 0);

    for (int i = 1; i <= API_KEYS_MAX_OF_USER; i++) {
        assert_true(add_key(s, i, ann, 0) > 0);
        assert_true(add_key(s, 1000 + i, 0, root) > 0);
    }
    assert_int_equal(add_key(s, 200, ann, 0), -EBUSY);
    assert_int_equal(add_key(s, 200, 0, root), -EBUSY);
    assert_true(add_key(s, 201, bob, 0) > 0);
    assert_true(add_key(s, 202, 0, 0) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_columns_of_users_are_stored),
        TEST(test_user_names_are_unique),
        TEST(test_sessions_identify_their_user),
        TEST(test_sessions_end_by_logout_user_and_time),
        TEST(test_key_is_valid_until_it_is_deleted),
        TEST(test_keys_expire),
        TEST(test_keys_never_exceed_the_rights_of_their_creator),
        TEST(test_scopes_are_stored_and_limit_the_keys_of_a_user),
        TEST(test_key_names_and_roles_are_checked),
        TEST(test_keys_are_listed_by_name),
        TEST(test_keys_end_with_the_key_that_created_them),
        TEST(test_the_number_of_keys_is_limited_by_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
