#include "base/macros.h"
#include "server/auth/networks.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static void test_addresses_are_in_their_networks(void **state)
{
    static const struct {
        const char *networks, *address;
        bool is_in;
    } cases[] = {
        {"",                     "9.9.9.9",         true },
        {NULL,                   "nonsense",        true },
        {"10.0.0.0/8",           "10.255.1.2",      true },
        {"10.0.0.0/8",           "11.0.0.0",        false},
        {"10.0.0.0/8",           "::ffff:10.1.1.1", true },
        {"10.0.0.0/8",           "nonsense",        false},
        {"10.0.0.0/8",           NULL,              false},
        {"10.0.0.0/8",           "::1",             false},
        {"192.168.1.5",          "192.168.1.5",     true },
        {"192.168.1.5",          "192.168.1.4",     false},
        {"192.168.1.4/30",       "192.168.1.7",     true },
        {"192.168.1.4/30",       "192.168.1.8",     false},
        {"0.0.0.0/0",            "1.2.3.4",         true },
        {"0.0.0.0/0",            "::1",             false},
        {"::/0",                 "1.2.3.4",         true },
        {"fd00::/8",             "fdff::1",         true },
        {"fd00::/8",             "fe00::1",         false},
        {"10.0.0.0/8, ::1",      "::1",             true },
        {"10.0.0.0/8,127.0.0.1", "127.0.0.2",       false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct networks n;
        struct error err = ERROR_INIT;

        if (networks_parse(cases[i].networks, &n, &err) < 0)
            fail_msg("%s: %s", cases[i].networks, err.msg);
        if (networks_have(&n, cases[i].address) != cases[i].is_in)
            fail_msg("case %zu: %s, %s", i, cases[i].networks, cases[i].address);
    }
}

static void test_invalid_networks_are_refused(void **state)
{
    static const char *const texts[] = {
        ",",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.1/8",
        "::1/129",
        "host",
        "10.0.0",
        "10.0.0.0/8,,::1",
        "fd00::1/8",
        "10.0.0.0/-1",
        ("1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,"
         "1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1"),
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct networks n = {.n = 99};
        struct error err = ERROR_INIT;

        if (networks_parse(texts[i], &n, &err) != -EDOM || n.n != 99)
            fail_msg("%s is accepted", texts[i]);
        assert_string_not_equal(err.msg, "");
    }
}

static void test_networks_are_within_others(void **state)
{
    static const struct {
        const char *inner, *outer;
        bool is_within;
    } cases[] = {
        {"10.1.0.0/16",     "10.0.0.0/8",     true },
        {"10.0.0.0/8",      "10.1.0.0/16",    false},
        {"10.1.0.0/16,::1", "10.0.0.0/8",     false},
        {"10.1.0.0/16,::1", "::1,10.0.0.0/8", true },
        {"10.0.0.0/8",      "",               true },
        {"",                "10.0.0.0/8",     false},
        {"",                "",               true },
        {"::ffff:10.1.1.1", "10.0.0.0/8",     true },
        {"::/0",            "0.0.0.0/0",      false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct networks inner, outer;

        assert_int_equal(networks_parse(cases[i].inner, &inner, NULL), 0);
        assert_int_equal(networks_parse(cases[i].outer, &outer, NULL), 0);
        if (networks_are_within(&inner, &outer) != cases[i].is_within)
            fail_msg("case %zu: %s, %s", i, cases[i].inner, cases[i].outer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_in_their_networks),
        cmocka_unit_test(test_invalid_networks_are_refused),
        cmocka_unit_test(test_networks_are_within_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
