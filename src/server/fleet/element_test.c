#include "proto/container_event.h"
#include "proto/json_text.h"
#include "server/fleet/element.h"
#include "server/fleet/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"

#define ID "cafe000000000000000000000000000000000000000000000000000000000000"

/* stderr goes to a file between start and end. */
struct capture {
    FILE *file;
    int saved;
    char text[64 * 1024];
};

static void capture_start(struct capture *c)
{
    c->file = tmpfile();
    assert_non_null(c->file);
    (void)fflush(stderr);
    c->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(c->saved >= 0 && dup3(fileno(c->file), STDERR_FILENO, O_CLOEXEC) >= 0);
}

static size_t capture_end(struct capture *c)
{
    ssize_t n;
    size_t lines = 0;

    (void)fflush(stderr);
    n = pread(fileno(c->file), c->text, sizeof(c->text) - 1, 0);
    assert_true(n >= 0);
    c->text[n] = '\0';
    assert_true(dup3(c->saved, STDERR_FILENO, 0) >= 0);
    (void)close(c->saved);
    (void)fclose(c->file);
    for (const char *p = c->text; (p = strchr(p, '\n')); p++)
        lines++;
    return lines;
}

static char *repeat(char c, size_t n)
{
    char *s = xmalloc(n + 1);

    memset(s, c, n);
    s[n] = '\0';
    return s;
}

static struct fleet_host *add_host(struct fleet *f)
{
    struct host row = {.id = xstrdup("h1"), .name = xstrdup("web"), .engine_id = xstrdup("E")};
    struct agent agent = {.id = xstrdup("a1"), .host_id = xstrdup("h1")};
    struct fleet_host *h = fleet_put_host(f, &row, &agent);

    host_done(&row);
    agent_done(&agent);
    return h;
}

static void apply(struct fleet_host *h, const char *id, const char *status, const char *label)
{
    json_auto_t *list = json_pack("[{s:s, s:[s], s:s, s:s, s:{s:s}}]", "Id", id, "Names", "/x",
                                  "State", "running", "Status", status, "Labels", "k", label);

    assert_int_equal(fleet_apply_delta(h, list, NULL, 1), 0);
}

static void test_the_cut_member_is_found(void **state)
{
    static const struct {
        const char *name;
        size_t max;
    } members[] = {
        {"State",     64    },
        {"Status",    255   },
        {"StartedAt", 64    },
        {"Image",     4096  },
        {"ImageID",   4096  },
        {"Command",   131072},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        _cleanup_free_ char *fits = repeat('x', members[i].max);
        _cleanup_free_ char *longer = repeat('x', members[i].max + 1);
        json_auto_t *e = json_pack("{s:s, s:s}", "Id", ID, members[i].name, fits);

        assert_null(element_find_cut(e, e));
        json_text_set(e, members[i].name, json_string(longer));
        assert_string_equal(element_find_cut(e, e), members[i].name);
    }
}

static void test_cut_names_labels_and_omitted_members_are_found(void **state)
{
    _cleanup_free_ char *name = repeat('n', 257), *label = repeat('l', FLEET_MAX_LABEL + 1);
    _cleanup_free_ char *huge = repeat('h', FLEET_MAX_ELEMENT);
    json_auto_t *named = json_pack("{s:s, s:[s]}", "Id", ID, "Names", name);
    json_auto_t *labelled = json_pack("{s:s, s:{s:s}}", "Id", ID, "Labels", "k", label);
    json_auto_t *large = json_pack("{s:s, s:{s:s}}", "Id", ID, "HostConfig", "k", huge);
    json_auto_t *small = element_reduce(large), *labels = json_object();

    (void)state;
    assert_string_equal(element_find_cut(named, named), "Names");
    assert_string_equal(element_find_cut(labelled, labelled), "Labels");
    assert_string_equal(element_find_cut(large, small), "HostConfig");
    for (int i = 0; i < 1000; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "k%d", i);
        json_text_set(labels, key, json_string("v"));
    }
    json_text_set(labelled, "Labels", json_incref(labels));
    assert_string_equal(element_find_cut(labelled, labelled), "Labels");
}

static void test_a_cut_is_logged_once_per_container(void **state)
{
    static struct capture log;
    _cleanup_free_ char *status = repeat('s', 256);
    struct fleet *f = fleet_new();
    struct fleet_host *h = add_host(f);

    (void)state;
    capture_start(&log);
    apply(h, ID, "Up", "1");
    assert_int_equal(capture_end(&log), 0);

    capture_start(&log);
    apply(h, ID, status, "2");
    apply(h, ID, status, "3");
    apply(h, ID, "Up", "4");
    apply(h, ID, status, "5");
    element_note_event(h, ID, "attributes");
    assert_int_equal(capture_end(&log), 1);
    assert_non_null(strstr(log.text, "cut: Status is too long"));
    assert_non_null(strstr(log.text, "host=h1"));
    assert_non_null(strstr(log.text, ID));
    fleet_free(f);
}

static void test_a_cut_event_is_logged_once(void **state)
{
    static struct capture log;
    _cleanup_free_ char *text = repeat('a', CODEC_MAX_ITEM + 1);
    json_auto_t *v = json_pack("{s:s, s:s, s:{s:s}}", "container_id", ID, "action", "die",
                               "attributes", "k", "fits");
    struct fleet *f = fleet_new();
    struct fleet_host *h = add_host(f);

    (void)state;
    apply(h, ID, "Up", "1");
    assert_null(msg_container_event_find_cut(v));
    json_text_set(json_object_get(v, "attributes"), "k", json_string(text));
    assert_string_equal(msg_container_event_find_cut(v), "attributes");
    capture_start(&log);
    element_note_event(h, ID, NULL);
    element_note_event(h, ID, msg_container_event_find_cut(v));
    element_note_event(h, ID, msg_container_event_find_cut(v));
    assert_int_equal(capture_end(&log), 1);
    assert_non_null(strstr(log.text, "cut: attributes is too long"));
    fleet_free(f);
}

static void test_warnings_of_a_host_are_limited(void **state)
{
    static struct capture log;
    _cleanup_free_ char *status = repeat('s', 256);
    struct fleet *f = fleet_new();
    struct fleet_host *h = add_host(f);

    (void)state;
    capture_start(&log);
    for (int i = 0; i < 150; i++) {
        char id[CONTAINER_ID_SIZE];

        (void)snprintf(id, sizeof(id), "%064d", i);
        apply(h, id, status, "1");
    }
    assert_int_equal(capture_end(&log), 100);
    assert_non_null(strstr(log.text, "further ones are not logged for an hour"));
    fleet_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_cut_member_is_found),
        cmocka_unit_test(test_cut_names_labels_and_omitted_members_are_found),
        cmocka_unit_test(test_a_cut_is_logged_once_per_container),
        cmocka_unit_test(test_a_cut_event_is_logged_once),
        cmocka_unit_test(test_warnings_of_a_host_are_limited),
    };

    return cmocka_run_group_tests_name("element", tests, NULL, NULL);
}
