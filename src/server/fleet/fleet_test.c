#include "proto/json_text.h"
#include "server/fleet/fleet.h"
#include "server/fleet/staleness.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"

#define ID_A "aaaaaaaaaaaa0000000000000000000000000000000000000000000000000000"
#define ID_B "aaaaaaaaaaaa1111111111111111111111111111111111111111111111111111"
#define ID_C "cafe000000000000000000000000000000000000000000000000000000000000"

static struct fleet_host *put_host(struct fleet *f,
                                   const char *id,
                                   const char *name,
                                   const char *agent_id)
{
    struct host row = {.id = xstrdup(id), .name = xstrdup(name), .engine_id = xstrdup("E")};
    struct agent agent = {.id = xstrdup(agent_id), .host_id = xstrdup(id)};
    struct fleet_host *h = fleet_put_host(f, &row, agent_id ? &agent : NULL);

    host_done(&row);
    agent_done(&agent);
    return h;
}

static int setup(void **state)
{
    *state = fleet_new();
    return 0;
}

static int teardown(void **state)
{
    fleet_free(*state);
    return 0;
}

static struct fleet_host *add_host(void **state)
{
    return put_host(*state, "h1", "web", "a1");
}

static json_t *element(const char *id, const char *name, const char *state)
{
    return json_pack("{s:s, s:[s], s:s, s:i}", "Id", id, "Names", name, "State", state, "Created",
                     17);
}

/* Takes ownership of the list. */
static size_t apply_snapshot(struct fleet_host *h, json_t *list, int64_t now_ms)
{
    size_t n = fleet_apply_snapshot(h, list, now_ms);

    json_decref(list);
    return n;
}

static const char *find_name(const struct fleet_host *h, const char *ref)
{
    struct fleet_container *c = NULL;

    return fleet_find_container(h, ref, &c) == 0 ? c->name : NULL;
}

static void test_host_is_put_and_removed(void **state)
{
    struct fleet *f = *state;
    struct fleet_host *h = put_host(f, "h1", "web", NULL);

    assert_ptr_equal(fleet_find_host(f, "h1"), h);
    assert_null(fleet_find_agent(f, "a1"));
    assert_false(h->is_online);

    apply_snapshot(h, json_pack("[o]", element(ID_A, "/x", "running")), 5);
    fleet_set_online(f, h, true, 9);
    assert_int_equal(h->seen_at_ms, 9);
    fleet_set_online(f, h, false, 70000); /* the loss is noticed later than the last message */
    assert_int_equal(h->seen_at_ms, 9);
    fleet_set_online(f, h, true, 9);
    fleet_set_trouble(h, "no answer");
    assert_string_equal(h->trouble, "no answer");
    fleet_set_trouble(h, NULL);
    assert_null(h->trouble);
    assert_ptr_equal(put_host(f, "h1", "web2", "a1"), h);
    assert_true(h->is_online);
    assert_int_equal(h->containers.size, 1);
    assert_string_equal(h->row.name, "web2");
    assert_ptr_equal(fleet_find_agent(f, "a1"), h);

    assert_ptr_equal(put_host(f, "h1", "web2", "a2"), h);
    assert_null(fleet_find_agent(f, "a1"));
    assert_ptr_equal(fleet_find_agent(f, "a2"), h);

    /* From its own row, as at start when the agents come after the hosts. */
    {
        struct host self = h->row;

        assert_ptr_equal(fleet_put_host(f, &self, &h->agent), h);
        assert_string_equal(h->row.name, "web2");
        assert_string_equal(h->agent.id, "a2");
    }
    fleet_remove_host(f, "h1");
    assert_null(fleet_find_host(f, "h1"));
    assert_null(fleet_find_agent(f, "a2"));
    fleet_remove_host(f, "h1");
}

static void test_snapshot_replaces_the_list(void **state)
{
    struct fleet_host *h = add_host(state);
    uint64_t version;

    assert_int_equal(
        apply_snapshot(h,
                       json_pack("[o, o, s, {}, n, {s:s}]", element(ID_A, "/one", "running"),
                                 element(ID_B, "/two", "created"), "text", "Id", "short"),
                       100),
        4);
    assert_int_equal(h->containers.size, 2);
    assert_int_equal(h->containers_at_ms, 100);
    version = h->containers_version;

    apply_snapshot(
        h, json_pack("[o, o]", element(ID_B, "/two", "created"), element(ID_A, "/one", "running")),
        200);
    assert_int_equal(h->containers_version, version);
    assert_int_equal(h->containers_at_ms, 200);

    fleet_container_forget_element(map_find(&h->containers, ID_B)); /* changes are still noticed */
    apply_snapshot(
        h, json_pack("[o, o]", element(ID_B, "/two", "created"), element(ID_A, "/one", "running")),
        200);
    assert_int_equal(h->containers_version, version);
    apply_snapshot(
        h, json_pack("[o, o]", element(ID_B, "/two", "running"), element(ID_A, "/one", "running")),
        200);
    assert_int_equal(h->containers_version, version + 1);

    apply_snapshot(h, json_pack("[o]", element(ID_B, "/two", "running")), 300);
    assert_int_equal(h->containers.size, 1);
    assert_true(h->containers_version > version);
    apply_snapshot(h, json_array(), 400);
    assert_int_equal(h->containers.size, 0);
}

static void test_engine_states_are_mapped(void **state)
{
    static const char *const table[][2] = {
        {"running",    "running"   },
        {"paused",     "paused"    },
        {"restarting", "restarting"},
        {"exited",     "exited"    },
        {"created",    "created"   },
        {"dead",       "exited"    },
        {"removing",   "removing"  },
        {"",           "unknown"   },
    };
    struct fleet_host *h = add_host(state);

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fleet_container *c = NULL;

        apply_snapshot(h, json_pack("[o]", element(ID_A, "/one", table[i][0])), 1);
        assert_int_equal(fleet_find_container(h, ID_A, &c), 0);
        assert_string_equal(c->state, table[i][1]);
        assert_string_equal(c->engine_state, table[i][0]);
        assert_int_equal(c->created_s, 17);
    }
}

static void test_delta_changes_and_removes(void **state)
{
    struct fleet_host *h = add_host(state);
    struct strings removed = {0};
    json_t *list;

    apply_snapshot(
        h, json_pack("[o, o]", element(ID_A, "/one", "running"), element(ID_B, "/two", "running")),
        1);
    strings_add(&removed, ID_A);
    strings_add(&removed, "nothing");
    list = json_pack("[o, o, i]", element(ID_B, "/new", "exited"),
                     element(ID_C, "/three", "running"), 7);
    assert_int_equal(fleet_apply_delta(h, list, &removed, 5), 1);
    assert_int_equal(h->containers.size, 2);
    assert_int_equal(h->containers_at_ms, 5);
    assert_null(find_name(h, ID_A));
    assert_string_equal(find_name(h, ID_B), "new");
    assert_string_equal(find_name(h, ID_C), "three");
    assert_int_equal(fleet_apply_delta(h, NULL, NULL, 6), 0);
    assert_int_equal(h->containers.size, 2);
    json_decref(list);
    strings_done(&removed);
}

static void test_container_is_found_by_id_name_or_prefix(void **state)
{
    struct fleet_host *h = add_host(state);
    struct fleet_container *c = NULL;

    apply_snapshot(h,
                   json_pack("[o, o, o]", element(ID_A, "/one", "running"),
                             element(ID_B, "/two", "running"), element(ID_C, "/aaaa", "running")),
                   1);
    assert_string_equal(find_name(h, ID_A), "one");
    assert_string_equal(find_name(h, "two"), "two");
    assert_string_equal(find_name(h, "/two"), "two");
    assert_string_equal(find_name(h, "cafe00000000"), "aaaa");
    assert_string_equal(find_name(h, "c"), "aaaa");
    assert_string_equal(find_name(h, "aaaa"), "aaaa"); /* names precede prefixes */
    assert_string_equal(find_name(h, "aaaaaaaaaaaa1"), "two");
    assert_int_equal(fleet_find_container(h, "aaaaaaaaaaaa", &c), -EEXIST);
    assert_int_equal(fleet_find_container(h, "zzz", &c), -ENOENT);
    assert_int_equal(fleet_find_container(h, "", &c), -ENOENT);
    assert_int_equal(fleet_find_container(h, "/", &c), -ENOENT);
}

static json_t *make_elements(size_t from, size_t n)
{
    json_t *list = json_array();

    for (size_t i = from; i < from + n; i++) {
        char id[CONTAINER_ID_SIZE];

        (void)snprintf(id, sizeof(id), "%064zx", i);
        json_array_append_new(list, element(id, "/x", "running"));
    }
    return list;
}

static void test_containers_beyond_the_limit_are_skipped(void **state)
{
    struct fleet_host *h = add_host(state);
    json_t *more = make_elements(FLEET_MAX_CONTAINERS, 3);

    assert_int_equal(apply_snapshot(h, make_elements(0, FLEET_MAX_CONTAINERS + 10), 1), 10);
    assert_int_equal(h->containers.size, FLEET_MAX_CONTAINERS);
    assert_int_equal(fleet_apply_delta(h, more, NULL, 2), 3);
    assert_int_equal(h->containers.size, FLEET_MAX_CONTAINERS);

    /* All are new: the old containers must not keep them out. */
    assert_int_equal(apply_snapshot(h, make_elements(100000, FLEET_MAX_CONTAINERS), 3), 0);
    assert_int_equal(h->containers.size, FLEET_MAX_CONTAINERS);
    json_decref(more);
}

static void test_newest_sample_is_kept(void **state)
{
    struct fleet_host *h = add_host(state);
    struct fleet_container *c = NULL;
    const struct fleet_sample s = {.sampled_at_ms = 7, .memory_usage = 99};

    assert_false(fleet_put_sample(h, 0, ID_C, &s));
    apply_snapshot(h, json_pack("[o]", element(ID_C, "/one", "running")), 1);
    assert_true(fleet_put_sample(h, 0, ID_C, &s));
    assert_int_equal(fleet_find_container(h, ID_C, &c), 0);
    assert_int_equal(c->sample.memory_usage, 99);
    c->sample = (struct fleet_sample){0};
    assert_true(fleet_put_sample(h, 0, "cafe00000000", &s));
    assert_int_equal(c->sample.memory_usage, 99);
    assert_false(fleet_put_sample(h, 0, "one", &s)); /* samples have ids, not names */

    apply_snapshot(h, json_pack("[o]", element(ID_C, "/one", "paused")), 2);
    assert_int_equal(fleet_find_container(h, ID_C, &c), 0);
    assert_int_equal(c->sample.memory_usage, 99);
}

/* The last sample of a container is not shown for ever, nor one that arrives after its end. */
static void test_ended_container_has_no_sample(void **state)
{
    struct fleet_host *h = add_host(state);
    struct fleet_container *c = NULL;
    const struct fleet_sample s = {.sampled_at_ms = 7, .memory_usage = 99};

    apply_snapshot(h, json_pack("[o]", element(ID_C, "/one", "running")), 1);
    assert_true(fleet_put_sample(h, 0, ID_C, &s));
    apply_snapshot(h, json_pack("[o]", element(ID_C, "/one", "exited")), 2);
    assert_int_equal(fleet_find_container(h, ID_C, &c), 0);
    assert_int_equal(c->sample.sampled_at_ms, 0);
    assert_true(fleet_put_sample(h, 0, ID_C, &s));
    assert_int_equal(c->sample.sampled_at_ms, 0);
}

static void test_net_rate_is_computed_from_counters(void **state)
{
    static const struct {
        int64_t at_ms, rx, tx;
        double rate;
    } steps[] = {
        {1000, 5000,                   0,    -1  }, /* the first sample */
        {2000, 5600,                   400,  1000},
        {2000, 9000,                   9000, 1000}, /* no time has passed: the rate is kept */
        {2500, 9000,                   9000, 0   },
        {4500, 9000,                   9500, 250 },
        {5500, 100,                    0,    0   }, /* the counters were reset */
        {6500, INT64_C(1) << 40,       0,    0   }, /* an impossible rate */
        {6000, (INT64_C(1) << 40) + 1, 0,    0   }, /* the clock was set back */
    };
    struct fleet_host *h = add_host(state);
    struct fleet_container *c = NULL;

    apply_snapshot(h, json_pack("[o]", element(ID_C, "/one", "running")), 1);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        uint64_t version = h->samples_version;
        const struct fleet_sample s = {
            .sampled_at_ms = steps[i].at_ms, .network_rx = steps[i].rx, .network_tx = steps[i].tx};

        assert_true(fleet_put_sample(h, 0, ID_C, &s));
        assert_int_equal(fleet_find_container(h, ID_C, &c), 0);
        assert_true(c->sample.net_bytes_per_sec >= steps[i].rate - 0.001 &&
                    c->sample.net_bytes_per_sec <= steps[i].rate + 0.001);
        assert_true(c->own_sample_version > version);
    }
}

static bool is_unknown(const struct fleet_sample *s)
{
    return s->cpu_percent < 0 && s->memory_usage < 0 && s->network_rx < 0 && s->pids < 0;
}

/* After three missing samples the last one is not shown as if it were current. */
static void test_samples_without_successors_expire(void **state)
{
    static const struct {
        int64_t interval_ms; /* 0: there is one sample only */
        int64_t kept_ms;
    } cases[] = {
        {0,       30000      },
        {10000,   30000      },
        {1000,    15000      }, /* a loaded agent is late */
        {60000,   180000     },
        {5000000, 3 * HOUR_MS},
    };
    struct fleet_host *h = add_host(state);
    struct fleet_container *c = NULL;

    apply_snapshot(h, json_pack("[o]", element(ID_C, "/one", "running")), 1);
    assert_int_equal(fleet_find_container(h, ID_C, &c), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fleet_sample s = {.sampled_at_ms = 1000, .memory_usage = 9, .network_rx = 5};
        uint64_t version;

        c->sample = h->sample = (struct fleet_sample){0};
        for (unsigned k = 0; k < (cases[i].interval_ms ? 2 : 1); k++) {
            s.sampled_at_ms += cases[i].interval_ms;
            assert_true(fleet_put_sample(h, 0, ID_C, &s));
            fleet_put_host_sample(h, &s);
        }
        version = h->samples_version;
        fleet_expire_samples(*state, s.sampled_at_ms + cases[i].kept_ms);
        assert_false(is_unknown(&c->sample) || is_unknown(&h->sample));
        assert_int_equal(h->samples_version, version);

        fleet_expire_samples(*state, s.sampled_at_ms + cases[i].kept_ms + 1);
        assert_true(is_unknown(&c->sample) && is_unknown(&h->sample));
        assert_int_equal(c->sample.sampled_at_ms, s.sampled_at_ms);
        assert_true(c->own_sample_version > version && h->own_sample_version > version);

        version = h->samples_version; /* readers are notified once */
        fleet_expire_samples(*state, s.sampled_at_ms + 9 * HOUR_MS);
        assert_int_equal(h->samples_version, version);
        assert_true(fleet_put_sample(h, 0, ID_C, &s));
        assert_false(is_unknown(&c->sample));
    }
}

static void test_stale_state_has_a_time(void **state)
{
    struct fleet_host *h = add_host(state);

    assert_int_equal(fleet_host_stale_since(h), 0); /* it was never seen */
    fleet_set_online(*state, h, true, 70);
    apply_snapshot(h, json_pack("[o]", element(ID_C, "/one", "running")), 50);
    assert_int_equal(fleet_host_stale_since(h), 0);
    assert_int_equal(fleet_containers_stale_since(h), 0);
    fleet_set_trouble(h, "the spool is full");
    assert_int_equal(fleet_containers_stale_since(h), 0);
    fleet_set_trouble(h, "the engine does not answer: refused");
    assert_int_equal(fleet_host_stale_since(h), 50);
    assert_int_equal(fleet_containers_stale_since(h), 50);
    fleet_set_trouble(h, NULL);
    fleet_set_online(*state, h, false, 90);
    assert_int_equal(fleet_host_stale_since(h), 70);
    assert_int_equal(fleet_containers_stale_since(h), 50);
}

static void test_candidates_are_copied(void **state)
{
    struct fleet_host *h = add_host(state);
    json_t *list = json_pack("[{s:s}]", "host_id", "old");

    fleet_set_candidates(h, list);
    json_decref(list);
    assert_int_equal(json_array_size(h->migration_candidates), 1);
    fleet_set_candidates(h, NULL);
    assert_null(h->migration_candidates);
}

static void test_changes_raise_versions(void **state)
{
    struct fleet_host *h = add_host(state);
    uint64_t version = h->version, containers = h->containers_version;
    struct fleet_container *c = NULL;
    json_t *list;

    (void)apply_snapshot(
        h, json_pack("[o, o]", element(ID_A, "/a", "running"), element(ID_B, "/b", "running")), 1);
    assert_int_equal(h->version, version);
    assert_true(h->containers_version > containers);
    assert_int_equal(fleet_find_container(h, ID_A, &c), 0);
    assert_true(c->version > containers);

    containers = h->containers_version;
    list = json_pack("[o]", element(ID_B, "/b", "exited"));
    (void)fleet_apply_delta(h, list, &(struct strings){0}, 2);
    json_decref(list);
    assert_int_equal(c->version <= containers, true); /* the other container has not changed */
    assert_int_equal(fleet_find_container(h, ID_B, &c), 0);
    assert_true(c->version > containers);

    (void)apply_snapshot(h, json_pack("[o]", element(ID_B, "/b", "exited")), 3);
    assert_int_equal(h->removed.n, 1);
    assert_string_equal(h->removed.items[0], ID_A);
    fleet_forget_removed(h);
    assert_int_equal(h->removed.n, 0);

    fleet_set_online(*state, h, true, 4);
    assert_true(h->version > version);
    fleet_remove_host(*state, "h1");
    fleet_remove_host(*state, "h1");
    assert_int_equal(fleet_removed_hosts(*state)->n, 1);
}

static void test_too_many_removals_are_noted(void **state)
{
    struct fleet_host *h = add_host(state);

    for (size_t i = 0; i < 2; i++) {
        (void)apply_snapshot(h, make_elements(i * FLEET_MAX_CONTAINERS, FLEET_MAX_CONTAINERS), 1);
        assert_false(h->is_removed_cut);
    }
    (void)apply_snapshot(h, json_array(), 1);
    assert_true(h->is_removed_cut);
    assert_int_equal(h->removed.n, FLEET_MAX_CONTAINERS);
    fleet_forget_removed(h);
    assert_false(h->is_removed_cut);
}

static json_t *labelled(const char *id, size_t n, size_t size)
{
    json_t *e = element(id, "/x", "running"), *labels = json_object();
    char *value = xmalloc(size + 1), name[16];

    memset(value, 'x', size);
    value[size] = '\0';
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "k%zu", i);
        json_text_set(labels, name, json_text_str(value));
    }
    json_text_set(e, "Labels", labels);
    free(value);
    return e;
}

/* Containers keep their place in the list whatever their labels are. */
static void test_labels_are_cut(void **state)
{
    struct fleet_host *h = add_host(state);
    struct fleet_container *c;

    apply_snapshot(h, json_pack("[o]", labelled(ID_A, 3, 2 * FLEET_MAX_ELEMENT)), 1);
    assert_int_equal(fleet_find_container(h, ID_A, &c), 0);
    assert_string_equal(c->name, "x");
    assert_int_equal(json_object_size(c->labels), 3);
    assert_int_equal(json_string_length(json_object_get(c->labels, "k0")), FLEET_MAX_LABEL + 3);
    assert_true(strlen(c->element) < FLEET_MAX_ELEMENT);

    apply_snapshot(h, json_pack("[o]", labelled(ID_A, 1000, 1000)), 1);
    assert_int_equal(fleet_find_container(h, ID_A, &c), 0);
    assert_in_range(json_object_size(c->labels), 50, 66);
    assert_int_equal(h->cost, c->cost);
}

static void test_memory_of_all_hosts_is_limited(void **state)
{
    struct fleet_host *h = add_host(state);
    size_t n = 30;
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        char id[CONTAINER_ID_SIZE];

        (void)snprintf(id, sizeof(id), "%064zu", i);
        json_array_append_new(list, labelled(id, 60, 1000));
    }
    h->budget->max = 1 << 20;
    assert_in_range(apply_snapshot(h, list, 1), 10, 25);
    assert_true(h->budget->used <= h->budget->max && h->budget->used == h->cost);
    apply_snapshot(h, json_pack("[o]", element(ID_A, "/one", "running")), 2);
    assert_int_equal(h->containers.size, 1); /* the others made room */
    apply_snapshot(h, json_array(), 3);
    assert_int_equal(h->budget->used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_host_is_put_and_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_snapshot_replaces_the_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_engine_states_are_mapped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delta_changes_and_removes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_container_is_found_by_id_name_or_prefix, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_containers_beyond_the_limit_are_skipped, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_ended_container_has_no_sample, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newest_sample_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_rate_is_computed_from_counters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_candidates_are_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_samples_without_successors_expire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stale_state_has_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes_raise_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_removals_are_noted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_labels_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_of_all_hosts_is_limited, setup, teardown),
    };

    return cmocka_run_group_tests_name("fleet", tests, NULL, NULL);
}
