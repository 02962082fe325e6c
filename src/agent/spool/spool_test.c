#include "agent/common/temporary_dir.h"
#include "agent/spool/segments.h"
#include "agent/spool/spool.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define MAX_SENT 4096

struct fixture {
    char dir[TEMPORARY_DIR_SIZE], path[TEMPORARY_DIR_SIZE + 8];
    struct loop *loop;
    struct spool *spool;
    struct batch_sink sink;
    uint64_t epoch, seq, max_bytes;
    struct {
        uint64_t epoch, seq;
        bool is_late;
    } sent[MAX_SENT];
    size_t n_sent, n_checked;
    bool is_busy, is_full;
    uint64_t asked; /* number of the last receipt that was asked for */
    size_t padding; /* approximate size of each batch */
};

static int send(struct batch_sink *sink, const void *data, size_t size)
{
    struct fixture *f = CONTAINER_OF(sink, struct fixture, sink);
    struct samples s;

    if (f->is_full)
        return -ENOBUFS;
    assert_int_equal(samples_decode(data, size, &s, NULL), 0);
    assert_true(f->n_sent < MAX_SENT);
    f->sent[f->n_sent].epoch = s.epoch;
    f->sent[f->n_sent].seq = s.seq;
    f->sent[f->n_sent++].is_late = s.is_late;
    samples_done(&s);
    return 0;
}

static bool is_busy(struct batch_sink *sink)
{
    const struct fixture *f = CONTAINER_OF(sink, struct fixture, sink);

    return f->is_busy;
}

static int ask_receipt(struct batch_sink *sink, uint64_t number)
{
    struct fixture *f = CONTAINER_OF(sink, struct fixture, sink);

    assert_int_equal(number, f->asked + 1);
    f->asked = number;
    return 0;
}

static void open_spool(struct fixture *f)
{
    f->spool = spool_new(
        &(struct spool_options){.loop = f->loop, .dir = f->path, .max_bytes = f->max_bytes});
    f->epoch = spool_epoch(f->spool);
    f->seq = f->asked = 0;
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    log_set_level(LOG_LEVEL_ERROR);
    if (temporary_dir_make(f->dir) < 0)
        return -1;
    (void)snprintf(f->path, sizeof(f->path), "%s/spool", f->dir);
    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    f->max_bytes = 64 << 20;
    open_spool(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    int r;

    spool_free(f->spool);
    loop_free(f->loop);
    r = temporary_dir_remove(f->dir);
    free(f);
    return r;
}

static void put(struct fixture *f, size_t n)
{
    struct container_sample c = {.id = "", .name = "x"};
    char *text = xcalloc(1, f->padding + 1);

    memset(text, 'n', f->padding);
    memset(c.id, 'a', SAMPLES_ID_SIZE - 1);
    samples_clear_values(c.values, CONTAINER_METRICS);
    for (; n > 0; n--) {
        struct samples s = {
            .epoch = f->epoch, .seq = f->seq++, .at_ms = 1, .containers = &c, .n_containers = 1};

        samples_clear_values(s.host.values, HOST_METRICS);
        s.has_source = f->padding > 0;
        s.source = (struct samples_source){.containers = "", .network = "", .why = text};
        spool_put(f->spool, &s);
    }
    free(text);
}

static void connect_from(struct fixture *f, uint64_t epoch, uint64_t seq)
{
    f->sink = (struct batch_sink){send, is_busy, ask_receipt};
    spool_connect(f->spool, &f->sink, &(struct msg_samples_ack){epoch, seq});
}

static void ack(struct fixture *f, uint64_t epoch, uint64_t seq)
{
    spool_on_ack(f->spool, &(struct msg_samples_ack){epoch, seq});
}

/* Expects the batches [from, to) of the epoch as those sent since the last call. */
static void expect(struct fixture *f, uint64_t epoch, uint64_t from, uint64_t to, bool is_late)
{
    for (; from < to; from++, f->n_checked++) {
        assert_true(f->n_checked < f->n_sent);
        assert_int_equal(f->sent[f->n_checked].epoch, epoch);
        assert_int_equal(f->sent[f->n_checked].seq, from);
        assert_int_equal(f->sent[f->n_checked].is_late, is_late);
    }
}

static void expect_no_more(const struct fixture *f)
{
    assert_int_equal(f->n_checked, f->n_sent);
}

/* Counts the records in the files. */
static size_t count_records(const char *path)
{
    const struct segments_options o = {.dir = path, .max_bytes = 64 << 20};
    struct segments_place at;
    struct spool_record r;
    struct segments *disk;
    size_t n = 0;

    if (access(path, F_OK) < 0)
        return 0;
    assert_int_equal(segments_open(&disk, &o, NULL), 0);
    at = segments_begin(disk);
    while (segments_read(disk, &at, &r))
        n++;
    segments_close(disk);
    return n;
}

/* Runs the loop until the files have `n` records. */
static void wait_for_records(struct fixture *f, const char *path, size_t n)
{
    struct loop_timer tick = {0};
    uint64_t since = time_monotonic_ms();

    while (count_records(path) < n) {
        assert_true(time_monotonic_ms() - since < 60000);
        loop_timer_start(f->loop, &tick, 20, loop_timer_stop);
        loop_turn(f->loop);
    }
    loop_timer_stop(&tick);
}

static void test_nothing_is_written_in_normal_operation(void **state)
{
    struct fixture *f = *state;

    connect_from(f, 0, 0);
    for (uint64_t i = 0; i < 100; i++) {
        put(f, 1);
        expect(f, f->epoch, i, i + 1, false);
        if (i % 5 == 4)
            ack(f, f->epoch, i);
    }
    expect_no_more(f);
    assert_int_equal(access(f->path, F_OK), -1);
}

static void test_batch_without_receipt_is_written_after_a_second(void **state)
{
    struct fixture *f = *state;
    struct spool *other = f->spool, *well;
    char path[sizeof(f->path)];

    /* A spool whose server receives and confirms all batches... */
    (void)snprintf(path, sizeof(path), "%s/well", f->dir);
    f->spool = spool_new(
        &(struct spool_options){.loop = f->loop, .dir = path, .max_bytes = f->max_bytes});
    connect_from(f, 0, 0);
    put(f, 5);
    spool_on_receipt(f->spool, f->asked);

    /* ... and, a little later, one whose server confirms the first of three. */
    well = f->spool;
    f->spool = other;
    f->seq = f->asked = 0;
    connect_from(f, 0, 0);
    put(f, 3);
    spool_on_receipt(f->spool, 1);
    spool_on_receipt(f->spool, f->asked + 1); /* a receipt that was never asked for */
    wait_for_records(f, f->path, 1);
    assert_int_equal(count_records(f->path), 3); /* in order, so the ones before, too */
    assert_int_equal(access(path, F_OK), -1);
    spool_free(well);
    assert_int_equal(count_records(path), 5);

    /* While receipts are missing, new batches are written at once, but not again when they are
     * confirmed. */
    put(f, 2);
    assert_int_equal(count_records(f->path), 5);
    spool_on_receipt(f->spool, f->asked);
    put(f, 1);
    assert_int_equal(count_records(f->path), 5);
    ack(f, f->epoch, 5);
    assert_int_equal(rmdir(f->path), 0);
}

static void test_batch_that_waits_behind_replies_is_written(void **state)
{
    struct fixture *f = *state;

    f->padding = 4000;
    connect_from(f, 0, 0);
    put(f, 2);
    f->is_busy = true;
    put(f, 1000); /* more than fits into memory */
    assert_string_equal(spool_note(f->spool), "");
    f->is_busy = false;
    put(f, 1);
    while (f->sent[f->n_sent - 1].seq < 1002)
        ack(f, f->epoch, f->sent[f->n_sent - 1].seq);
    for (uint64_t i = 0; i < f->n_sent; i++)
        assert_int_equal(f->sent[i].seq, i);
    ack(f, f->epoch, 1002);
    assert_int_equal(rmdir(f->path), 0);
}

static void test_cut_connection_leaves_no_gap_and_no_duplicate(void **state)
{
    struct fixture *f = *state;

    connect_from(f, 0, 0);
    put(f, 10);
    expect(f, f->epoch, 0, 10, false);
    ack(f, f->epoch, 4);
    spool_disconnect(f->spool);
    put(f, 20);
    expect_no_more(f);
    connect_from(f, f->epoch, 7); /* the server has more than was ever sent */
    expect(f, f->epoch, 8, 30, true);
    put(f, 2); /* later batches are sent */
    expect(f, f->epoch, 30, 32, false);
    expect_no_more(f);
    ack(f, f->epoch, 31);
    spool_disconnect(f->spool);
    connect_from(f, f->epoch, 31);
    expect_no_more(f);
    assert_int_equal(rmdir(f->path), 0); /* no files are left */
}

static void test_killed_agent_sends_its_spool_after_restart(void **state)
{
    struct fixture *f = *state;
    uint64_t first = f->epoch;
    struct spool *dead = f->spool;

    put(f, 5);
    open_spool(f); /* the abandoned spool writes nothing any more */
    assert_true(f->epoch > first);
    put(f, 3);
    connect_from(f, first, 1);
    expect(f, first, 2, 5, true);
    expect(f, f->epoch, 0, 3, true);
    expect_no_more(f);
    ack(f, first, 3); /* the last acknowledgement before the kill may be repeated */
    spool_disconnect(f->spool);
    connect_from(f, first, 3);
    expect(f, first, 4, 5, true);
    expect(f, f->epoch, 0, 3, true);
    ack(f, f->epoch, 2);
    expect_no_more(f);
    spool_free(dead);
}

static void test_clean_exit_keeps_unacknowledged_batches(void **state)
{
    struct fixture *f = *state;
    uint64_t first = f->epoch;

    connect_from(f, 0, 0);
    put(f, 3);
    ack(f, f->epoch, 0);
    expect(f, first, 0, 3, false);
    spool_free(f->spool);
    open_spool(f);
    connect_from(f, 0, 0);
    expect(f, first, 1, 3, true);
    expect_no_more(f);
}

static void test_window_limits_unacknowledged_batches(void **state)
{
    struct fixture *f = *state;
    size_t n;

    f->padding = 4000;
    put(f, 1000); /* four windows */
    connect_from(f, 0, 0);
    n = f->n_sent;
    assert_in_range(n, 1, SPOOL_WINDOW / 4000 + 1);
    put(f, 1); /* waits behind the batches on disk */
    assert_int_equal(f->n_sent, n);
    while (f->n_sent < 1001) {
        ack(f, f->epoch, f->n_sent - 1);
        assert_in_range(f->n_sent - n, 1, SPOOL_WINDOW / 4000 + 1);
        n = f->n_sent;
    }
    expect(f, f->epoch, 0, 1001, true);
    ack(f, f->epoch, 1000);
    put(f, 1);
    expect(f, f->epoch, 1001, 1002, false);
    expect_no_more(f);
}

static void test_replies_are_sent_first(void **state)
{
    struct fixture *f = *state;

    put(f, 3);
    f->is_busy = true;
    connect_from(f, 0, 0);
    put(f, 1);
    expect_no_more(f);
    f->is_busy = false;
    f->is_full = true;
    put(f, 1);
    expect_no_more(f);
    f->is_full = false;
    put(f, 1);
    expect(f, f->epoch, 0, 6, true);
    expect_no_more(f);
}

static void test_oldest_batches_are_dropped_when_full(void **state)
{
    struct fixture *f = *state;

    spool_free(f->spool);
    f->max_bytes = 3 << 20;
    open_spool(f);
    f->padding = 4000;
    put(f, 1000);
    assert_non_null(strstr(spool_note(f->spool), "dropped"));
    connect_from(f, 0, 0);
    while (f->sent[f->n_sent - 1].seq < 999)
        ack(f, f->epoch, f->sent[f->n_sent - 1].seq);
    assert_in_range(f->sent[0].seq, 200, 600);
    expect(f, f->epoch, f->sent[0].seq, 1000, true);
    expect_no_more(f);
}

static void test_newest_batches_stay_in_memory_without_a_disk(void **state)
{
    struct fixture *f = *state;
    uint64_t sizes[] = {0, 64 << 20};

    for (size_t i = 0; i < 2; i++) {
        struct fixture *g = f;
        size_t least = SPOOL_MEMORY / 4200, most = SPOOL_MEMORY / 4000;

        spool_free(g->spool);
        g->max_bytes = sizes[i];
        /* a directory that cannot be created */
        (void)snprintf(g->path, sizeof(g->path), "/proc/none");
        open_spool(g);
        g->padding = 4000;
        log_set_level(LOG_LEVEL_ERROR);
        put(g, 1000);
        assert_non_null(strstr(spool_note(g->spool), i == 0 ? "dropped" : "in memory only"));
        connect_from(g, 0, 0);
        assert_in_range(g->n_sent - g->n_checked, least, most);
        expect(g, g->epoch, g->sent[g->n_checked].seq, 1000, false);
        expect_no_more(g);
    }
}

static void test_server_that_refuses_samples_costs_nothing(void **state)
{
    struct fixture *f = *state;

    put(f, 5);
    spool_refuse(f->spool);
    put(f, 5);
    assert_int_equal(rmdir(f->path), 0);
    connect_from(f, 0, 0); /* another epoch */
    put(f, 1);
    expect(f, f->epoch, 10, 11, false);
    expect_no_more(f);
}

static void test_invalid_acknowledgement_is_ignored(void **state)
{
    struct fixture *f = *state;

    ack(f, f->epoch, 1);
    put(f, 3);
    connect_from(f, f->epoch + 1, 2);
    ack(f, f->epoch - 1, 100);
    expect(f, f->epoch, 0, 3, true);
    spool_disconnect(f->spool);
    connect_from(f, f->epoch + 9, 0);
    expect(f, f->epoch, 0, 3, true);
    ack(f, f->epoch, 1000); /* covers more than exists: everything */
    spool_disconnect(f->spool);
    connect_from(f, 0, 0);
    expect_no_more(f);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_written_in_normal_operation),
        TEST(test_batch_without_receipt_is_written_after_a_second),
        TEST(test_batch_that_waits_behind_replies_is_written),
        TEST(test_cut_connection_leaves_no_gap_and_no_duplicate),
        TEST(test_killed_agent_sends_its_spool_after_restart),
        TEST(test_clean_exit_keeps_unacknowledged_batches),
        TEST(test_window_limits_unacknowledged_batches),
        TEST(test_replies_are_sent_first),
        TEST(test_oldest_batches_are_dropped_when_full),
        TEST(test_newest_batches_stay_in_memory_without_a_disk),
        TEST(test_server_that_refuses_samples_costs_nothing),
        TEST(test_invalid_acknowledgement_is_ignored),
    };

    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
