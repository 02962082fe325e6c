/*
 * The state machine of alerts: single steps, and random histories compared with a simple model that knows all
 * observations.
 */

#include "base/macros.h"
#include "server/alerts/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static const struct alert_delays at_once;
static const struct alert_delays slow = {.active_ms = 90000, .clear_ms = 60000, .samples = 1};

static enum alert_outcome step(struct alert_clock *c, enum alert_condition condition, int64_t ms)
{
    return alert_step(c, &slow, condition, ms, true);
}

static void test_no_delays_fire_and_resolve_at_once(void **state)
{
    struct alert_clock c = {0};

    (void)state;
    assert_int_equal(alert_step(&c, &at_once, CONDITION_TRUE, 0, true), ALERT_FIRED);
    assert_int_equal(c.state, ALERT_FIRING);
    assert_int_equal(alert_step(&c, &at_once, CONDITION_TRUE, 1, true), ALERT_SAME);
    assert_int_equal(alert_step(&c, &at_once, CONDITION_CLEAR, 1, true), ALERT_RESOLVED);
    assert_int_equal(c.state, ALERT_INACTIVE);
}

static void test_it_fires_when_it_was_true_the_whole_time(void **state)
{
    struct alert_clock c = {0};

    (void)state;
    assert_int_equal(step(&c, CONDITION_TRUE, 500000), ALERT_CHANGED);
    assert_int_equal(c.state, ALERT_PENDING);
    assert_int_equal(alert_wait_ms(&c, &slow), 90000);
    assert_int_equal(step(&c, CONDITION_TRUE, 60000), ALERT_SAME);
    assert_int_equal(alert_wait_ms(&c, &slow), 30000);
    assert_int_equal(step(&c, CONDITION_CLEAR, 1000), ALERT_CHANGED);
    assert_int_equal(c.state, ALERT_INACTIVE);
    assert_int_equal(step(&c, CONDITION_TRUE, 1000), ALERT_CHANGED);
    assert_int_equal(step(&c, CONDITION_TRUE, 89999), ALERT_SAME);
    assert_int_equal(step(&c, CONDITION_TRUE, 1), ALERT_FIRED);
}

static void test_time_without_data_does_not_count(void **state)
{
    struct alert_clock c = {0};

    (void)state;
    (void)step(&c, CONDITION_TRUE, 0);
    assert_int_equal(step(&c, CONDITION_TRUE, 50000), ALERT_SAME);
    assert_int_equal(step(&c, CONDITION_NO_DATA, 50000), ALERT_SAME);
    assert_int_equal(alert_wait_ms(&c, &slow), -1);
    assert_int_equal(step(&c, CONDITION_TRUE, 50000), ALERT_SAME);
    assert_int_equal(c.held_ms, 50000);
    assert_int_equal(step(&c, CONDITION_TRUE, -3600000), ALERT_SAME);
    assert_int_equal(step(&c, CONDITION_TRUE, 40000), ALERT_FIRED);
    /* An open alert stays open without data. */
    assert_int_equal(step(&c, CONDITION_NO_DATA, 500000), ALERT_SAME);
    assert_int_equal(c.state, ALERT_FIRING);
}

static void test_a_restart_keeps_what_was_held(void **state)
{
    struct alert_clock c = {.state = ALERT_PENDING, .held_ms = 80000, .n_seen = 1}; /* as stored */

    (void)state;
    assert_int_equal(step(&c, CONDITION_TRUE, 3600000), ALERT_SAME);
    assert_int_equal(c.held_ms, 80000);
    assert_int_equal(step(&c, CONDITION_TRUE, 10000), ALERT_FIRED);
}

static void test_a_breach_restarts_the_delay_of_clearing(void **state)
{
    struct alert_clock c = {.state = ALERT_FIRING};

    (void)state;
    assert_int_equal(step(&c, CONDITION_BETWEEN, 1000), ALERT_SAME);
    assert_int_equal(step(&c, CONDITION_CLEAR, 1000), ALERT_CHANGED);
    assert_int_equal(step(&c, CONDITION_CLEAR, 59999), ALERT_SAME);
    assert_int_equal(step(&c, CONDITION_BETWEEN, 1), ALERT_CHANGED);
    assert_int_equal(c.state, ALERT_FIRING);
    assert_int_equal(step(&c, CONDITION_CLEAR, 1), ALERT_CHANGED);
    assert_int_equal(step(&c, CONDITION_CLEAR, 59999), ALERT_SAME);
    assert_int_equal(step(&c, CONDITION_CLEAR, 1), ALERT_RESOLVED);
}

static void test_samples_are_counted(void **state)
{
    static const struct alert_delays three = {.samples = 3};
    struct alert_clock c = {0};

    (void)state;
    assert_int_equal(alert_step(&c, &three, CONDITION_TRUE, 0, true), ALERT_CHANGED);
    assert_int_equal(alert_step(&c, &three, CONDITION_TRUE, 1, false), ALERT_SAME);
    assert_int_equal(alert_step(&c, &three, CONDITION_TRUE, 1, true), ALERT_SAME);
    assert_int_equal(alert_step(&c, &three, CONDITION_TRUE, 1, true), ALERT_FIRED);
}

/* One observation of a random history; the model below reads all of them. */
struct observation {
    enum alert_condition condition;
    int64_t elapsed_ms;
    bool is_after_restart; /* the server was down before it */
};

#define MAX_HISTORY 60

/* How long the newest observations were all `wanted`, without counting gaps; -1: the newest is not. */
static int64_t measure(const struct observation *o,
                       size_t n,
                       size_t since,
                       enum alert_condition wanted)
{
    int64_t total = -1;

    for (size_t i = since; i < n; i++) {
        bool has_gap = o[i].is_after_restart || i == 0 || o[i - 1].condition == CONDITION_NO_DATA;

        if (o[i].condition == CONDITION_NO_DATA)
            continue;
        if (o[i].condition != wanted) {
            total = -1;
        } else if (total < 0) {
            total = 0;
        } else if (!has_gap && o[i].elapsed_ms > 0) {
            total += o[i].elapsed_ms;
        }
    }
    return total;
}

static enum alert_outcome model_step(const struct observation *o,
                                     size_t n,
                                     const struct alert_delays *d,
                                     bool *is_open,
                                     size_t *since)
{
    int64_t delay = *is_open ? d->clear_ms : d->active_ms;
    int64_t held = o[n - 1].condition == CONDITION_NO_DATA
                       ? -1
                       : measure(o, n, *since, *is_open ? CONDITION_CLEAR : CONDITION_TRUE);

    if (held < 0 || held < delay)
        return ALERT_SAME;
    *is_open = !*is_open;
    *since = n;
    return *is_open ? ALERT_FIRED : ALERT_RESOLVED;
}

static struct observation draw(void)
{
    static const enum alert_condition conditions[] = {
        CONDITION_TRUE,  CONDITION_TRUE,  CONDITION_TRUE,    CONDITION_CLEAR,
        CONDITION_CLEAR, CONDITION_CLEAR, CONDITION_BETWEEN, CONDITION_NO_DATA,
    };

    return (struct observation){
        .condition = conditions[(size_t)random() % ARRAY_LEN(conditions)],
        .elapsed_ms = random() % 5 == 0 ? -(random() % 100000) : random() % 20000,
        .is_after_restart = random() % 8 == 0,
    };
}

static void run_history(unsigned seed)
{
    struct alert_delays d = {.active_ms = random() % 30000, .clear_ms = random() % 30000};
    struct observation history[MAX_HISTORY];
    struct alert_clock c = {0};
    bool is_open = false;
    size_t since = 0;

    if (random() % 4 == 0)
        d.active_ms = 0;
    for (size_t n = 0; n < MAX_HISTORY; n++) {
        enum alert_outcome got, wanted;

        history[n] = draw();
        if (history[n].is_after_restart)
            c = (struct alert_clock){.state = c.state, .held_ms = c.held_ms, .n_seen = c.n_seen};
        got = alert_step(&c, &d, history[n].condition, history[n].elapsed_ms, true);
        wanted = model_step(history, n + 1, &d, &is_open, &since);
        if (got == ALERT_CHANGED)
            got = ALERT_SAME;
        if (got != wanted)
            fail_msg("seed %u, step %zu: outcome %d, the model has %d", seed, n, got, wanted);
        assert_int_equal(is_open, c.state == ALERT_FIRING || c.state == ALERT_RESOLVING);
    }
}

static void test_random_histories_agree_with_the_model(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 5000; seed++) {
        srandom(seed);
        run_history(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_delays_fire_and_resolve_at_once),
        cmocka_unit_test(test_it_fires_when_it_was_true_the_whole_time),
        cmocka_unit_test(test_time_without_data_does_not_count),
        cmocka_unit_test(test_a_restart_keeps_what_was_held),
        cmocka_unit_test(test_a_breach_restarts_the_delay_of_clearing),
        cmocka_unit_test(test_samples_are_counted),
        cmocka_unit_test(test_random_histories_agree_with_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
