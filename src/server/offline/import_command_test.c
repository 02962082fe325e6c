#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/macros.h"
#include "base/str.h"
#include "server/auth/password.h"
#include "server/offline/admin.h"
#include "server/sqlite/migrate.h"
#include "server/sqlite/query.h"
#include "server/store/agents.h"
#include "server/store/api_keys.h"
#include "server/store/container_settings.h"
#include "server/store/events.h"
#include "server/store/fixture.h"
#include "server/store/foreign_file.h"
#include "server/store/hosts.h"
#include "server/store/identities.h"
#include "server/store/secret.h"
#include "server/store/users.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AGENT "7b4c1f3e-0000-4000-8000-0123456789ab"
/* Of "secret word". */
#define BCRYPT_REST "abcdefghijklmnopqrstuu1C7yeI3ZG3Jm.nHdnKkGJg1xTYKP9Oy"
#define BCRYPT      "$2b$05$" BCRYPT_REST
#define KEY         "dockmon_0123456789012345678901234567890123456789012"

static const char today[] =
    "CREATE TABLE docker_hosts (id TEXT PRIMARY KEY, name TEXT, url TEXT, is_active BOOLEAN, "
    " engine_id TEXT, created_at DATETIME);"
    "INSERT INTO docker_hosts VALUES ('h1', 'alpha', 'agent://', 1, 'E1', '2025-01-02 03:04:05');"
    "INSERT INTO docker_hosts VALUES ('h2', 'direct', 'tcp://10.0.0.2:2376', 1, 'E2', NULL);"
    "INSERT INTO docker_hosts VALUES ('h3', x'00ff', 'agent://', 1, 'E3', NULL);"
    "INSERT INTO docker_hosts VALUES ('h4', 'all', 'agent://', 1, 'E4', NULL);"
    "INSERT INTO docker_hosts VALUES ('../h5', 'path', 'agent://', 1, 'E5', NULL);"
    "CREATE TABLE agents (id TEXT PRIMARY KEY, host_id TEXT, engine_id TEXT, version TEXT, "
    " proto_version TEXT, capabilities JSON, force_unique BOOLEAN);"
    "INSERT INTO agents VALUES ('" AGENT "', 'h1', 'E1', '1.2', '1.1', '\"{}\"', 0);"
    "INSERT INTO agents VALUES ('other', 'h1', 'E4', '1.2', '1.1', '{}', 0);"
    "INSERT INTO agents VALUES ('8b4c1f3e-0000-4000-8000-0123456789ab', 'h2', 'E2', '1.2', '1.1', '{}', 0);"
    "CREATE TABLE custom_groups (id INTEGER PRIMARY KEY, name TEXT);"
    "INSERT INTO custom_groups VALUES (1, 'Administrators'), (2, 'Operators'), (3, 'Read Only'), "
    " (4, 'Others');"
    "CREATE TABLE user_group_memberships (user_id INTEGER, group_id INTEGER);"
    "INSERT INTO user_group_memberships VALUES (1, 1), (2, 3), (2, 2), (5, 4), (7, 9);"
    "CREATE TABLE api_keys (id INTEGER PRIMARY KEY, name TEXT, key_hash TEXT, key_prefix TEXT, "
    " group_id INTEGER, allowed_ips TEXT, expires_at DATETIME, revoked_at DATETIME);"
    "INSERT INTO api_keys VALUES (2, 'revoked', printf('%064d', 2), 'dockmon_', 1, NULL, NULL, "
    " '2025-01-01 00:00:00');"
    "INSERT INTO api_keys VALUES (3, 'expired', printf('%064d', 3), 'dockmon_', 1, NULL, "
    " '2025-01-01 00:00:00.123456', NULL), (6, 'dateless', printf('%064d', 6), 'dockmon_', 1, NULL, "
    " 17, NULL), (7, 'unreadable', printf('%064d', 7), 'dockmon_', 1, x'00', NULL, NULL);"
    "INSERT INTO api_keys VALUES (4, 'short', 'abc', 'dockmon_', 1, NULL, NULL, NULL);"
    "INSERT INTO api_keys VALUES (5, 'limited', printf('%064d', 5), 'dockmon_', 1, '10.0.0.0/8', "
    " NULL, NULL);"
    "CREATE TABLE tags (id TEXT PRIMARY KEY, name TEXT);"
    "INSERT INTO tags VALUES ('t1', 'prod'), ('t2', 'web');"
    "CREATE TABLE tag_assignments (tag_id TEXT, subject_type TEXT, subject_id TEXT, "
    " compose_project TEXT, compose_service TEXT, host_id_at_attach TEXT, "
    " container_name_at_attach TEXT);"
    "INSERT INTO tag_assignments VALUES ('t1', 'host', 'h1', NULL, NULL, NULL, NULL);"
    "INSERT INTO tag_assignments VALUES ('t1', 'container', 'h1:0123456789ab', 'shop', 'db', 'h1', "
    " 'shop-db-2');"
    "INSERT INTO tag_assignments VALUES ('t1', 'container', 'h1:1123456789ab', NULL, NULL, NULL, "
    " 'lone');"
    "INSERT INTO tag_assignments VALUES ('t2', 'container', 'h1:1123456789ab', NULL, NULL, NULL, "
    " 'lone');"
    "CREATE TABLE auto_restart_configs (id INTEGER PRIMARY KEY, host_id TEXT, container_id TEXT, "
    " container_name TEXT, enabled BOOLEAN, max_retries INTEGER, retry_delay INTEGER);"
    "INSERT INTO auto_restart_configs VALUES (1, 'h1', '1123456789ab', 'lone', 1, 3, 30);"
    "INSERT INTO auto_restart_configs VALUES (2, 'h2', '1123456789ab', 'away', 1, 3, 30);"
    "CREATE TABLE container_desired_states (id INTEGER PRIMARY KEY, host_id TEXT, container_id "
    " TEXT, container_name TEXT, desired_state TEXT, web_ui_url TEXT);"
    "INSERT INTO container_desired_states VALUES (1, 'h1', '1123456789ab', 'lone', 'should_run', "
    " 'http://lone');"
    "CREATE TABLE container_updates (container_id TEXT, host_id TEXT, container_name TEXT, "
    " floating_tag_mode TEXT, auto_update_enabled BOOLEAN, update_policy TEXT);"
    "INSERT INTO container_updates VALUES ('h1:1123456789ab', 'h1', 'lone', 'minor', 1, NULL);"
    "CREATE TABLE event_logs (id INTEGER PRIMARY KEY, category TEXT, event_type TEXT, severity "
    " TEXT, host_id TEXT, title TEXT, timestamp DATETIME, details JSON);"
    "INSERT INTO event_logs VALUES (1, 'container', 'died', 'odd', 'h1', 'lone died', "
    " '2025-01-02 03:04:05.678901', 'no JSON');"
    "INSERT INTO event_logs VALUES (2, 'container', 'died', 'info', 'h1', 'lone died', 17, NULL);"
    "CREATE TABLE registry_credentials (id INTEGER);"
    "CREATE TABLE zebra (id INTEGER);";

/* Neither groups nor agents, and a view where a table is expected. */
static const char seed[] =
    "CREATE TABLE docker_hosts (id TEXT PRIMARY KEY, name TEXT, url TEXT);"
    "INSERT INTO docker_hosts VALUES ('h1', 'alpha', 'agent://');"
    "CREATE VIEW event_logs AS SELECT 1 AS id, '2025-01-02 03:04:05' AS timestamp;"
    "CREATE TABLE tags (id TEXT); CREATE TABLE tag_assignments (tag_id TEXT);";

static const char users[] =
    "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, password_hash TEXT, "
    " must_change_password BOOLEAN, approved BOOLEAN DEFAULT 1, display_name TEXT, email TEXT);";

static void exec(struct db *d, const char *sql)
{
    struct error err = ERROR_INIT;

    if (db_exec(d, sql, &err) < 0)
        fail_msg("%s", err.msg);
}

static void add_user(struct db *d, int id, const char *name, const char *hash)
{
    _cleanup_free_ char *sql = xasprintf("INSERT INTO users (id, username, password_hash, "
                                         "must_change_password, display_name, email) VALUES "
                                         "(%d, '%s', '%s', 0, 'Shown ' || '%s', '%s@example.com')",
                                         id, name, hash, name, name);

    exec(d, sql);
}

static char *create_file(const struct fixture *f, const char *schema)
{
    _cleanup_(db_closep) struct db *d = NULL;
    char *path = fixture_path(f, "source.db");
    char hash[PASSWORD_HASH_SIZE];

    assert_int_equal(db_open_file(&d, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), 0);
    exec(d, schema);
    exec(d, users);
    assert_int_equal(password_hash("secret word", hash, NULL), 0);
    add_user(d, 1, "admin", hash);
    add_user(d, 2, "bob", hash);
    add_user(d, 3, "costly", "$argon2id$v=19$m=999999,t=2,p=1$abcdabcd$abcdabcd");
    add_user(d, 5, "member-of-another", hash);
    add_user(d, 6, "alone", hash);
    add_user(d, 7, "dangling", hash);
    add_user(d, 8, "name with blanks", hash);
    add_user(d, 9, "pending", hash);
    exec(d, "UPDATE users SET approved = 0 WHERE username = 'pending'");
    add_user(d, 4, "old", BCRYPT);
    add_user(d, 10, "costly-old", "$2b$15$" BCRYPT_REST);
    if (str_eq(schema, today)) {
        char key_hash[SECRET_HASH_SIZE];
        _cleanup_free_ char *sql = NULL;

        secret_hash(KEY, key_hash);
        sql = xasprintf("INSERT INTO api_keys (id, name, key_hash, key_prefix, group_id) VALUES "
                        "(1, 'ci', '%s', 'dockmon_01234', 2)",
                        key_hash);
        exec(d, sql);
    }
    return path;
}

/* `flag` may be NULL. */
static int run_import_in(const char *data_dir, const char *flag, const char *path)
{
    _cleanup_free_ char *option = xstrdup(flag), *file = xstrdup(path);
    char word[] = "import-dockmon";
    char *argv[] = {word, file, option, NULL};

    return admin_run(flag ? 3 : 2, argv, data_dir);
}

static int run_import(const struct fixture *f, const char *flag, const char *path)
{
    return run_import_in(f->dir, flag, path);
}

static void expect_setting(struct db *s,
                           enum container_setting_kind kind,
                           const char *subject,
                           const char *data)
{
    const struct container_setting_key key = {.host_id = "h1", .subject = subject, .kind = kind};
    _cleanup_free_ char *got = NULL;

    assert_int_equal(container_settings_get(s, &key, &got, NULL), 0);
    assert_string_equal(got, data);
}

static void count_row(void *arg, const struct event *e)
{
    assert_int_equal(e->at_ms, 1735787045678);
    assert_string_equal(e->severity, "info");
    assert_null(e->details);
    ++*(int *)arg;
}

static void expect_hosts(struct db *s)
{
    _cleanup_(host_done) struct host h = {0}, other = {0};
    _cleanup_(agent_done) struct agent a = {0}, none = {0};

    assert_int_equal(hosts_get(s, "h1", &h, NULL), 0);
    assert_string_equal(h.name, "alpha");
    assert_string_equal(h.tags, "[\"prod\"]");
    assert_int_equal(h.created_at_ms, 1735787045000);
    assert_int_not_equal(hosts_get(s, "h2", &other, NULL), 0);
    assert_int_not_equal(hosts_get(s, "h3", &other, NULL), 0);
    assert_int_not_equal(hosts_get(s, "h4", &other, NULL), 0);
    assert_int_not_equal(hosts_get(s, "../h5", &other, NULL), 0);
    assert_int_equal(agents_get(s, AGENT, &a, NULL), 0);
    assert_null(a.token_hash); /* its id is its token */
    assert_int_not_equal(agents_get(s, "other", &none, NULL), 0);
}

static void expect_user(struct db *s, const char *name, enum role role)
{
    _cleanup_(user_done) struct user u = {0};

    assert_int_equal(users_get_by_name(s, name, &u, NULL), 0);
    assert_int_equal(u.role, role);
    assert_true(password_verify("secret word", u.password_hash));
    assert_true(str_starts_with(u.display_name, "Shown "));
    assert_true(str_starts_with(u.email, name));
}

static void count_key(void *arg, const struct api_key *k)
{
    ++*(int *)arg;
    if (str_eq(k->name, "limited")) {
        assert_string_equal(k->networks, "10.0.0.0/8");
        assert_int_equal(k->role, ROLE_ADMIN);
    } else {
        assert_string_equal(k->name, "ci");
    }
}

/* None that is revoked or expired, or whose limits cannot be read. */
static void expect_keys(struct db *s)
{
    _cleanup_(identity_row_done) struct identity_row who = {0};
    char hash[SECRET_HASH_SIZE];
    int n = 0;

    secret_hash(KEY, hash);
    assert_int_equal(identities_get_by_key(s, hash, 5, &who, NULL), 0);
    assert_int_equal(who.role, ROLE_OPERATOR);
    assert_int_equal(api_keys_each(s, &(struct api_keys_owner){0}, count_key, &n, NULL), 0);
    assert_int_equal(n, 2);
}

static void expect_all(struct db *s)
{
    int n_events = 0;
    int64_t n_users = 0;

    expect_hosts(s);
    expect_user(s, "admin", ROLE_ADMIN);
    expect_user(s, "bob", ROLE_OPERATOR);
    /* Groups that are not DockMon's own, or that cannot be found, give no more than viewing. */
    expect_user(s, "member-of-another", ROLE_VIEWER);
    expect_user(s, "alone", ROLE_VIEWER);
    expect_user(s, "dangling", ROLE_VIEWER);
    expect_user(s, "old", ROLE_VIEWER);
    assert_int_equal(users_count(s, &n_users, NULL), 0);
    assert_int_equal(n_users, 6);
    expect_keys(s);
    expect_setting(s, CONTAINER_TAGS, "shop/db/2", "[\"prod\"]");
    expect_setting(s, CONTAINER_TAGS, "lone", "[\"prod\",\"web\"]");
    expect_setting(s, CONTAINER_AUTO_RESTART, "lone",
                   "{\"enabled\":true,\"max_retries\":3,\"retry_delay\":30}");
    expect_setting(s, CONTAINER_DESIRED_STATE, "lone", "{\"desired_state\":\"should_run\"}");
    expect_setting(s, CONTAINER_WEB_UI_URL, "lone", "{\"url\":\"http://lone\"}");
    expect_setting(s, CONTAINER_UPDATE_POLICY, "lone",
                   "{\"floating_tag_mode\":\"minor\",\"auto_update_enabled\":true}");
    assert_int_equal(
        events_list(s, &(struct events_query){.page.limit = 9}, count_row, &n_events, NULL, NULL),
        0);
    assert_int_equal(n_events, 1);
}

static void test_database_is_taken_over_once(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = create_file(f, today);

    for (int i = 0; i < 2; i++) {
        assert_int_equal(run_import(f, NULL, path), 0);
        expect_all(f->store);
    }
}

/* All files of a directory with their contents. */
static void read_directory(const char *dir, struct buf *ret)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, NULL, alphasort);

    assert_true(n >= 0);
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, entries[i]->d_name), *data = NULL;
        size_t size = 0;

        assert_int_equal(buf_append(ret, path, strlen(path)), 0);
        if (file_read(path, 16 << 20, &data, &size, NULL) == 0)
            assert_int_equal(buf_append(ret, data, size), 0);
        free(entries[i]);
    }
    free(entries);
}

static void expect_unchanged(const char *dir, const char *path)
{
    _cleanup_(buf_done) struct buf before = {0}, after = {0};

    buf_init(&before, 64 << 20);
    buf_init(&after, 64 << 20);
    read_directory(dir, &before);
    assert_int_equal(run_import_in(dir, "--dry-run", path), 0);
    read_directory(dir, &after);
    assert_int_equal(after.size, before.size);
    assert_memory_equal(buf_str(&after), buf_str(&before), before.size);
}

static void test_dry_run_changes_no_byte(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = create_file(f, today), *dir = fixture_path(f, "earlier");
    _cleanup_free_ char *ours = xasprintf("%s/dockmon.db", dir);
    _cleanup_free_ char *absent = fixture_path(f, "absent");
    struct db *d = NULL;

    expect_unchanged(f->dir, path); /* of a server that runs */

    /* Of an earlier version, which a start would migrate. */
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(db_open_file(&d, ours, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), 0);
    exec(d, migrations[0].sql);
    exec(d, "PRAGMA application_id = 1147882862; PRAGMA user_version = 1;"
            "PRAGMA journal_mode = WAL");
    db_close(d);
    expect_unchanged(dir, path);

    assert_int_equal(run_import_in(absent, "--dry-run", path), 0);
    assert_int_equal(access(absent, F_OK), -1);
    assert_int_equal(run_import_in(dir, NULL, path), 0);
}

static void test_file_without_groups_makes_no_administrator(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = create_file(f, seed), *dir = xstrdup(f->dir);
    char user[] = "user", set_role[] = "set-role", name[] = "admin";
    char role[] = "--role=admin", bad_role[] = "--role=root", nobody[] = "nobody";
    int64_t n = 0;

    assert_int_equal(run_import(f, NULL, path), 0);
    expect_user(f->store, "admin", ROLE_VIEWER);
    expect_user(f->store, "bob", ROLE_VIEWER);
    assert_int_equal(
        events_list(f->store, &(struct events_query){.page.limit = 9}, count_row, NULL, &n, NULL),
        0);
    assert_int_equal(n, 0); /* a view is not read */

    assert_int_equal(admin_run(4, (char *[]){user, set_role, role, name, NULL}, dir), 0);
    expect_user(f->store, "admin", ROLE_ADMIN);
    assert_int_equal(admin_run(4, (char *[]){user, set_role, role, nobody, NULL}, dir), 1);
    assert_int_equal(admin_run(4, (char *[]){user, set_role, bad_role, name, NULL}, dir), 2);
    assert_int_equal(admin_run(3, (char *[]){user, set_role, name, NULL}, dir), 2);
}

static int64_t add_own_admin(struct db *s, enum role role, bool must_change)
{
    char name[] = "admin", hash[] = "$argon2id$own";
    const struct user u = {
        .name = name, .password_hash = hash, .role = role, .must_change_password = must_change};
    int64_t id = 0;

    assert_int_equal(users_insert(s, &u, &id, NULL), 0);
    return id;
}

static void test_first_user_gives_way_until_it_has_logged_in(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = create_file(f, today), *without_groups = NULL;
    _cleanup_(user_done) struct user u = {0}, other = {0};
    int64_t id = add_own_admin(f->store, ROLE_ADMIN, true);

    assert_int_equal(run_import(f, NULL, path), 0);
    expect_user(f->store, "admin", ROLE_ADMIN);
    assert_int_equal(users_delete(f->store, id, NULL), 0);

    /* Its role in the file counts, too. */
    id = add_own_admin(f->store, ROLE_ADMIN, true);
    assert_int_equal(unlink(path), 0);
    without_groups = create_file(f, seed);
    assert_int_equal(run_import(f, NULL, without_groups), 0);
    expect_user(f->store, "admin", ROLE_VIEWER);
    assert_int_equal(users_delete(f->store, id, NULL), 0);

    id = add_own_admin(f->store, ROLE_ADMIN, true);
    assert_int_equal(users_touch_login(f->store, id, 1, NULL), 0);
    assert_int_equal(run_import(f, NULL, without_groups), 0);
    assert_int_equal(users_get(f->store, id, &u, NULL), 0);
    assert_string_equal(u.password_hash, "$argon2id$own");
    assert_int_equal(users_delete(f->store, id, NULL), 0);

    /* One that an administrator has created is not the user of the first start. */
    id = add_own_admin(f->store, ROLE_OPERATOR, true);
    assert_int_equal(run_import(f, NULL, without_groups), 0);
    assert_int_equal(users_get(f->store, id, &other, NULL), 0);
    assert_string_equal(other.password_hash, "$argon2id$own");
    assert_int_equal(other.role, ROLE_OPERATOR);
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void expect_refusal(const struct fixture *f, const char *path, int code)
{
    _cleanup_(db_closep) struct db *d = NULL;
    struct error err = ERROR_INIT;
    int64_t n = 0;

    assert_int_equal(foreign_file_open(&d, path, &err), code);
    assert_non_null(strstr(err.msg, path));
    if (code == -EUCLEAN) {
        _cleanup_free_ char *text = xasprintf(
            "%s is damaged or not complete; copy it again while DockMon is stopped, with the file "
            "%s-wal if there is one",
            path, path);

        assert_string_equal(err.msg, text);
    }
    assert_int_equal(run_import(f, NULL, path), 1);
    assert_int_equal(users_count(f->store, &n, NULL), 0);
    assert_int_equal(n, 0);
}

static void test_file_that_is_no_database_of_dockmon_is_refused(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = create_file(f, today), *data = NULL;
    _cleanup_free_ char *ours = fixture_path(f, "dockmon.db");
    size_t size = 0;

    assert_int_equal(run_import(f, NULL, ours), 1); /* our own database */
    expect_refusal(f, f->dir, -EDOM);
    expect_refusal(f, "/nonexistent", -ENOENT);
    assert_int_equal(file_read(path, 16 << 20, &data, &size, NULL), 0);
    write_file(path, data, size / 2); /* it is cut */
    expect_refusal(f, path, -EUCLEAN);
    memset(data + 4096, 0xaa, 8192);
    write_file(path, data, size);
    expect_refusal(f, path, -EUCLEAN);
    write_file(path, "PK", 2);
    expect_refusal(f, path, -EDOM);
    assert_int_equal(truncate(path, FOREIGN_FILE_MAX + 1), 0); /* sparse */
    expect_refusal(f, path, -EFBIG);
}

static void test_row_that_is_too_large_is_named(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = create_file(f, seed);
    _cleanup_(db_closep) struct db *d = NULL;
    int64_t n = 0;

    assert_int_equal(db_open_file(&d, path, SQLITE_OPEN_READWRITE, NULL), 0);
    exec(d, "UPDATE docker_hosts SET name = zeroblob(17000000)");
    assert_int_equal(run_import(f, NULL, path), 1);
    assert_int_equal(users_count(f->store, &n, NULL), 0);
    assert_int_equal(n, 0);
}

static void test_import_needs_the_directory_for_itself(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = create_file(f, today);

    assert_int_equal(db_lock(f->store, f->dir, NULL), 0);
    assert_int_equal(run_import(f, NULL, path), 1);
    assert_int_equal(run_import(f, "--dry-run", path), 0);
    assert_int_equal(run_import(f, "--apply", path), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_database_is_taken_over_once),
        TEST(test_dry_run_changes_no_byte),
        TEST(test_file_without_groups_makes_no_administrator),
        TEST(test_first_user_gives_way_until_it_has_logged_in),
        TEST(test_file_that_is_no_database_of_dockmon_is_refused),
        TEST(test_row_that_is_too_large_is_named),
        TEST(test_import_needs_the_directory_for_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
