#include "server/session/session.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/str.h"
#include "base/time.h"
#include "proto/samples.h"
#include "server/session/session_fixture.h"

#define BATCH_SIZE 4096

static void receive_binary(struct ws *ws, const void *data, size_t size)
{
    ws->handler->on_message(ws->owner, data, size, true);
}

static void send_batch(struct ws *ws, const struct samples *s)
{
    struct buf b = BUF_INIT(BATCH_SIZE);

    assert_int_equal(samples_encode(s, &b), 0);
    receive_binary(ws, b.data, b.size);
    buf_done(&b);
}

static void init(struct samples *s, struct container_sample *c, uint64_t seq)
{
    *c = (struct container_sample){.id = ID_A, .name = "a"};
    samples_clear_values(c->values, CONTAINER_METRICS);
    *s = (struct samples){.epoch = 5, .seq = seq, .at_ms = 1, .containers = c, .n_containers = 1};
    samples_clear_values(s->host.values, HOST_METRICS);
}

static struct ws *join(struct fixture *f, bool is_ours, struct fleet_host **ret)
{
    struct joined j;
    struct ws *ws = fixture_join(f, "own", is_ours, &j);

    *ret = fleet_find_host(f->fleet, j.host_id);
    return ws;
}

static const struct fleet_sample *sample_of(const struct fleet_host *h)
{
    struct fleet_container *c = NULL;

    assert_int_equal(fleet_find_container(h, ID_A, &c), 0);
    return &c->sample;
}

static void a_batch_reaches_the_model(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, true, &h);
    struct container_sample c;
    struct samples s;
    const json_t *ack;

    assert_true(
        json_is_true(json_object_get(json_object_get(ws->sent[0], "capabilities"), "samples")));
    agent_send_event(
        ws, "inventory_snapshot",
        agent_part("s", 0, true, json_pack("[o]", agent_container(ID_A, "/a", "running"))));
    init(&s, &c, 41);
    c.values[CONTAINER_CPU] = 1250;
    c.values[CONTAINER_MEM_USED] = 1000;
    c.values[CONTAINER_MEM_LIMIT] = 4000;
    c.values[CONTAINER_BLK_WRITE] = 9;
    s.has_host = s.has_source = true;
    s.host.values[HOST_CPU] = 4000;
    s.host.values[HOST_MEM_TOTAL] = 200;
    s.host.values[HOST_MEM_USED] = 50;
    s.source = (struct samples_source){
        .containers = "cgroup2", .network = "proc", .why = "", .notes = {"x"}, .n_notes = 1};
    send_batch(ws, &s);

    assert_true(sample_of(h)->cpu_percent > 12.49 && sample_of(h)->cpu_percent < 12.51);
    assert_true(sample_of(h)->memory_percent > 24.9 && sample_of(h)->memory_percent < 25.1);
    assert_int_equal(sample_of(h)->disk_write, 9);
    assert_int_equal(sample_of(h)->network_rx, -1); /* not known is not 0 */
    assert_true(sample_of(h)->net_bytes_per_sec < 0);
    assert_true(h->sample.cpu_percent > 39.9 && h->sample.cpu_percent < 40.1);
    assert_true(h->sample.net_bytes_per_sec < 0);
    assert_string_equal(json_string_value(json_object_get(h->stats_source, "containers")),
                        "cgroup2");

    ack = fake_ws_next(ws);
    assert_string_equal(agent_text(ack, "type"), "samples_ack");
    assert_int_equal(json_integer_value(json_object_get(ack, "epoch")), 5);
    assert_int_equal(json_integer_value(json_object_get(ack, "seq")), 41);

    /* The source stays until another is told of; acknowledgements are collected. */
    init(&s, &c, 42);
    send_batch(ws, &s);
    assert_true(sample_of(h)->cpu_percent < 0);
    assert_non_null(h->stats_source);
    assert_null(fake_ws_next(ws));
    fake_ws_end(ws, 1000);
}

static void what_came_before_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, true, &h);
    static const struct {
        uint64_t epoch, seq;
        bool is_new;
    } steps[] = {
        {5, 0,  true },
        {5, 1,  true },
        {5, 1,  false},
        {5, 0,  false},
        {5, 9,  true },
        {7, 0,  true },
        {5, 9,  false},
        {5, 10, true },
        {7, 0,  false},
        {6, 3,  true },
        {6, 3,  false},
        {7, 1,  true },
    };
    struct container_sample c;
    struct samples s;
    unsigned n = 0;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        init(&s, &c, steps[i].seq);
        s.epoch = steps[i].epoch;
        send_batch(ws, &s);
        n += steps[i].is_new;
        assert_int_equal(f->n_batches, n);
    }
    fake_ws_end(ws, 1000);
}

static void what_is_late_is_no_news(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, true, &h);
    struct container_sample c;
    struct samples s;

    init(&s, &c, 1);
    s.has_host = s.is_late = true;
    s.host.values[HOST_CPU] = 4000;
    send_batch(ws, &s);
    assert_int_equal(f->n_batches, 1);
    assert_int_equal(f->n_samples, 0);
    assert_int_equal(h->sample.sampled_at_ms, 0);
    fake_ws_end(ws, 1000);
}

/* A clock that jumps between two batches: ours goes on. What never was of our time stays where it says it is. */
static void a_clock_that_jumps(void **state)
{
    static const struct {
        int64_t says_s, means_s; /* from now */
        bool is_late;
    } steps[] = {
        {-600,   -600, false},
        {-500,   -500, false},
        {0,      0,    false},
        {-10800, 0,    false},
        {-10830, -30,  true },
        {-10800, 0,    false},
        {18000,  0,    false},
        {17970,  -30,  true },
        {-40,    -40,  false},
        {-40,    -40,  true },
        {-59000, 0,    false},
    };
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, true, &h);
    struct container_sample c;
    struct samples s;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int64_t now_ms = time_utc_ms(), wrong_ms;

        init(&s, &c, i);
        s.at_ms = now_ms + steps[i].says_s * 1000;
        s.is_late = steps[i].is_late;
        send_batch(ws, &s);
        wrong_ms = f->last_batch_ms - (now_ms + steps[i].means_s * 1000);
        if (llabs(wrong_ms) > 10000)
            fail_msg("step %zu is %lld ms off", i, (long long)wrong_ms);
    }
    fake_ws_end(ws, 1000);
}

static int64_t at_of(struct fixture *f, struct ws *ws, const struct samples *batch)
{
    send_batch(ws, batch);
    return f->last_batch_ms;
}

#define MINUTE INT64_C(60000)

/* What was kept is told by its age: the clock of then counts, not that of now, and none at all when it was wrong. */
static void late_ones_have_our_time(void **state)
{
    static const struct {
        int64_t offset_ms, age_ms; /* of the clock when it was measured; -1: no age is told */
        bool is_corrected;
    } steps[] = {
        {0,            10 * MINUTE, false},
        {30000,        9 * MINUTE,  false}, /* within the slack */
        {120 * MINUTE, 8 * MINUTE,  true }, /* it was set wrong */
        {120 * MINUTE, 7 * MINUTE,  true },
        {0,            6 * MINUTE,  false}, /* and right */
        {-90 * MINUTE, 5 * MINUTE,  true },
        {120 * MINUTE, -1,          false},
        {-90 * MINUTE, 0,           true },
    };
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, true, &h);
    struct container_sample c;
    struct samples s;
    uint64_t seq = 0;
    int64_t offset;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int64_t then = time_utc_ms() - (steps[i].age_ms > 0 ? steps[i].age_ms : 0);
        int64_t at;

        init(&s, &c, seq++);
        s.at_ms = then + steps[i].offset_ms;
        s.is_late = true;
        s.has_age = steps[i].age_ms >= 0;
        s.age_ms = s.has_age ? steps[i].age_ms : 0;
        at = at_of(f, ws, &s);
        if (steps[i].is_corrected) {
            assert_in_range(at, then, then + MINUTE / 2); /* however long this took */
        } else {
            assert_int_equal(at, s.at_ms);
        }
    }

    /* Messages that take longer do not move what is measured with one clock against each other. */
    init(&s, &c, seq++);
    s.is_late = s.has_age = true;
    s.age_ms = 10 * MINUTE;
    s.at_ms = time_utc_ms() - s.age_ms + 300 * MINUTE;
    offset = at_of(f, ws, &s) - s.at_ms;
    for (int64_t delay = -30; delay <= 30; delay += 10) {
        s.seq = seq++;
        s.age_ms = 10 * MINUTE - delay * 1000;
        assert_int_equal(at_of(f, ws, &s) - s.at_ms, offset);
    }
    s.seq = seq++;
    s.age_ms = INT64_MAX;
    assert_int_equal(at_of(f, ws, &s), s.at_ms);
    fake_ws_end(ws, 1000);
}

/* What the history had no room for comes once more, and is no double then. */
static void what_was_lost_is_sent_again(void **state)
{
    struct fixture *f = *state;
    struct joined j, again;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct container_sample c;
    struct samples s;

    for (uint64_t seq = 0; seq < 3; seq++) {
        init(&s, &c, seq);
        send_batch(ws, &s);
    }
    sessions_resend_samples(f->sessions, "nobody");
    assert_int_equal(ws->close_code, 0);
    sessions_resend_samples(f->sessions, j.host_id);
    assert_int_equal(ws->close_code, 1013);
    fake_ws_end(ws, 1013);
    sessions_resend_samples(f->sessions, j.host_id); /* it is away */

    ws = fixture_join_with(f, j.token, "own", true, &again);
    assert_string_equal(again.host_id, j.host_id);
    for (uint64_t seq = 0; seq < 4; seq++) {
        init(&s, &c, seq);
        send_batch(ws, &s);
        send_batch(ws, &s);
    }
    assert_int_equal(f->n_batches, 7);
    fake_ws_end(ws, 1000);
}

static void nonsense_is_dropped_and_the_session_goes_on(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, true, &h);

    receive_binary(ws, "\xc1", 1);
    receive_binary(ws, "", 0);
    receive_binary(ws, "\xdd\xff\xff\xff\xff", 5);
    assert_int_equal(ws->close_code, 0);
    assert_null(fake_ws_next(ws));
    fake_ws_end(ws, 1000);
}

static void who_did_not_agree_to_samples_sends_none(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, false, &h);

    receive_binary(ws, "\x80", 1);
    assert_int_equal(ws->close_code, 1008);
    fake_ws_end(ws, 1008);
}

static void an_agent_hears_what_is_looked_at(void **state)
{
    struct fixture *f = *state;
    struct msg_stats_rate rate = {.interval_ms = 1000, .ttl_s = 30, .all = true};
    struct joined ours, other;
    struct ws *ws = fixture_join(f, "own", true, &ours);
    struct ws *go = fixture_join(f, "go", false, &other);

    assert_int_equal(sessions_stats_rate(f->sessions, ours.agent_id, &rate), 0);
    assert_string_equal(agent_text(fake_ws_next(ws), "type"), "stats_rate");
    assert_int_equal(sessions_stats_rate(f->sessions, other.agent_id, &rate), -EOPNOTSUPP);
    assert_int_equal(sessions_stats_rate(f->sessions, "nobody", &rate), -ENOTCONN);
    fake_ws_end(go, 1000);
    fake_ws_end(ws, 1000);
    assert_int_equal(sessions_stats_rate(f->sessions, ours.agent_id, &rate), -ENOTCONN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_batch_reaches_the_model, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_came_before_is_dropped, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_late_is_no_news, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_jumps, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(late_ones_have_our_time, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_was_lost_is_sent_again, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(nonsense_is_dropped_and_the_session_goes_on, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(who_did_not_agree_to_samples_sends_none, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(an_agent_hears_what_is_looked_at, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
