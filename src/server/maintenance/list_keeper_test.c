#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/maintenance/list_keeper.h"
#include "server/store/container_lists.h"
#include "server/store/fixture.h"
#include "server/view/container_json.h"
#include "server/view/saved_list.h"

#include <stdio.h>
#include <string.h>

#define ID_WEB "1111111111111111111111111111111111111111111111111111111111111111"
#define ID_DB  "2222222222222222222222222222222222222222222222222222222222222222"
#define NOW    (1000 * DAY_MS)

static const char web[] =
    "{\"Id\":\"" ID_WEB "\",\"Names\":[\"/web\"],\"Image\":\"nginx:1\",\"ImageID\":\"sha256:aa\","
    "\"Command\":\"serve --password=hunter2\",\"Env\":{\"TOKEN\":\"hunter2\"},"
    "\"Created\":1762300000,\"State\":\"dead\",\"Status\":\"Dead\",\"Ports\":[{\"IP\":\"::\","
    "\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"}],\"Labels\":{\"dockmon.tag\":\"a\"},"
    "\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/srv\",\"Destination\":\"/data\",\"RW\":false},"
    "{\"Type\":\"volume\",\"Name\":\"vol\",\"Source\":\"/x\",\"Destination\":\"/v\",\"RW\":true}],"
    "\"NetworkSettings\":{\"Networks\":{\"bridge\":{\"IPAddress\":\"172.17.0.2\","
    "\"NetworkID\":\"ab\"},\"none\":{\"IPAddress\":\"\"}}},\"HostConfig\":{\"RestartPolicy\":"
    "{\"Name\":\"always\"}},\"RepoDigests\":[\"nginx@sha256:bb\"],"
    "\"StartedAt\":\"2025-11-05T08:00:00Z\"}";

struct bench {
    struct fixture *f;
    struct loop *loop;
    struct job_queue *jobs;
    struct fleet *fleet;
    struct list_keeper *keeper;
};

static int64_t utc_ms(void)
{
    return NOW;
}

static struct fleet_host *put_host(struct fleet *f, const char *id)
{
    struct host row = {.id = xstrdup(id), .name = xstrdup(id), .url = xstrdup("agent://")};
    struct fleet_host *h = fleet_put_host(f, &row, NULL);

    host_done(&row);
    return h;
}

static int setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof(*b));
    void *fixture;

    if (fixture_setup(&fixture) < 0 || loop_new(&b->loop, &(struct loop_options){0}, NULL) < 0)
        return -1;
    b->f = fixture;
    b->jobs = job_queue_new(b->loop, 1, 10);
    b->fleet = fleet_new();
    fixture_add_host(b->f->store, "h1", "h1");
    fixture_add_host(b->f->store, "h2", "h2");
    *state = b;
    return 0;
}

static void stop(struct bench *b)
{
    list_keeper_stop(b->keeper);
    job_queue_drain(b->jobs);
    list_keeper_free(TAKE_PTR(b->keeper));
}

static int teardown(void **state)
{
    struct bench *b = *state;
    void *fixture = b->f;

    stop(b);
    fleet_free(b->fleet);
    job_queue_free(b->jobs);
    loop_free(b->loop);
    (void)fixture_teardown(&fixture);
    free(b);
    return 0;
}

static void start(struct bench *b, uint64_t online_ms)
{
    b->keeper = list_keeper_new(&(struct list_keeper_options){.loop = b->loop,
                                                              .store_jobs = b->jobs,
                                                              .store = b->f->store,
                                                              .fleet = b->fleet,
                                                              .period_ms = 1,
                                                              .online_ms = online_ms,
                                                              .utc_ms = utc_ms});
}

static void list(struct fleet_host *h, const char *element, int64_t now_ms)
{
    json_t *elements = json_pack("[o]", json_text_parse(element, strlen(element), 0, NULL));

    assert_int_equal(fleet_apply_snapshot(h, elements, now_ms), 0);
    json_decref(elements);
}

static void append_row(void *arg, const char *host_id, int64_t listed_at_ms, const char *containers)
{
    assert_int_equal(buf_printf(arg, "%s %lld %s\n", host_id, (long long)listed_at_ms, containers),
                     0);
}

/* The caller frees the text. */
static char *stored(struct bench *b)
{
    struct buf rows = BUF_INIT(32 << 20);

    assert_int_equal(container_lists_each(b->f->store, append_row, &rows, NULL), 0);
    return buf_take(&rows);
}

/* Turns the loop until the stored rows contain the text; the test's time limit ends it. */
static void run_until(struct bench *b, const char *text)
{
    for (;;) {
        _cleanup_free_ char *rows = job_queue_pending(b->jobs) ? NULL : stored(b);

        if (rows && strstr(rows, text))
            return;
        loop_turn(b->loop);
    }
}

static char *shown(struct fleet_host *h, const char *ref)
{
    struct buf host = BUF_INIT(4096), text = BUF_INIT(1 << 20);
    struct fleet_host online = *h;
    struct fleet_container *c;

    online.is_online = true;
    assert_int_equal(fleet_find_container(h, ref, &c), 0);
    container_host_write(&host, h);
    container_write(&text, &host, c, &online, false);
    buf_done(&host);
    return buf_take(&text);
}

static void assert_same(struct fleet_host *h, struct fleet_host *restored)
{
    _cleanup_free_ char *before = shown(h, "web"), *after = shown(restored, "web");

    assert_string_equal(before, after);
}

static void test_offline_host_has_its_containers_after_a_restart(void **state)
{
    struct bench *b = *state;
    struct fleet *f = fleet_new();
    struct fleet_host *h = put_host(b->fleet, "h1"), *restored = put_host(f, "h1");
    _cleanup_free_ char *rows = NULL;

    list(h, web, NOW - 7);
    start(b, 0);
    run_until(b, "\"web\"");
    rows = stored(b);
    assert_null(strstr(rows, "hunter2")); /* secrets do not reach the disk */

    assert_int_equal(list_keeper_load(b->f->store, f, NULL), 0);
    assert_int_equal(restored->containers_at_ms, NOW - 7);
    assert_same(h, restored);
    list(restored, web, NOW); /* the agent is back: the command line is known again */
    assert_same(restored, restored);
    assert_non_null(
        ((struct fleet_container *)map_find(&restored->containers, ID_WEB))->secrets.text);
    fleet_free(f);
}

static void test_long_labels_are_restored(void **state)
{
    struct bench *b = *state;
    struct fleet *f = fleet_new();
    struct fleet_host *h = put_host(b->fleet, "h1"), *restored = put_host(f, "h1");
    json_t *element = json_text_parse(web, strlen(web), 0, NULL), *labels = json_object();
    _cleanup_free_ char *text = NULL;
    char value[4000], name[16];

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (size_t i = 0; i < 17; i++) {
        (void)snprintf(name, sizeof(name), "label%zu", i);
        json_text_set(labels, name, json_text_str(value));
    }
    json_text_set(element, "Labels", labels);
    text = json_text_write(element, NULL);
    json_decref(element);
    list(h, text, NOW);
    start(b, 0);
    run_until(b, "label15");
    assert_int_equal(list_keeper_load(b->f->store, f, NULL), 0);
    assert_same(h, restored);
    fleet_free(f);
}

static void test_list_of_a_deleted_host_is_deleted(void **state)
{
    struct bench *b = *state;
    struct fleet_host *h1 = put_host(b->fleet, "h1"), *h2 = put_host(b->fleet, "h2");
    _cleanup_free_ char *rows = NULL;

    list(h1, web, NOW);
    start(b, 0);
    run_until(b, "h1 ");
    assert_int_equal(hosts_delete(b->f->store, "h1", NULL), 0);
    rows = stored(b);
    assert_string_equal(rows, "");

    /* Deleted after the list was taken: the job writes nothing, and is no failure. */
    list(h1, web, NOW + 1);
    list(h2, web, NOW);
    run_until(b, "h2 ");
    while (h1->stored.listed_at_ms != NOW + 1)
        loop_turn(b->loop);
    free(TAKE_PTR(rows));
    rows = stored(b);
    assert_null(strstr(rows, "h1 "));
}

static void test_unreadable_row_is_left_out(void **state)
{
    struct bench *b = *state;
    struct fleet_host *h1 = put_host(b->fleet, "h1"), *h2 = put_host(b->fleet, "h2");

    assert_int_equal(container_lists_put(b->f->store, "h1", 5, "[{\"id\":", NULL), 0);
    assert_int_equal(container_lists_put(b->f->store, "h2", 6,
                                         "[7, {\"id\":\"short\"}, {\"id\":\"" ID_DB
                                         "\",\"name\":\"db\",\"labels\":[]},{\"id\":\"" ID_WEB
                                         "\",\"name\":\"web\"}]",
                                         NULL),
                     0);
    assert_int_equal(list_keeper_load(b->f->store, b->fleet, NULL), 0);
    assert_int_equal(h1->containers_at_ms, 0);
    assert_int_equal(h1->containers.size, 0);
    assert_int_equal(h2->containers_at_ms, 6);
    assert_non_null(map_find(&h2->containers, ID_WEB));
}

static void test_restored_lists_keep_to_the_limits(void **state)
{
    static const char two[] = "[{\"id\":\"" ID_DB "\",\"name\":\"db\"},{\"id\":\"" ID_WEB
                              "\",\"name\":\"web\"}]";
    struct bench *b = *state;
    struct fleet *small = fleet_new(), *poor = fleet_new();
    struct fleet_host *h;

    assert_int_equal(container_lists_put(b->f->store, "h1", 5, two, NULL), 0);
    fleet_set_max_containers(small, 1);
    h = put_host(small, "h1");
    assert_int_equal(list_keeper_load(b->f->store, small, NULL), 0);
    assert_int_equal(h->containers.size, 1);
    fleet_set_max_cost(poor, 10);
    h = put_host(poor, "h1");
    assert_int_equal(list_keeper_load(b->f->store, poor, NULL), 0);
    assert_int_equal(h->containers.size, 0);
    fleet_free(small);
    fleet_free(poor);
}

static void test_list_of_an_online_host_is_written_rarely_and_at_the_end(void **state)
{
    struct bench *b = *state;
    struct fleet_host *h1 = put_host(b->fleet, "h1"), *h2 = put_host(b->fleet, "h2");
    _cleanup_free_ char *rows = NULL;

    fleet_set_online(b->fleet, h1, true, NOW);
    list(h1, web, NOW);
    start(b, MINUTE_MS);
    run_until(b, "h1 ");
    list(h1, "{\"Id\":\"" ID_DB "\",\"Names\":[\"/db\"]}", NOW + 1);
    list(h2, web, NOW); /* offline: written at once */
    run_until(b, "h2 ");
    for (unsigned i = 0; i < 20; i++)
        loop_turn(b->loop); /* further searches pass h1 */
    rows = stored(b);
    assert_null(strstr(rows, "\"db\""));

    stop(b);
    free(TAKE_PTR(rows));
    rows = stored(b);
    assert_non_null(strstr(rows, "\"db\""));
}

static void test_only_the_time_of_an_unchanged_list_is_written(void **state)
{
    struct bench *b = *state;
    struct fleet_host *h = put_host(b->fleet, "h1");
    char at[32];

    list(h, web, NOW);
    start(b, 0);
    run_until(b, "\"web\"");
    assert_int_equal(container_lists_put(b->f->store, "h1", NOW, "[\"as it was\"]", NULL), 0);
    list(h, web, NOW + 60000);
    (void)snprintf(at, sizeof(at), "h1 %lld [\"as it was\"]", (long long)NOW + 60000);
    run_until(b, at);
}

static void test_stored_list_of_a_host_is_bounded(void **state)
{
    struct bench *b = *state;
    struct fleet_host *h = put_host(b->fleet, "h1");
    struct buf text = BUF_INIT(SAVED_LIST_MAX);
    json_t *elements = json_array(), *all;
    char id[CONTAINER_ID_SIZE];
    char *image = xcalloc(1, 512001);

    memset(image, 'i', 512000);
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(id, sizeof(id), "%064u", i);
        (void)json_array_append_new(elements, json_pack("{s:s, s:s}", "Id", id, "Image", image));
    }
    assert_int_equal(fleet_apply_snapshot(h, elements, NOW), 0);
    assert_false(saved_list_prepare(h, 5));
    assert_true(saved_list_prepare(h, 15));
    assert_in_range(saved_list_write(&text, h), 1, 19);
    all = json_text_parse(text.data, text.size, 0, NULL);
    assert_in_range(json_array_size(all), 1, 19);
    json_decref(all);
    json_decref(elements);
    free(image);
    buf_done(&text);
    fleet_remove_host(b->fleet, "h1");
}

#define MANY 300 /* more than are encoded in a turn */

/* Gives the host a list of which every container has changed. */
static void change_all(struct fleet_host *h, unsigned turn)
{
    json_t *elements = json_array();
    char id[CONTAINER_ID_SIZE], image[16];

    (void)snprintf(image, sizeof(image), "image:%u", turn);
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(id, sizeof(id), "%064u", i);
        (void)json_array_append_new(elements, json_pack("{s:s, s:s}", "Id", id, "Image", image));
    }
    assert_int_equal(fleet_apply_snapshot(h, elements, NOW + turn), 0);
    json_decref(elements);
}

static void test_a_list_that_changes_all_the_time_does_not_hold_up_others(void **state)
{
    struct bench *b = *state;
    struct fleet_host *hosts[] = {put_host(b->fleet, "h1"), put_host(b->fleet, "h2")};

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        unsigned turn = 0;

        list(hosts[1 - i], web, NOW + 10000);
        change_all(hosts[i], turn);
        start(b, 0);
        while (hosts[1 - i]->stored.listed_at_ms != NOW + 10000 && ++turn < 200) {
            change_all(hosts[i], turn);
            loop_turn(b->loop);
        }
        assert_in_range(turn, 1, 199);
        stop(b);
        hosts[1 - i]->stored.listed_at_ms = 0;
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_offline_host_has_its_containers_after_a_restart),
        CASE(test_long_labels_are_restored),
        CASE(test_list_of_a_deleted_host_is_deleted),
        CASE(test_unreadable_row_is_left_out),
        CASE(test_restored_lists_keep_to_the_limits),
        CASE(test_list_of_an_online_host_is_written_rarely_and_at_the_end),
        CASE(test_only_the_time_of_an_unchanged_list_is_written),
        CASE(test_stored_list_of_a_host_is_bounded),
        CASE(test_a_list_that_changes_all_the_time_does_not_hold_up_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
