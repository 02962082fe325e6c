#include "agent/engine/facts.h"
#include "agent/stats/running.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/fake_engine.h"
#include "proto/metric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define A           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B           "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define PATIENCE_MS 60000
#define STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
#define RETRY_MS    5000
#define LIST        "[{\"Id\":\"" A "\",\"State\":\"running\"},{\"Id\":\"" B "\",\"State\":\"exited\"}]"
#define INSPECT    \
    "{\"Id\":\"" A \
    "\",\"Name\":\"/web\",\"State\":{\"Status\":\"running\",\"Running\":true,\"Pid\":7}}"

struct fixture {
    struct loop *loop;
    struct fake_engine *fake;
    struct engine *engine;
    struct facts *facts;
    struct events *events;
    struct loop_timer patience;
    unsigned n_starts;
    char name[16];
};

static void set_up(struct fixture *f, const struct fake_line *lines, size_t n)
{
    *f = (struct fixture){0};
    log_set_level(LOG_LEVEL_ERROR);
    f->fake = fake_engine_open(lines, n);
    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    f->engine = fake_engine_client(f->fake, f->loop);
    f->facts = facts_new();
    f->events = events_new(f->engine, f->facts);
}

static void tear_down(struct fixture *f)
{
    events_free(f->events);
    facts_free(f->facts);
    engine_free(f->engine);
    loop_free(f->loop);
    fake_engine_close(f->fake);
}

static void on_patience(struct loop_timer *t)
{
    loop_stop(CONTAINER_OF(t, struct fixture, patience)->loop);
}

static void run(struct fixture *f, uint64_t ms)
{
    loop_timer_start(f->loop, &f->patience, ms, on_patience);
    loop_run(f->loop);
    loop_timer_stop(&f->patience);
}

static void on_start(void *owner, const struct running *r)
{
    struct fixture *f = owner;

    f->n_starts++;
    str_copy(f->name, sizeof(f->name), r->name);
    loop_stop(f->loop);
}

static void on_end(void *owner, const char *id)
{
    (void)owner;
    fail_msg("%s has not ended", id);
}

static void on_rename(void *owner, const char *id, const char *name)
{
    (void)owner;
    fail_msg("%s was not renamed to %s", id, name);
}

static const struct running_handler handler = {on_start, on_end, on_rename};

/* Each list that the engine cannot give, or that cannot be read, is asked for again. */
static void test_failed_list_is_asked_for_again(void **state)
{
    struct fake_line lines[] = {
        {"GET /_ping",           FAKE_SEND, NULL,                                               "OK"   },
        {"GET /events",          FAKE_HANG, STREAM_HEAD,                                        NULL   },
        {"GET /containers/json", FAKE_SEND, "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
         NULL                                                                                          },
        {"GET /containers/" A,   FAKE_SEND, NULL,                                               INSPECT},
    };
    struct fixture f;
    struct running_list *l;
    uint64_t begin;

    (void)state;
    set_up(&f, lines, ARRAY_LEN(lines));
    events_start(f.events);
    while (!events_is_live(f.events))
        run(&f, 20);
    begin = time_monotonic_ms();
    l = running_new(f.engine, f.events, &handler, &f);
    while (fake_engine_count(f.fake, "GET /containers/json") == 0)
        run(&f, 20);
    run(&f, 200);
    assert_int_equal(running_n_all(l), METRIC_NONE);
    assert_int_equal(running_n(l), METRIC_NONE);
    lines[2] = (struct fake_line){"GET /containers/json", FAKE_SEND, NULL, LIST};
    run(&f, PATIENCE_MS);
    assert_int_equal(f.n_starts, 1);
    assert_string_equal(f.name, "web");
    assert_true(time_monotonic_ms() - begin >= RETRY_MS);
    assert_int_equal(fake_engine_count(f.fake, "GET /containers/json"), 2);
    assert_int_equal(running_n_all(l), 2);
    assert_int_equal(running_n(l), 1);
    running_free(l);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_list_is_asked_for_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
