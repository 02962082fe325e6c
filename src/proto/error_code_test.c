#include "proto/error_code.h"

#include "base/macros.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

/* Peers and clients of other versions match these names: they are never renamed. */
static const struct {
    enum error_code code;
    const char *name;
    int errno_code, status;
} codes[] = {
    {CODE_INTERNAL_ERROR,           "internal_error",           -EIO,          500},
    {CODE_BAD_REQUEST,              "bad_request",              -EBADMSG,      400},
    {CODE_INVALID_ARGUMENT,         "invalid_argument",         -EINVAL,       400},
    {CODE_INVALID_VALUE,            "invalid_value",            -EDOM,         422},
    {CODE_NOT_AUTHENTICATED,        "not_authenticated",        -ENOKEY,       401},
    {CODE_PERMISSION_DENIED,        "permission_denied",        -EACCES,       403},
    {CODE_NOT_FOUND,                "not_found",                -ENOENT,       404},
    {CODE_METHOD_NOT_ALLOWED,       "method_not_allowed",       -ENOTSUP,      405},
    {CODE_CONFLICT,                 "conflict",                 -EBUSY,        409},
    {CODE_ALREADY_EXISTS,           "already_exists",           -EEXIST,       409},
    {CODE_TOO_LARGE,                "too_large",                -EMSGSIZE,     413},
    {CODE_RATE_LIMITED,             "rate_limited",             -EAGAIN,       429},
    {CODE_NOT_SUPPORTED,            "not_supported",            -ENOSYS,       501},
    {CODE_BAD_REPLY,                "bad_reply",                -EPROTO,       502},
    {CODE_UNAVAILABLE,              "unavailable",              -ECONNREFUSED, 503},
    {CODE_BUSY,                     "busy",                     -ENOBUFS,      503},
    {CODE_HOST_OFFLINE,             "host_offline",             -ENOTCONN,     503},
    {CODE_STORAGE_FULL,             "storage_full",             -ENOSPC,       503},
    {CODE_STORAGE_READ_ONLY,        "storage_read_only",        -EROFS,        503},
    {CODE_TIMEOUT,                  "timeout",                  -ETIMEDOUT,    504},
    {CODE_NO_SUCH_CONTAINER,        "no_such_container",        -ENOENT,       404},
    {CODE_NO_SUCH_IMAGE,            "no_such_image",            -ENOENT,       404},
    {CODE_NO_SUCH_NETWORK,          "no_such_network",          -ENOENT,       404},
    {CODE_NO_SUCH_VOLUME,           "no_such_volume",           -ENOENT,       404},
    {CODE_AMBIGUOUS_CONTAINER,      "ambiguous_container",      -EEXIST,       409},
    {CODE_NAME_IN_USE,              "name_in_use",              -EEXIST,       409},
    {CODE_IN_USE,                   "in_use",                   -EBUSY,        409},
    {CODE_CONTAINER_RUNNING,        "container_running",        -EBUSY,        409},
    {CODE_CONTAINER_NOT_RUNNING,    "container_not_running",    -EBUSY,        409},
    {CODE_CONTAINER_PAUSED,         "container_paused",         -EBUSY,        409},
    {CODE_CONTAINER_NOT_PAUSED,     "container_not_paused",     -EBUSY,        409},
    {CODE_BUILT_IN_NETWORK,         "built_in_network",         -EINVAL,       400},
    {CODE_OWN_CONTAINER,            "own_container",            -EACCES,       403},
    {CODE_OPERATION_IN_PROGRESS,    "operation_in_progress",    -EBUSY,        409},
    {CODE_OPERATION_OVERTAKEN,      "operation_overtaken",      -EBUSY,        409},
    {CODE_CONTAINER_BUSY,           "container_busy",           -ENOBUFS,      503},
    {CODE_POLICY_DENIED,            "policy_denied",            -EACCES,       403},
    {CODE_UNKNOWN_OPERATION,        "unknown_operation",        -ENOSYS,       501},
    {CODE_ENGINE_ERROR,             "engine_error",             -EREMOTEIO,    500},
    {CODE_ENGINE_UNREACHABLE,       "engine_unreachable",       -EREMOTEIO,    503},
    {CODE_AGENT_STOPPING,           "agent_stopping",           -ENOTCONN,     503},
    {CODE_TOO_MANY_COMMANDS,        "too_many_commands",        -ENOBUFS,      503},
    {CODE_REPLY_TOO_LARGE,          "reply_too_large",          -EREMOTEIO,    500},
    {CODE_ENGINE_REFUSED,           "engine_refused",           -EREMOTEIO,    403},
    {CODE_CIRCUIT_OPEN,             "circuit_open",             -ECONNREFUSED, 503},
    {CODE_NO_SUCH_UPDATE,           "no_such_update",           -ENOENT,       404},
    {CODE_UPDATE_IN_PROGRESS,       "update_in_progress",       -EBUSY,        409},
    {CODE_PREVIEW_STALE,            "preview_stale",            -EBUSY,        409},
    {CODE_UPDATE_LOCKED,            "update_locked",            -EBUSY,        409},
    {CODE_UPDATE_REFUSED,           "update_refused",           -EBUSY,        409},
    {CODE_UPDATE_BLOCKED,           "update_blocked",           -EBUSY,        409},
    {CODE_UPDATE_TOO_LATE,          "update_too_late",          -EBUSY,        409},
    {CODE_CONSENT_REQUIRED,         "consent_required",         -EBUSY,        409},
    {CODE_DEPENDENCY_CYCLE,         "dependency_cycle",         -EBUSY,        409},
    {CODE_TOO_MANY_UPDATES,         "too_many_updates",         -ENOBUFS,      503},
    {CODE_PULL_FAILED,              "pull_failed",              -EREMOTEIO,    502},
    {CODE_NOT_HEALTHY,              "not_healthy",              -EREMOTEIO,    500},
    {CODE_SETTINGS_LOST,            "settings_lost",            -EREMOTEIO,    500},
    {CODE_ROLLBACK_FAILED,          "rollback_failed",          -EREMOTEIO,    500},
    {CODE_NO_SUCH_HOST,             "no_such_host",             -ENOENT,       404},
    {CODE_NO_AGENT,                 "no_agent",                 -ENOENT,       404},
    {CODE_NO_SUCH_AGENT,            "no_such_agent",            -ENOENT,       404},
    {CODE_WRONG_CREDENTIALS,        "wrong_credentials",        -ENOKEY,       401},
    {CODE_INVALID_API_KEY,          "invalid_api_key",          -ENOKEY,       401},
    {CODE_ROLE_REQUIRED,            "role_required",            -EACCES,       403},
    {CODE_WRONG_PASSWORD,           "wrong_password",           -ENOKEY,       400},
    {CODE_PASSWORD_CHANGE_REQUIRED, "password_change_required", -EACCES,       403},
    {CODE_ADDRESS_NOT_ALLOWED,      "address_not_allowed",      -EACCES,       403},
    {CODE_FOREIGN_SITE,             "foreign_site",             -EACCES,       403},
    {CODE_UNKNOWN_SITE,             "unknown_site",             -EACCES,       421},
    {CODE_OUT_OF_SCOPE,             "out_of_scope",             -EACCES,       403},
    {CODE_INVALID_REGISTRATION,     "invalid_registration",     -EACCES,       403},
    {CODE_TOKEN_INVALID,            "token_invalid",            -EACCES,       403},
    {CODE_TOKEN_EXPIRED,            "token_expired",            -EACCES,       403},
    {CODE_TOKEN_USED_UP,            "token_used_up",            -EACCES,       403},
    {CODE_TOKEN_REVOKED,            "token_revoked",            -EACCES,       403},
    {CODE_TOKEN_OF_OTHER_ENGINE,    "token_of_other_engine",    -EACCES,       403},
    {CODE_ENGINE_REGISTERED,        "engine_registered",        -EACCES,       403},
    {CODE_ENGINE_IS_LOCAL,          "engine_is_local",          -EACCES,       403},
    {CODE_HOST_NAME_TAKEN,          "host_name_taken",          -EACCES,       403},
    {CODE_AGENT_NAME_REQUIRED,      "agent_name_required",      -EACCES,       403},
    {CODE_TOO_MANY_AGENTS,          "too_many_agents",          -EACCES,       403},
};

static void test_names_and_statuses_are_fixed(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_LEN(codes), ERROR_CODES - 1);
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        assert_int_equal(codes[i].code, i + 1);
        assert_string_equal(error_code_name(codes[i].code), codes[i].name);
        assert_int_equal(error_code_errno(codes[i].code), codes[i].errno_code);
        assert_int_equal(error_code_status(codes[i].code), codes[i].status);
        assert_int_equal(error_code_find(codes[i].name), codes[i].code);
    }
}

static void test_rows_are_complete(void **state)
{
    (void)state;
    for (size_t i = 1; i < ERROR_CODES; i++) {
        const char *sentence = error_code_sentence((enum error_code)i);
        const char *advice = error_code_advice((enum error_code)i);

        for (const char *p = error_code_name((enum error_code)i); *p; p++)
            assert_true(islower((unsigned char)*p) || *p == '_');
        assert_true(isupper((unsigned char)sentence[0]));
        assert_true(sentence[strlen(sentence) - 1] != '.');
        assert_true(!advice || islower((unsigned char)advice[0]));
    }
}

static void test_unknown_names(void **state)
{
    (void)state;
    assert_int_equal(error_code_find(NULL), CODE_NONE);
    assert_int_equal(error_code_find(""), CODE_NONE);
    assert_int_equal(error_code_find("of_the_future"), CODE_NONE);
    assert_null(error_code_name(CODE_NONE));
    assert_null(error_code_advice(CODE_NONE));
    assert_int_equal(error_code_errno(CODE_NONE), 0);
    assert_int_equal(error_code_status(CODE_NONE), 500);
}

static void test_general_codes(void **state)
{
    static const struct {
        int code;
        enum error_code general;
        int status;
    } cases[] = {
        {-EBADMSG,      CODE_BAD_REQUEST,       400},
        {-EINVAL,       CODE_INVALID_ARGUMENT,  400},
        {-ENOKEY,       CODE_NOT_AUTHENTICATED, 401},
        {-EACCES,       CODE_PERMISSION_DENIED, 403},
        {-ENOENT,       CODE_NOT_FOUND,         404},
        {-EEXIST,       CODE_ALREADY_EXISTS,    409},
        {-EBUSY,        CODE_CONFLICT,          409},
        {-EMSGSIZE,     CODE_TOO_LARGE,         413},
        {-EDOM,         CODE_INVALID_VALUE,     422},
        {-EAGAIN,       CODE_RATE_LIMITED,      429},
        {-ENOSYS,       CODE_NOT_SUPPORTED,     501},
        {-EPROTO,       CODE_BAD_REPLY,         502},
        {-ENOTCONN,     CODE_HOST_OFFLINE,      503},
        {-ECONNREFUSED, CODE_UNAVAILABLE,       503},
        {-ENOBUFS,      CODE_BUSY,              503},
        {-ENOSPC,       CODE_STORAGE_FULL,      503},
        {-EROFS,        CODE_STORAGE_READ_ONLY, 503},
        {-ETIMEDOUT,    CODE_TIMEOUT,           504},
        {-EIO,          CODE_INTERNAL_ERROR,    500},
        {-ENOMEM,       CODE_INTERNAL_ERROR,    500},
        {0,             CODE_INTERNAL_ERROR,    500},
        {ENOENT,        CODE_INTERNAL_ERROR,    500},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(error_code_from_errno(cases[i].code), cases[i].general);
        assert_int_equal(error_code_status(cases[i].general), cases[i].status);
    }
}

static void test_codes_of_statuses(void **state)
{
    static const struct {
        int status;
        enum error_code code;
    } cases[] = {
        {400, CODE_BAD_REQUEST       },
        {401, CODE_NOT_AUTHENTICATED },
        {403, CODE_PERMISSION_DENIED },
        {404, CODE_NOT_FOUND         },
        {405, CODE_METHOD_NOT_ALLOWED},
        {408, CODE_BAD_REQUEST       },
        {409, CODE_CONFLICT          },
        {413, CODE_TOO_LARGE         },
        {418, CODE_BAD_REQUEST       },
        {422, CODE_INVALID_VALUE     },
        {429, CODE_RATE_LIMITED      },
        {500, CODE_INTERNAL_ERROR    },
        {501, CODE_NOT_SUPPORTED     },
        {502, CODE_BAD_REPLY         },
        {503, CODE_UNAVAILABLE       },
        {504, CODE_TIMEOUT           },
        {599, CODE_INTERNAL_ERROR    },
        {0,   CODE_INTERNAL_ERROR    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(error_code_from_status(cases[i].status), cases[i].code);
}

static void test_set_and_of(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(error_code_of(&err), CODE_NONE);
    assert_int_equal(error_code_set(&err, CODE_NO_SUCH_IMAGE, "no image %d", 4), -ENOENT);
    assert_string_equal(err.msg, "no image 4");
    assert_int_equal(error_code_of(&err), CODE_NO_SUCH_IMAGE);
    assert_int_equal(error_wrap(&err, -ENOENT, "outer"), -ENOENT);
    assert_int_equal(error_code_of(&err), CODE_NO_SUCH_IMAGE);
    assert_int_equal(error_set(&err, -ENOENT, "other"), -ENOENT);
    assert_int_equal(error_code_of(&err), CODE_NOT_FOUND);
    assert_int_equal(error_code_set(NULL, CODE_BUSY, "x"), -ENOBUFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_statuses_are_fixed),
        cmocka_unit_test(test_rows_are_complete),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_general_codes),
        cmocka_unit_test(test_codes_of_statuses),
        cmocka_unit_test(test_set_and_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
