#include "base/alloc.h"
#include "base/time.h"
#include "server/history/accumulate.h"
#include "server/history/tick.h"
#include "server/history/tier.h"
#include "server/store/fixture.h"

#include <stdio.h>

#define NOON (INT64_C(20780) * DAY_MS + DAY_MS / 2)

struct given {
    size_t n_rows, n_series;
    struct tick_series series[3]; /* the first ones */
};

static void on_row(void *owner, _unused_ const char *host, _unused_ int64_t step, struct buf *data)
{
    struct given *g = owner;
    struct tick_series t;
    size_t offset = 0;

    g->n_rows++;
    for (; tick_next(data->data, data->size, &offset, &t) > 0; g->n_series++) {
        if (g->n_series < ARRAY_LEN(g->series))
            g->series[g->n_series] = t;
    }
}

static void add_sample(
    struct accumulator *a, int64_t at_ms, size_t place, const char *name, int64_t cpu, int64_t rx)
{
    int64_t values[CONTAINER_METRICS];

    for (size_t m = 0; m < CONTAINER_METRICS; m++)
        values[m] = METRIC_NONE;
    values[CONTAINER_CPU] = cpu;
    values[CONTAINER_NET_RX] = rx;
    accumulator_add(accumulator_host(a, "host", at_ms), place, name, values);
}

/* A row is emitted only after its step is over, and has at most ACCUMULATOR_MAX_SERIES series. */
static void test_row_is_emitted_once_its_step_is_over(void **state)
{
    struct given g = {0};
    struct accumulator *a = accumulator_new(on_row, &g);
    int64_t step = NOON / tiers[TIER_10S].step_ms;

    (void)state;
    for (int i = 0; i < ACCUMULATOR_MAX_SERIES + 500; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "c-%d", i);
        add_sample(a, NOON + i % 9999, (size_t)i % ACCUMULATOR_MAX_SERIES, name, 1, 2);
    }
    accumulator_flush(a, step);
    assert_int_equal(g.n_rows, 0);
    accumulator_flush(a, step + 1);
    assert_int_equal(g.n_rows, 1);
    assert_int_equal(g.n_series, ACCUMULATOR_MAX_SERIES);
    accumulator_flush(a, step + 2);
    assert_int_equal(g.n_rows, 1);
    accumulator_free(a);
}

/* Adds ten samples to each of three series, whose places change with every step; the third series
 * pauses once. */
static void add_step(struct accumulator *a, int64_t step)
{
    static const char *const names[] = {"a", "b", "c"};

    for (int64_t i = 0; i < 10; i++) {
        for (size_t k = 0; k < 3; k++) {
            size_t which = (k + (size_t)step) % 3;

            if (which != 2 || step != 2) {
                add_sample(a, NOON + step * 10000 + i * 1000, k, names[which],
                           (int64_t)which * 100 + i, step * 1000 + i);
            }
        }
    }
}

/* A row has the values of its own step only, in whatever order the series arrived. */
static void test_row_has_the_values_of_its_step_only(void **state)
{
    struct given g = {0};
    struct accumulator *a = accumulator_new(on_row, &g);

    (void)state;
    for (int64_t step = 0; step < 4; step++) {
        g.n_series = 0;
        add_step(a, step);
        accumulator_flush(a, NOON / 10000 + step + 1);
        assert_int_equal(g.n_rows, step + 1);
        assert_int_equal(g.n_series, step == 2 ? 2 : 3);
        for (size_t k = 0; k < g.n_series; k++) {
            const struct tick_series *t = &g.series[k];

            assert_int_equal(t->values[CONTAINER_CPU], (t->name[0] - 'a') * 100 + 4);
            assert_int_equal(t->values[CONTAINER_NET_RX], step * 1000 + 9);
            assert_int_equal(t->values[CONTAINER_PIDS], METRIC_NONE);
        }
    }
    accumulator_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_is_emitted_once_its_step_is_over),
        cmocka_unit_test(test_row_has_the_values_of_its_step_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
