#include "base/alloc.h"
#include "base/str.h"
#include "server/updates/rings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Subjects are written as letters: a host, then its tags in lower case. */
static bool has_tag(const struct rings_subject *s, const char *tag)
{
    return strchr((const char *)s->arg + 1, tag[0]);
}

/* Returns the rings as digits. */
static void check(const char *text, const char *const *words, const char *expected)
{
    struct rings_subject subjects[64];
    struct rings r;
    char got[64] = "";
    char hosts[64][2];
    size_t n = 0, n_rings, max = 0;

    assert_int_equal(rings_parse(text, &r, NULL), 0);
    for (; words[n]; n++) {
        hosts[n][0] = words[n][0];
        hosts[n][1] = '\0';
        subjects[n] = (struct rings_subject){hosts[n], has_tag, words[n], 99};
    }
    n_rings = rings_assign(&r, subjects, n);
    for (size_t i = 0; i < n; i++) {
        got[i] = (char)('0' + subjects[i].ring);
        max = subjects[i].ring > max ? subjects[i].ring : max;
    }
    assert_string_equal(got, expected);
    assert_int_equal(n_rings, max);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_sizes(void **state)
{
    (void)state;
    check(NULL, WORDS("A", "A", "B"), "111");
    check("all", WORDS("A", "A", "B"), "111");
    check("canary", WORDS("A", "A", "A", "A"), "1233");
    check("canary", WORDS("A", "A"), "12");
    check("canary", WORDS("A"), "1");
    check("canary",
          WORDS("A", "A", "A", "A", "A", "A", "A", "A", "A", "A", "A", "A", "A", "A", "A"),
          "122333333333333");
    check("2,50%", WORDS("A", "A", "A", "A", "A", "A"), "112223");
    check("100%", WORDS("A", "A", "A"), "111");
    check("rest", WORDS("A", "A", "A"), "111");
    check("5,5", WORDS("A", "A", "A"), "111");
}

static void test_hosts_and_tags(void **state)
{
    (void)state;
    check("host", WORDS("A", "B", "A", "C", "B"), "12132");
    check("tag:s,p", WORDS("Ap", "As", "A", "Bsp"), "2131");
    check("tag:p", WORDS("A", "B"), "11");
    check("tag:x,p", WORDS("Ap", "B"), "12");
}

static void test_invalid(void **state)
{
    static const char *const bad[] = {"0",      "101%",          "-1", "1,,2", "1,",   "rest,",
                                      "rest,1", "canary,",       "x",  "%",    "tag:", "tag:a,",
                                      "1.5",    "99999999999999"};
    struct rings r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;

        assert_int_equal(rings_parse(bad[i], &r, &err), -EDOM);
        assert_non_null(strstr(err.msg, "`rings`"));
    }
    assert_int_equal(rings_parse("1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", &r, NULL), -EDOM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_hosts_and_tags),
        cmocka_unit_test(test_invalid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
