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
#include "server/session/session_internal.h"

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

static void init_batch(struct samples *s, struct container_sample *c, uint64_t seq)
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

static const struct fleet_sample *get_sample(const struct fleet_host *h)
{
    struct fleet_container *c = NULL;

    assert_int_equal(fleet_find_container(h, ID_A, &c), 0);
    return &c->sample;
}

static void test_batch_reaches_the_model(void **state)
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
    init_batch(&s, &c, 41);
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

    assert_true(get_sample(h)->cpu_percent > 12.49 && get_sample(h)->cpu_percent < 12.51);
    assert_true(get_sample(h)->memory_percent > 24.9 && get_sample(h)->memory_percent < 25.1);
    assert_int_equal(get_sample(h)->disk_write, 9);
    assert_int_equal(get_sample(h)->network_rx, -1); /* unknown is not 0 */
    assert_true(get_sample(h)->net_bytes_per_sec < 0);
    assert_true(h->sample.cpu_percent > 39.9 && h->sample.cpu_percent < 40.1);
    assert_true(h->sample.net_bytes_per_sec < 0);
    assert_string_equal(json_string_value(json_object_get(h->stats_source, "containers")),
                        "cgroup2");

    ack = fake_ws_next(ws);
    assert_string_equal(agent_text(ack, "type"), "samples_ack");
    assert_int_equal(json_integer_value(json_object_get(ack, "epoch")), 5);
    assert_int_equal(json_integer_value(json_object_get(ack, "seq")), 41);

    /* The source is kept until another one is sent; not every batch is acknowledged. */
    init_batch(&s, &c, 42);
    send_batch(ws, &s);
    assert_true(get_sample(h)->cpu_percent < 0);
    assert_non_null(h->stats_source);
    assert_null(fake_ws_next(ws));
    fake_ws_end(ws, 1000);
}

static void test_duplicate_batches_are_dropped(void **state)
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
        init_batch(&s, &c, steps[i].seq);
        s.epoch = steps[i].epoch;
        send_batch(ws, &s);
        n += steps[i].is_new;
        assert_int_equal(f->n_batches, n);
    }
    fake_ws_end(ws, 1000);
}

static void test_late_batch_does_not_change_the_model(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, true, &h);
    struct container_sample c;
    struct samples s;

    init_batch(&s, &c, 1);
    s.has_host = s.is_late = true;
    s.host.values[HOST_CPU] = 4000;
    send_batch(ws, &s);
    assert_int_equal(f->n_batches, 1);
    assert_int_equal(f->n_samples, 0);
    assert_int_equal(h->sample.sampled_at_ms, 0);
    fake_ws_end(ws, 1000);
}

/*
 * The agent's clock jumps between two batches: their times follow ours. Times that were never in
 * step with our clock are not corrected.
 */
static void test_jump_of_the_agent_clock_is_corrected(void **state)
{
    static const struct {
        int64_t sent_s, expected_s; /* relative to now */
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

        init_batch(&s, &c, i);
        s.at_ms = now_ms + steps[i].sent_s * 1000;
        s.is_late = steps[i].is_late;
        send_batch(ws, &s);
        wrong_ms = f->last_batch_ms - (now_ms + steps[i].expected_s * 1000);
        if (llabs(wrong_ms) > 10000)
            fail_msg("step %zu is %lld ms off", i, (long long)wrong_ms);
    }
    fake_ws_end(ws, 1000);
}

static int64_t send_and_get_time(struct fixture *f, struct ws *ws, const struct samples *batch)
{
    send_batch(ws, batch);
    return f->last_batch_ms;
}

#define MINUTE INT64_C(60000)

/* A late batch has an age, which shows how wrong the agent's clock was when it was measured. */
static void test_time_of_late_batch_is_corrected_by_its_age(void **state)
{
    static const struct {
        int64_t offset_ms, age_ms; /* of the clock when it was measured; -1: no age is sent */
        bool is_corrected;
    } steps[] = {
        {0,            10 * MINUTE, false},
        {30000,        9 * MINUTE,  false}, /* within the slack */
        {120 * MINUTE, 8 * MINUTE,  true }, /* the clock was set wrong */
        {120 * MINUTE, 7 * MINUTE,  true },
        {0,            6 * MINUTE,  false}, /* the clock was set right */
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

        init_batch(&s, &c, seq++);
        s.at_ms = then + steps[i].offset_ms;
        s.is_late = true;
        s.has_age = steps[i].age_ms >= 0;
        s.age_ms = s.has_age ? steps[i].age_ms : 0;
        at = send_and_get_time(f, ws, &s);
        if (steps[i].is_corrected) {
            assert_in_range(at, then, then + MINUTE / 2); /* allows for a slow machine */
        } else {
            assert_int_equal(at, s.at_ms);
        }
    }

    /* Message delays do not shift batches of one clock against each other. */
    init_batch(&s, &c, seq++);
    s.is_late = s.has_age = true;
    s.age_ms = 10 * MINUTE;
    s.at_ms = time_utc_ms() - s.age_ms + 300 * MINUTE;
    offset = send_and_get_time(f, ws, &s) - s.at_ms;
    for (int64_t delay = -30; delay <= 30; delay += 10) {
        s.seq = seq++;
        s.age_ms = 10 * MINUTE - delay * 1000;
        assert_int_equal(send_and_get_time(f, ws, &s) - s.at_ms, offset);
    }
    s.seq = seq++;
    s.age_ms = INT64_MAX;
    assert_int_equal(send_and_get_time(f, ws, &s), s.at_ms);
    fake_ws_end(ws, 1000);
}

/* Batches that the history had no room for are sent again, and are no duplicates then. */
static void test_lost_samples_are_sent_again(void **state)
{
    struct fixture *f = *state;
    struct joined j, again;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct container_sample c;
    struct samples s;

    for (uint64_t seq = 0; seq < 3; seq++) {
        init_batch(&s, &c, seq);
        send_batch(ws, &s);
    }
    sessions_resend_samples(f->sessions, "nobody");
    assert_int_equal(ws->close_code, 0);
    sessions_resend_samples(f->sessions, j.host_id);
    assert_int_equal(ws->close_code, 1013);
    fake_ws_end(ws, 1013);
    sessions_resend_samples(f->sessions, j.host_id); /* no session: no effect */

    ws = fixture_join_with(f, j.token, "own", true, &again);
    assert_string_equal(again.host_id, j.host_id);
    for (uint64_t seq = 0; seq < 4; seq++) {
        init_batch(&s, &c, seq);
        send_batch(ws, &s);
        send_batch(ws, &s);
    }
    assert_int_equal(f->n_batches, 7);
    fake_ws_end(ws, 1000);
}

static void test_invalid_batch_is_dropped_and_the_session_continues(void **state)
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

static void test_binary_message_without_the_capability_ends_the_session(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, false, &h);

    receive_binary(ws, "\x80", 1);
    assert_int_equal(ws->close_code, 1008);
    fake_ws_end(ws, 1008);
}

static void test_rate_of_watched_samples_is_sent_to_the_agent(void **state)
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

/* An agent that sends late batches of random times would keep the history busy. */
static void test_late_batches_must_not_go_back(void **state)
{
    static const struct {
        uint64_t epoch;
        int64_t minutes_ago;
        bool is_kept;
    } steps[] = {
        {5, 100, true },
        {5, 50,  true },
        {5, 90,  false},
        {6, 90,  false}, /* epochs do not change so often */
        {5, 50,  true },
        {5, 49,  true },
        {5, -60, true }, /* the clock is wrong */
        {5, 49,  true },
    };
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, true, &h);
    struct container_sample c;
    struct samples s;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        init_batch(&s, &c, i);
        s.epoch = steps[i].epoch;
        s.is_late = true;
        s.at_ms = time_utc_ms() - steps[i].minutes_ago * MINUTE;
        send_batch(ws, &s);
        if ((f->last_batch_containers == 1) != steps[i].is_kept)
            fail_msg("step %zu", i);
    }
    assert_int_equal(f->n_batches, ARRAY_LEN(steps)); /* all are acknowledged */
    fake_ws_end(ws, 1000);
}

/* Neither epoch 0 nor batches that are not marked as late are a way around that. */
static void test_no_batches_of_random_times_are_kept(void **state)
{
    static const struct {
        bool is_late;
        int64_t minutes_ago;
        bool is_kept;
    } steps[] = {
        {true,  100, true },
        {true,  50,  true },
        {true,  90,  false},
        {false, 100, true },
        {false, 90,  true },
        {false, 95,  true }, /* the clock was set back */
        {false, 50,  true },
        {false, 90,  false},
        {false, -60, true },
        {false, 49,  false},
        {false, 0,   true },
    };
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, true, &h);
    struct container_sample c;
    struct samples s;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        init_batch(&s, &c, i);
        s.epoch = 0;
        s.is_late = steps[i].is_late;
        s.at_ms = time_utc_ms() - steps[i].minutes_ago * MINUTE;
        send_batch(ws, &s);
        if ((f->last_batch_containers == 1) != steps[i].is_kept)
            fail_msg("step %zu", i);
    }
    assert_int_equal(f->n_batches, ARRAY_LEN(steps)); /* all are acknowledged */
    fake_ws_end(ws, 1000);
}

/* 100 MiB of batches at once. */
static void test_the_rate_of_samples_is_limited(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, true, &h);
    const size_t size = (size_t)4 << 20;
    char *text = calloc(1, size);
    unsigned n = 0;

    assert_non_null(text);
    while (ws->close_code == 0 && n < 25) {
        receive_binary(ws, text, size);
        n++;
    }
    free(text);
    assert_in_range(n, 10, 12);
    assert_int_equal(ws->close_code, WS_CLOSE_TRY_AGAIN);
    fake_ws_end(ws, 1013);
}

/* One host does not fill the disk: what exceeds the bytes of a day is dropped until the next one. */
static void test_samples_of_a_day_are_limited(void **state)
{
    struct fixture *f = *state;
    struct container_sample c;
    struct fleet_host *h;
    struct samples s;
    struct ws *ws = join(f, true, &h);
    struct agent_record *record = map_find(&f->sessions->records, h->agent.id);

    agent_send_event(
        ws, "inventory_snapshot",
        agent_part("s", 0, true, json_pack("[o]", agent_container(ID_A, "/a", "running"))));
    init_batch(&s, &c, 1);
    c.values[CONTAINER_MEM_USED] = 1;
    send_batch(ws, &s);
    assert_int_equal(get_sample(h)->memory_usage, 1);
    assert_in_range(record->samples_of_day, 1, BATCH_SIZE);

    record->samples_of_day = UINT64_C(16) << 30; /* the next byte is one too many */
    s.seq = 2;
    c.values[CONTAINER_MEM_USED] = 2;
    send_batch(ws, &s); /* it is warned of, and kept */
    assert_int_equal(get_sample(h)->memory_usage, 2);
    s.seq = 3;
    c.values[CONTAINER_MEM_USED] = 3;
    send_batch(ws, &s);
    assert_int_equal(get_sample(h)->memory_usage, 2);
    assert_int_equal(ws->close_code, 0);

    record->samples_day--; /* the next day */
    s.seq = 4;
    c.values[CONTAINER_MEM_USED] = 4;
    send_batch(ws, &s);
    assert_int_equal(get_sample(h)->memory_usage, 4);
    fake_ws_end(ws, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_batch_reaches_the_model, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_duplicate_batches_are_dropped, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_late_batch_does_not_change_the_model, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_jump_of_the_agent_clock_is_corrected, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_time_of_late_batch_is_corrected_by_its_age,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_late_batches_must_not_go_back, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_no_batches_of_random_times_are_kept, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_samples_of_a_day_are_limited, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_the_rate_of_samples_is_limited, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_lost_samples_are_sent_again, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_invalid_batch_is_dropped_and_the_session_continues,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_binary_message_without_the_capability_ends_the_session,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_rate_of_watched_samples_is_sent_to_the_agent,
                                        fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
