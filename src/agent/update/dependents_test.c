#include "agent/update/dependents.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MAX_CONTAINERS 6

/* The id of a container is its letter 64 times, its name the letter and "-name". */
struct container {
    char letter;
    bool is_stopped;
    const char *host;     /* members of HostConfig, with ' for quotes */
    const char *networks; /* NetworkSettings.Networks */
    const char *labels;   /* Config.Labels */
    const char *name;     /* another name; NULL: LETTER-name */
};

static json_t *parse(const char *text)
{
    char *copy = xstrdup(text ? text : "{}");
    json_t *v;

    for (char *c = copy; *c; c++) {
        if (*c == '\'')
            *c = '"';
    }
    v = json_loads(copy, 0, NULL);
    assert_non_null(v);
    free(copy);
    return v;
}

static json_t *make_inspect(const struct container *c)
{
    char id[65] = "", name[64];
    json_t *v;

    memset(id, c->letter, 64);
    (void)snprintf(name, sizeof(name), "/%c-name", c->letter);
    v = json_pack("{s:s, s:s, s:o, s:{s:o}, s:{s:o}, s:{s:b}}", "Id", id, "Name",
                  c->name ? c->name : name, "HostConfig", parse(c->host), "NetworkSettings",
                  "Networks", parse(c->networks), "Config", "Labels", parse(c->labels), "State",
                  "Running", !c->is_stopped);
    assert_non_null(v);
    return v;
}

static json_t *make_inspects(const struct container *all)
{
    json_t *inspects = json_array();

    for (size_t i = 0; i < MAX_CONTAINERS && all[i].letter; i++)
        json_array_append_new(inspects, make_inspect(&all[i]));
    return inspects;
}

/* "b:recreate c:restart " */
static void describe(const json_t *list, char *ret, size_t size)
{
    struct buf b = BUF_INIT(size - 1);
    const json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        assert_int_equal(
            buf_printf(&b, "%c:%s ", *json_text_get(entry, "id"), json_text_get(entry, "action")),
            0);
    }
    str_copy(ret, size, buf_str(&b));
    buf_done(&b);
}

#define X4(x) x x x x
#define ID(x) X4(X4(X4(x)))
#define COMPOSE(service, depends)                                              \
    "{'com.docker.compose.project':'p','com.docker.compose.service':'" service \
    "','com.docker.compose.depends_on':'" depends "','com.docker.compose.oneoff':'False'}"

static const struct test_case {
    const char *name;
    struct container all[MAX_CONTAINERS]; /* the first is the one that is recreated */
    const char *dependents;               /* when it is recreated */
    const char *joined;                   /* when it is restarted */
} cases[] = {
    {"none",                                                        {{'a', 0, 0, 0, 0, 0}, {'b', 0, "{'NetworkMode':'bridge'}", 0, 0, 0}}, "", ""                              },
    {"network by id",
     {{'a', 0, 0, 0, 0, 0}, {'b', 0, "{'NetworkMode':'container:" ID("a") "'}", 0, 0, 0}},
     "b:recreate ",                                                                                                                            "b:restart "                    },
    {"network by short id",
     {{'a', 0, 0, 0, 0, 0}, {'b', 0, "{'NetworkMode':'container:aaaaaaaaaaaa'}", 0, 0, 0}},
     "b:recreate ",                                                                                                                            "b:restart "                    },
    {"network by name",
     {{'a', 0, 0, 0, 0, 0}, {'b', 0, "{'NetworkMode':'container:a-name'}", 0, 0, 0}},
     "b:recreate ",                                                                                                                            "b:restart "                    },
    {"a name is no prefix",
     {{'a', 0, 0, 0, 0, 0}, {'b', 0, "{'NetworkMode':'container:a-nam'}", 0, 0, 0}},
     "",                                                                                                                                       ""                              },
    {"pid and ipc",
     {{'a', 0, 0, 0, 0, 0},
      {'b', 0, "{'PidMode':'container:a-name'}", 0, 0, 0},
      {'c', 0, "{'IpcMode':'container:a-name'}", 0, 0, 0}},
     "b:recreate c:recreate ",                                                                                                                 "b:restart c:restart "          },
    {"stopped ones are recreated, not restarted",
     {{'a', 0, 0, 0, 0, 0}, {'b', 1, "{'NetworkMode':'container:a-name'}", 0, 0, 0}},
     "b:recreate ",                                                                                                                            ""                              },
    {"volumes-from with a mode",
     {{'a', 0, 0, 0, 0, 0}, {'b', 0, "{'VolumesFrom':['x','a-name:ro']}", 0, 0, 0}},
     "b:recreate ",                                                                                                                            ""                              },
    {"links of the default bridge",
     {{'a', 0, 0, 0, 0, 0}, {'b', 0, "{'Links':['/a-name:/b-name/alias']}", 0, 0, 0}},
     "b:recreate ",                                                                                                                            ""                              },
    {"links on a network",
     {{'a', 0, 0, 0, 0, 0}, {'b', 0, 0, "{'n':{'Links':['a-name:alias']}}", 0, 0}},
     "b:restart ",                                                                                                                             ""                              },
    {"depends_on with restart",
     {{'a', 0, 0, 0, COMPOSE("db", ""), 0},
      {'b', 0, 0, 0, COMPOSE("web", "x:service_started:true,db:service_healthy:true"), 0},
      {'c', 0, 0, 0, COMPOSE("job", "db:service_started:false"), 0},
      {'d', 0, 0, 0, COMPOSE("old", "db:service_started"), 0},
      {'e', 1, 0, 0, COMPOSE("off", "db:service_started:true"), 0}},
     "b:restart ",                                                                                                                             ""                              },
    {"another project",
     {{'a', 0, 0, 0, COMPOSE("db", ""), 0},
      {'b', 0, 0, 0,
       "{'com.docker.compose.project':'q','com.docker.compose.depends_on':'db:x:true'}", 0}},
     "",                                                                                                                                       ""                              },
    {"one-off containers are left alone",
     {{'a', 0, 0, 0, COMPOSE("db", ""), 0},
      {'b', 0, 0, 0,
       "{'com.docker.compose.project':'p','com.docker.compose.depends_on':'db:x:true',"
       "'com.docker.compose.oneoff':'True'}",
       0}},
     "",                                                                                                                                       ""                              },
    {"each container of a service",
     {{'a', 0, 0, 0, COMPOSE("db", ""), 0},
      {'b', 0, 0, 0, COMPOSE("db", ""), 0},
      {'c', 0, 0, 0, COMPOSE("web", "db:service_started:true"), 0}},
     "c:restart ",                                                                                                                             ""                              },
    {"transitive, parents first, whatever their order in the list",
     {{'a', 0, 0, 0, 0, 0},
      {'d', 0, "{'NetworkMode':'container:c-name'}", 0, 0, 0},
      {'c', 0, "{'NetworkMode':'container:b-name'}", 0, 0, 0},
      {'b', 0, "{'NetworkMode':'container:a-name'}", 0, 0, 0}},
     "b:recreate c:recreate d:recreate ",                                                                                                      "b:restart c:restart d:restart "},
    {"a child of one that is only restarted",
     {{'a', 0, 0, 0, COMPOSE("db", ""), 0},
      {'b', 0, 0, 0, COMPOSE("web", "db:service_started:true"), 0},
      {'c', 0, "{'NetworkMode':'container:b-name'}", 0, 0, 0},
      {'d', 0, "{'VolumesFrom':['b-name']}", 0, 0, 0}},
     "b:restart c:restart ",                                                                                                                   ""                              },
    {"recreate wins",
     {{'a', 0, 0, 0, COMPOSE("db", ""), 0},
      {'b', 0, "{'PidMode':'container:a-name'}", 0, COMPOSE("web", "db:service_started:true"), 0}},
     "b:recreate ",                                                                                                                            "b:restart "                    },
    {"containers of an update are left alone",
     {{'a', 0, 0, 0, 0, 0},
      {'b', 1, "{'NetworkMode':'container:a-name'}", 0, 0, "/b-name.dmold-0123abcd"},
      {'c', 1, "{'NetworkMode':'container:a-name'}", 0, 0, "/c-name.dmnew-0123abcd"},
      {'d', 1, "{'NetworkMode':'container:a-name'}", 0, 0, "/d-name.dmnew-0123abcX"}},
     "d:recreate ",                                                                                                                            ""                              },
};

static void check(const struct test_case *c, bool is_restart)
{
    json_auto_t *inspects = make_inspects(c->all), *found = NULL;
    struct error err = ERROR_INIT;
    char id[65] = "", text[256];
    const char *expected = is_restart ? c->joined : c->dependents;
    int r;

    memset(id, c->all[0].letter, 64);
    r = is_restart ? dependents_find_joined(&found, inspects, id, &err)
                   : dependents_find(&found, inspects, id, &err);
    if (r < 0)
        fail_msg("%s: %s", c->name, err.msg);
    describe(found, text, sizeof(text));
    if (!str_eq(text, expected))
        fail_msg("%s: %s instead of %s", c->name, text, expected);
}

static void test_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(&cases[i], false);
        check(&cases[i], true);
    }
}

static void test_names_and_reasons(void **state)
{
    json_auto_t *inspects = make_inspects(cases[1].all), *found = NULL;
    const json_t *first;

    (void)state;
    assert_int_equal(dependents_find(&found, inspects, ID("a"), NULL), 0);
    first = json_array_get(found, 0);
    assert_string_equal(json_text_get(first, "name"), "b-name");
    assert_string_equal(json_text_get(first, "id"), ID("b"));
    assert_string_equal(json_text_get(first, "reason"), "it joins the network of a-name");
}

static void test_cycles_are_refused(void **state)
{
    static const struct container all[MAX_CONTAINERS] = {
        {'a', 0, 0,                                                             0, 0, 0},
        {'b', 0, "{'NetworkMode':'container:a-name','VolumesFrom':['d-name']}", 0, 0, 0},
        {'c', 0, "{'NetworkMode':'container:b-name'}",                          0, 0, 0},
        {'d', 0, "{'NetworkMode':'container:c-name'}",                          0, 0, 0},
    };
    static const struct container back[MAX_CONTAINERS] = {
        {'a', 0, 0, "{'n':{'Links':['b-name:b']}}", 0, 0},
        {'b', 0, 0, "{'n':{'Links':['a-name:a']}}", 0, 0},
    };
    json_auto_t *inspects = make_inspects(all), *links = make_inspects(back), *found = NULL;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(dependents_find(&found, inspects, ID("a"), &err), -ELOOP);
    assert_null(found);
    assert_int_equal(error_code_of(&err), CODE_CONFLICT);
    assert_non_null(strstr(err.msg, "d-name -> c-name -> b-name -> d-name"));
    /* Only volumes make the cycle, which a restart does not care for. */
    assert_int_equal(dependents_find_joined(&found, inspects, ID("a"), &err), 0);
    assert_int_equal(json_array_size(found), 3);
    json_decref(found);
    found = NULL;
    assert_int_equal(dependents_find(&found, links, ID("a"), &err), -ELOOP);
    assert_non_null(strstr(err.msg, "b-name -> a-name -> b-name"));
}

static void test_limits(void **state)
{
    json_auto_t *inspects = json_array(), *found = NULL;
    struct error err = ERROR_INIT;

    (void)state;
    json_array_append_new(inspects, make_inspect(&(struct container){.letter = 'a'}));
    assert_int_equal(dependents_find(&found, inspects, ID("b"), &err), -ENOENT);
    for (unsigned i = 0; i <= DEPENDENTS_MAX; i++) {
        json_t *child = make_inspect(
            &(struct container){.letter = 'c', .host = "{'PidMode':'container:a-name'}"});
        char id[65];

        (void)snprintf(id, sizeof(id), "%064x", i + 1);
        json_object_set_new(child, "Id", json_string(id));
        json_object_set_new(child, "Name", json_string(id));
        json_array_append_new(inspects, child);
        if (i + 1 == DEPENDENTS_MAX) {
            assert_int_equal(dependents_find(&found, inspects, ID("a"), &err), 0);
            assert_int_equal(json_array_size(found), DEPENDENTS_MAX);
        }
    }
    json_decref(found);
    found = NULL;
    assert_int_equal(dependents_find(&found, inspects, ID("a"), &err), -EMSGSIZE);
    assert_null(found);
}

/* Answers of the engine may be anything; what cannot be read is no dependent. */
static void test_any_answer_is_fine(void **state)
{
    static const char *const members[] = {
        "{'HostConfig':[]}",
        "{'HostConfig':{'NetworkMode':5,'Links':'a','VolumesFrom':[5,'',':']}}",
        "{'Config':{'Labels':['x']},'NetworkSettings':{'Networks':[]},'State':5}",
        "{'Name':5}",
    };
    json_auto_t *inspects = json_array(), *found = NULL;

    (void)state;
    json_array_append_new(inspects, make_inspect(&(struct container){.letter = 'a'}));
    json_array_append_new(inspects, json_integer(5));
    json_array_append_new(inspects, make_inspect(&(struct container){.letter = 'a'}));
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        json_t *v = make_inspect(&(struct container){.letter = (char)('b' + (int)i)});
        json_auto_t *other = parse(members[i]);

        json_object_update(v, other);
        json_array_append_new(inspects, v);
    }
    assert_int_equal(dependents_find(&found, inspects, ID("a"), NULL), 0);
    assert_int_equal(json_array_size(found), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_names_and_reasons),
        cmocka_unit_test(test_cycles_are_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_any_answer_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
