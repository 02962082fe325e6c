/* Parts of an import that need no server: sealed values, the audit log, names, limits. */

#include "base/alloc.h"
#include "base/str.h"
#include "server/import/import.h"
#include "server/import/sealed.h"
#include "server/sqlite/query.h"
#include "server/store/audit.h"
#include "server/store/container_settings.h"
#include "server/store/fixture.h"
#include "server/store/hosts.h"
#include "server/store/registries.h"
#include "server/store/secret.h"
#include "server/store/users.h"

#include <errno.h>
#include <string.h>

#define TOKEN                                                                                         \
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4Iw" \
    "qDA=="
#define A10  "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10
#define HASH "$2b$05$abcdefghijklmnopqrstuu1C7yeI3ZG3Jm.nHdnKkGJg1xTYKP9Oy"

static const char hosts[] = "CREATE TABLE docker_hosts (id TEXT PRIMARY KEY, name TEXT, url TEXT);"
                            "INSERT INTO docker_hosts VALUES ('h1', 'alpha', 'agent://');";

static void exec(struct db *d, const char *sql)
{
    struct error err = ERROR_INIT;

    if (db_exec(d, sql, &err) < 0)
        fail_msg("%s", err.msg);
}

static struct db *open_source(const struct fixture *f, const char *sql)
{
    _cleanup_free_ char *path = fixture_path(f, "source.db");
    struct db *d = NULL;

    assert_int_equal(db_open_file(&d, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), 0);
    exec(d, "PRAGMA synchronous = OFF");
    exec(d, hosts);
    exec(d, sql);
    db_close(d);
    assert_int_equal(foreign_file_open(&d, path, NULL), 0);
    return d;
}

/* Closes im->from. */
static int run(const struct fixture *f, struct import *im, struct db *from, struct error *err)
{
    int r;

    im->from = from;
    im->now_ms = 1750000000000;
    assert_int_equal(store_open(&im->to, f->dir, NULL), 0);
    r = import_run(im, err);
    import_done(im);
    db_close(from);
    return r;
}

static void expect_count(const struct import *im,
                         enum import_kind kind,
                         unsigned n,
                         unsigned present)
{
    assert_int_equal(im->counts[kind].n_taken, n);
    assert_int_equal(im->counts[kind].n_present, present);
}

static const struct {
    const char *who, *peer, *action, *target, *result;
} expected[] = {
    {"bob",   NULL,       "apikey.create",   "ci",        "imported from DockMon"              },
    {"-",     "10.0.0.7", "login_failed",    NULL,        "imported from DockMon: {\"why\": 1}"},
    {"admin", "10.0.0.7", "container.start", "alpha/web", "imported from DockMon"              },
};

static void compare_entry(void *arg, const struct audit_entry *e)
{
    size_t *n = arg, i = (*n)++;

    if (str_eq(e->action, "import.dockmon")) {
        --*n;
        return;
    }
    assert_true(i < ARRAY_LEN(expected));
    assert_string_equal(e->who, expected[i].who);
    assert_true(str_eq(e->peer, expected[i].peer));
    assert_string_equal(e->action, expected[i].action);
    assert_true(str_eq(e->target, expected[i].target));
    assert_string_equal(e->result, expected[i].result);
}

static void test_audit_log_is_taken_over_once(void **state)
{
    static const char sql[] =
        "CREATE TABLE audit_log (id INTEGER PRIMARY KEY, user_id INTEGER, username TEXT, action TEXT, "
        " entity_type TEXT, entity_id TEXT, entity_name TEXT, host_id TEXT, host_name TEXT, "
        " details TEXT, ip_address TEXT, user_agent TEXT, created_at DATETIME);"
        "INSERT INTO audit_log VALUES (1, 1, 'admin', 'start', 'container', '0123456789ab', 'web', "
        " 'h1', 'alpha', NULL, '10.0.0.7', 'curl', '2025-01-02 03:04:05.678'), "
        "(2, NULL, NULL, 'login_failed', NULL, NULL, NULL, NULL, NULL, '{\"why\": 1}', '10.0.0.7', "
        " NULL, '2025-01-02 03:04:06'), "
        "(3, 2, 'bob', 'create', 'api_key', '1', 'ci', NULL, NULL, NULL, NULL, NULL, "
        " '2025-01-02 03:04:07'), "
        "(4, 2, 'bob', 'create', 'api_key', '1', 'ci', NULL, NULL, NULL, NULL, NULL, NULL), "
        "(5, 2, 'bob', NULL, 'api_key', '1', 'ci', NULL, NULL, NULL, NULL, NULL, "
        " '2025-01-02 03:04:07');";
    struct fixture *f = *state;
    struct db *from = open_source(f, sql);

    for (unsigned i = 0; i < 2; i++) {
        struct import im = {0};
        _cleanup_free_ char *path = fixture_path(f, "source.db");
        size_t n = 0;

        if (i > 0)
            assert_int_equal(foreign_file_open(&from, path, NULL), 0);
        assert_int_equal(run(f, &im, from, NULL), 0);
        expect_count(&im, IMPORT_AUDIT, i == 0 ? 3 : 0, i == 0 ? 0 : 3);
        assert_int_equal(im.counts[IMPORT_AUDIT].n_refused, 2);
        assert_int_equal(audit_list(f->store, &(struct audit_query){.page.limit = 9}, compare_entry,
                                    &n, NULL, NULL),
                         0);
        assert_int_equal(n, ARRAY_LEN(expected));
    }
}

static void expect_http_check(struct db *s, const char *subject, const char *data)
{
    const struct container_setting_key key = {
        .host_id = "h1", .subject = subject, .kind = CONTAINER_HTTP_CHECK};
    _cleanup_free_ char *got = NULL;

    assert_int_equal(container_settings_get(s, &key, &got, NULL), data ? 0 : -ENOENT);
    if (data)
        assert_string_equal(got, data);
}

/* HTTP checks have only the id of their container. */
static void test_other_tables_name_a_container(void **state)
{
    static const char sql[] =
        "CREATE TABLE container_http_health_checks (container_id TEXT PRIMARY KEY, host_id TEXT, "
        " enabled BOOLEAN, url TEXT, max_restart_attempts INTEGER, auth_config_json TEXT);"
        "INSERT INTO container_http_health_checks VALUES ('h1:aaaaaaaaaaaa', 'h1', 1, 'http://a', 3, "
        " '{}'), ('h1:bbbbbbbbbbbb', 'h1', 1, 'http://b', 3, NULL), "
        "('h1:cccccccccccc', 'h1', 1, 'http://c', 3, NULL), "
        "('h1:dddddddddddd', 'h1', 1, 'http://d', 3, NULL);"
        "CREATE TABLE container_desired_states (host_id TEXT, container_id TEXT, container_name TEXT, "
        " desired_state TEXT);"
        "INSERT INTO container_desired_states VALUES ('h1', 'aaaaaaaaaaaa', 'first', 'on_demand');"
        "CREATE TABLE tag_assignments (tag_id TEXT, subject_id TEXT, container_name_at_attach TEXT);"
        "INSERT INTO tag_assignments VALUES ('t', 'h1:aaaaaaaaaaaa', 'earlier'), "
        " ('t', 'h1:bbbbbbbbbbbb', '/second');"
        "CREATE TABLE event_logs (id INTEGER PRIMARY KEY, host_id TEXT, container_id TEXT, "
        " container_name TEXT);"
        "INSERT INTO event_logs VALUES (1, 'h1', 'cccccccccccc', 'former'), "
        " (2, 'h1', 'cccccccccccc0123', 'third');"
        "CREATE TABLE container_updates (container_id TEXT, floating_tag_mode TEXT);";
    struct fixture *f = *state;
    struct import im = {0};

    assert_int_equal(run(f, &im, open_source(f, sql), NULL), 0);
    expect_http_check(f->store, "first",
                      "{\"enabled\":true,\"url\":\"http://a\",\"max_restart_attempts\":3}");
    expect_http_check(f->store, "second",
                      "{\"enabled\":true,\"url\":\"http://b\",\"max_restart_attempts\":3}");
    expect_http_check(f->store, "third",
                      "{\"enabled\":true,\"url\":\"http://c\",\"max_restart_attempts\":3}");
    expect_http_check(f->store, "former", NULL);
    /* The fourth has no name, and container_updates has no host. */
    assert_int_equal(im.counts[IMPORT_CONTAINER_SETTINGS].n_refused, 2);
}

/* Of the specification of Fernet, as TOKEN is. */
static const struct fernet_key fernet_key = {
    .sign = "\x73\x0f\xf4\xc7\xaf\x3d\x46\x92\x3e\x8e\xd4\x51\xee\x81\x3c\x87",
    .encrypt = "\xf7\x90\xb0\xa2\x26\xbc\x96\xa9\x2d\xe4\x9b\x5e\x9c\x05\xe1\xee",
};

static int check_key(const struct fixture *f, const char *sql, unsigned char flaw)
{
    struct fernet_key key = fernet_key;
    struct error err = ERROR_INIT;
    struct db *from = open_source(f, sql);
    _cleanup_free_ char *path = fixture_path(f, "source.db");
    int r;

    key.encrypt[15] ^= flaw;
    r = import_sealed_check(from, &key, &err);
    if (r < 0)
        assert_non_null(strstr(err.msg, "sealed values"));
    db_close(from);
    assert_int_equal(unlink(path), 0);
    return r;
}

static void test_key_must_open_sealed_values(void **state)
{
    static const char column[] = "CREATE TABLE registry_credentials (id INTEGER, password TEXT);"
                                 "INSERT INTO registry_credentials VALUES (1, '" TOKEN "');";
    static const char document[] =
        "CREATE TABLE notification_channels (id INTEGER, config TEXT);"
        "INSERT INTO notification_channels VALUES (1, '{\"a\": [{\"token\": \"" TOKEN "\"}]}');";
    static const char mixed[] = "CREATE TABLE oidc_config (id INTEGER, a TEXT, b TEXT);"
                                "INSERT INTO oidc_config VALUES (1, '" TOKEN
                                "', 'gAAAAAbutnotoken');";
    static const char none[] =
        "CREATE TABLE registry_credentials (id INTEGER, password TEXT);"
        "INSERT INTO registry_credentials VALUES (1, 'plain'), (2, NULL), (3, '[');";
    struct fixture *f = *state;

    assert_int_equal(check_key(f, column, 0), 0);
    assert_int_equal(check_key(f, column, 1), -EKEYREJECTED);
    assert_int_equal(check_key(f, document, 0), 0);
    assert_int_equal(check_key(f, document, 1), -EKEYREJECTED);
    assert_int_equal(check_key(f, mixed, 0), 0);
    assert_int_equal(check_key(f, mixed, 1), -EKEYREJECTED);
    assert_int_equal(check_key(f, none, 0), 0);
    assert_int_equal(check_key(f, none, 1), 0);
}

static void test_members_of_groups_are_searched(void **state)
{
    static const char people[] =
        "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, password_hash TEXT);"
        "INSERT INTO users VALUES (1, 'ann', '" HASH "');"
        "CREATE TABLE custom_groups (id INTEGER PRIMARY KEY, name TEXT);"
        "INSERT INTO custom_groups VALUES (1, 'Administrators');";
    static const struct {
        const char *table, *columns, *expected;
    } cases[] = {
        {"user_group_memberships", "user_id, group_id", "user_group_memberships"},
        {"group_memberships",      "user_id, group_id", "group_memberships"     },
        {"user_groups",            "user_id, group_id", "user_groups"           },
        {"user_groups",            "user_id, team_id",  NULL                    },
        {"members",                "user_id, group_id", NULL                    },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        void *fixture = NULL;
        struct fixture *f;
        struct import im = {0};
        _cleanup_(user_done) struct user u = {0};
        _cleanup_free_ char *sql = xasprintf(
            "%s CREATE TABLE %s (%s); INSERT INTO %s VALUES (1, 1);", people, cases[i].table,
            cases[i].columns, cases[i].table);

        assert_int_equal(fixture_setup(&fixture), 0);
        f = fixture;
        assert_int_equal(run(f, &im, open_source(f, sql), NULL), 0);
        assert_true(str_eq(im.members_table, cases[i].expected));
        assert_int_equal(users_get_by_name(f->store, "ann", &u, NULL), 0);
        assert_int_equal(u.role, cases[i].expected ? ROLE_ADMIN : ROLE_VIEWER);
        assert_int_equal(fixture_teardown(&fixture), 0);
    }
    (void)state;
}

/* Nothing is changed, and the table is named. */
static void expect_too_big(void **state, const char *sql, const char *text)
{
    struct fixture *f = *state;
    struct import im = {0};
    struct error err = ERROR_INIT;
    _cleanup_free_ char *path = fixture_path(f, "source.db");
    int64_t n = 0;

    assert_int_equal(run(f, &im, open_source(f, sql), &err), -E2BIG);
    if (!strstr(err.msg, text))
        fail_msg("%s", err.msg);
    assert_int_equal(query_number(f->store, "SELECT count(*) FROM hosts", &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(unlink(path), 0);
}

#define MANY(n) "WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < " n ") "

static void expect_credential(void *arg, const struct registry *r)
{
    _cleanup_(secret_freep) char *password = NULL;

    assert_string_equal(r->domain, "registry.example:5000");
    assert_string_equal(r->username, "robot");
    assert_string_equal(r->security, "verified");
    assert_int_equal(vault_unseal(arg, r->domain, r->sealed, &password, NULL), 0);
    assert_string_equal(password, "hello");
}

static void test_credentials_change_their_seal(void **state)
{
    static const char sql[] =
        "CREATE TABLE registry_credentials (id INTEGER PRIMARY KEY, registry_url TEXT, "
        " username TEXT, password_encrypted TEXT);"
        "INSERT INTO registry_credentials VALUES "
        " (1, 'https://Registry.Example:5000/v2/', 'robot', '" TOKEN "'), "
        " (2, 'registry.example:5000', 'other', '" TOKEN "'), "
        " (3, 'b.example', 'robot', 'in the clear'), (4, 'c.example', NULL, '" TOKEN "'), "
        " (5, '', 'robot', '" TOKEN "'), (6, 'd.example', 'robot', NULL);"
        "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, password_hash TEXT, "
        " prefs TEXT);"
        "INSERT INTO users VALUES (1, 'ann', '" HASH "', '{\"a\":1}'), "
        " (2, 'bob', '" HASH "', '{}');";
    struct fixture *f = *state;
    struct vault vault;
    struct import im = {.key = &fernet_key, .vault = &vault};

    assert_int_equal(vault_open(&vault, f->dir, NULL), 0);
    assert_int_equal(run(f, &im, open_source(f, sql), NULL), 0);
    expect_count(&im, IMPORT_REGISTRIES, 1, 1);
    assert_int_equal(im.counts[IMPORT_REGISTRIES].n_refused, 4);
    assert_int_equal(registries_each(f->store, expect_credential, &vault, NULL), 0);
    /* Each becomes a viewer; one has preferences, too. */
    assert_int_equal(im.counts[IMPORT_USERS].n_notes, 3);
}

/* As the API takes them: a tag that it would refuse could never be changed there. */
static void test_tags_are_those_of_the_api(void **state)
{
    static const char sql[] =
        "CREATE TABLE tags (id TEXT PRIMARY KEY, name TEXT);"
        "INSERT INTO tags VALUES ('1', 'Prod'), ('2', 'prod'), ('3', "
        " substr('" A100 "', 1, 65)), ('4', substr('" A100 "', 1, 64));"
        "CREATE TABLE tag_assignments (tag_id TEXT, subject_type TEXT, subject_id TEXT);"
        "INSERT INTO tag_assignments VALUES ('1', 'host', 'h1'), ('2', 'host', 'h1'), "
        " ('3', 'host', 'h1'), ('4', 'host', 'h1');";
    struct fixture *f = *state;
    struct import im = {0};
    struct host h = {0};

    assert_int_equal(run(f, &im, open_source(f, sql), NULL), 0);
    assert_int_equal(hosts_get(f->store, "h1", &h, NULL), 0);
    assert_int_equal(strlen(h.tags), strlen("[\"prod\",\"\"]") + 64);
    assert_int_equal(strncmp(h.tags, "[\"prod\",\"aaaa", 13), 0);
    expect_count(&im, IMPORT_HOST_TAGS, 2, 1);
    host_done(&h);
}

static void test_rows_of_a_table_are_limited(void **state)
{
    expect_too_big(state,
                   "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT);" MANY(
                       "10001") "INSERT INTO users SELECT i, NULL FROM c;",
                   "table users has more than 10000 rows");
    expect_too_big(state,
                   "CREATE TABLE api_keys (id INTEGER PRIMARY KEY, group_id INTEGER);" MANY(
                       "10001") "INSERT INTO api_keys SELECT i, NULL FROM c;",
                   "table api_keys has more than 10000 rows");
    expect_too_big(state,
                   MANY("20000") "INSERT INTO docker_hosts SELECT 'n' || i, '', 'tcp://' FROM c;",
                   "table docker_hosts has more than 20000 rows");
    expect_too_big(state,
                   "CREATE TABLE auto_restart_configs (id INTEGER);" MANY(
                       "200001") "INSERT INTO auto_restart_configs SELECT i FROM c;",
                   "table auto_restart_configs has more than 200000 rows");
    expect_too_big(state,
                   "CREATE TABLE event_logs (id INTEGER PRIMARY KEY);" MANY(
                       "1000001") "INSERT INTO event_logs SELECT i FROM c;",
                   "table event_logs has more than 1000000 rows");
    expect_too_big(state,
                   "CREATE TABLE audit_log (id INTEGER PRIMARY KEY);" MANY(
                       "1000001") "INSERT INTO audit_log SELECT i FROM c;",
                   "table audit_log has more than 1000000 rows");
}

static void test_a_row_has_at_most_16_mib(void **state)
{
    expect_too_big(state, "UPDATE docker_hosts SET name = zeroblob(16777217)",
                   "a row of table docker_hosts is larger than 16 MiB");
    expect_too_big(state,
                   "CREATE TABLE event_logs (id INTEGER PRIMARY KEY, host_id TEXT, "
                   " container_id TEXT, container_name TEXT, message TEXT);"
                   "INSERT INTO event_logs VALUES (1, 'h1', 'a', 'b', zeroblob(16777217));",
                   "a row of table event_logs is larger than 16 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_audit_log_is_taken_over_once),
        TEST(test_other_tables_name_a_container),
        TEST(test_key_must_open_sealed_values),
        TEST(test_credentials_change_their_seal),
        TEST(test_tags_are_those_of_the_api),
        cmocka_unit_test(test_members_of_groups_are_searched),
        TEST(test_rows_of_a_table_are_limited),
        TEST(test_a_row_has_at_most_16_mib),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
