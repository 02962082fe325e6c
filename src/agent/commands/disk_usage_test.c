#include "agent/commands/operations.h"
#include "base/str.h"
#include "docker/fake_engine.h"
#include "proto/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define N "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* As of API 1.50: the image's tag and half of its bytes are shared, and one container runs. */
static const struct fake_line legacy_usage[] = {
    {"GET /system/df", FAKE_SEND, NULL,
     "{\"LayersSize\":100,\"Images\":[{\"Id\":\"sha256:" N
     "\",\"RepoTags\":[\"web:1\"],\"Size\":60,\"SharedSize\":20,\"Containers\":1,\"Created\":0},"
     "{\"Id\":\"sha256:" N "\",\"Size\":60,\"SharedSize\":20,\"Containers\":-1,\"Created\":0}],"
     "\"Containers\":[{\"Id\":\"" A "\",\"Names\":[\"/web\"],\"State\":\"running\",\"SizeRw\":7,"
     "\"Mounts\":[{\"Type\":\"volume\"},{\"Type\":\"bind\"}]},{\"Id\":\"" B
     "\",\"State\":\"exited\",\"SizeRw\":3}],"
     "\"Volumes\":[{\"Name\":\"v\",\"UsageData\":{\"Size\":5,\"RefCount\":0}},"
     "{\"Name\":\"w\",\"UsageData\":{\"Size\":-1,\"RefCount\":1}}],"
     "\"BuildCache\":[{\"ID\":\"c\",\"Type\":\"regular\",\"Size\":9,\"Shared\":true,\"InUse\":true},"
     "{\"ID\":\"d\",\"Type\":\"regular\",\"Size\":4,\"UsageCount\":2}]}"},
};

/* As of API 1.53. */
static const struct fake_line new_usage[] = {
    {"GET /system/df?verbose=true", FAKE_SEND, NULL,
     "{\"ImageUsage\":{\"ActiveCount\":1,\"TotalCount\":2,\"Reclaimable\":40,\"TotalSize\":100,"
     "\"Items\":[{\"Id\":\"sha256:" N "\",\"Size\":60}]},\"ContainerUsage\":{},"
     "\"VolumeUsage\":{\"TotalCount\":1,\"TotalSize\":5,\"Reclaimable\":5},\"BuildCacheUsage\":{}}"},
};

#define SUMS(type, total, active, size, reclaimable, items)                 \
    "{'type':'" type "','total':" total ",'active':" active ",'size':" size \
    ",'reclaimable':" reclaimable ",'items':[" items "]}"
#define ITEM(id, name, size, shared, links, created)                                           \
    "{'id':'" id "','name':'" name "','size':" size ",'shared_size':" shared ",'links':" links \
    ",'created':'" created "'}"

static const struct {
    const struct fake_line *line;
    const char *want; /* ' for " */
} cases[] = {
    {legacy_usage,
     "[" SUMS(
         "images", "2",
     "1",                          "100",
     "60",     ITEM("0123456789ab", "web:1", "60", "20", "1", "1970-01-01T00:00:00.000Z") "," ITEM(
             "0123456789ab", "",
     "60",                                                                                                    "20",
     "0", "1970-01-01T00:00:00.000Z")) "," SUMS("containers",
     "2", "1",
     "10", "3",
     ITEM("aaaaaaaaaaaa", "web", "7",                                                           "0",       "1", "") "," ITEM(
                                                       "bbbbbbbbbbbb", "",
     "3", "0",
     "0", "")) "," SUMS("volumes",
     "2", "1",
     "5", "5",
     ITEM("", "v", "5", "0", "0", "") "," ITEM(
                                                                         "", "w",
     "0", "0",
     "1", "")) "," SUMS("build_cache",
     "2", "1",
     "4", "4",
     ITEM(
                                                                                           "c", "regular",
     "9", "9",
     "0", "") "," ITEM("d",
     "regular", "4",
     "0", "2",
     "")) "]"},
    {new_usage,
     "[" SUMS(
         "images",     "2",
     "1", "100",
     "40", ITEM("0123456789ab",
     "",                               "60",
     "0",                                       "0",
     "")) "," SUMS("containers",
     "0",                                                             "0",
     "0",  "0",
     "") "," SUMS("volumes",                                                "1", "0", "5",  "5",  "") "," SUMS("build_cache",
     "0",                   "0",
     "0", "0",
     "") "]"                                                                                                                                                                       },
};

struct fixture {
    struct loop *loop;
    json_t *payload;
    bool is_error;
};

static void on_done(void *owner, const struct operation_result *result)
{
    struct fixture *f = owner;

    f->is_error = result->error;
    f->payload = result->fields;
    loop_stop(f->loop);
}

/* JSON with ' for ". */
static json_t *parse(const char *text)
{
    char copy[2048];

    assert_true(strlen(text) < sizeof(copy));
    str_copy(copy, sizeof(copy), text);
    for (char *p = copy; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    return json_text_parse(copy, strlen(copy), 0, NULL);
}

static void check(size_t i)
{
    struct fake_engine *fake = fake_engine_open(cases[i].line, 1);
    struct fixture f = {0};
    struct msg_command request = {.kind = COMMAND_KIND_COMMAND, .operation = OPERATION_DISK_USAGE};
    struct engine *engine;
    json_auto_t *want = parse(cases[i].want);

    assert_int_equal(loop_new(&f.loop, &(struct loop_options){0}, NULL), 0);
    engine = fake_engine_client(fake, f.loop);
    request.payload = json_object();
    operation_start(operation_new(agent_operation(OPERATION_DISK_USAGE)->type,
                                  &(struct operation_options){.engine = engine,
                                                              .request = &request,
                                                              .deadline_ms = 60000,
                                                              .done = on_done,
                                                              .owner = &f}));
    loop_run(f.loop);
    assert_false(f.is_error);
    if (!want || !json_equal(want, f.payload)) {
        char *got = json_dumps(f.payload, JSON_COMPACT);

        fail_msg("case %zu: %s", i, got);
    }
    json_decref(f.payload);
    msg_command_done(&request);
    engine_free(engine);
    loop_free(f.loop);
    fake_engine_close(fake);
}

/* The sums of older engines are made as docker's client makes them. */
static void test_sums(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
