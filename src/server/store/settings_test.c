/* Tests settings, container_settings and audit. */

#include "base/alloc.h"
#include "base/buf.h"
#include "server/store/audit.h"
#include "server/store/container_settings.h"
#include "server/store/fixture.h"
#include "server/store/hosts.h"
#include "server/store/settings.h"

#include <errno.h>
#include <string.h>

static void test_settings_are_set_replaced_and_deleted(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char *value = NULL;

    assert_int_equal(settings_get(s, "k", &value, NULL), -ENOENT);
    assert_int_equal(settings_set(s, "k", "one", NULL), 0);
    assert_int_equal(settings_set(s, "k", "two", NULL), 0);
    assert_int_equal(settings_set(s, "l", "", NULL), 0);
    assert_int_equal(settings_get(s, "k", &value, NULL), 0);
    assert_string_equal(value, "two");
    free(value);
    assert_int_equal(settings_get(s, "l", &value, NULL), 0);
    assert_string_equal(value, "");
    free(value);
    assert_int_equal(settings_set(s, "k", NULL, NULL), 0);
    assert_int_equal(settings_get(s, "k", &value, NULL), -ENOENT);
}

static struct container_setting_key make_key(const char *host_id,
                                             enum container_setting_kind kind,
                                             const char *subject,
                                             const char *name)
{
    return (struct container_setting_key){
        .host_id = host_id, .subject = subject, .name = name, .kind = kind};
}

static void put(struct db *s, const struct container_setting_key *key, const char *data)
{
    struct error err = ERROR_INIT;

    if (container_settings_set(s, key, data, 9, &err) < 0)
        fail_msg("container_settings_set: %s", err.msg);
}

static void expect(struct db *s, const struct container_setting_key *key, const char *data)
{
    _cleanup_free_ char *got = NULL;

    assert_int_equal(container_settings_get(s, key, &got, NULL), data ? 0 : -ENOENT);
    if (data)
        assert_string_equal(got, data);
}

static void append_setting(void *arg, const struct container_setting *row)
{
    assert_int_equal(buf_printf(arg, "%s %s %s %s %lld;", row->host_id, row->subject,
                                container_setting_kind_name(row->kind), row->data,
                                (long long)row->updated_at_ms),
                     0);
}

static void expect_rows(struct db *s, const char *host_id, const char *rows)
{
    struct buf got = BUF_INIT(1000);

    assert_int_equal(container_settings_each(s, host_id, append_setting, &got, NULL), 0);
    assert_string_equal(got.size > 0 ? buf_str(&got) : "", rows);
    buf_done(&got);
}

static void test_subject_outlives_the_container(void **state)
{
    static const struct {
        const char *project, *service, *number, *name, *subject;
    } cases[] = {
        {"shop", "web", "1",           "shop-web-1", "shop/web/1"},
        {"shop", "web", NULL,          "web",        "web"       },
        {"shop", NULL,  "1",           "web",        "web"       },
        {NULL,   NULL,  NULL,          "web",        "web"       },
        {"a/b",  "web", "1",           "web",        "web"       },
        {"a",    "b/c", "1",           "web",        "web"       },
        {"",     "web", "1",           "web",        "web"       },
        {"a",    "web", "1x",          "web",        "web"       },
        {"a",    "web", "12345678901", "web",        "web"       },
        {NULL,   NULL,  NULL,          NULL,         ""          },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char subject[CONTAINER_SUBJECT_SIZE];
        bool is_compose = container_subject_make(subject, cases[i].project, cases[i].service,
                                                 cases[i].number, cases[i].name);

        assert_string_equal(subject, cases[i].subject);
        assert_int_equal(is_compose, i == 0);
    }
}

static void test_container_settings_are_stored_by_kind(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct container_setting_key url = make_key("h1", CONTAINER_WEB_UI_URL, "web", NULL);
    struct container_setting_key tags = make_key("h1", CONTAINER_TAGS, "web", NULL);

    fixture_add_host(s, "h1", "one");
    put(s, &url, "{}");
    put(s, &url, "{\"url\":\"http://a\"}");
    expect(s, &tags, NULL);
    put(s, &tags, "[\"a\"]");
    expect_rows(s, "h1", "h1 web tags [\"a\"] 9;h1 web web_ui_url {\"url\":\"http://a\"} 9;");
    expect_rows(s, "h2", "");
    assert_int_equal(container_settings_delete(s, &tags, NULL), 0);
    assert_int_equal(container_settings_delete(s, &tags, NULL), 0);
    expect_rows(s, NULL, "h1 web web_ui_url {\"url\":\"http://a\"} 9;");
}

/* Rows from elsewhere know only the name of a container of Compose. */
static void test_row_of_the_name_counts_until_the_subject_has_one(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct container_setting_key name = make_key("h1", CONTAINER_TAGS, "p-web-1", NULL);
    struct container_setting_key both = make_key("h1", CONTAINER_TAGS, "p/web/1", "p-web-1");

    fixture_add_host(s, "h1", "one");
    put(s, &name, "[\"old\"]");
    expect(s, &both, "[\"old\"]");
    put(s, &both, "[\"new\"]");
    expect_rows(s, "h1", "h1 p/web/1 tags [\"new\"] 9;");
    put(s, &name, "[\"old\"]");
    expect(s, &both, "[\"new\"]");
    assert_int_equal(container_settings_delete(s, &both, NULL), 0);
    expect_rows(s, "h1", "");
}

static void test_invalid_container_settings_are_refused(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct container_setting_key key = make_key("h1", CONTAINER_TAGS, "web", NULL);
    _cleanup_free_ char *data = xcalloc(1, CONTAINER_SETTING_MAX_DATA + 2);

    assert_int_equal(container_settings_set(s, &key, "{}", 1, NULL), -EINVAL); /* no host */
    fixture_add_host(s, "h1", "one");
    assert_int_equal(container_settings_set(s, &key, "{", 1, NULL), -EINVAL);
    memset(data, ' ', CONTAINER_SETTING_MAX_DATA + 1);
    memcpy(data, "{}", 2);
    assert_int_equal(container_settings_set(s, &key, data, 1, NULL), -EINVAL);
    data[CONTAINER_SETTING_MAX_DATA] = '\0';
    assert_int_equal(container_settings_set(s, &key, data, 1, NULL), 0);
    key.subject = "";
    assert_int_equal(container_settings_set(s, &key, "{}", 1, NULL), -EINVAL);
}

static void test_host_has_a_maximum_of_container_settings(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct container_setting_key more = make_key("h1", CONTAINER_TAGS, "more", NULL);
    struct container_setting_key one = make_key("h1", CONTAINER_TAGS, "c1", NULL);

    fixture_add_host(s, "h1", "one");
    assert_int_equal(
        db_exec(s,
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                "INSERT INTO container_settings SELECT 'h1', 'c' || i, 'tags', '[]', 1 FROM n",
                NULL),
        0);
    assert_int_equal(container_settings_set(s, &more, "[]", 1, NULL), -ENOBUFS);
    put(s, &one, "[1]"); /* a row that exists may change */
    expect(s, &one, "[1]");
}

static void test_rename_moves_all_kinds(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct container_setting_key web = make_key("h1", CONTAINER_TAGS, "web", NULL);
    struct container_setting_key url = make_key("h1", CONTAINER_WEB_UI_URL, "web", NULL);
    struct container_setting_key site = make_key("h1", CONTAINER_TAGS, "site", NULL);

    fixture_add_host(s, "h1", "one");
    put(s, &web, "[]");
    put(s, &url, "{}");
    put(s, &site, "[\"of a removed container\"]");
    assert_int_equal(container_settings_rename(s, "h1", "web", "site", NULL), 0);
    expect_rows(s, "h1", "h1 site tags [] 9;h1 site web_ui_url {} 9;");
    assert_int_equal(container_settings_rename(s, "h1", "site", "site", NULL), 0);
    assert_int_equal(container_settings_rename(s, "h2", "site", "x", NULL), 0);
    expect_rows(s, "h1", "h1 site tags [] 9;h1 site web_ui_url {} 9;");
}

static void test_move_includes_all_kinds(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    int64_t moved = 0;

    fixture_add_host(s, "h1", "one");
    fixture_add_host(s, "h2", "two");
    for (enum container_setting_kind kind = 0; kind < CONTAINER_SETTING_KINDS; kind++) {
        struct container_setting_key from = make_key("h1", kind, "web", NULL);
        struct container_setting_key to = make_key("h2", kind, "web", NULL);

        put(s, &from, "{\"a\":1}");
        put(s, &to, "{}"); /* will be replaced */
    }
    assert_int_equal(container_settings_move_host(s, "h1", "h2", &moved, NULL), 0);
    assert_int_equal(moved, CONTAINER_SETTING_KINDS);
    for (enum container_setting_kind kind = 0; kind < CONTAINER_SETTING_KINDS; kind++) {
        struct container_setting_key to = make_key("h2", kind, "web", NULL);

        expect(s, &to, "{\"a\":1}");
    }
    expect_rows(s, "h1", "");
    assert_int_equal(container_settings_move_host(s, "h1", "h2", &moved, NULL), 0);
    assert_int_equal(moved, 0);
    assert_int_equal(container_settings_move_host(s, "h2", "nowhere", NULL, NULL), -EINVAL);
}

static void test_container_settings_are_deleted_with_their_host(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct container_setting_key key = make_key("h1", CONTAINER_DESIRED_STATE, "web", NULL);

    fixture_add_host(s, "h1", "one");
    put(s, &key, "{}");
    assert_int_equal(hosts_delete(s, "h1", NULL), 0);
    expect(s, &key, NULL);
}

static void add_audit(struct db *s, int64_t at_ms, const char *who, const char *action)
{
    char w[32], a[32], peer[] = "10.0.0.9", target[] = "h1/web", result[] = "ok";
    struct audit_entry e = {
        .at_ms = at_ms, .who = w, .peer = peer, .action = a, .target = target, .result = result};

    memcpy(w, who, strlen(who) + 1);
    memcpy(a, action, strlen(action) + 1);
    assert_int_equal(audit_insert(s, &e, NULL), 0);
}

static void append_entry(void *arg, const struct audit_entry *e)
{
    assert_true(e->id > 0);
    assert_string_equal(e->peer, "10.0.0.9");
    assert_string_equal(e->target, "h1/web");
    assert_string_equal(e->result, "ok");
    assert_int_equal(buf_printf(arg, "%lld %s %s;", (long long)e->at_ms, e->who, e->action), 0);
}

static void test_audit_rows_are_listed(void **state)
{
    static const struct {
        struct audit_query query;
        const char *rows;
        int64_t total;
    } cases[] = {
        {{.page.limit = 9},                                         "3 bob login;2 ann stop;1 ann login;", 3},
        {{.page.limit = 1, .page.offset = 1},                       "2 ann stop;",                         3},
        {{.page.limit = 9, .who = "ann"},                           "2 ann stop;1 ann login;",             2},
        {{.page.limit = 9, .action = "login"},                      "3 bob login;1 ann login;",            2},
        {{.page.limit = 9, .page.since_ms = 2},                     "3 bob login;2 ann stop;",             2},
        {{.page.limit = 9, .page.since_ms = 2, .page.until_ms = 3}, "2 ann stop;",                         1},
    };
    struct db *s = ((struct fixture *)*state)->store;
    struct buf rest = BUF_INIT(100);

    add_audit(s, 1, "ann", "login");
    add_audit(s, 2, "ann", "stop");
    add_audit(s, 3, "bob", "login");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf rows = BUF_INIT(1000);
        int64_t total = 0;

        assert_int_equal(audit_list(s, &cases[i].query, append_entry, &rows, &total, NULL), 0);
        assert_string_equal(buf_str(&rows), cases[i].rows);
        assert_int_equal(total, cases[i].total);
        buf_done(&rows);
    }
    assert_int_equal(audit_purge(s, 3, NULL), 0);
    assert_int_equal(
        audit_list(s, &(struct audit_query){.page.limit = 9}, append_entry, &rest, NULL, NULL), 0);
    assert_string_equal(buf_str(&rest), "3 bob login;");
    buf_done(&rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_settings_are_set_replaced_and_deleted),
        TEST(test_subject_outlives_the_container),
        TEST(test_container_settings_are_stored_by_kind),
        TEST(test_row_of_the_name_counts_until_the_subject_has_one),
        TEST(test_invalid_container_settings_are_refused),
        TEST(test_host_has_a_maximum_of_container_settings),
        TEST(test_rename_moves_all_kinds),
        TEST(test_move_includes_all_kinds),
        TEST(test_container_settings_are_deleted_with_their_host),
        TEST(test_audit_rows_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
