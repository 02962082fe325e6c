/* References into the container list, and the selection for ps. */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/containers/containers.h"
#include "cli/containers/ps_filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The cases below refer to containers by the first four digits of their ids. */
static json_t *make_list(void)
{
    static const struct {
        const char *id, *name, *host, *state, *created, *image, *labels;
    } rows[] = {
        {"aaaa", "web",  "one", "running",    "2026-11-01T00:00:00.000Z", "nginx:1.25",
         "{\"a\":\"1\"}"                                                                          },
        {"abab", "web",  "two", "exited",     "2026-11-03T00:00:00.000Z", "registry/nginx@x",
         "{\"a\":\"2\",\"b\":\"\"}"                                                               },
        {"abac", "db",   "one", "paused",     "2026-11-02T00:00:00.000Z", "postgres",         "{}"},
        {"bbbb", "abab", "one", "restarting", "2026-11-02T00:00:00.000Z", "nginx-exporter:1",
         "{\"a\":\"1\"}"                                                                          },
    };
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *host_id = xasprintf("id-of-%s", rows[i].host);

        (void)json_array_append_new(
            list, json_pack("{s:s+, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "id", rows[i].id,
                            "00000000000000000000000000000000000000000000000000000000000", "name",
                            rows[i].name, "host_name", rows[i].host, "host_id", host_id, "state",
                            rows[i].state, "created", rows[i].created, "image", rows[i].image,
                            "labels", json_loads(rows[i].labels, 0, NULL)));
    }
    return list;
}

static void test_resolve(void **state)
{
    static const struct {
        const char *ref;
        int code;
        const char *found; /* the first four digits of the id, or the error */
    } cases[] = {
        {"db",            0,       "abac"                        },
        {"one/db",        0,       "abac"                        },
        {"two/web",       0,       "abab"                        },
        {"id-of-two/web", 0,       "abab"                        },
        {"id-of-t/web",   0,       "abab"                        },
        {"aaaa",          0,       "aaaa"                        },
        {"a",             -EEXIST,
         "a is ambiguous: one/web (aaaa00000000), two/web (abab00000000), "
         "one/db (abac00000000); say HOST/CONTAINER"             },
        {"aba",           -EEXIST,
         "aba is ambiguous: two/web (abab00000000), one/db (abac00000000); "
         "say HOST/CONTAINER"                                    },
        {"one/aba",       0,       "abac"                        },
        {"abab",          0,       "bbbb"                        }, /* the name hides the prefix */
        {"abab0",         0,       "abab"                        },
        {"web",           -EEXIST,
         "web is ambiguous: one/web (aaaa00000000), two/web (abab00000000); "
         "say HOST/CONTAINER"                                    },
        {"nosuch",        -ENOENT, "No such container: nosuch"   },
        {"three/web",     -ENOENT, "No such container: three/web"},
        {"",              -ENOENT, "No such container: "         },
        {"one/",          -ENOENT, "No such container: one/"     },
        {"/web",          -ENOENT, "No such container: /web"     },
        {"we",            -ENOENT, "No such container: we"       },
    };
    json_auto_t *list = make_list();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        const json_t *c = NULL;

        assert_int_equal(containers_resolve(list, cases[i].ref, &c, &err), cases[i].code);
        if (cases[i].code == 0) {
            assert_true(str_starts_with(member_text(c, "id"), cases[i].found));
        } else {
            assert_string_equal(err.msg, cases[i].found);
        }
    }
}

static void test_long_list_of_candidates_is_cut(void **state)
{
    json_auto_t *list = json_array();
    const json_t *c = NULL;
    struct error err = ERROR_INIT;

    (void)state;
    for (int i = 0; i < 20; i++) {
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:s}", "id", "aa", "name", "web", "host_name", "h"));
    }
    assert_int_equal(containers_resolve(list, "web", &c, &err), -EEXIST);
    assert_non_null(strstr(err.msg, " and 12 more;"));
}

static void test_host_name_with_slashes(void **state)
{
    json_auto_t *list = json_pack("[{s:s, s:s, s:s}]", "id", "aa", "name", "web", "host_name",
                                  "rack/one");
    const json_t *c = NULL;

    (void)state;
    assert_int_equal(containers_resolve(list, "rack/one/web", &c, NULL), 0);
}

static void test_path(void **state)
{
    json_auto_t *c = json_pack("{s:s, s:s}", "id", "a/b", "host_id", "x/../y");
    _cleanup_free_ char *path = container_path(c, "/stop?timeout=3");

    (void)state;
    assert_string_equal(path, "/api/hosts/x%2F..%2Fy/containers/a%2Fb/stop?timeout=3");
}

static void test_select(void **state)
{
    static const struct {
        bool all;
        uint64_t last;
        const char *filters;  /* separated by spaces */
        const char *expected; /* names, newest first */
    } cases[] = {
        {false, 0, "",                            "db abab web"    },
        {true,  0, "",                            "web db abab web"},
        {true,  2, "",                            "web db"         },
        {false, 0, "name=b",                      "db abab web"    },
        {false, 0, "name=db",                     "db"             },
        {false, 0, "status=exited",               "web"            },
        {false, 0, "status=exited status=paused", "web db"         },
        {true,  0, "label=a",                     "web abab web"   },
        {true,  0, "label=a=1",                   "abab web"       },
        {true,  0, "label=a label=b",             "web"            },
        {true,  0, "label=b=",                    "web"            },
        {true,  0, "host=two",                    "web"            },
        {true,  0, "host=two host=id-of-one",     "web db abab web"},
        {true,  0, "host=id-of-o",                "db abab web"    },
        {true,  0, "host=",                       ""               },
        {true,  0, "host=two name=db",            ""               },
        {true,  0, "id=ab",                       "web db"         },
        {true,  0, "ancestor=nginx",              "web web"        },
        {true,  0, "ancestor=nginx:1.25",         "web"            },
    };
    json_auto_t *list = make_list();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ps_selection s = {.all = cases[i].all, .last = cases[i].last};
        _cleanup_free_ char *copy = xstrdup(cases[i].filters);
        const char *items[4] = {0};
        struct args_list words = {.items = items};
        struct buf names = BUF_INIT(256);
        json_auto_t *chosen = NULL;

        for (char *rest = copy; *copy && rest;)
            items[words.n++] = strsep(&rest, " ");
        assert_int_equal(ps_filters_parse(&words, &s.filters, NULL), 0);
        chosen = ps_select(list, &s);
        for (size_t k = 0; k < json_array_size(chosen); k++) {
            assert_int_equal(buf_printf(&names, "%s%s", k ? " " : "",
                                        member_text(json_array_get(chosen, k), "name")),
                             0);
        }
        assert_string_equal(buf_str(&names), cases[i].expected);
        buf_done(&names);
    }
}

static void test_invalid_filters(void **state)
{
    static const char *const words[] = {"name", "nam=x", "=x", "", "names=x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const char *word = words[i];
        struct args_list list = {.items = &word, .n = 1};
        struct ps_filters f;
        struct error err = ERROR_INIT;

        assert_int_equal(ps_filters_parse(&list, &f, &err), -EINVAL);
        assert_true(str_starts_with(err.msg, "--filter: "));
    }
}

static void test_too_many_filters(void **state)
{
    const char *words[PS_MAX_FILTERS + 1];
    struct args_list list = {.items = words, .n = PS_MAX_FILTERS};
    struct ps_filters f;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        words[i] = "name=x";
    assert_int_equal(ps_filters_parse(&list, &f, NULL), 0);
    assert_int_equal(f.n, PS_MAX_FILTERS);
    list.n++;
    assert_int_equal(ps_filters_parse(&list, &f, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_long_list_of_candidates_is_cut),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_invalid_filters),
        cmocka_unit_test(test_too_many_filters),
        cmocka_unit_test(test_host_name_with_slashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
