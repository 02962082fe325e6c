#include "base/alloc.h"
#include "cli/common/api_error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_text(void **state)
{
    static const struct {
        int status;
        const char *body, *path;
        int code;
        const char *text;
    } cases[] = {
        {404, "{\"detail\": \"Host not found\"}",                                                "/api/hosts/x",       -ENOENT,  "Host not found"                                                     },
        {401, "{\"detail\": \"Not authenticated\"}",                                             "/api/hosts",         -ENOKEY,
         "Not authenticated; log in with `dockmon login`"                                                                                                                                             },
        {401, "{\"detail\": \"Invalid password\"}",                                              "/api/v2/auth/login", -ENOKEY,
         "Invalid password"                                                                                                                                                                           },
        {429, "{\"detail\": \"Busy\"}",                                                          "/api/hosts",         -EAGAIN,  "Busy; wait a moment and try again"                                  },
        {422, "{\"detail\": [{\"loc\": [\"x\"]}]}",                                              "/api/hosts",         -EDOM,    "[{\"loc\":[\"x\"]}]"                                                },
        {501, "{\"detail\": \"Agent too old\"}",                                                 "/api/hosts",         -ENOSYS,  "Agent too old"                                                      },
        {401, "{\"detail\": \"Invalid username or password\", \"code\": \"wrong_credentials\"}",
         "/api/hosts",                                                                                                 -ENOKEY,  "Invalid username or password"                                       },
        {403, "{\"detail\": \"Forbidden\", \"code\": \"permission_denied\"}",                    "/api/hosts",         -EACCES,
         "Forbidden; your user or API key does not allow this, ask an administrator"                                                                                                                  },
        {403, "{\"detail\": \"Forbidden\"}",                                                     "/api/hosts",         -EACCES,
         "Forbidden; your user or API key does not allow this, ask an administrator"                                                                                                                  },
        {403, "{\"detail\": \"stop: not by policy\", \"code\": \"policy_denied\"}",              "/api/hosts",
         -EACCES,                                                                                                                "stop: not by policy; the policy and the labels are set on that host"},
        {403, "{\"detail\": \"a proxy refused it\", \"code\": \"engine_refused\"}",              "/api/hosts",
         -EREMOTEIO,
         "a proxy refused it; no role or policy of DockMon forbids it: if a proxy or an authorization plugin of the engine does, allow the request there"                                             },
        {403, "{\"detail\": \"It is ours\", \"code\": \"own_container\"}",                       "/api/hosts",         -EACCES,
         "It is ours"                                                                                                                                                                                 },
        {409, "{\"detail\": \"Two match\", \"code\": \"ambiguous_container\"}",                  "/api/hosts",
         -EEXIST,                                                                                                                "Two match; give the full name or more digits of the id"             },
        {403, "{\"detail\": \"New\", \"code\": \"of_the_future\"}",                              "/api/hosts",         -EACCES,
         "New; your user or API key does not allow this, ask an administrator"                                                                                                                        },
        {503, "{\"code\": \"busy\"}",                                                            "/",                  -ENOBUFS, "The server is busy, try again in a moment"                          },
        {404, "{\"detail\": \"x\", \"code\": 7}",                                                "/",                  -ENOENT,  "x"                                                                  },
        {500, "{\"detail\": \"\"}",                                                              "/",                  -EIO,     "the server answered with HTTP status 500"                           },
        {502, "[]",                                                                              "/",                  -EPROTO,  "the server answered with HTTP status 502"                           },
        {599, "null",                                                                            "/",                  -EIO,     "the server answered with HTTP status 599"                           },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *body = json_loads(cases[i].body, JSON_DECODE_ANY, NULL);
        _cleanup_free_ char *text = api_error_text(cases[i].status, body, cases[i].path);

        assert_string_equal(text, cases[i].text);
        assert_int_equal(api_error_code(cases[i].status, body), cases[i].code);
    }
}

static void test_item_text(void **state)
{
    static const struct {
        const char *item, *text;
    } cases[] = {
        {"{\"status\": \"failed\", \"error\": \"in use\"}",                                      "in use"                                        },
        {"{\"status\": \"error\", \"error\": \"Two match\", \"code\": \"ambiguous_container\"}",
         "Two match; give the full name or more digits of the id"                                                                                },
        {"{\"status\": \"error\", \"error\": \"new\", \"code\": \"of_the_future\"}",             "new"                                           },
        {"{\"status\": \"cancelled\"}",                                                          "cancelled"                                     },
        {"{\"status\": \"cancelled\", \"error\": null}",                                         "cancelled"                                     },
        {"{}",                                                                                   "the server's answer does not say what happened"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *item = json_loads(cases[i].item, 0, NULL);
        _cleanup_free_ char *text = api_error_item_text(item);

        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_item_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
