#include "base/alloc.h"
#include "server/feed/news.h"
#include "server/feed/watched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define ID_A "aaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbb"

static void add_item(struct news *n, const char *key, int value)
{
    news_add(n, TOPIC_PROGRESS, &(struct news_about){.key = key, .host_id = "h"},
             json_pack("{s:i}", "n", value));
}

static const char *join_texts(struct news *n)
{
    static char all[256];
    size_t size = 0;

    all[0] = '\0';
    for (struct list *l = n->items.next; l != &n->items; l = l->next) {
        size += (size_t)snprintf(all + size, sizeof(all) - size, "%s",
                                 CONTAINER_OF(l, struct news_item, link)->text);
        assert_true(size < sizeof(all));
    }
    return all;
}

static void test_newer_item_replaces_older_one_of_its_key(void **state)
{
    struct news n;

    (void)state;
    news_init(&n);
    add_item(&n, "a", 1);
    add_item(&n, "b", 2);
    add_item(&n, NULL, 3);
    add_item(&n, NULL, 4);
    add_item(&n, "a", 5);
    assert_string_equal(join_texts(&n), "{\"n\":2}{\"n\":3}{\"n\":4}{\"n\":5}");
    assert_int_equal(n.n_items, 4);
    news_clear(&n);
    assert_string_equal(join_texts(&n), "");
    assert_int_equal(n.n_bytes, 0);
    add_item(&n, "a", 6);
    assert_string_equal(join_texts(&n), "{\"n\":6}");
    news_clear(&n);
}

static void test_oldest_items_are_dropped_and_counted(void **state)
{
    struct news n;
    char *large = xcalloc(1, NEWS_MAX_BYTES / 2);

    (void)state;
    news_init(&n);
    for (int i = 0; i < NEWS_MAX_ITEMS + 7; i++)
        add_item(&n, NULL, i);
    assert_int_equal(n.n_items, NEWS_MAX_ITEMS);
    assert_int_equal(n.n_lost[TOPIC_PROGRESS], 7);
    assert_int_equal(n.n_lost[TOPIC_EVENTS], 0);
    news_clear(&n);
    assert_int_equal(n.n_lost[TOPIC_PROGRESS], 0);

    memset(large, 'x', NEWS_MAX_BYTES / 2 - 1);
    for (int i = 0; i < 3; i++) {
        news_add(&n, TOPIC_EVENTS, &(struct news_about){0}, json_pack("{s:s}", "t", large));
        assert_true(n.n_bytes <= NEWS_MAX_BYTES);
    }
    assert_int_equal(n.n_lost[TOPIC_EVENTS], 2);
    news_clear(&n);
    free(large);
}

static const struct topic host = {.kind = TOPIC_HOST_STATS, .host = "h"};
static const struct topic all_of_host = {.kind = TOPIC_STATS, .host = "h"};
static const struct topic one = {.kind = TOPIC_STATS, .host = "h", .container = ID_A};
static const struct topic all_hosts = {.kind = TOPIC_HOST_STATS};
static const struct topic other_kind = {.kind = TOPIC_CONTAINERS, .host = "h", .container = ID_A};

static void test_watched_samples_are_counted(void **state)
{
    struct watched w = {0};

    (void)state;
    assert_true(watched_add(&w, &one));
    assert_false(watched_add(&w, &one)); /* a second client changes no answer */
    assert_false(watched_add(&w, &other_kind));
    assert_true(watched_has_container(&w, "h", ID_A));
    assert_true(watched_has_container(&w, "h",
                                      ID_A "0123456789012345678901234567890123456789012345678901"));
    assert_false(watched_has_container(&w, "h", ID_B));
    assert_false(watched_has_container(&w, "g", ID_A));
    assert_true(watched_has_any_container(&w, "h"));
    assert_false(watched_has_host(&w, "h"));

    assert_true(watched_add(&w, &all_of_host));
    assert_true(watched_has_container(&w, "h", ID_B));
    assert_true(watched_remove(&w, &all_of_host));
    assert_false(watched_has_container(&w, "h", ID_B));

    assert_false(watched_remove(&w, &one));
    assert_true(watched_remove(&w, &one)); /* the last client */
    assert_false(watched_has_any_container(&w, "h"));

    assert_true(watched_add(&w, &host));
    assert_true(watched_has_host(&w, "h"));
    assert_false(watched_has_any_container(&w, "h"));
    assert_true(watched_add(&w, &all_hosts));
    assert_true(watched_has_host(&w, "g"));
    assert_true(watched_remove(&w, &all_hosts));
    assert_false(watched_has_host(&w, "g"));
    watched_done(&w);
    assert_false(watched_has_host(&w, "h"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newer_item_replaces_older_one_of_its_key),
        cmocka_unit_test(test_oldest_items_are_dropped_and_counted),
        cmocka_unit_test(test_watched_samples_are_counted),
    };

    return cmocka_run_group_tests_name("feed-news", tests, NULL, NULL);
}
