#include "agent/join/advice.h"
#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

/* Reasons as the WebSocket client gives them, and a part of the advice. */
static void test_server(void **state)
{
    static const struct {
        const char *reason, *advice;
    } cases[] = {
        {"server answered with HTTP status 500",          "the server is at fault"          },
        {"server answered with HTTP status 502",          "check that the server is running"},
        {"server answered with HTTP status 404",          "leads to another server or path" },
        {"the server's key is not the pinned one",        "INSECURE_SKIP_VERIFY=true"       },
        {"the server's key is not the pinned one",        "only CA_FILE or"                 },
        {"unable to get local issuer certificate",        "set CA_FILE to the authority"    },
        {"self-signed certificate; its key is sha256:00", "INSECURE_SKIP_VERIFY=true"       },
        {"connect 127.0.0.1:1: Connection refused",       "check that the server is running"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *advice = advice_server(cases[i].reason);

        if (!strstr(advice, cases[i].advice))
            fail_msg("%s: %s", cases[i].reason, advice);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_server)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
