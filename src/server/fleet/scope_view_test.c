#include "base/alloc.h"
#include "server/fleet/scope_view.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static void test_hosts_are_found_by_id_name_and_prefix_within_the_scope(void **state)
{
    static const struct {
        const char *scope, *ref;
        int result;
        const char *id;
    } cases[] = {
        {NULL,            "abcd1111", 0,       "abcd1111"},
        {NULL,            "web",      0,       "abcd2222"},
        {NULL,            "abcd2",    0,       "abcd2222"},
        {NULL,            "abcd",     0,       "efff3333"}, /* a name comes before a prefix */
        {NULL,            "abc",      -ENOENT, NULL      }, /* too short */
        {NULL,            "efff",     0,       "efff3333"},
        {NULL,            "twin",     -EEXIST, NULL      },
        {NULL,            "9999",     -EEXIST, NULL      },
        {NULL,            "none",     -ENOENT, NULL      },
        {NULL,            "",         -ENOENT, NULL      },
        {"host=99990000", "9999",     0,       "99990000"}, /* the other one is out of scope */
        {"host=99990000", "twin",     0,       "99990000"},
        {"host=99990000", "web",      -ENOENT, NULL      },
        {"host=99990000", "abcd1111", -ENOENT, NULL      },
    };
    static const char *const hosts[][2] = {
        {"abcd1111", "db"  },
        {"abcd2222", "web" },
        {"efff3333", "abcd"},
        {"99990000", "twin"},
        {"99991111", "twin"}
    };
    struct fleet *f = fleet_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        _cleanup_free_ char *id = xstrdup(hosts[i][0]), *name = xstrdup(hosts[i][1]);
        const struct host row = {.id = id, .name = name, .is_active = true};

        (void)fleet_put_host(f, &row, NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scope s = {0};
        struct fleet_host *h = NULL;

        assert_int_equal(scope_rules_parse(cases[i].scope, &s.own, NULL), 0);
        assert_int_equal(scope_find_host(&s, f, cases[i].ref, &h), cases[i].result);
        if (cases[i].id)
            assert_string_equal(h->row.id, cases[i].id);
    }
    fleet_free(f);
}

static void test_scope_allows_by_host_tag_and_label(void **state)
{
    static const char web[] = "{\"team\":\"web\",\"tier\":\"1\"}", none[] = "{}";
    static const struct {
        const char *own, *ceiling;
        const char *host, *tags, *labels;
        bool sees_host, sees_whole, sees_container;
    } cases[] = {
        {NULL,                                NULL,           "h1", NULL,            none,           true,  true,  true },
        {"host=h1",                           NULL,           "h1", NULL,            none,           true,  true,  true },
        {"host=h1",                           NULL,           "h2", NULL,            web,            false, false, false},
        {"host=h1\nhost=h2",                  NULL,           "h2", NULL,            none,           true,  true,  true },
        {"tag=prod",                          NULL,           "h1", "[\"prod\"]",    none,           true,  true,  true },
        {"tag=Prod",                          NULL,           "h1", "[\"prod\"]",    none,           true,  true,  true },
        {"tag=prod",                          NULL,           "h1", "[\"pro\"]",     none,           false, false, false},
        {"tag=prod",                          NULL,           "h1", NULL,            none,           false, false, false},
        {"tag=prod",                          NULL,           "h1", "broken",        none,           false, false, false},
        {"tag=a,tag=b",                       NULL,           "h1", "[\"a\",\"b\"]", none,           true,  true,  true },
        {"tag=a,tag=b",                       NULL,           "h1", "[\"a\"]",       none,           false, false, false},
        {"label=team",                        NULL,           "h1", NULL,            web,            true,  false, true },
        {"label=team",                        NULL,           "h1", NULL,            none,           true,  false, false},
        {"label=team=web",                    NULL,           "h1", NULL,            web,            true,  false, true },
        {"label=team=db",                     NULL,           "h1", NULL,            web,            true,  false, false},
        {"label=team",                        NULL,           "h1", NULL,            NULL,           true,  false, false},
        {"label=team",                        NULL,           "h1", NULL,            "{\"team\":1}", true,  false, false},
        {"label=team=web,label=tier=2",       NULL,           "h1", NULL,            web,            true,  false, false},
        {"host=h1,label=team=web",            NULL,           "h1", NULL,            web,            true,  false, true },
        {"host=h1,label=team=web",            NULL,           "h2", NULL,            web,            false, false, false},
        {"host=h1,label=team=db\nlabel=tier", NULL,           "h1", NULL,            web,            true,  false, true },
        {"host=h2\nlabel=team=db",            NULL,           "h1", NULL,            web,            true,  false, false},
        {"host=h2\nlabel=team=web",           NULL,           "h1", NULL,            web,            true,  false, true },
        {"host=h1",                           "host=h2",      "h1", NULL,            none,           false, false, false},
        {"host=h1",                           "label=team",   "h1", NULL,            web,            true,  false, true },
        {"host=h1",                           "label=team",   "h1", NULL,            none,           true,  false, false},
        {NULL,                                "host=h1",      "h2", NULL,            none,           false, false, false},
        {NULL,                                "host=h1",      "h1", NULL,            none,           true,  true,  true },
        {"label=team=web",                    "label=tier=1", "h1", NULL,            web,            true,  false, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *id = xstrdup(cases[i].host), *tags = xstrdup(cases[i].tags);
        const struct fleet_host h = {
            .row = {.id = id, .tags = tags}
        };
        struct fleet_container c = {0};
        struct error err = ERROR_INIT;
        struct scope s = {0};

        if (cases[i].labels)
            c.labels = json_loads(cases[i].labels, 0, NULL);
        assert_int_equal(scope_rules_parse(cases[i].own, &s.own, &err), 0);
        assert_int_equal(scope_rules_parse(cases[i].ceiling, &s.ceiling, &err), 0);
        assert_int_equal(scope_is_limited(&s), cases[i].own || cases[i].ceiling);
        assert_int_equal(scope_allows_host(&s, &h), cases[i].sees_host);
        assert_int_equal(scope_allows_whole_host(&s, &h), cases[i].sees_whole);
        assert_int_equal(scope_allows_container(&s, &h, &c), cases[i].sees_container);
        json_decref(c.labels);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scope_allows_by_host_tag_and_label),
        cmocka_unit_test(test_hosts_are_found_by_id_name_and_prefix_within_the_scope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
