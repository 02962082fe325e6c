/*
 * Compares docs/api/openapi.json with the route table.
 */

#include "base/set.h"
#include "base/str.h"
#include "server/api/openapi.h"
#include "server/api/route.h"

#include <ctype.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define MAX_PATH 256

static int setup(void **state)
{
    json_error_t error;

    *state = json_loadb(openapi_json, openapi_json_size, JSON_REJECT_DUPLICATES, &error);
    if (!*state)
        print_error("docs/api/openapi.json: line %d: %s\n", error.line, error.text);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    json_decref(*state);
    return 0;
}

/* "{image...}" in the table is "{image}" in the file. */
static void make_path(const struct route *r, char ret[MAX_PATH])
{
    const char *dots = strstr(r->pattern, "...}");

    (void)snprintf(ret, MAX_PATH, "%.*s%s", dots ? (int)(dots - r->pattern) : MAX_PATH, r->pattern,
                   dots ? "}" : "");
}

static void make_method(const struct route *r, char ret[16])
{
    size_t i;

    for (i = 0; r->method[i] && i < 15; i++)
        ret[i] = (char)(r->method[i] | 0x20);
    ret[i] = '\0';
}

static const json_t *find_operation(const json_t *paths, const struct route *r)
{
    char path[MAX_PATH], method[16];

    make_path(r, path);
    make_method(r, method);
    return json_object_get(json_object_get(paths, path), method);
}

static void test_every_route_is_described(void **state)
{
    const json_t *paths = json_object_get(*state, "paths");
    int missing = 0;

    for (size_t i = 0; i < n_routes; i++) {
        if (!find_operation(paths, &routes[i])) {
            print_error("not in docs/api/openapi.json: %s %s\n", routes[i].method,
                        routes[i].pattern);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

static bool is_route(const char *path, const char *method)
{
    for (size_t i = 0; i < n_routes; i++) {
        char own_path[MAX_PATH], own_method[16];

        make_path(&routes[i], own_path);
        make_method(&routes[i], own_method);
        if (strcmp(path, own_path) == 0 && strcmp(method, own_method) == 0)
            return true;
    }
    return false;
}

/* WebSockets are not routes; the integration test opens each of them. */
static void test_nothing_else_is_described(void **state)
{
    int superfluous = 0;
    const char *path, *method;
    json_t *item, *operation;

    json_object_foreach(json_object_get(*state, "paths"), path, item)
    {
        json_object_foreach(item, method, operation)
        {
            if (!json_is_true(json_object_get(operation, "x-websocket")) &&
                !is_route(path, method)) {
                print_error("no such route: %s %s\n", method, path);
                superfluous++;
            }
        }
    }
    assert_int_equal(superfluous, 0);
}

static bool has_text(const json_t *operation, const char *member, const char *text)
{
    const char *own = json_string_value(json_object_get(operation, member));

    return own && text ? strcmp(own, text) == 0 : !own && !text;
}

static bool has_number(const json_t *operation, const char *member, uint64_t n)
{
    const json_t *v = json_object_get(operation, member);

    return n ? (uint64_t)json_integer_value(v) == n : !v;
}

static const char *scope_class(enum route_object object)
{
    static const char *const names[] = {
        [OBJECT_UNDECIDED] = "undecided",
        [OBJECT_NONE] = "none",
        [OBJECT_LIST] = "list",
        [OBJECT_HOST] = "host",
        [OBJECT_WHOLE_HOST] = "whole host",
        [OBJECT_CONTAINER] = "container",
        [OBJECT_AGENT] = "agent",
        [OBJECT_WHOLE_AGENT] = "whole agent",
        [OBJECT_GLOBAL] = "installation",
        [OBJECT_USERS] = "users",
    };

    return names[object];
}

static void test_what_the_table_says_is_described(void **state)
{
    const json_t *paths = json_object_get(*state, "paths");
    int wrong = 0;

    for (size_t i = 0; i < n_routes; i++) {
        const struct route *r = &routes[i];
        const json_t *o = find_operation(paths, r);
        const json_t *security = json_object_get(o, "security");
        bool is_open = r->role == ROLE_NONE;
        const struct {
            const char *what;
            bool is_right;
        } checks[] = {
            {"x-role",                           has_text(o,                                                       "x-role",         is_open ? "none" : role_name(r->role))                                               },
            {"x-scope",                          has_text(o,                                                       "x-scope",        scope_class(r->object))                                                              },
            {"x-audit-action",                   has_text(o,                                                       "x-audit-action", r->action)                                                                           },
            {"x-max-body",                       has_number(o,                                                     "x-max-body",     r->max_body)                                                                         },
            {"x-timeout-ms",                     has_number(o,                                                     "x-timeout-ms",   r->timeout_ms)                                                                       },
            {"security",                         is_open ? security && json_array_size(security) == 0 : !security},
            {"requestBody", !json_object_get(o,                                                                 "requestBody") || r->max_body > 0                },
            {"responses.403",                            is_open || json_object_get(json_object_get(o,                                                                                            "responses"),"403")                                                                                         },
            {"responses.400",                            !!json_object_get(json_object_get(o,                                                                                            "responses"),                                                                                                            "400")},
            {"responses.413",
             !r->max_body || json_object_get(json_object_get(o,                                                                                            "responses"),"413")                                         },
        };

        for (size_t k = 0; k < ARRAY_LEN(checks); k++) {
            if (!checks[k].is_right) {
                print_error("%s %s: %s\n", r->method, r->pattern, checks[k].what);
                wrong++;
            }
        }
    }
    assert_int_equal(wrong, 0);
}

static void check_failures(const json_t *paths, const struct route *route)
{
    const json_t *responses = json_object_get(find_operation(paths, route), "responses");
    char status[16];

    for (const enum error_code *e = operation_spec(route->operation)->errors; *e; e++) {
        (void)snprintf(status, sizeof(status), "%d", error_code_status(*e));
        if (!json_object_get(responses, status)) {
            fail_msg("%s %s: no %s for %s", route->method, route->pattern, status,
                     error_code_name(*e));
        }
    }
}

/* The responses of a route include the status of each failure of its operation. */
static void test_failures_of_operations_are_described(void **state)
{
    const json_t *paths = json_object_get(*state, "paths");

    for (size_t i = 0; i < n_routes; i++) {
        if (routes[i].operation != OPERATION_NONE)
            check_failures(paths, &routes[i]);
    }
}

static const json_t *resolve(const json_t *doc, const json_t *parameter)
{
    static const char prefix[] = "#/components/parameters/";
    const char *ref = json_string_value(json_object_get(parameter, "$ref"));

    if (!ref)
        return parameter;
    assert_true(str_starts_with(ref, prefix));
    parameter = json_object_get(json_object_get(json_object_get(doc, "components"), "parameters"),
                                ref + strlen(prefix));
    assert_non_null(parameter);
    return parameter;
}

/* Every {name} of a path has a parameter, and every path parameter is in the path. */
static void check_parameters(const json_t *doc, const char *path, const json_t *operation)
{
    const json_t *parameters = json_object_get(operation, "parameters");
    size_t n = 0, n_braces = 0;

    for (const char *p = strchr(path, '{'); p; p = strchr(p + 1, '{'))
        n_braces++;
    for (size_t i = 0; i < json_array_size(parameters); i++) {
        const json_t *p = resolve(doc, json_array_get(parameters, i));
        char text[MAX_PATH];

        if (strcmp(json_string_value(json_object_get(p, "in")), "path") != 0)
            continue;
        (void)snprintf(text, sizeof(text), "{%s}", json_string_value(json_object_get(p, "name")));
        if (!strstr(path, text))
            fail_msg("%s has no %s", path, text);
        n++;
    }
    if (n != n_braces) {
        fail_msg("%s: %zu of %zu path parameters are described", path, n, n_braces);
    }
}

static void test_path_parameters_are_described(void **state)
{
    const char *path, *method;
    json_t *item, *operation;

    json_object_foreach(json_object_get(*state, "paths"), path, item)
    {
        json_object_foreach(item, method, operation)
        {
            check_parameters(*state, path, operation);
        }
    }
}

static void write_lower_case(char to[static MAX_PATH], const char *name)
{
    size_t n = strlen(name);

    assert_true(n < MAX_PATH);
    for (size_t i = 0; i <= n; i++)
        to[i] = (char)tolower((unsigned char)name[i]);
}

/* Generators that ignore case or the kind of a component write one type for two names. */
static void test_component_names_are_unique(void **state)
{
    static const char *const groups[] = {"schemas",       "parameters", "responses",
                                         "requestBodies", "headers",    "securitySchemes"};
    const json_t *components = json_object_get(*state, "components");
    struct set names = {0};
    const char *name;
    json_t *component;

    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        json_object_foreach(json_object_get(components, groups[i]), name, component)
        {
            char lower[MAX_PATH];

            write_lower_case(lower, name);
            if (!set_add(&names, lower))
                fail_msg("components.%s.%s: another component has this name", groups[i], name);
        }
    }
    set_done(&names);
}

static void test_operations_have_texts(void **state)
{
    static const char *const members[] = {"operationId", "summary", "description"};
    const char *path, *method;
    json_t *item, *o;
    int missing = 0;

    json_object_foreach(json_object_get(*state, "paths"), path, item)
    {
        json_object_foreach(item, method, o)
        {
            bool is_complete = json_array_size(json_object_get(o, "tags")) > 0;

            for (size_t i = 0; i < ARRAY_LEN(members); i++)
                is_complete = is_complete && json_string_length(json_object_get(o, members[i])) > 0;
            if (!is_complete) {
                print_error("%s %s: needs tags, operationId, summary, description\n", method, path);
                missing++;
            }
        }
    }
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_is_described),
        cmocka_unit_test(test_nothing_else_is_described),
        cmocka_unit_test(test_what_the_table_says_is_described),
        cmocka_unit_test(test_failures_of_operations_are_described),
        cmocka_unit_test(test_path_parameters_are_described),
        cmocka_unit_test(test_component_names_are_unique),
        cmocka_unit_test(test_operations_have_texts),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
