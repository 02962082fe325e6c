#include "base/str.h"
#include "server/api/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static void test_paths_match_their_routes(void **state)
{
    static const struct {
        const char *method, *path, *pattern, *first, *second;
    } cases[] = {
        {"GET",    "/health",                         "/health",                             NULL, NULL},
        {"HEAD",   "/health",                         "/health",                             NULL, NULL},
        {"GET",    "/api/hosts/",                     "/api/hosts",                          NULL, NULL},
        {"DELETE", "/api/hosts/h1",                   "/api/hosts/{host}",                   "h1", NULL},
        {"POST",   "/api/hosts/h/containers/c/start",
         "/api/hosts/{host}/containers/{container}/start",                                   "h",  "c" },
        {"DELETE", "/api/hosts/h/images/r:5/a/b:1",   "/api/hosts/{host}/images/{image...}", "h",
         "r:5/a/b:1"                                                                                   },
        {"POST",   "/api/hosts/h/images/prune",       "/api/hosts/{host}/images/prune",      "h",  NULL},
        {"GET",    "/api/agent/list",                 "/api/agent/list",                     NULL, NULL},
        {"GET",    "/api/agent/x/status",             "/api/agent/{agent}/status",           "x",  NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct route_match m;

        route_find(cases[i].method, cases[i].path, &m);
        assert_non_null(m.route);
        assert_string_equal(m.route->pattern, cases[i].pattern);
        assert_true(str_eq(m.params[0], cases[i].first));
        assert_true(str_eq(m.params[1], cases[i].second));
        route_match_done(&m);
    }
}

static void test_methods_of_a_path(void **state)
{
    static const struct {
        const char *path, *want;
    } cases[] = {
        {"/health",             "GET, HEAD"      },
        {"/api/v2/auth/login",  "POST"           },
        {"/api/v2/auth/login/", "POST"           },
        {"/api/hosts",          "GET, HEAD, POST"},
        {"/nowhere",            ""               },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *methods = route_methods(cases[i].path);

        assert_string_equal(methods, cases[i].want);
    }
}

static void test_other_paths_match_none(void **state)
{
    static const char *const paths[] = {
        "/", "", "/healthy", "/api", "/api/hosts//agent", "/api/hosts/a/b/c", "/health/x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct route_match m;

        route_find("GET", paths[i], &m);
        assert_null(m.route);
        assert_false(m.is_other_method);
        route_match_done(&m);
    }
}

static void test_the_rest_of_a_path(void **state)
{
    static const struct {
        const char *path, *rest;
    } cases[] = {
        {"/api/hosts/h/images/a",     "a"    },
        {"/api/hosts/h/images/a/b:c", "a/b:c"},
        {"/api/hosts/h/images/a/",    "a/"   },
        {"/api/hosts/h/networks/a",   NULL   },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct route_match m;

        route_find("DELETE", cases[i].path, &m);
        assert_true(str_eq(route_find_rest(m.route, cases[i].path), cases[i].rest));
        route_match_done(&m);
    }
}

static void test_a_path_with_another_method_is_distinguished(void **state)
{
    struct route_match m;

    (void)state;
    route_find("DELETE", "/health", &m);
    assert_null(m.route);
    assert_true(m.is_other_method);
    route_match_done(&m);
}

/* A route whose path names a host or container has the matching object, or is closed to callers
 * with a scope. */
static void assert_object_fits(const struct route *r)
{
    enum route_object object = r->object;
    bool has_container = strstr(r->pattern, "/containers/{container}") ||
                         str_starts_with(r->pattern, "/api/containers/{host}/{container}");

    assert_int_not_equal(object, OBJECT_UNDECIDED);
    assert_int_equal(object == OBJECT_USERS, str_starts_with(r->pattern, "/api/v2/users"));
    if (object == OBJECT_GLOBAL || object == OBJECT_USERS)
        return;
    if (str_starts_with(r->pattern, "/api/hosts/{host}") || has_container) {
        assert_int_equal(object == OBJECT_CONTAINER, has_container);
        assert_true(object == OBJECT_CONTAINER || object == OBJECT_HOST ||
                    object == OBJECT_WHOLE_HOST);
    } else {
        assert_false(object == OBJECT_CONTAINER || object == OBJECT_HOST ||
                     object == OBJECT_WHOLE_HOST);
    }
    assert_int_equal(object == OBJECT_AGENT || object == OBJECT_WHOLE_AGENT,
                     str_starts_with(r->pattern, "/api/agent/{agent}"));
}

/* The security of the API depends on this: only these routes are open, and every change is
 * audited. */
static void test_only_known_routes_are_open_and_changes_are_audited(void **state)
{
    static const char *const open_to_all[] = {
        "/health", "/api/v2/auth/login", "/api/v2/auth/logout", "/api/v2/oidc/status",
        /* their handlers need a registration token */
        "/install.sh", "/download/agent/{platform}", "/download/agent-image/{file}",
        /* the path has a secret */
        "/api/registry-webhook/{secret}"};

    (void)state;
    for (size_t i = 0; i < n_routes; i++) {
        const struct route *r = &routes[i];
        bool is_open = false;

        for (size_t k = 0; k < ARRAY_LEN(open_to_all); k++)
            is_open |= strcmp(r->pattern, open_to_all[k]) == 0;
        assert_int_equal(r->role == ROLE_NONE, is_open);
        assert_non_null(r->handle);
        assert_object_fits(r);
        if (strcmp(r->method, "GET") != 0)
            assert_non_null(r->action);
        for (size_t k = 0; k < i; k++) {
            assert_false(strcmp(r->method, routes[k].method) == 0 &&
                         strcmp(r->pattern, routes[k].pattern) == 0);
        }
    }
}

static const struct route *find_by_operation(enum operation_id id)
{
    const struct route *found = NULL;

    for (size_t i = 0; i < n_routes; i++) {
        if (routes[i].operation != id)
            continue;
        if (found)
            fail_msg("%s has two routes", operation_spec(id)->name);
        found = &routes[i];
    }
    return found;
}

/* Each operation of users has one route, with the role and the effect of its row. */
static void test_every_operation_has_its_route(void **state)
{
    (void)state;
    operation_foreach(id) {
        const struct operation_spec *spec = operation_spec(id);
        const struct route *r = find_by_operation(id);
        bool is_reachable = spec->role != ROLE_NONE && !(spec->flags & IS_WEBSOCKET);

        if ((r != NULL) != is_reachable) {
            fail_msg("%s: %s", spec->name,
                     r ? "a route for an operation that is not for users" : "no route");
        }
        if (!r)
            continue;
        if (r->role != spec->role)
            fail_msg("%s: role %s", spec->name, role_name(r->role));
        if ((r->action != NULL) != (spec->effect != EFFECT_READS))
            fail_msg("%s: a read is audited, or a change is not", spec->name);
        if ((r->object == OBJECT_CONTAINER) != ((spec->arguments & TAKES_CONTAINER) != 0))
            fail_msg("%s: the object of the route does not fit the operation", spec->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_match_their_routes),
        cmocka_unit_test(test_methods_of_a_path),
        cmocka_unit_test(test_other_paths_match_none),
        cmocka_unit_test(test_the_rest_of_a_path),
        cmocka_unit_test(test_a_path_with_another_method_is_distinguished),
        cmocka_unit_test(test_only_known_routes_are_open_and_changes_are_audited),
        cmocka_unit_test(test_every_operation_has_its_route),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
