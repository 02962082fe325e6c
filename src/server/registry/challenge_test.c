#include "base/alloc.h"
#include "base/str.h"
#include "server/registry/challenge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static const struct {
    const char *lines;
    enum challenge_kind kind;
    const char *realm, *service, *scope;
} cases[] = {
    {"Bearer realm=\"https://a/t\",service=\"r.io\",scope=\"repository:x/y:pull,push\"",
     CHALLENGE_BEARER,                                                                                     "https://a/t",  "r.io", "repository:x/y:pull,push"},
    {"bearer Realm=\"https://a/t\"",                                                     CHALLENGE_BEARER, "https://a/t",  NULL,   NULL                      },
    {"Basic realm=\"x\"\nBearer realm=\"https://a/t\"",                                  CHALLENGE_BEARER, "https://a/t",  NULL,
     NULL                                                                                                                                                    },
    {"Bearer realm=\"https://a\\\"b\", service = \"late\"",                              CHALLENGE_BEARER, "https://a\"b", NULL,
     NULL                                                                                                                                                    },
    {"Bearer realm=a,service=b",                                                         CHALLENGE_BEARER, "a",            "b",    NULL                      },
    {"Basic realm=\"Registry\"",                                                         CHALLENGE_BASIC,  NULL,           NULL,   NULL                      },
    {"Bearer service=\"b\"",                                                             CHALLENGE_NONE,   NULL,           "b",    NULL                      },
    {"Negotiate",                                                                        CHALLENGE_NONE,   NULL,           NULL,   NULL                      },
    {"",                                                                                 CHALLENGE_NONE,   NULL,           NULL,   NULL                      },
    {NULL,                                                                               CHALLENGE_NONE,   NULL,           NULL,   NULL                      },
    {"Bearer realm=\"open",                                                              CHALLENGE_BEARER, "open",         NULL,   NULL                      },
};

static void test_challenges(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct challenge c;

        challenge_parse(cases[i].lines, &c);
        if (c.kind != cases[i].kind || !str_eq(c.realm, cases[i].realm) ||
            !str_eq(c.service, cases[i].service) || !str_eq(c.scope, cases[i].scope))
            fail_msg("%s: %d %s %s %s", cases[i].lines, (int)c.kind, c.realm, c.service, c.scope);
        challenge_done(&c);
    }
}

static void test_tokens(void **state)
{
    static const struct {
        const char *text, *token;
        int64_t lifetime_s;
    } tokens[] = {
        {"{\"token\":\"a\",\"expires_in\":300}",      "a",  300  },
        {"{\"access_token\":\"b\"}",                  "b",  60   },
        {"{\"token\":\"c\",\"expires_in\":1e9}",      "c",  60   },
        {"{\"token\":\"d\",\"expires_in\":99999999}", "d",  86400},
        {"{\"token\":\"a b\"}",                       NULL, 0    },
        {"{\"token\":\"a\\nb\"}",                     NULL, 0    },
        {"{\"token\":7}",                             NULL, 0    },
        {"[]",                                        NULL, 0    },
        {"",                                          NULL, 0    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        _cleanup_free_ char *token = NULL;
        int64_t lifetime_s = 0;
        int r = challenge_read_token(tokens[i].text, strlen(tokens[i].text), &token, &lifetime_s,
                                     NULL);

        assert_int_equal(r == 0, tokens[i].token != NULL);
        assert_true(str_eq(token, tokens[i].token));
        if (r == 0)
            assert_int_equal(lifetime_s, tokens[i].lifetime_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_challenges),
        cmocka_unit_test(test_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
