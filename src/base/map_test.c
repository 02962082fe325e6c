#include "base/list.h"
#include "base/map.h"
#include "base/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define N_KEYS 500

/* Values are pointers into this, so that a mix-up shows. */
static char values[N_KEYS];

static const char *key_of(size_t i, char ret[16])
{
    (void)snprintf(ret, 16, "key-%zu", i);
    return ret;
}

static void test_empty(void **state)
{
    struct map m = {0};

    (void)state;
    assert_null(map_find(&m, "a"));
    assert_null(map_remove(&m, "a"));
    assert_null(map_next(&m, NULL));
    map_done(&m);
    map_done(&m);
}

static void test_put_find_replace_remove(void **state)
{
    struct map m = {0};
    char key[] = "abc";

    (void)state;
    assert_null(map_put(&m, key, &values[1]));
    key[0] = 'x'; /* the map has a copy */
    assert_ptr_equal(map_find(&m, "abc"), &values[1]);
    assert_null(map_find(&m, "xbc"));
    assert_null(map_find(&m, "ab"));
    assert_null(map_find(&m, "abcd"));
    assert_null(map_find(&m, ""));

    assert_ptr_equal(map_put(&m, "abc", &values[2]), &values[1]);
    assert_int_equal(m.size, 1);
    assert_ptr_equal(map_find(&m, "abc"), &values[2]);

    assert_null(map_put(&m, "", &values[3]));
    assert_ptr_equal(map_find(&m, ""), &values[3]);
    assert_ptr_equal(map_remove(&m, "abc"), &values[2]);
    assert_null(map_remove(&m, "abc"));
    assert_int_equal(m.size, 1);
    assert_ptr_equal(map_find(&m, ""), &values[3]);
    map_done(&m);
    assert_null(map_find(&m, ""));
}

/* Compares the map with a plain array over many random puts and removes. */
static void test_against_model(void **state)
{
    struct map m = {0};
    void *model[N_KEYS] = {0};
    size_t size = 0;
    char key[16];

    (void)state;
    for (size_t turn = 0; turn < 40000; turn++) {
        /* Sometimes a small set of keys, so that long runs form and break up. */
        size_t i = (size_t)random_below(turn % 2000 < 1000 ? N_KEYS : 20);
        void *value = &values[random_below(N_KEYS)];

        if (random_below(2)) {
            assert_ptr_equal(map_put(&m, key_of(i, key), value), model[i]);
            size += !model[i];
            model[i] = value;
        } else {
            assert_ptr_equal(map_remove(&m, key_of(i, key)), model[i]);
            size -= !!model[i];
            model[i] = NULL;
        }
        assert_int_equal(m.size, size);
        i = (size_t)random_below(N_KEYS);
        assert_ptr_equal(map_find(&m, key_of(i, key)), model[i]);
    }
    for (size_t i = 0; i < N_KEYS; i++)
        assert_ptr_equal(map_find(&m, key_of(i, key)), model[i]);
    map_done(&m);
}

/* The result is right after any changes of the map and of the keys at a place. */
static void test_find_at_places(void **state)
{
    struct map m = {0};
    struct map_order order = {0};
    char key[16];

    (void)state;
    assert_null(map_find_at(&m, &order, 0, "a"));
    for (size_t turn = 0; turn < 20000; turn++) {
        size_t i = (size_t)random_below(N_KEYS), k = (size_t)random_below(N_KEYS);

        if (random_below(3)) {
            (void)map_put(&m, key_of(i, key), &values[i]);
        } else {
            (void)map_remove(&m, key_of(i, key));
        }
        (void)key_of(k, key);
        assert_ptr_equal(map_find_at(&m, &order, random_below(4) ? k : k / 2, key),
                         map_find(&m, key));
    }
    assert_true(order.n <= 2 * (size_t)N_KEYS);
    map_order_done(&order);
    map_done(&m);
}

static void test_foreach_visits_each_once(void **state)
{
    struct map m = {0};
    unsigned seen[N_KEYS] = {0};
    size_t n = 0;
    char key[16];

    (void)state;
    for (size_t i = 0; i < N_KEYS; i++)
        (void)map_put(&m, key_of(i, key), &values[i]);
    map_foreach(&m, e) {
        size_t i = (size_t)((char *)e->value - values);

        assert_string_equal(e->key, key_of(i, key));
        seen[i]++;
        n++;
    }
    assert_int_equal(n, N_KEYS);
    for (size_t i = 0; i < N_KEYS; i++)
        assert_int_equal(seen[i], 1);
    assert_true(m.capacity <= (size_t)N_KEYS * 4);
    map_done(&m);
}

struct item {
    int number;
    struct list link;
};

static void test_list(void **state)
{
    struct list head;
    struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    int next = 0;

    (void)state;
    list_init(&head);
    assert_true(list_empty(&head));
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        list_append(&head, &items[i].link);
    for (struct list *l = head.next; l != &head; l = l->next)
        assert_int_equal(CONTAINER_OF(l, struct item, link)->number, next++);
    assert_int_equal(next, 3);

    list_unlink(&items[1].link);
    list_unlink(&items[1].link);
    assert_true(list_empty(&items[1].link));
    assert_ptr_equal(head.next->next, &items[2].link);
    list_unlink(&items[0].link);
    list_unlink(&items[2].link);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),          cmocka_unit_test(test_put_find_replace_remove),
        cmocka_unit_test(test_against_model),  cmocka_unit_test(test_foreach_visits_each_once),
        cmocka_unit_test(test_find_at_places), cmocka_unit_test(test_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
