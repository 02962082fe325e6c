#include "base/str.h"
#include "server/feed/topics.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define FULL_ID  "aaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define SHORT_ID "aaaaaaaaaaaa"
#define OTHER_ID "bbbbbbbbbbbb"
#define HOST_63  "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"

static void test_topics_are_parsed(void **state)
{
    static const struct {
        const char *text;
        int r;
        enum topic_kind kind;
        const char *host, *container;
    } cases[] = {
        {"hosts",                       0,       TOPIC_HOSTS,      "",          ""      },
        {"hosts/h-1.x:2_Z",             0,       TOPIC_HOSTS,      "h-1.x:2_Z", ""      },
        {"containers",                  0,       TOPIC_CONTAINERS, "",          ""      },
        {"containers/h/" SHORT_ID,      0,       TOPIC_CONTAINERS, "h",         SHORT_ID},
        {"containers/h/" FULL_ID,       0,       TOPIC_CONTAINERS, "h",         SHORT_ID},
        {"host_stats",                  0,       TOPIC_HOST_STATS, "",          ""      },
        {"stats/h",                     0,       TOPIC_STATS,      "h",         ""      },
        {"stats/" HOST_63 "h",          0,       TOPIC_STATS,      HOST_63 "h", ""      },
        {"events/h/" SHORT_ID,          0,       TOPIC_EVENTS,     "h",         SHORT_ID},
        {"progress",                    0,       TOPIC_PROGRESS,   "",          ""      },
        {"jobs",                        0,       TOPIC_JOBS,       "",          ""      },
        {"",                            -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"/",                           -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"host",                        -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"hostsx",                      -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"hosts/",                      -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"hosts//",                     -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"hosts/h/" SHORT_ID,           -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"stats",                       -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"stats/" HOST_63 "hh",         -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"jobs/h",                      -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"containers/h/",               -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"containers/h/web",            -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"containers/h/AAAAAAAAAAAA",   -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"containers/h/" SHORT_ID "/x", -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
        {"containers/h h",              -EINVAL, TOPIC_HOSTS,      NULL,        NULL    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        struct topic t;

        assert_int_equal(topic_parse(cases[i].text, &t, &err), cases[i].r);
        if (cases[i].r < 0) {
            assert_non_null(strstr(err.msg, cases[i].text));
            continue;
        }
        assert_int_equal(t.kind, cases[i].kind);
        assert_string_equal(t.host, cases[i].host);
        assert_string_equal(t.container, cases[i].container);
    }
}

/* The error quotes the word; a cut inside a character would make the answer invalid JSON. */
static void test_words_are_quoted_up_to_a_whole_character(void **state)
{
    static const char *const characters[] = {"\u00e4", "\u20ac", "\U0001f600"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(characters); i++) {
        for (size_t pad = 90; pad < 104; pad++) {
            struct error err = ERROR_INIT;
            struct topic t;
            char word[200];

            memset(word, 'x', pad);
            for (size_t n = pad; n < 160; n += strlen(characters[i]))
                (void)snprintf(word + n, sizeof(word) - n, "%s", characters[i]);
            assert_int_equal(topic_parse(word, &t, &err), -EINVAL);
            assert_true(str_is_utf8(err.msg, strlen(err.msg)));
            assert_null(strchr(err.msg, '?')); /* no byte was replaced */
        }
    }
}

static struct topic make_topic(const char *text)
{
    struct topic t;

    assert_int_equal(topic_parse(text, &t, NULL), 0);
    return t;
}

static void test_shorter_topic_includes_longer_ones(void **state)
{
    static const struct {
        const char *topic, *host, *container;
        enum topic_kind kind;
        bool is_wanted;
    } cases[] = {
        {"containers",             "h",  FULL_ID,  TOPIC_CONTAINERS, true },
        {"containers",             "h",  FULL_ID,  TOPIC_EVENTS,     false},
        {"containers/h",           "h",  FULL_ID,  TOPIC_CONTAINERS, true },
        {"containers/h",           "h2", FULL_ID,  TOPIC_CONTAINERS, false},
        {"containers/h/" SHORT_ID, "h",  FULL_ID,  TOPIC_CONTAINERS, true },
        {"containers/h/" SHORT_ID, "h",  SHORT_ID, TOPIC_CONTAINERS, true },
        {"containers/h/" SHORT_ID, "h",  OTHER_ID, TOPIC_CONTAINERS, false},
        {"containers/h/" SHORT_ID, "h2", FULL_ID,  TOPIC_CONTAINERS, false},
        {"events",                 NULL, NULL,     TOPIC_EVENTS,     true },
        {"events/h",               NULL, NULL,     TOPIC_EVENTS,     false},
        {"events/h",               "h",  NULL,     TOPIC_EVENTS,     true },
        {"events/h/" SHORT_ID,     "h",  NULL,     TOPIC_EVENTS,     false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct topics set = {0};
        struct topic t = make_topic(cases[i].topic);

        assert_true(topics_add(&set, &t));
        assert_int_equal(topics_want(&set, cases[i].kind, cases[i].host, cases[i].container),
                         cases[i].is_wanted);
        assert_true(topics_remove(&set, &t));
        assert_false(topics_want(&set, cases[i].kind, cases[i].host, cases[i].container));
        assert_false(topics_remove(&set, &t));
        topics_done(&set);
    }
}

static void test_number_of_topics_is_limited(void **state)
{
    struct topics set = {0};
    struct topic t = make_topic("hosts");

    (void)state;
    assert_true(topics_add(&set, &t));
    assert_false(topics_add(&set, &t)); /* a duplicate */
    for (unsigned i = 1; i < TOPICS_MAX; i++) {
        (void)snprintf(t.host, sizeof(t.host), "h%u", i);
        assert_true(topics_add(&set, &t));
    }
    (void)snprintf(t.host, sizeof(t.host), "more");
    assert_false(topics_add(&set, &t));
    assert_int_equal(set.n[TOPIC_HOSTS], TOPICS_MAX);
    topics_done(&set);
    assert_false(topics_want(&set, TOPIC_HOSTS, "h1", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topics_are_parsed),
        cmocka_unit_test(test_words_are_quoted_up_to_a_whole_character),
        cmocka_unit_test(test_shorter_topic_includes_longer_ones),
        cmocka_unit_test(test_number_of_topics_is_limited),
    };

    return cmocka_run_group_tests_name("feed-topics", tests, NULL, NULL);
}
