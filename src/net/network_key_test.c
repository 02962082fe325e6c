#include "net/network_key.h"

/* cmocka includes need these first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include <cmocka.h>
#include <string.h>

static void test_addresses_are_counted_by_network(void **state)
{
    static const struct {
        const char *address, *key, *group;
    } cases[] = {
        {"192.0.2.77",                "192.0.2.77",     "192.0.2.0"   },
        {"::ffff:192.0.2.77",         "192.0.2.77",     "192.0.2.0"   },
        {"::ffff:c000:24d",           "192.0.2.77",     "192.0.2.0"   },
        {"127.0.0.1",                 "127.0.0.1",      "127.0.0.0"   },
        {"::1",                       "::",             "::"          },
        {"2001:db8:1:2:3:4:5:6",      "2001:db8:1:2::", "2001:db8:1::"},
        {"2001:db8:1:2:ffff::",       "2001:db8:1:2::", "2001:db8:1::"},
        {"2001:0DB8:0001:0002::0001", "2001:db8:1:2::", "2001:db8:1::"},
        {"2001:db8:1:3::1",           "2001:db8:1:3::", "2001:db8:1::"},
        {"p",                         "p",              "p"           },
        {"",                          "",               ""            },
    };
    char ret[NETWORK_KEY_SIZE], text[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        network_key(cases[i].address, ret);
        assert_string_equal(ret, cases[i].key);
        network_group(cases[i].address, ret);
        assert_string_equal(ret, cases[i].group);
    }
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    network_key(text, ret);
    assert_int_equal(strlen(ret), NETWORK_KEY_SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_counted_by_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
