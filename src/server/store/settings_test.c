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

static char t_h1[] = "h1", t_h2[] = "h2", t_c1[] = "0123456789ab", t_c2[] = "ba9876543210";
static char t_web[] = "web", t_json[] = "{\"enabled\":true}", t_other[] = "{}";

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

static void put(struct db *s,
                enum container_setting_kind kind,
                const char *host_id,
                const char *container_id,
                const char *data)
{
    _cleanup_free_ char *host = xstrdup(host_id), *container = xstrdup(container_id),
                        *text = xstrdup(data);
    struct container_setting row = {.host_id = host,
                                    .container_id = container,
                                    .container_name = t_web,
                                    .data = text,
                                    .updated_at_ms = 9};
    struct error err = ERROR_INIT;

    if (container_settings_put(s, kind, &row, &err) < 0)
        fail_msg("container_settings_put: %s", err.msg);
}

static void test_container_settings_are_stored_by_kind(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct container_setting got = {0};

    fixture_add_host(s, "h1", "one");
    put(s, CONTAINER_UPDATE, t_h1, t_c1, t_other);
    put(s, CONTAINER_UPDATE, t_h1, t_c1, t_json);
    assert_int_equal(container_settings_get(s, CONTAINER_UPDATE, t_h1, t_c1, &got, NULL), 0);
    assert_string_equal(got.host_id, "h1");
    assert_string_equal(got.container_id, t_c1);
    assert_string_equal(got.container_name, "web");
    assert_string_equal(got.data, t_json);
    assert_int_equal(got.updated_at_ms, 9);
    container_setting_done(&got);
    assert_int_equal(container_settings_get(s, CONTAINER_TAGS, t_h1, t_c1, &got, NULL), -ENOENT);
}

static void test_invalid_container_settings_are_refused(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char bad_json[] = "{", long_id[] = "0123456789abc";
    struct container_setting row = {.host_id = t_h1, .container_id = t_c1, .data = t_json};

    assert_int_equal(container_settings_put(s, CONTAINER_TAGS, &row, NULL), -EINVAL); /* no host */
    fixture_add_host(s, "h1", "one");
    row.data = bad_json;
    assert_int_equal(container_settings_put(s, CONTAINER_TAGS, &row, NULL), -EINVAL);
    row.data = t_json;
    row.container_id = long_id;
    assert_int_equal(container_settings_put(s, CONTAINER_TAGS, &row, NULL), -EINVAL);
}

static void expect_moved(struct db *s, enum container_setting_kind kind, const char *container_id)
{
    struct container_setting got;

    assert_int_equal(container_settings_get(s, kind, t_h1, container_id, &got, NULL), -ENOENT);
    assert_int_equal(container_settings_get(s, kind, t_h2, container_id, &got, NULL), 0);
    assert_string_equal(got.data, t_json);
    container_setting_done(&got);
}

static void test_move_includes_all_kinds(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    int64_t moved = 0;

    fixture_add_host(s, "h1", "one");
    fixture_add_host(s, "h2", "two");
    for (int kind = 0; kind < CONTAINER_SETTING_KINDS; kind++) {
        put(s, (enum container_setting_kind)kind, t_h1, t_c1, t_json);
        put(s, (enum container_setting_kind)kind, t_h1, t_c2, t_json);
        put(s, (enum container_setting_kind)kind, t_h2, t_c1, t_other); /* will be replaced */
    }
    assert_int_equal(container_settings_move_host(s, "h1", "h2", &moved, NULL), 0);
    assert_int_equal(moved, 2 * CONTAINER_SETTING_KINDS);
    for (int kind = 0; kind < CONTAINER_SETTING_KINDS; kind++) {
        expect_moved(s, (enum container_setting_kind)kind, t_c1);
        expect_moved(s, (enum container_setting_kind)kind, t_c2);
    }

    assert_int_equal(container_settings_move_host(s, "h1", "h2", &moved, NULL), 0);
    assert_int_equal(moved, 0);
    assert_int_equal(container_settings_move_host(s, "h2", "nowhere", NULL, NULL), -EINVAL);
}

static void test_container_settings_are_deleted_with_their_host(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct container_setting got = {0};

    fixture_add_host(s, "h1", "one");
    put(s, CONTAINER_DESIRED_STATE, t_h1, t_c1, t_json);
    assert_int_equal(hosts_delete(s, "h1", NULL), 0);
    assert_int_equal(container_settings_get(s, CONTAINER_DESIRED_STATE, t_h1, t_c1, &got, NULL),
                     -ENOENT);
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
        TEST(test_container_settings_are_stored_by_kind),
        TEST(test_invalid_container_settings_are_refused),
        TEST(test_move_includes_all_kinds),
        TEST(test_container_settings_are_deleted_with_their_host),
        TEST(test_audit_rows_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
