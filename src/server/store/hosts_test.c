#include "base/buf.h"
#include "server/store/agents.h"
#include "server/store/events.h"
#include "server/store/fixture.h"
#include "server/store/hosts.h"

#include <errno.h>
#include <string.h>

static char t_id[] = "h1", t_name[] = "alpha", t_url[] = "agent://", t_engine[] = "E:1";
static char t_tags[] = "[\"a\",\"b\"]", t_description[] = "the first", t_ips[] = "[\"10.0.0.1\"]";
static char t_os[] = "linux", t_os_version[] = "Debian 12", t_kernel[] = "6.1",
            t_docker[] = "20.10";
static char t_started[] = "2026-01-01T00:00:00Z";

static const struct host full = {
    .id = t_id,
    .name = t_name,
    .url = t_url,
    .connection = HOST_REMOTE,
    .is_active = true,
    .engine_id = t_engine,
    .tags = t_tags,
    .description = t_description,
    .os_type = t_os,
    .os_version = t_os_version,
    .kernel_version = t_kernel,
    .docker_version = t_docker,
    .daemon_started_at = t_started,
    .total_memory = INT64_C(67430174720),
    .num_cpus = 16,
    .host_ips = t_ips,
    .is_podman = true,
    .created_at_ms = 1000,
    .updated_at_ms = 2000,
};

static void assert_same_text(const char *a, const char *b)
{
    if (!a || !b) {
        assert_ptr_equal(a, b);
    } else {
        assert_string_equal(a, b);
    }
}

static void assert_same(const struct host *a, const struct host *b)
{
    assert_same_text(a->id, b->id);
    assert_same_text(a->name, b->name);
    assert_same_text(a->url, b->url);
    assert_int_equal(a->connection, b->connection);
    assert_int_equal(a->is_active, b->is_active);
    assert_same_text(a->replaced_by, b->replaced_by);
    assert_same_text(a->engine_id, b->engine_id);
    assert_same_text(a->tags, b->tags);
    assert_same_text(a->description, b->description);
    assert_same_text(a->os_type, b->os_type);
    assert_same_text(a->os_version, b->os_version);
    assert_same_text(a->kernel_version, b->kernel_version);
    assert_same_text(a->docker_version, b->docker_version);
    assert_same_text(a->daemon_started_at, b->daemon_started_at);
    assert_int_equal(a->total_memory, b->total_memory);
    assert_int_equal(a->num_cpus, b->num_cpus);
    assert_same_text(a->host_ips, b->host_ips);
    assert_int_equal(a->is_podman, b->is_podman);
    assert_int_equal(a->created_at_ms, b->created_at_ms);
    assert_int_equal(a->updated_at_ms, b->updated_at_ms);
}

static void test_all_columns_are_stored(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct host got = {0};

    assert_int_equal(hosts_insert(s, &full, NULL), 0);
    assert_int_equal(hosts_get(s, "h1", &got, NULL), 0);
    assert_same(&got, &full);
    host_done(&got);
    assert_null(got.name);
    host_done(&got); /* a second call is harmless */
}

static void test_update_changes_all_columns(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char name[] = "beta", replaced_by[] = "h2";
    struct host changed = {.id = t_id,
                           .name = name,
                           .url = t_name,
                           .connection = HOST_AGENT,
                           .replaced_by = replaced_by,
                           .total_memory = 1,
                           .num_cpus = 2,
                           .created_at_ms = 3,
                           .updated_at_ms = 4};
    struct host got = {0};

    fixture_add_host(s, "h2", "other");
    assert_int_equal(hosts_insert(s, &full, NULL), 0);
    assert_int_equal(hosts_update(s, &changed, NULL), 0);
    assert_int_equal(hosts_get(s, "h1", &got, NULL), 0);
    assert_same(&got, &changed);
    host_done(&got);

    changed.id = name;
    assert_int_equal(hosts_update(s, &changed, NULL), -ENOENT);
}

static void test_names_are_unique_among_active_hosts(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct error err = ERROR_INIT;
    char id2[] = "h2";
    struct host second = full;

    second.id = id2;
    assert_int_equal(hosts_insert(s, &full, NULL), 0);
    assert_int_equal(hosts_insert(s, &second, &err), -EEXIST);
    assert_non_null(strstr(err.msg, "alpha"));
    assert_true(hosts_name_taken(s, "alpha", NULL));
    assert_true(hosts_name_taken(s, "alpha", "h2"));
    assert_false(hosts_name_taken(s, "alpha", "h1"));
    assert_false(hosts_name_taken(s, "gamma", NULL));

    second.is_active = false;
    assert_int_equal(hosts_insert(s, &second, NULL), 0);
    second.is_active = true;
    assert_int_equal(hosts_update(s, &second, NULL), -EEXIST);
}

static void expect_found(struct db *s, const char *ref, const char *id)
{
    struct host h = {0};

    assert_int_equal(hosts_find(s, ref, &h, NULL), 0);
    assert_string_equal(h.id, id);
    host_done(&h);
}

/* A name that is also an id of another host means that host by its id. */
static void test_hosts_are_found_by_id_or_name(void **state)
{
    const struct fixture *f = *state;
    struct host h = {0};

    fixture_add_host(f->store, "id-1", "one");
    fixture_add_host(f->store, "id-2", "id-1");
    expect_found(f->store, "one", "id-1");
    expect_found(f->store, "id-1", "id-1");
    expect_found(f->store, "id-2", "id-2");
    assert_int_equal(hosts_find(f->store, "id", &h, NULL), -ENOENT);
}

static void test_unknown_hosts_are_not_found(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct host got = {0};

    assert_int_equal(hosts_get(s, "h1", &got, NULL), -ENOENT);
    assert_int_equal(hosts_delete(s, "h1", NULL), -ENOENT);
    assert_null(got.id);
}

static void test_invalid_rows_are_refused(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char bad_json[] = "[";
    struct host h = full;

    h.tags = bad_json;
    assert_int_equal(hosts_insert(s, &h, NULL), -EINVAL);
    h = full;
    h.name = NULL;
    assert_int_equal(hosts_insert(s, &h, NULL), -EINVAL);
    h = full;
    h.replaced_by = t_url; /* no such host */
    assert_int_equal(hosts_insert(s, &h, NULL), -EINVAL);
}

static void append_name(void *arg, const struct host *h)
{
    assert_int_equal(buf_append_str(arg, h->name), 0);
    assert_int_equal(buf_append_char(arg, ' '), 0);
}

static void test_active_hosts_are_listed_by_name(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct buf names = BUF_INIT(100);
    char id[] = "h9", name[] = "zeta";
    struct host h = full;

    fixture_add_host(s, "h2", "gamma");
    fixture_add_host(s, "h3", "beta");
    assert_int_equal(hosts_insert(s, &full, NULL), 0);
    h.id = id;
    h.name = name;
    h.is_active = false;
    assert_int_equal(hosts_insert(s, &h, NULL), 0);

    assert_int_equal(hosts_each(s, append_name, &names, NULL), 0);
    assert_string_equal(buf_str(&names), "alpha beta gamma ");
    buf_clear(&names);
    assert_int_equal(hosts_each_engine(s, "E:1", HOST_REMOTE, append_name, &names, NULL), 0);
    assert_string_equal(buf_str(&names), "alpha ");
    buf_clear(&names);
    assert_int_equal(hosts_each_engine(s, "E:1", HOST_LOCAL, append_name, &names, NULL), 0);
    assert_string_equal(buf_str(&names), "");
    buf_done(&names);
}

static void test_deletion_includes_agent_and_events(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    char category[] = "container", type[] = "started", severity[] = "info", title[] = "x";
    char host1[] = "h1", host2[] = "h2";
    struct event e = {.category = category, .type = type, .severity = severity, .title = title};
    struct agent a = {0};
    int64_t ns;

    fixture_add_host(s, "h1", "one");
    fixture_add_host(s, "h2", "two");
    fixture_add_agent(s, "a1", "h1", "e1");
    fixture_add_agent(s, "a2", "h2", "e2");
    e.engine_ns = 5;
    e.host_id = host1;
    assert_int_equal(events_insert(s, &e, NULL, NULL), 0);
    e.host_id = host2;
    assert_int_equal(events_insert(s, &e, NULL, NULL), 0);

    assert_int_equal(hosts_delete(s, "h1", NULL), 0);
    assert_int_equal(agents_get(s, "a1", &a, NULL), -ENOENT);
    assert_int_equal(agents_get(s, "a2", &a, NULL), 0);
    agent_done(&a);
    assert_int_equal(events_newest_engine_ns(s, "h1", &ns, NULL), 0);
    assert_int_equal(ns, 0);
    assert_int_equal(events_newest_engine_ns(s, "h2", &ns, NULL), 0);
    assert_int_equal(ns, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_columns_are_stored),          TEST(test_update_changes_all_columns),
        TEST(test_hosts_are_found_by_id_or_name),   TEST(test_names_are_unique_among_active_hosts),
        TEST(test_unknown_hosts_are_not_found),     TEST(test_invalid_rows_are_refused),
        TEST(test_active_hosts_are_listed_by_name), TEST(test_deletion_includes_agent_and_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
