#include "agent/join/inquiry.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/fake_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HURRY_MS    5000 /* for an engine whose identity is known */
#define PATIENCE_MS 30000
#define INFO(id)    "{\"ID\":\"" id "\",\"Name\":\"n\",\"OSType\":\"linux\"}"

struct fixture {
    struct fake_engine *fake;
    struct loop *loop;
    struct engine *engine;
    struct inquiry inquiry;
    struct loop_timer patience;
    unsigned n_done;
};

static void on_patience(struct loop_timer *t)
{
    loop_stop(CONTAINER_OF(t, struct fixture, patience)->loop);
}

static void on_done(void *owner)
{
    struct fixture *f = owner;

    f->n_done++;
    loop_stop(f->loop);
}

static void run(struct fixture *f, uint64_t ms)
{
    loop_timer_start(f->loop, &f->patience, ms, on_patience);
    loop_run(f->loop);
    loop_timer_stop(&f->patience);
}

/* The identity is known once; later an engine that is silent or away does not delay the agent. */
static void test_known_identity_does_not_wait(void **state)
{
    static char address[] = "unix:///engine";
    static const struct config config = {.docker_host = address};
    struct fake_line lines[] = {
        {"GET /info",            FAKE_ABSENT, NULL, NULL},
        {"GET /containers/json", FAKE_SEND,   NULL, "[]"},
        {"GET /networks",        FAKE_SEND,   NULL, "[]"},
    };
    struct fixture f = {0};
    uint64_t begin;

    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    f.fake = fake_engine_open(lines, ARRAY_LEN(lines));
    assert_int_equal(loop_new(&f.loop, &(struct loop_options){0}, NULL), 0);
    f.engine = fake_engine_client(f.fake, f.loop);
    inquiry_init(&f.inquiry, f.loop, f.engine, &config, on_done, &f);

    /* Without an identity there is nothing to go on with: it is asked again. */
    inquiry_start(&f.inquiry);
    while (fake_engine_count(f.fake, "GET /info") == 0)
        run(&f, 20);
    run(&f, 100);
    assert_int_equal(f.n_done, 0);
    assert_false(f.inquiry.has_identity);
    lines[0] = (struct fake_line){"GET /info", FAKE_SEND, NULL, INFO("E1")};
    run(&f, PATIENCE_MS);
    assert_int_equal(f.n_done, 1);
    assert_true(f.inquiry.has_identity);
    assert_string_equal(f.inquiry.identity.engine_id, "E1");

    lines[0] = (struct fake_line){"GET /info", FAKE_HANG, "", NULL};
    begin = time_monotonic_ms();
    inquiry_start(&f.inquiry);
    run(&f, PATIENCE_MS);
    assert_int_equal(f.n_done, 2);
    assert_in_range(time_monotonic_ms() - begin, HURRY_MS, PATIENCE_MS - 5000);
    assert_string_equal(f.inquiry.identity.engine_id, "E1");

    fake_engine_pause(f.fake);
    inquiry_start(&f.inquiry);
    run(&f, PATIENCE_MS);
    assert_int_equal(f.n_done, 3);
    fake_engine_resume(f.fake);

    lines[0] = (struct fake_line){"GET /info", FAKE_SEND, NULL, INFO("E2")};
    inquiry_start(&f.inquiry);
    run(&f, PATIENCE_MS);
    assert_int_equal(f.n_done, 4);
    assert_string_equal(f.inquiry.identity.engine_id, "E2");

    inquiry_done(&f.inquiry);
    engine_free(f.engine);
    loop_free(f.loop);
    fake_engine_close(f.fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_identity_does_not_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
