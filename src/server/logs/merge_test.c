#include "base/macros.h"
#include "server/logs/merge.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N 3

struct fixture {
    struct list inputs;
    struct log_merge_input input[N];
    struct log_merge_item items[32];
    size_t n;
};

static void set_up(struct fixture *f)
{
    *f = (struct fixture){0};
    list_init(&f->inputs);
    for (size_t i = 0; i < N; i++) {
        list_init(&f->input[i].items);
        list_init(&f->input[i].link);
        list_append(&f->inputs, &f->input[i].link);
    }
}

static void put(struct fixture *f, size_t i, int64_t time_ns, uint64_t now_ms)
{
    struct log_merge_item *item = &f->items[f->n++];

    item->time_ns = time_ns;
    log_merge_put(&f->input[i], item, now_ms);
}

/* Returns the time of the next item; 0: none yet, see *ret_wait_ms. */
static int64_t next(struct fixture *f, uint64_t now_ms, uint64_t *ret_wait_ms)
{
    struct log_merge_input *input = log_merge_next(&f->inputs, now_ms, ret_wait_ms);

    return input ? log_merge_take(input)->time_ns : 0;
}

static void test_order(void **state)
{
    struct fixture f;
    uint64_t wait_ms;

    (void)state;
    set_up(&f);
    put(&f, 0, 10, 1000);
    put(&f, 0, 40, 1000);
    put(&f, 1, 20, 1000);
    put(&f, 1, 50, 1000);
    put(&f, 2, 30, 1000);
    put(&f, 2, 60, 1000);
    assert_int_equal(next(&f, 1000, &wait_ms), 10);
    assert_int_equal(next(&f, 1000, &wait_ms), 20);
    assert_int_equal(next(&f, 1000, &wait_ms), 30);
    assert_int_equal(next(&f, 1000, &wait_ms), 40);
    assert_int_equal(next(&f, 1000, &wait_ms), 0); /* input 0 may still get an item before 50 */
    assert_int_equal(wait_ms, LOG_MERGE_IDLE_MS);
    put(&f, 0, 45, 1100);
    assert_int_equal(next(&f, 1100, &wait_ms), 45);
    assert_int_equal(next(&f, 1349, &wait_ms), 0);
    assert_int_equal(wait_ms, 1);
    assert_int_equal(next(&f, 1350, &wait_ms), 50); /* input 0 was silent for long enough */
}

static void test_silence(void **state)
{
    struct fixture f;
    uint64_t wait_ms;

    (void)state;
    set_up(&f);
    assert_int_equal(next(&f, 5000, &wait_ms), 0);
    assert_int_equal(wait_ms, 0);
    put(&f, 1, 7, 5000); /* the others never had an item */
    assert_int_equal(next(&f, 5000, &wait_ms), 7);
    put(&f, 2, INT64_MIN, 5000); /* a mark does not wait */
    assert_int_equal(next(&f, 5000, &wait_ms), INT64_MIN);
}

static void test_parts_stay_together(void **state)
{
    struct fixture f;
    uint64_t wait_ms;

    (void)state;
    set_up(&f);
    put(&f, 0, 10, 1);
    f.items[0].is_partial = true;
    put(&f, 0, 10, 1);
    put(&f, 1, 5, 1);
    put(&f, 1, 6, 1);
    put(&f, 2, 99, 1);
    put(&f, 2, 99, 1);
    assert_int_equal(next(&f, 1, &wait_ms), 5);
    assert_int_equal(next(&f, 1, &wait_ms), 6);
    assert_int_equal(next(&f, 1000, &wait_ms), 10);
    put(&f, 1, 8, 1000);
    assert_int_equal(next(&f, 1000, &wait_ms),
                     10); /* the rest of the line comes first, though 8 is older */
    assert_int_equal(next(&f, 2000, &wait_ms), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_parts_stay_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
