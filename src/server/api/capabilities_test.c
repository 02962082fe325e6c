/*
 * Compares the table of capabilities with what decides about requests: routes, operations and
 * hidden fields.
 */

#include "base/str.h"
#include "proto/operation.h"
#include "server/api/route.h"
#include "server/rights/capabilities.h"
#include "server/rights/groups.h"
#include "server/rights/secret_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

/* One route that each capability opens. Those without a route are tested below. */
static const struct {
    const char *name, *method, *path;
} opened[] = {
    {"agents.manage",      "POST",  "/api/agent/generate-token"               },
    {"agents.view",        "GET",   "/api/agent/list"                         },
    {"audit.view",         "GET",   "/api/audit"                              },
    {"batch.create",       "POST",  "/api/bulk"                               },
    {"batch.view",         "GET",   "/api/bulk/j"                             },
    {"containers.logs",    "GET",   "/api/hosts/h/containers/c/logs"          },
    {"containers.operate", "POST",  "/api/hosts/h/containers/c/restart"       },
    {"containers.update",  "POST",  "/api/hosts/h/containers/c/execute-update"},
    {"containers.view",    "GET",   "/api/containers"                         },
    {"events.view",        "GET",   "/api/events"                             },
    {"hosts.manage",       "PUT",   "/api/hosts/h"                            },
    {"hosts.view",         "GET",   "/api/hosts"                              },
    {"registry.manage",    "POST",  "/api/registry-credentials"               },
    {"registry.view",      "GET",   "/api/registry-credentials"               },
    {"settings.manage",    "PUT",   "/api/admin/log-level"                    },
    {"tags.manage",        "PATCH", "/api/hosts/h/tags"                       },
    {"users.manage",       "POST",  "/api/v2/users"                           },
};

static const struct capability *find(const char *name)
{
    for (size_t i = 0; i < n_capabilities; i++) {
        if (str_eq(capabilities[i].name, name))
            return &capabilities[i];
    }
    fail_msg("no capability %s", name);
    return NULL;
}

static enum capability_reach get_reach(enum route_object object)
{
    return object == OBJECT_USERS    ? REACH_USERS
           : object == OBJECT_GLOBAL ? REACH_INSTALLATION
                                     : REACH_OBJECTS;
}

static void test_capabilities_agree_with_the_routes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(opened); i++) {
        const struct capability *c = find(opened[i].name);
        struct route_match m;

        route_find(opened[i].method, opened[i].path, &m);
        assert_non_null(m.route);
        if (c->role != m.route->role || c->reach != get_reach(m.route->object))
            fail_msg("%s differs from %s %s", c->name, m.route->method, m.route->pattern);
        route_match_done(&m);
    }
}

static void test_capabilities_agree_with_what_has_no_route(void **state)
{
    (void)state;
    assert_int_equal(find("containers.shell")->role, operation_spec(OPERATION_SHELL)->role);
    for (enum role role = ROLE_VIEWER; role <= ROLE_ADMIN; role++) {
        assert_int_equal(capability_is_given(find("containers.view_env"), role, false, false),
                         secret_field_is_visible(SECRET_ENV, role));
    }
}

static void test_limits_take_capabilities_away(void **state)
{
    static const struct {
        const char *name;
        bool with_scope, with_limited_key;
    } cases[] = {
        {"hosts.manage", true,  true },
        {"audit.view",   false, true },
        {"users.manage", false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct capability *c = find(cases[i].name);

        assert_true(capability_is_given(c, ROLE_ADMIN, false, false));
        assert_int_equal(capability_is_given(c, ROLE_ADMIN, true, false), cases[i].with_scope);
        assert_int_equal(capability_is_given(c, ROLE_ADMIN, false, true),
                         cases[i].with_limited_key);
        assert_false(capability_is_given(c, ROLE_OPERATOR, false, false));
    }
}

/* Clients of DockMon know these names only. */
static void test_names_are_those_of_dockmon(void **state)
{
    static const char *const names[] = {
        "agents.manage",   "agents.view",        "alerts.manage",       "alerts.view",
        "audit.view",      "batch.create",       "batch.view",          "containers.logs",
        "events.view",     "containers.operate", "containers.shell",    "containers.update",
        "containers.view", "groups.manage",      "containers.view_env", "healthchecks.manage",
        "hosts.manage",    "healthchecks.test",  "healthchecks.view",   "notifications.manage",
        "hosts.view",      "notifications.view", "oidc.manage",         "apikeys.manage_other",
        "policies.manage", "policies.view",      "registry.manage",     "registry.view",
        "settings.manage", "stacks.deploy",      "stacks.edit",         "stacks.view",
        "stacks.view_env", "tags.manage",        "tags.view",           "users.manage",
    };

    (void)state;
    for (size_t i = 0; i < n_capabilities; i++) {
        size_t k = 0;

        while (k < ARRAY_LEN(names) && !str_eq(names[k], capabilities[i].name))
            k++;
        if (k == ARRAY_LEN(names))
            fail_msg("DockMon has no capability %s", capabilities[i].name);
    }
}

/* Clients open the screens of a capability: these have none behind them. */
static void test_features_that_do_not_exist_have_no_capability(void **state)
{
    static const char *const absent[] = {"stacks.",       "oidc.",     "groups.",       "alerts.",
                                         "healthchecks.", "policies.", "notifications."};

    (void)state;
    for (size_t i = 0; i < n_capabilities; i++) {
        for (size_t k = 0; k < ARRAY_LEN(absent); k++)
            assert_false(str_starts_with(capabilities[i].name, absent[k]));
    }
}

/* Categories are listed once: the capabilities of each stand together. */
static void test_categories_are_not_scattered(void **state)
{
    (void)state;
    for (size_t i = 1; i < n_capabilities; i++) {
        for (size_t k = 0; k + 1 < i; k++) {
            if (str_eq(capabilities[k].category, capabilities[i].category))
                assert_string_equal(capabilities[i - 1].category, capabilities[i].category);
        }
    }
}

static void test_each_role_is_a_group(void **state)
{
    (void)state;
    assert_int_equal(group_of_role(ROLE_ADMIN)->id, 1);
    assert_int_equal(group_of_role(ROLE_OPERATOR)->id, 2);
    assert_int_equal(group_of_role(ROLE_VIEWER)->id, 3);
    for (size_t i = 0; i < n_groups; i++)
        assert_ptr_equal(group_find(groups[i].id), &groups[i]);
    assert_null(group_find(0));
    assert_null(group_find(4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capabilities_agree_with_the_routes),
        cmocka_unit_test(test_capabilities_agree_with_what_has_no_route),
        cmocka_unit_test(test_limits_take_capabilities_away),
        cmocka_unit_test(test_names_are_those_of_dockmon),
        cmocka_unit_test(test_features_that_do_not_exist_have_no_capability),
        cmocka_unit_test(test_categories_are_not_scattered),
        cmocka_unit_test(test_each_role_is_a_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
