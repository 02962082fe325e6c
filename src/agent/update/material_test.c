#include "agent/update/material.h"
#include "agent/update/submounts.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "docker/engine.h"
#include "docker/fake_engine.h"
#include "net/loop.h"
#include "proto/json_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define X4(x)  x x x x
#define ID(x)  X4(X4(X4(x)))
#define NO_200 "HTTP/1.1 204 No Content\r\n\r\n"
#define NEWEST "{\"ApiVersion\":\"1.55\",\"MinAPIVersion\":\"1.40\"}"
#define OLDER  "{\"ApiVersion\":\"1.45\",\"MinAPIVersion\":\"1.24\"}"
#define PODMAN "{\"ApiVersion\":\"1.41\",\"Components\":[{\"Name\":\"Podman Engine\"}]}"

#define WEB                                                                                                \
    "{\"Id\":\"" ID(                                                                                       \
        "a") "\",\"Name\":\"/web\",\"Image\":\"sha256:old\",\"State\":{\"Running\":true},"                 \
             "\"HostConfig\":{\"PidMode\":\"x\",\"Memory\":5},\"Config\":{\"Image\":\"web:1\",\"Labels\":" \
             "{\"com.docker.compose.service\":\"s\",\"other\":\"x\"}},"                                    \
             "\"NetworkSettings\":{\"Networks\":{\"n\":{\"Links\":[\"p:q\"],\"IPAddress\":\"1\"}}}}"
#define OLD \
    "{\"Id\":\"sha256:old\",\"Os\":\"linux\",\"Architecture\":\"arm64\",\"Variant\":\"v8\",\"Config\":{\"User\":\"o\"}}"
#define NEW "{\"Id\":\"sha256:new\",\"Config\":{\"User\":\"n\"}}"
#define LIST \
    "[{\"Id\":\"" ID("a") "\"},{\"Id\":\"" ID("b") "\"},{\"Id\":\"bad\"},{\"Id\":\"" ID("c") "\"}]"

static const struct fake_line lines[] = {
    {"GET /version",                                FAKE_SEND,   NULL,   NEWEST                          },
    {"GET /v1.51/containers/" ID("a") "/json",      FAKE_SEND,   NULL,   "{\"Id\":\"legacy\"}"           },
    {"GET /containers/" ID("a") "/json",            FAKE_SEND,   NULL,   WEB                             },
    {"GET /containers/" ID("b") "/json",            FAKE_ABSENT, NULL,   NULL                            },
    {"GET /containers/" ID("c") "/json",            FAKE_SEND,   NULL,   "{\"Id\":\"" ID("c") "\"}"      },
    {"GET /images/sha256:old/json",                 FAKE_SEND,   NULL,   OLD                             },
    {"GET /images/web:2/json",                      FAKE_SEND,   NULL,   NEW                             },
    {"GET /images/web:1/json",                      FAKE_SEND,   NULL,   OLD                             },
    {"GET /images/moved/json",                      FAKE_SEND,   NULL,   NEW                             },
    {"GET /info",                                   FAKE_SEND,   NULL,   "{\"Name\":\"host-1\"}"         },
    {"GET /containers/json?all=1&filters",          FAKE_SEND,   NULL,
     "[{\"Id\":\"" ID(
         "d") "\",\"State\":\"created\",\"Created\":5,\"Labels\":{\"dockmon.probe\":\"1\"}},"
              "{\"Id\":\"" ID("e") "\",\"State\":\"created\",\"Created\":5,\"Labels\":{}}]"              },
    {"GET /containers/json",                        FAKE_SEND,   NULL,   LIST                            },
    {"GET /containers/" ID("a") "/changes",         FAKE_SEND,   NULL,   "[{\"Path\":\"/x\",\"Kind\":1}]"},
    {"POST /containers/create?name=dockmon-probe-", FAKE_SEND,   NULL,   "{\"Id\":\"" ID("f") "\"}"      },
    {"GET /containers/" ID("f") "/json",            FAKE_SEND,   NULL,   "{\"Id\":\"probe\"}"            },
    {"DELETE /containers/",                         FAKE_SEND,   NO_200, NULL                            },
};

struct fixture {
    struct fake_engine *fake;
    struct loop *loop;
    struct engine *engine;
    struct probes *probes;
    struct material material;
    struct material_call *call;
    unsigned n_done;
    int code;
    char message[256];
};

static void on_done(void *owner, int code, int status, const char *message)
{
    struct fixture *f = owner;

    (void)status;
    material_cancel(f->call); /* harmless in here */
    f->call = NULL;
    f->n_done++;
    f->code = code;
    str_copy(f->message, sizeof(f->message), message);
    loop_stop(f->loop);
}

static void set_up(struct fixture *f, const struct fake_line *all, size_t n)
{
    *f = (struct fixture){0};
    f->fake = fake_engine_open(all, n);
    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    f->engine = fake_engine_client(f->fake, f->loop);
    f->probes = probes_new(f->engine);
}

static void tear_down(struct fixture *f)
{
    material_cancel(f->call);
    material_done(&f->material);
    probes_free(f->probes);
    engine_free(f->engine);
    loop_free(f->loop);
    fake_engine_close(f->fake);
}

static void run(struct fixture *f, const char *new_image, unsigned parts, uint64_t timeout_ms)
{
    f->n_done = 0;
    assert_int_equal(material_start(&f->call, &f->material,
                                    &(struct material_options){.engine = f->engine,
                                                               .probes = f->probes,
                                                               .container = ID("a"),
                                                               .new_image = new_image,
                                                               .parts = parts,
                                                               .timeout_ms = timeout_ms,
                                                               .done = on_done,
                                                               .owner = f},
                                    NULL),
                     0);
    assert_int_equal(f->n_done, 0);
    loop_run(f->loop);
    assert_int_equal(f->n_done, 1);
}

#define ALL (MATERIAL_CONTAINER | MATERIAL_IMAGE | MATERIAL_HOST | MATERIAL_CHANGES)

static void test_gathers_all(void **state)
{
    struct fixture f;
    json_auto_t *expected = json_loads(
        "{\"Id\":\"" ID(
            "a") "\",\"Name\":\"/web\",\"Image\":\"sha256:old\",\"State\":{\"Running\":true},"
                 "\"HostConfig\":{\"PidMode\":\"x\"},\"Config\":{\"Labels\":{\"com.docker.compose.service\":\"s\"}},"
                 "\"NetworkSettings\":{\"Networks\":{\"n\":{\"Links\":[\"p:q\"]}}}}",
        0, NULL);

    (void)state;
    set_up(&f, lines, ARRAY_LEN(lines));
    run(&f, "web:2", ALL, 0);
    if (f.code < 0)
        fail_msg("%s", f.message);
    assert_string_equal(json_text_get(f.material.container, "Name"), "/web");
    assert_string_equal(json_text_get(f.material.legacy, "Id"), "legacy");
    assert_string_equal(json_text_get(json_object_get(f.material.old_image, "Config"), "User"),
                        "o");
    assert_string_equal(json_text_get(json_object_get(f.material.new_image, "Config"), "User"),
                        "n");
    assert_string_equal(json_text_get(f.material.probe, "Id"), "probe");
    assert_string_equal(json_text_get(f.material.info, "Name"), "host-1");
    assert_string_equal(f.material.image, "web:2");
    assert_string_equal(json_text_get(f.material.new_image, "Id"), "sha256:new");
    assert_int_equal(f.material.api_minor, 55);
    assert_false(f.material.is_podman);
    assert_null(f.material.started);
    /* b was removed between the list and its inspect. */
    assert_int_equal(json_array_size(f.material.containers), 2);
    assert_true(json_equal(json_array_get(f.material.containers, 0), expected));
    assert_string_equal(json_text_get(json_array_get(f.material.containers, 1), "Id"), ID("c"));
    assert_int_equal(json_array_size(f.material.submounts), 0);
    assert_int_equal(json_array_size(f.material.changes), 1);
    /* The probe is of the platform of the old image, and is removed with its volumes. */
    assert_int_equal(fake_engine_count(f.fake, "POST /containers/create"), 1);
    assert_int_equal(fake_engine_count(f.fake, "DELETE /containers/" ID("f") "?v=1"), 1);
    assert_true(
        fake_engine_received(f.fake,
                             "{\"Labels\":{\"dockmon.probe\":\"1\"},\"Image\":\"web:2\"}") ||
        fake_engine_received(f.fake, "{\"Image\":\"web:2\",\"Labels\":{\"dockmon.probe\":\"1\"}}"));
    tear_down(&f);
}

static void test_is_continued(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, lines, ARRAY_LEN(lines));
    run(&f, NULL, MATERIAL_CONTAINER, 0);
    assert_non_null(f.material.old_image);
    assert_null(f.material.new_image);
    assert_null(f.material.containers);
    json_decref(f.material.old_image);
    f.material.old_image = json_pack("{s:{s:s}}", "Config", "User", "of the journal");
    run(&f, "web:2", MATERIAL_CONTAINER | MATERIAL_IMAGE, 0);
    assert_string_equal(json_text_get(json_object_get(f.material.old_image, "Config"), "User"),
                        "of the journal");
    assert_int_equal(fake_engine_count(f.fake, "GET /images/sha256:old"), 1);
    assert_int_equal(fake_engine_count(f.fake, "GET /containers/" ID("a") "/json"), 2);
    tear_down(&f);
}

/* A dependent keeps its image: by its reference, or by the id if that means another one by now. */
static void test_image_of_a_dependent(void **state)
{
    static const struct {
        const char *image, *reference;
    } cases[] = {
        {"web:1",      "web:1"     },
        {"moved",      "sha256:old"},
        {"absent",     "sha256:old"},
        {"sha256:old", "sha256:old"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        set_up(&f, lines, ARRAY_LEN(lines));
        f.material.container = json_pack("{s:s, s:{s:s}}", "Image", "sha256:old", "Config", "Image",
                                         cases[i].image);
        run(&f, NULL, MATERIAL_IMAGE, 0);
        assert_int_equal(f.code, 0);
        assert_string_equal(f.material.image, cases[i].reference);
        assert_string_equal(json_text_get(f.material.new_image, "Id"), "sha256:old");
        tear_down(&f);
    }
}

static void test_platform(void **state)
{
    struct material s = {0};
    char *platform = material_platform(&s);

    (void)state;
    assert_null(platform);
    s.container = json_object();
    s.old_image = json_loads(OLD, 0, NULL);
    platform = material_platform(&s);
    assert_string_equal(platform, "linux/arm64/v8");
    free(platform);
    json_object_set_new(
        s.container, "ImageManifestDescriptor",
        json_pack("{s:{s:s,s:s}}", "platform", "os", "linux", "architecture", "amd64"));
    platform = material_platform(&s);
    assert_string_equal(platform, "linux/amd64");
    free(platform);
    material_done(&s);
}

/* Optional members stay NULL when the engine refuses; others end the collection. */
static void test_refusals(void **state)
{
    static const struct {
        const char *absent;
        const char *version;
        int code;
    } cases[] = {
        {"GET /v1.51/containers/" ID("a") "/json", NEWEST, 0      },
        {"GET /images/sha256:old/json",            NEWEST, 0      },
        {"POST /containers/create",                NEWEST, 0      },
        {"GET /containers/" ID("f") "/json",       NEWEST, 0      },
        {"GET /containers/" ID("a") "/changes",    NEWEST, 0      },
        {"GET /containers/" ID("a") "/json",       OLDER,  -ENOENT},
        {"GET /images/web:2/json",                 OLDER,  -ENOENT},
        {"GET /info",                              OLDER,  -ENOENT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_line all[ARRAY_LEN(lines) + 2] = {
            {cases[i].absent, FAKE_ABSENT, NULL, NULL            },
            {"GET /version",  FAKE_SEND,   NULL, cases[i].version},
        };
        struct fixture f;

        memcpy(&all[2], lines, sizeof(lines));
        set_up(&f, all, ARRAY_LEN(all));
        run(&f, "web:2", ALL, 0);
        if (f.code != cases[i].code)
            fail_msg("%s: %d %s", cases[i].absent, f.code, f.message);
        if (str_eq(cases[i].version, OLDER))
            assert_null(f.material.legacy);
        /* A probe that cannot be inspected is removed, too. */
        if (str_eq(cases[i].absent, "GET /containers/" ID("f") "/json"))
            assert_int_equal(fake_engine_count(f.fake, "DELETE /containers/" ID("f")), 1);
        tear_down(&f);
    }
}

static void test_podman_needs_a_started_container(void **state)
{
    struct fake_line all[ARRAY_LEN(lines) + 1] = {
        {"GET /version", FAKE_SEND, NULL, PODMAN}
    };
    struct fixture f;

    (void)state;
    memcpy(&all[1], lines, sizeof(lines));
    set_up(&f, all, ARRAY_LEN(all));
    run(&f, "web:2", ALL, 0);
    assert_int_equal(f.code, 0);
    assert_true(f.material.is_podman);
    assert_string_equal(json_text_get(f.material.started, "Name"), "/web");
    tear_down(&f);
}

static void test_deadline(void **state)
{
    static const struct fake_line hung[] = {
        {"GET /containers", FAKE_HANG, "", NULL},
    };
    struct fixture f;

    (void)state;
    set_up(&f, hung, ARRAY_LEN(hung));
    run(&f, "web:2", ALL, 200);
    assert_int_equal(f.code, -ETIMEDOUT);
    tear_down(&f);
    /* It can be cancelled at any time. */
    set_up(&f, hung, ARRAY_LEN(hung));
    assert_int_equal(material_start(&f.call, &f.material,
                                    &(struct material_options){.engine = f.engine,
                                                               .container = ID("a"),
                                                               .parts = ALL,
                                                               .done = on_done,
                                                               .owner = &f},
                                    NULL),
                     0);
    loop_turn(f.loop);
    tear_down(&f);
    assert_int_equal(f.n_done, 0);
}

struct probe_fixture {
    struct fixture f;
    struct probe_wait *waits[3];
    unsigned n_wanted, n_done;
    bool has_json;
};

static void on_probe(void *owner, const json_t *json, const char *message)
{
    struct probe_fixture *p = owner;

    (void)message;
    p->has_json = json;
    if (++p->n_done == p->n_wanted)
        loop_stop(p->f.loop);
}

static void ask(struct probe_fixture *p, size_t i, const char *id)
{
    probes_ask(&p->waits[i], p->f.probes,
               &(struct probe_request){.image = "web:2", .image_id = id, .platform = "linux/arm64"},
               on_probe, p);
}

static void wait_for(struct probe_fixture *p, unsigned n)
{
    p->n_wanted = n;
    p->n_done = 0;
    loop_run(p->f.loop);
    assert_int_equal(p->n_done, n);
}

/* One probe per image and start of the engine; old ones of an earlier agent are removed once. */
static void test_probes_are_shared_and_kept(void **state)
{
    struct probe_fixture p = {0};

    (void)state;
    set_up(&p.f, lines, ARRAY_LEN(lines));
    ask(&p, 0, "sha256:1");
    ask(&p, 1, "sha256:1");
    ask(&p, 2, "sha256:1");
    probe_wait_cancel(p.waits[1]);
    wait_for(&p, 2);
    assert_true(p.has_json);
    ask(&p, 0, "sha256:1");
    wait_for(&p, 1);
    assert_int_equal(fake_engine_count(p.f.fake, "POST /containers/create"), 1);
    ask(&p, 0, "sha256:2");
    wait_for(&p, 1);
    assert_int_equal(fake_engine_count(p.f.fake, "POST /containers/create"), 2);
    while (fake_engine_count(p.f.fake, "DELETE /containers/" ID("d") "?v=1") == 0)
        loop_turn(p.f.loop);
    assert_int_equal(fake_engine_count(p.f.fake, "DELETE /containers/" ID("e")), 0);
    assert_int_equal(fake_engine_count(p.f.fake, "GET /containers/json?all=1&filters"), 1);
    /* An engine that was away may have another configuration. */
    fake_engine_pause(p.f.fake);
    run(&p.f, NULL, MATERIAL_CONTAINER, 0);
    assert_true(p.f.code < 0);
    fake_engine_resume(p.f.fake);
    run(&p.f, NULL, MATERIAL_CONTAINER, 0);
    assert_int_equal(p.f.code, 0);
    ask(&p, 0, "sha256:1");
    wait_for(&p, 1);
    assert_int_equal(fake_engine_count(p.f.fake, "POST /containers/create"), 3);
    tear_down(&p.f);
}

static void test_probe_of_an_image_without_a_command(void **state)
{
    static const struct fake_line refusal[] = {
        {"POST /containers/create", FAKE_SEND,
         "HTTP/1.1 400 Bad Request\r\n\r\n{\"message\":\"no command specified\"}", NULL},
        {"GET /containers/json",    FAKE_SEND, NULL,                               "[]"},
    };
    struct probe_fixture p = {0};

    (void)state;
    set_up(&p.f, refusal, ARRAY_LEN(refusal));
    ask(&p, 0, "sha256:1");
    wait_for(&p, 1);
    assert_false(p.has_json);
    assert_int_equal(fake_engine_count(p.f.fake, "POST /containers/create"), 2);
    ask(&p, 0, "sha256:1"); /* a failure is not kept */
    wait_for(&p, 1);
    assert_int_equal(fake_engine_count(p.f.fake, "POST /containers/create"), 4);
    tear_down(&p.f);
}

#define BINDS                                                                           \
    "{\"Id\":\"" ID(                                                                    \
        "a") "\",\"State\":{\"Pid\":77},\"HostConfig\":{\"Tmpfs\":{\"/data/t\":\"\"}}," \
             "\"Mounts\":[{\"Type\":\"bind\",\"RW\":false,\"Destination\":\"/data\"},"  \
             "{\"Type\":\"volume\",\"RW\":true,\"Destination\":\"/data/v\"},"           \
             "{\"Type\":\"bind\",\"RW\":true,\"Destination\":\"/rw\"}]}"
#define MOUNTINFO                                                                            \
    "1 0 0:1 / / rw - overlay overlay rw\n2 1 8:1 /a /data ro,relatime - ext4 /dev/sda rw\n" \
    "3 2 0:5 / /data/sub\\040dir rw,nosuid shared:1 - tmpfs tmpfs rw\n"                      \
    "4 2 0:6 / /data/ro ro - tmpfs tmpfs rw\n5 2 8:1 /v /data/v rw - ext4 /dev/sda rw\n"     \
    "6 2 0:7 / /data/t rw - tmpfs tmpfs rw\n7 1 0:8 / /rw/x rw - tmpfs tmpfs rw\n"           \
    "8 1 0:9 / /database rw - tmpfs tmpfs rw\n9 cut\n\n"

static void test_submounts(void **state)
{
    json_auto_t *inspect = json_loads(BINDS, 0, NULL);
    json_auto_t *paths = submounts_parse(inspect, MOUNTINFO);

    (void)state;
    assert_int_equal(json_array_size(paths), 1);
    assert_string_equal(json_string_value(json_array_get(paths, 0)), "/data/sub dir");
}

static void write_text(const char *dir, const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The number of a process belongs to another one in another namespace. */
static void test_submounts_of_the_process(void **state)
{
    char root[] = "/tmp/submounts-XXXXXX";
    json_auto_t *inspect = json_loads(BINDS, 0, NULL), *plain = json_object();
    _cleanup_free_ char *proc = NULL, *dir = NULL;
    json_t *paths;

    (void)state;
    assert_non_null(mkdtemp(root));
    proc = xasprintf("%s/proc", root);
    dir = xasprintf("%s/77", proc);
    assert_int_equal(mkdir(proc, 0700), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    write_text(dir, "mountinfo", MOUNTINFO);
    write_text(dir, "cgroup", "0::/system.slice/docker-" ID("b") ".scope\n");
    assert_null(submounts_read(inspect, root));
    write_text(dir, "cgroup", "0::/system.slice/docker-" ID("a") ".scope\n");
    paths = submounts_read(inspect, root);
    assert_int_equal(json_array_size(paths), 1);
    json_decref(paths);
    json_object_set_new(json_object_get(inspect, "State"), "Pid", json_integer(0));
    assert_null(submounts_read(inspect, root));
    paths = submounts_read(plain, root); /* no read-only bind: nothing to read */
    assert_int_equal(json_array_size(paths), 0);
    assert_non_null(paths);
    json_decref(paths);
    file_remove_tree(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gathers_all),
        cmocka_unit_test(test_is_continued),
        cmocka_unit_test(test_image_of_a_dependent),
        cmocka_unit_test(test_platform),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_podman_needs_a_started_container),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_probes_are_shared_and_kept),
        cmocka_unit_test(test_probe_of_an_image_without_a_command),
        cmocka_unit_test(test_submounts),
        cmocka_unit_test(test_submounts_of_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
