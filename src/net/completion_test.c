#include "net/completion.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct waiter {
    struct completion_wait wait;
    struct loop *loop;
    struct completion *freed; /* by the callback */
    unsigned n_calls;
};

static void on_end(struct completion_wait *w)
{
    struct waiter *waiter = CONTAINER_OF(w, struct waiter, wait);

    waiter->n_calls++;
    if (waiter->freed)
        completion_done(waiter->freed);
}

static void on_over(struct loop_timer *t)
{
    loop_stop(t->loop);
}

static void run(struct loop *loop)
{
    struct loop_timer over = {0};

    loop_timer_start(loop, &over, 5, on_over);
    loop_run(loop);
}

static void test_reports_once_and_later(void **state)
{
    struct completion c = {0};
    struct waiter w = {.loop = *state};

    completion_signal(&c, w.loop);
    run(w.loop);
    completion_await(&c, &w.wait, on_end);
    assert_true(completion_is_awaited(&c));
    run(w.loop);
    assert_int_equal(w.n_calls, 0);

    completion_signal(&c, w.loop);
    completion_signal(&c, w.loop);
    assert_int_equal(w.n_calls, 0);
    run(w.loop);
    assert_int_equal(w.n_calls, 1);
    assert_false(completion_is_awaited(&c));

    completion_await(&c, &w.wait, on_end);
    completion_signal(&c, w.loop);
    run(w.loop);
    assert_int_equal(w.n_calls, 2);
}

/* Either side is freed first, before and after the signal. */
static void test_never_outlives(void **state)
{
    for (int is_due = 0; is_due < 2; is_due++) {
        for (int is_waiter = 0; is_waiter < 2; is_waiter++) {
            struct completion c = {0};
            struct waiter w = {.loop = *state};

            completion_await(&c, &w.wait, on_end);
            if (is_due)
                completion_signal(&c, w.loop);
            if (is_waiter) {
                completion_cancel(&w.wait);
                completion_signal(&c, w.loop);
                completion_done(&c);
            } else {
                completion_done(&c);
                completion_cancel(&w.wait);
            }
            run(w.loop);
            assert_int_equal(w.n_calls, 0);
            assert_false(completion_is_awaited(&c));
        }
    }
}

static void test_freed_by_the_callback(void **state)
{
    struct completion c = {0};
    struct waiter w = {.loop = *state, .freed = &c};

    completion_await(&c, &w.wait, on_end);
    completion_signal(&c, w.loop);
    run(w.loop);
    assert_int_equal(w.n_calls, 1);
}

static int make_loop(void **state)
{
    struct loop *loop;
    int r = loop_new(&loop, &(struct loop_options){0}, NULL);

    *state = loop;
    return r;
}

static int free_loop(void **state)
{
    loop_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports_once_and_later),
        cmocka_unit_test(test_never_outlives),
        cmocka_unit_test(test_freed_by_the_callback),
    };

    return cmocka_run_group_tests(tests, make_loop, free_loop);
}
