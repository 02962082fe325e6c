#include "base/alloc.h"
#include "base/str.h"
#include "server/rights/scope.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static const char *find_host(void *arg, const char *ref)
{
    (void)arg;
    if (str_eq(ref, "web-1") || str_eq(ref, "id-1"))
        return "id-1";
    return str_eq(ref, "db 1") ? "id-2" : NULL;
}

static void test_rules_are_read_and_written(void **state)
{
    static const struct {
        const char *rule, *text; /* text NULL: the rule is refused */
    } cases[] = {
        {"host=web-1",                       "host=id-1"                       },
        {"host=id-1",                        "host=id-1"                       },
        {"host=db 1",                        "host=id-2"                       },
        {" host=web-1 , label=team=web ",    "host=id-1,label=team=web"        },
        {"label=a,label=b=c=d,tag=x",        "label=a,label=b=c=d,tag=x"       },
        {"tag=a=b",                          "tag=a=b"                         },
        {"label=com.docker.compose.project", "label=com.docker.compose.project"},
        {"",                                 NULL                              },
        {"host",                             NULL                              },
        {"host=",                            NULL                              },
        {"host=nowhere",                     NULL                              },
        {"web-1",                            NULL                              },
        {"host=web-1,",                      NULL                              },
        {",host=web-1",                      NULL                              },
        {"host=web-1,host=db 1",             NULL                              },
        {"tag=",                             NULL                              },
        {"label=",                           NULL                              },
        {"label==x",                         NULL                              },
        {"label=a=",                         NULL                              },
        {"label=a\nhost=id-1",               NULL                              },
        {"label=a\tb",                       NULL                              },
        {"label=\xff",                       NULL                              },
        {"role=admin",                       NULL                              },
        {"HOST=web-1",                       NULL                              },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scope_rules rules = {0}, again = {0};
        struct error err = ERROR_INIT;
        _cleanup_free_ char *text = NULL, *back = NULL;
        int r = scope_rules_add(&rules, cases[i].rule, find_host, NULL, &err);

        assert_int_equal(r, cases[i].text ? 0 : -EDOM);
        assert_int_equal(rules.n_rules, cases[i].text ? 1 : 0);
        text = scope_rules_text(&rules);
        assert_true(str_eq(text, cases[i].text));
        assert_int_equal(scope_rules_parse(text, &again, &err), 0);
        back = scope_rules_text(&again);
        assert_true(str_eq(back, text));
    }
}

static void test_rules_accumulate(void **state)
{
    static const char text[] = "host=a\ntag=b,label=c\nlabel=d=e";
    struct scope_rules rules = {0};
    struct error err = ERROR_INIT;
    _cleanup_free_ char *back = NULL;

    (void)state;
    assert_int_equal(scope_rules_parse(text, &rules, &err), 0);
    assert_int_equal(rules.n_rules, 3);
    back = scope_rules_text(&rules);
    assert_string_equal(back, text);
    /* An invalid text in the store never widens the scope. */
    assert_int_equal(scope_rules_parse("host=a\n", &rules, &err), -EDOM);
    assert_int_equal(scope_rules_parse("\nhost=a", &rules, &err), -EDOM);
    assert_int_equal(scope_rules_parse(NULL, &rules, &err), 0);
    assert_int_equal(rules.n_rules, 0);
}

static void test_limits_are_enforced(void **state)
{
    char longest[SCOPE_MAX_VALUE + 8] = "tag=", rule[64];
    struct scope_rules rules = {0};
    struct error err = ERROR_INIT;
    int n;

    (void)state;
    memset(longest + 4, 'x', SCOPE_MAX_VALUE);
    assert_int_equal(scope_rules_add(&rules, longest, NULL, NULL, &err), 0);
    longest[4 + SCOPE_MAX_VALUE] = 'x';
    assert_int_equal(scope_rules_add(&rules, longest, NULL, NULL, &err), -EDOM);

    rules = (struct scope_rules){0};
    for (n = 0; n < SCOPE_MAX_RULES; n++) {
        (void)snprintf(rule, sizeof(rule), "tag=t%d,label=l%d", n, n);
        assert_int_equal(scope_rules_add(&rules, rule, NULL, NULL, &err), 0);
    }
    assert_int_equal(scope_rules_add(&rules, "tag=more", NULL, NULL, &err), -EDOM);
    assert_non_null(strstr(err.msg, "32 rules"));

    rules = (struct scope_rules){0};
    longest[4 + SCOPE_MAX_VALUE] = '\0';
    for (n = 0; scope_rules_add(&rules, longest, NULL, NULL, &err) == 0; n++)
        assert_true(n < 8);
    assert_non_null(strstr(err.msg, "too long"));
    assert_int_equal(rules.n_rules, n);
}

static void test_scopes_are_compared_by_their_rules(void **state)
{
    struct scope a = {0}, b = {0};
    struct error err = ERROR_INIT;

    (void)state;
    assert_true(scope_equal(&a, &b));
    assert_int_equal(scope_rules_parse("host=a", &a.own, &err), 0);
    assert_false(scope_equal(&a, &b));
    assert_int_equal(scope_rules_add(&b.own, "host=name", NULL, NULL, &err), 0);
    assert_false(scope_equal(&a, &b));
    b = a;
    assert_true(scope_equal(&a, &b));
    assert_int_equal(scope_rules_parse("host=a", &b.ceiling, &err), 0);
    assert_false(scope_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_are_read_and_written),
        cmocka_unit_test(test_rules_accumulate),
        cmocka_unit_test(test_limits_are_enforced),
        cmocka_unit_test(test_scopes_are_compared_by_their_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
