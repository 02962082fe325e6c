#include "base/alloc.h"
#include "server/store/fixture.h"
#include "server/store/update_batches.h"

#include <errno.h>
#include <stdio.h>

static void put(struct db *s, const char *id, const char *state, int64_t ended_at_ms)
{
    const struct update_batch_row row = {
        .id = (char *)(uintptr_t)id,
        .state = (char *)(uintptr_t)state,
        .created_by = (char[]){"ann"},
        .user_id = 3,
        .rings = (char[]){"canary"},
        .max_parallel = 2,
        .pause_s = 7,
        .options = (char[]){"{\"keep_s\":60}"},
        .created_at_ms = 1,
        .ended_at_ms = ended_at_ms,
    };

    assert_int_equal(update_batches_put(s, &row, NULL), 0);
}

static int put_item(struct db *s, const char *batch_id, int64_t number, const char *update_id)
{
    const struct update_batch_item_row row = {
        .batch_id = (char *)(uintptr_t)batch_id,
        .number = number,
        .host_id = (char[]){"h1"},
        .container_name = (char[]){"web"},
        .ring = 2,
        .state = (char *)(uintptr_t)(update_id ? "running" : "queued"),
        .update_id = (char *)(uintptr_t)update_id,
    };

    return update_batches_put_item(s, &row, NULL);
}

struct found {
    size_t n_batches, n_items;
    char text[256];
};

static void take_batch(void *arg, const struct update_batch_row *b)
{
    struct found *f = arg;

    f->n_batches++;
    (void)snprintf(f->text, sizeof(f->text), "%s %s %s %lld %s %lld %lld %s %s", b->id, b->state,
                   b->created_by, (long long)b->user_id, b->rings, (long long)b->max_parallel,
                   (long long)b->pause_s, b->options, b->reason ? b->reason : "-");
}

static void take_item(void *arg, const struct update_batch_item_row *i)
{
    struct found *f = arg;

    f->n_items++;
    (void)snprintf(f->text, sizeof(f->text), "%s %lld %s %s %lld %s %s", i->batch_id,
                   (long long)i->number, i->host_id, i->container_name, (long long)i->ring,
                   i->state, i->update_id ? i->update_id : "-");
}

static void test_rows_are_read_as_they_were_stored(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct found f = {0};

    put(s, "b1", "running", 0);
    put(s, "b1", "stopping", 0);
    assert_int_equal(update_batches_each(s, take_batch, &f, NULL), 0);
    assert_int_equal(f.n_batches, 1);
    assert_string_equal(f.text, "b1 stopping ann 3 canary 2 7 {\"keep_s\":60} -");

    assert_int_equal(put_item(s, "b1", 1, NULL), 0);
    assert_int_equal(put_item(s, "b1", 1, "u1"), 0);
    assert_int_equal(update_batches_each_item(s, take_item, &f, NULL), 0);
    assert_int_equal(f.n_items, 1);
    assert_string_equal(f.text, "b1 1 h1 web 2 running u1");
    assert_int_equal(put_item(s, "b2", 1, NULL), -EINVAL); /* there is no such batch */
}

static void test_old_batches_are_deleted_with_their_items(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct found f = {0};
    char id[16];

    put(s, "active", "running", 0);
    for (int i = 0; i < UPDATE_BATCHES_KEPT + 5; i++) {
        (void)snprintf(id, sizeof(id), "b%d", i);
        put(s, id, "running", 0);
        assert_int_equal(put_item(s, id, 1, NULL), 0);
        put(s, id, "completed", 100 + i);
    }
    assert_int_equal(update_batches_each(s, take_batch, &f, NULL), 0);
    assert_int_equal(f.n_batches, UPDATE_BATCHES_KEPT + 1);
    assert_int_equal(update_batches_each_item(s, take_item, &f, NULL), 0);
    assert_int_equal(f.n_items, UPDATE_BATCHES_KEPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rows_are_read_as_they_were_stored),
        TEST(test_old_batches_are_deleted_with_their_items),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
