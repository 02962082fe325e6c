#include "base/macros.h"
#include "server/view/resource_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    enum resource_shape shape;
    const char *from, *want;
} cases[] = {
    {SHAPE_IMAGE,
     "{'id':'0123456789ab','tags':null,'size':5,'created':'2026-01-01T00:00:00Z','in_use':true,"
     "'container_count':1,'containers':[{'id':'a','name':'b','x':1}],'dangling':true,'labels':{'a':'b','n':1},'more':1}",
     "{'id':'0123456789ab','tags':[],'size':5,'created':'2026-01-01T00:00:00Z','in_use':true,"
     "'container_count':1,'containers':[{'id':'a','name':'b'}],'dangling':true,'labels':{'a':'b'}}"                                                                },
    {SHAPE_IMAGE,           "{'id':7,'tags':['a',1,'b'],'size':12.9,'containers':[3]}",
     "{'id':'','tags':['a','b'],'size':12,'created':'','in_use':false,'container_count':0,"
     "'containers':[{'id':'','name':''}],'dangling':false,'labels':null}"                                                                                          },
    {SHAPE_NETWORK,         "{'name':'n','internal':'yes','size':1e300,'container_count':1e300}",
     "{'id':'','name':'n','driver':'','scope':'','created':'','internal':false,'subnet':'',"
     "'containers':[],'container_count':0,'is_builtin':false,'labels':null}"                                                                                       },
    {SHAPE_VOLUME,          "{'name':'v','containers':null,'in_use':true}",
     "{'name':'v','driver':'','mountpoint':'','created':'','containers':[],'container_count':0,"
     "'in_use':true,'scope':'','labels':null}"                                                                                                                     },
    {SHAPE_PRUNED_IMAGES,   "{'removed_count':2}",                                                                        "{'removed_count':2,'space_reclaimed':0}"},
    {SHAPE_PRUNED_NETWORKS, "{'networks_removed':null}",
     "{'removed_count':0,'networks_removed':[]}"                                                                                                                   },
    {SHAPE_PRUNED_VOLUMES,  "{'volumes_removed':['v'],'removed_count':1,'space_reclaimed':9}",
     "{'removed_count':1,'space_reclaimed':9,'volumes_removed':['v']}"                                                                                             },
};

/* Parses JSON that is written with ' for ". */
static json_t *parse(const char *text)
{
    char copy[1024];
    json_t *v;
    size_t i;

    for (i = 0; text[i]; i++) {
        assert_true(i + 1 < sizeof(copy));
        copy[i] = text[i];
        if (copy[i] == '\'')
            copy[i] = '"';
    }
    copy[i] = '\0';
    v = json_loads(copy, JSON_DECODE_ANY, NULL);
    if (!v)
        fail_msg("%s", text);
    return v;
}

static void test_members_have_fixed_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *from = parse(cases[i].from);
        json_auto_t *want = parse(cases[i].want);
        json_auto_t *got = resource_json(cases[i].shape, from);

        if (!json_equal(got, want))
            fail_msg("case %zu", i);
    }
}

static void test_lists_are_never_null(void **state)
{
    json_auto_t *mixed = parse("[{'name':'a'},null,7,[],{'name':'b'}]");
    json_auto_t *null = json_null();
    json_auto_t *object = json_object();
    json_t *got;

    (void)state;
    got = resource_json_list(SHAPE_VOLUME, mixed);
    assert_int_equal(json_array_size(got), 2);
    json_decref(got);
    got = resource_json_list(SHAPE_VOLUME, null);
    assert_true(json_is_array(got) && json_array_size(got) == 0);
    json_decref(got);
    assert_null(resource_json_list(SHAPE_VOLUME, object));
    assert_null(resource_json_list(SHAPE_VOLUME, NULL));
    assert_null(resource_json(SHAPE_VOLUME, mixed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_have_fixed_types),
        cmocka_unit_test(test_lists_are_never_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
