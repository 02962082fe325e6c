#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "server/api/ws_endpoints.h"

#define MAX_LIMIT ((size_t)16 << 20)

static void paths_match_their_rows(void **state)
{
    static const struct {
        const char *path, *row;
    } cases[] = {
        {"/ws",                  "/ws"                 },
        {"/ws/",                 "/ws/"                },
        {"/ws/logs",             "/ws/logs"            },
        {"/ws/shell/h/c",        "/ws/shell/"          },
        {"/ws/shell/",           "/ws/shell/"          },
        {"/api/agent/ws",        "/api/agent/ws"       },
        {"/api/stats/ws/ingest", "/api/stats/ws/ingest"},
        {"/ws/logs/",            NULL                  },
        {"/ws/shell",            NULL                  },
        {"/ws/x",                NULL                  },
        {"/wsx",                 NULL                  },
        {"/",                    NULL                  },
        {"",                     NULL                  },
        {"/api/agent/ws/",       NULL                  },
        {"/api/hosts",           NULL                  },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct ws_endpoint *e = ws_endpoint_find(cases[i].path);

        assert_true(str_eq(e ? e->path : NULL, cases[i].row));
    }
}

/* The security of the endpoints rests on it: only those of agents are without a role. */
static void the_table_is_sound(void **state)
{
    static const char *const of_agents[] = {"/api/agent/ws", "/api/stats/ws/ingest"};

    (void)state;
    for (size_t i = 0; i < n_ws_endpoints; i++) {
        const struct ws_endpoint *e = &ws_endpoints[i];
        const struct ws_limits *limits = &e->rules.limits;
        bool is_of_agents = false;
        struct route_match m;

        for (size_t k = 0; k < ARRAY_LEN(of_agents); k++)
            is_of_agents |= str_eq(e->path, of_agents[k]);
        assert_int_equal(e->rules.role == ROLE_NONE, is_of_agents);
        assert_int_equal(e->object == OBJECT_NONE, is_of_agents);
        assert_int_equal(e->object == OBJECT_CONTAINER, e->is_prefix);
        assert_true(is_of_agents || e->is_prefix || e->object == OBJECT_LIST);
        assert_int_equal(e->is_prefix && e->path[strlen(e->path) - 1] != '/', false);
        assert_in_range(limits->max_message, 1, MAX_LIMIT);
        assert_in_range(limits->max_queue, 1, MAX_LIMIT);
        assert_non_null(e->open);
        assert_ptr_equal(ws_endpoint_find(e->path), e); /* no row hides it */
        route_find("GET", e->path, &m);
        assert_null(m.route);
        route_match_done(&m);
    }
}

static const char *object_text(enum route_object object)
{
    return object == OBJECT_CONTAINER ? "container" : object == OBJECT_LIST ? "filtered" : "-";
}

static char *row_text(const struct ws_endpoint *e)
{
    return xasprintf("| `%s%s` | %s | %s | %zu KiB | %zu KiB |", e->path,
                     e->is_prefix ? "{host}/{container}" : "",
                     e->rules.role == ROLE_NONE ? "-" : role_name(e->rules.role),
                     object_text(e->object), e->rules.limits.max_message / 1024,
                     e->rules.limits.max_queue / 1024);
}

static void the_protocol_lists_the_same_rows(void **state)
{
    FILE *file = fopen(DOCS_DIR "/protocol.md", "re");
    bool is_found[32] = {false}, is_section = false;
    size_t n_rows = 0;
    char line[4096];

    (void)state;
    assert_non_null(file);
    assert_in_range(n_ws_endpoints, 1, ARRAY_LEN(is_found));
    while (fgets(line, sizeof(line), file)) {
        if (line[0] == '#')
            is_section = str_starts_with(line, "## WebSocket endpoints");
        if (!is_section || !str_starts_with(line, "| `/"))
            continue;
        n_rows++;
        for (size_t i = 0; i < n_ws_endpoints; i++) {
            _cleanup_free_ char *text = row_text(&ws_endpoints[i]);

            is_found[i] |= str_starts_with(line, text);
        }
    }
    (void)fclose(file);
    assert_int_equal(n_rows, n_ws_endpoints);
    for (size_t i = 0; i < n_ws_endpoints; i++) {
        if (!is_found[i])
            fail_msg("docs/protocol.md has no row for %s as in the table", ws_endpoints[i].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_match_their_rows),
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(the_protocol_lists_the_same_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
