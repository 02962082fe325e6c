/* References into the container list, and the selection for ps. */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
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

#define ID_TAIL "00000000000000000000000000000000000000000000000000000000"

/* A name must not hide the id of another container, nor a host's id another host. */
static void test_names_like_ids(void **state)
{
    json_auto_t *list = json_pack("[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}]", "id",
                                  "4f1c0a9b" ID_TAIL, "name", "db", "host_name", "one", "host_id",
                                  "11112222", "id", "77777777" ID_TAIL, "name", "4f1c0a9b0000",
                                  "host_name", "1111", "host_id", "33334444");
    const json_t *c = NULL;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(containers_resolve(list, "4f1c0a9b0000", &c, &err), -EEXIST);
    assert_string_equal(err.msg, "4f1c0a9b0000 is ambiguous: 1111/4f1c0a9b0000 (777777770000), "
                                 "one/db (4f1c0a9b0000); say HOST/CONTAINER");
    assert_int_equal(containers_resolve(list, "one/4f1c0a9b0000", &c, &err), 0);
    assert_string_equal(member_text(c, "name"), "db");
    assert_int_equal(containers_resolve(list, "1111/4f1c0a9b0000", &c, &err), 0);
    assert_string_equal(member_text(c, "host_name"), "1111");
    assert_int_equal(containers_resolve(list, "1111/db", &c, &err), -ENOENT);
    assert_int_equal(containers_resolve(list, "11112/db", &c, &err), 0);
}

static void test_long_list_of_candidates_is_cut(void **state)
{
    json_auto_t *list = json_array();
    const json_t *c = NULL;

    (void)state;
    for (int n = 1; n <= 20; n++) {
        _cleanup_free_ char *host = xasprintf("h%d", n), *more = xasprintf(" and %d more;", n - 8);
        struct error err = ERROR_INIT;

        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "id", "aa", "name",
                                                    "web", "host_name", "h", "host_id", host));
        assert_int_equal(containers_resolve(list, "web", &c, &err), n > 1 ? -EEXIST : 0);
        assert_int_equal(strstr(err.msg, more) != NULL, n > 8);
        assert_int_equal(strstr(err.msg, " more;") != NULL, n > 8);
    }
}

/* The list was read while a name moved; the engine has to say which container has it now. */
static void test_name_of_two_containers_of_a_host(void **state)
{
    json_auto_t *list = json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s}]", "id", "aa", "name", "web",
                                  "host_id", "h", "id", "bb", "name", "web", "host_id", "h");
    json_auto_t *named = NULL;
    const json_t *c = NULL;
    _cleanup_free_ char *path = NULL;

    (void)state;
    assert_int_equal(containers_resolve(list, "web", &c, NULL), -ESTALE);
    assert_int_equal(containers_resolve(list, "aa", &c, NULL), 0);
    named = container_by_ref(c, "web");
    path = container_path(named, "/stop");
    assert_string_equal(path, "/api/hosts/h/containers/web/stop");
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

/* Containers as the server describes them, for the keys that read other members. */
static json_t *make_detailed_list(void)
{
    static const char text[] =
        "[{'name':'p1','state':'running','engine_state':'running','created':'2026-11-01T00:00:00Z',"
        "'status_text':'Up 2 hours (healthy)','image':'nginx','image_id':'sha256:abcd12',"
        "'networks':{'shop':'0a1b2c','bridge':'ffff'},'mounts':[{'name':'data','destination':'/d'}],"
        "'ports_raw':[{'PrivatePort':80,'PublicPort':8080,'Type':'tcp'}]},"
        "{'name':'p10','state':'created','engine_state':'created','created':'2026-11-02T00:00:00Z',"
        "'status_text':'Created','image':'docker.io/library/nginx:1','image_id':'sha256:ef01',"
        "'ports_raw':[{'PrivatePort':53,'PublicPort':8081,'Type':'udp'}]},"
        "{'name':'xp1','state':'exited','engine_state':'exited','created':'2026-11-03T00:00:00Z',"
        "'status_text':'Exited (137) 5 minutes ago','image':'reg/nginx:latest'},"
        "{'name':'sick','state':'running','engine_state':'running',"
        "'created':'2026-11-04T00:00:00Z','status_text':'Up 1 second (unhealthy)'},"
        "{'name':'new','state':'running','engine_state':'running',"
        "'created':'2026-11-05T00:00:00Z','status_text':'Up 1 second (health: starting)'},"
        "{'name':'old','state':'exited','engine_state':'dead','created':'2026-10-05T00:00:00Z',"
        "'status_text':'Dead'}]";
    _cleanup_free_ char *json = xstrdup(text);

    for (char *p = json; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    return json_loads(json, 0, NULL);
}

struct selection_case {
    bool all;
    uint64_t last;
    const char *filters;  /* separated by spaces */
    const char *expected; /* names, newest first */
};

static void check_selection(const json_t *list, const struct selection_case *t)
{
    _cleanup_(ps_selection_done) struct ps_selection s = {.all = t->all, .last = t->last};
    _cleanup_free_ char *copy = xstrdup(t->filters);
    const char *items[4] = {0};
    struct args_list words = {.items = items};
    struct buf names = BUF_INIT(256);
    json_auto_t *chosen = NULL;

    for (char *rest = copy; *copy && rest;)
        items[words.n++] = strsep(&rest, " ");
    assert_int_equal(ps_filters_parse(&words, &s.filters, NULL), 0);
    assert_int_equal(ps_filters_resolve(&s.filters, NULL, list, NULL), 0);
    chosen = ps_select(list, &s);
    for (size_t k = 0; k < json_array_size(chosen); k++) {
        assert_int_equal(buf_printf(&names, "%s%s", k ? " " : "",
                                    member_text(json_array_get(chosen, k), "name")),
                         0);
    }
    if (!str_eq(buf_str(&names), t->expected))
        fail_msg("%s: %s", t->filters, buf_str(&names));
    buf_done(&names);
}

static void test_select(void **state)
{
    static const struct selection_case cases[] = {
        {false, 0, "",                            "db abab web"    },
        {true,  0, "",                            "web db abab web"},
        {true,  2, "",                            "web db"         },
        {false, 0, "name=b",                      "db abab web"    },
        {false, 0, "name=db",                     "db"             },
        {false, 0, "name=^/db$",                  "db"             },
        {false, 0, "name=^b",                     ""               },
        {false, 0, "name=^(db|abab)$",            "db abab"        },
        {false, 0, "status=exited",               "web"            },
        {false, 0, "status=exited status=paused", "web db"         },
        {true,  0, "label=a",                     "web abab web"   },
        {true,  0, "label=a=1",                   "abab web"       },
        {true,  0, "label=a label=b",             "web"            },
        {true,  0, "label=b=",                    "web"            },
        {true,  0, "id=ab",                       "web db"         },
        {true,  0, "ancestor=nginx",              ""               },
        {true,  0, "ancestor=nginx:1.25",         "web"            },
        {true,  0, "ancestor=postgres",           "db"             },
        {true,  0, "since=one/web",               "web db abab"    },
        {true,  0, "before=db",                   "web"            },
    };
    static const struct selection_case detailed[] = {
        {true,  0, "name=^p1$",             "p1"          },
        {true,  0, "name=p1",               "xp1 p10 p1"  },
        {false, 0, "status=created",        "p10"         },
        {false, 0, "status=dead",           "old"         },
        {false, 0, "health=healthy",        "p1"          },
        {false, 0, "health=unhealthy",      "sick"        },
        {false, 0, "health=starting",       "new"         },
        {true,  0, "health=none",           "xp1 p10 old" },
        {true,  0, "exited=137",            "xp1"         },
        {true,  0, "exited=0",              ""            },
        {true,  0, "network=shop",          "p1"          },
        {true,  0, "network=0a1b",          "p1"          },
        {true,  0, "network=sho",           ""            },
        {true,  0, "volume=data",           "p1"          },
        {true,  0, "volume=/d",             "p1"          },
        {true,  0, "publish=8080",          "p1"          },
        {true,  0, "publish=8081",          ""            },
        {true,  0, "publish=8080-8081/udp", "p10"         },
        {true,  0, "publish=80",            ""            },
        {true,  0, "expose=80",             "p1"          },
        {true,  0, "before=p1",             "old"         },
        {true,  0, "since=p10 since=new",   "new sick xp1"},
        {true,  0, "since=p10 before=new",  "sick xp1"    },
        {true,  0, "ancestor=nginx",        "p1"          },
        {true,  0, "ancestor=nginx:1",      "p10"         },
        {true,  0, "ancestor=abcd",         "p1"          },
        {true,  0, "ancestor=sha256:ef01",  "p10"         },
        {true,  0, "ancestor=reg/nginx",    "xp1"         },
    };
    json_auto_t *list = make_list();
    json_auto_t *other = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_selection(list, &cases[i]);
    other = make_detailed_list();
    assert_non_null(other);
    for (size_t i = 0; i < ARRAY_LEN(detailed); i++)
        check_selection(other, &detailed[i]);
}

static void test_invalid_filters(void **state)
{
    static const char *const words[] = {
        "name",     "nam=x",         "=x",         "",          "names=x",       "name=[",
        "name=",    "status=foo",    "status=",    "status=Up", "health=good",   "exited=x",
        "exited=",  "publish=x",     "publish=1-", "label=",    "publish=9-8",   "publish=80/x",
        "network=", "publish=80:90", "status=exi", "expose=",   "publish=70000", "before=",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const char *word = words[i];
        struct args_list list = {.items = &word, .n = 1};
        struct filters f = {0};
        struct error err = ERROR_INIT;

        if (ps_filters_parse(&list, &f, &err) != -EINVAL)
            fail_msg("%s is accepted", word);
        assert_true(str_starts_with(err.msg, "--filter: "));
        assert_null(f.items);
    }
}

static void test_unknown_reference_is_an_error(void **state)
{
    json_auto_t *list = make_list();
    const char *word = "before=nosuch";
    const struct args_list words = {.items = &word, .n = 1};
    struct filters f = {0};
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(ps_filters_parse(&words, &f, NULL), 0);
    assert_int_equal(ps_filters_resolve(&f, NULL, list, &err), -ENOENT);
    assert_string_equal(err.msg, "--filter before: No such container: nosuch");
    filters_done(&f);
}

static void test_too_many_filters(void **state)
{
    const char *words[FILTERS_MAX + 1];
    struct args_list list = {.items = words, .n = FILTERS_MAX};
    struct filters f = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        words[i] = "name=x";
    assert_int_equal(ps_filters_parse(&list, &f, NULL), 0);
    assert_int_equal(f.n, FILTERS_MAX);
    filters_done(&f);
    list.n++;
    assert_int_equal(ps_filters_parse(&list, &f, NULL), -EINVAL);
}

static void test_stale_mark(void **state)
{
    static const struct {
        bool is_online;
        const char *error, *confirmed_at, *expected;
    } cases[] = {
        {true,  "",                                    "2026-02-05T11:00:00Z", ""                         },
        {true,  "the spool is full",                   "2026-02-05T11:00:00Z", ""                         },
        {true,  "the engine does not answer: refused", "2026-02-05T11:59:30Z", " (engine down)"           },
        {true,  "the engine does not answer: refused", "2026-02-05T11:57:00Z",
         " (engine down, stale 3m)"                                                                       },
        {false, "",                                    "2026-02-05T11:59:30Z", " (host offline)"          },
        {false, "",                                    "2026-02-05T10:00:00Z", " (host offline, stale 2h)"},
    };
    int64_t now_ns;

    (void)state;
    assert_int_equal(time_parse_ns("2026-02-05T12:00:00Z", &now_ns), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *c = json_pack("{s:b, s:s, s:s}", "host_online", cases[i].is_online,
                                   "host_error", cases[i].error, "confirmed_at",
                                   cases[i].confirmed_at);
        _cleanup_free_ char *mark = container_stale_mark(c, now_ns / 1000000);

        assert_string_equal(mark, cases[i].expected);
    }
    {
        json_auto_t *c = json_pack("{s:b, s:s, s:s}", "host_online", false, "confirmed_at",
                                   "2026-02-05T11:59:30Z", "stale_since", "2026-02-05T11:57:00Z");
        _cleanup_free_ char *mark = container_stale_mark(c, now_ns / 1000000);

        assert_string_equal(mark, " (host offline, stale 3m)");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stale_mark),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_names_like_ids),
        cmocka_unit_test(test_long_list_of_candidates_is_cut),
        cmocka_unit_test(test_name_of_two_containers_of_a_host),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_invalid_filters),
        cmocka_unit_test(test_too_many_filters),
        cmocka_unit_test(test_unknown_reference_is_an_error),
        cmocka_unit_test(test_host_name_with_slashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
