#include "agent/commands/operations.h"
#include "agent/common/temporary_dir.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "docker/fake_engine.h"
#include "proto/json_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define A    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define N    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD "HTTP/1.1 "

/* A in network N by an endpoint, B only by its settings; A mounts the volume twice. */
#define CONTAINERS                                                                              \
    "[{\"Id\":\"" A "\",\"Names\":[\"/web\"],\"ImageID\":\"sha256:" N "\",\"NetworkSettings\":" \
    "{\"Networks\":{\"n\":{\"NetworkID\":\"" N "\",\"EndpointID\":\"e\"}}},\"Mounts\":["        \
    "{\"Type\":\"volume\",\"Name\":\"v\"},{\"Type\":\"volume\",\"Name\":\"v\"},"                \
    "{\"Type\":\"bind\",\"Name\":\"w\"}]},"                                                     \
    "{\"Id\":\"" B "\",\"Names\":null,\"ImageID\":\"sha256:" N "\",\"NetworkSettings\":"        \
    "{\"Networks\":{\"n\":{\"NetworkID\":\"" N "\",\"EndpointID\":\"\"}}},\"Mounts\":null},"    \
    "{\"Id\":\"short\"},7]"
#define USER_A "{'id':'aaaaaaaaaaaa','name':'web'}"
#define USER_B "{'id':'bbbbbbbbbbbb','name':'bbbbbbbbbbbb'}"
#define IMAGE(tags, digests)                                                      \
    "{\"Id\":\"sha256:" N "\",\"RepoTags\":" tags ",\"RepoDigests\":" digests "," \
    "\"Created\":0,\"Size\":5,\"Labels\":{\"l\":\"\\u0000\"}}"
#define NETWORK(name, containers) \
    "{\"Id\":\"" N "\",\"Name\":\"" name "\",\"Driver\":\"bridge\",\"Containers\":{" containers "}}"

static const struct fake_line usual[] = {
    {"GET /containers/json?all=1",                                            FAKE_SEND, NULL,                  CONTAINERS                                                                          },
    {"GET /images/json",                                                      FAKE_SEND, NULL,
     "[" IMAGE("[\"web:1\",\"<none>:<none>\"]",                                                                                                                                                       "null") "," IMAGE("null", "[\"r@x\"]") "," IMAGE(
         "[\"<none>:<none>\"]", "[\"<none>@<none>\"]") "]"},
    {"DELETE /images/reg:5/a/b:1?force=1",                                          FAKE_SEND,                         NULL,                                              "[]"                                                                                              },
    {"DELETE /images/used?force=0",                                                                   FAKE_SEND,
     HEAD "409 Conflict\r\nContent-Length: 18\r\n\r\n{\"message\":\"used\"}",                        NULL},
    {"POST /images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D", FAKE_SEND,      NULL,
     "{\"ImagesDeleted\":[{\"Untagged\":\"t\"},{\"Deleted\":\"sha256:layer\"},"
     "{\"Deleted\":\"sha256:" N "\"}],"
     "\"SpaceReclaimed\":7}"                                  },
    {"GET /networks/empty",                                                                   FAKE_SEND,                                                            NULL,                                                                                 NETWORK("empty",                                                                                                               "")},
    {"GET /networks/bridge",                                                                   FAKE_SEND,  NULL,NETWORK("bridge","")},
    {"GET /networks/used",FAKE_SEND,NULL,
     NETWORK("used",                                                                                                                                                                                                                                          "\"" A "\":{\"Name\":\"web\"},\"ep-1\":{\"Name\":\"lost\"}")},
    {"GET /networks/absent",                                                    FAKE_ABSENT,                                                         NULL,                                                                           NULL                                                                                                                                                                                 },
    {"GET /networks/odd",                                                                       FAKE_SEND,                                                           NULL,                  "[]"                                         },
    {"GET /networks/broken",                                                                       FAKE_SEND,                                                              NULL,    "{\"Id\":"},
    {"GET /networks",                                                                       FAKE_SEND,                                                           NULL, "[" NETWORK("n","") ",{}]"},
    {"POST /networks/" N "/disconnect",                                                                       FAKE_SEND,
     HEAD "404 Not Found\r\nContent-Length: 2\r\n\r\n{}",        NULL                                                                                                                                                                                     },
    {"DELETE /networks/" N,                                                             FAKE_SEND,                                                                      HEAD "204 No Content\r\n\r\n",                                                           NULL                                                                                     },
    {"POST /networks/create",                                                                   FAKE_SEND,                                                                            NULL,                                                                      "{\"Id\":\"../x\"}"},
    {"POST /networks/prune",                                                                   FAKE_SEND,                                                                            NULL,                 "{\"NetworksDeleted\":null}"},
    {"GET /volumes",                                                    FAKE_SEND,                                                             NULL,
     "{\"Volumes\":[{\"Name\":\"v\",\"Driver\":\"local\",\"Mountpoint\":\"/m\\u0026\","
     "\"CreatedAt\":\"1970-01-01T01:00:00+01:00\"},{\"Name\":\"w\"}]}"                                                                                                 },
    {"GET /_ping",                                           FAKE_SEND,                                                    NULL,                                            "OK"                                                                                                                               },
    {"POST /volumes/prune?filters=%7B%22all%22%3A%5B%22true%22%5D%7D",       FAKE_SEND,                NULL,
     "{\"VolumesDeleted\":[\"v\"],\"SpaceReclaimed\":3}"},
    {"POST /volumes/create",                                                                   FAKE_SEND,                                                                            NULL,"{\"Name\":\"new\"}"},
};

static const struct fake_line refusing[] = {
    {"GET /networks/used", FAKE_SEND,     NULL,                         NETWORK("used",    "\"" A "\":{\"Name\":\"web\"}")},
    {"POST /networks/" N "/disconnect",                    FAKE_SEND,
     HEAD "500 Internal Server Error\r\nContent-Length: 18\r\n\r\n{\"message\":\"nope\"}", NULL},
    {"GET /volumes",                    FAKE_SEND,                    NULL,                    "{\"Volumes\":null}"             },
    {"GET /containers/json",                    FAKE_SEND,            NULL,            "[}"},
};

/* 1.41 knows no "all": it is refused there. */
static const struct fake_line old[] = {
    {"GET /version",         FAKE_SEND, NULL,                                                  "{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}"},
    {"GET /_ping",           FAKE_SEND, NULL,                                                  "OK"                                                  },
    {"POST /volumes/prune?", FAKE_SEND, HEAD "400 Bad Request\r\nContent-Length: 2\r\n\r\n{}",
     NULL                                                                                                                                            },
    {"POST /volumes/prune",  FAKE_SEND, NULL,                                                  "{\"VolumesDeleted\":null}"                           },
};

/* A container in the network `used` and in another one. */
#define IN_TWO_NETWORKS                                                               \
    "{\"Id\":\"" A                                                                    \
    "\",\"NetworkSettings\":{\"Networks\":{\"other\":{\"NetworkID\":\"x\"},\"used\":" \
    "{\"NetworkID\":\"" N                                                             \
    "\",\"Aliases\":[\"al\"],\"MacAddress\":\"\",\"Links\":null,\"IPAMConfig\":"      \
    "{\"IPv4Address\":\"10.9.0.5\"}}}}}"

/* The engine refuses to remove the network when its containers are disconnected. */
static const struct fake_line kept[] = {
    {"GET /networks/used", FAKE_SEND,     NULL,                         NETWORK("used",                             "\"" A "\":{\"Name\":\"web\"}")},
    {"GET /containers/" A "/json",                    FAKE_SEND,      NULL,      IN_TWO_NETWORKS                                      },
    {"POST /networks/" N "/disconnect",                    FAKE_SEND, HEAD "200 OK\r\nContent-Length: 0\r\n\r\n",
     NULL},
    {"DELETE /networks/" N,                    FAKE_SEND,
     HEAD "403 Forbidden\r\nContent-Length: 18\r\n\r\n{\"message\":\"kept\"}",             NULL                                     },
    {"POST /networks/" N "/connect",                    FAKE_SEND,    HEAD "200 OK\r\nContent-Length: 0\r\n\r\n",    NULL},
};

/* The engine does not answer to the removal. */
static const struct fake_line hanging[] = {
    {"GET /networks/used", FAKE_SEND,     NULL,                         NETWORK("used",                             "\"" A "\":{\"Name\":\"web\"}")},
    {"GET /containers/" A "/json",                    FAKE_SEND,      NULL,      IN_TWO_NETWORKS                                      },
    {"POST /networks/" N "/disconnect",                    FAKE_SEND, HEAD "200 OK\r\nContent-Length: 0\r\n\r\n",
     NULL},
    {"DELETE /networks/" N,                    FAKE_HANG,             "",             NULL                                                                              },
    {"POST /networks/" N "/connect",                    FAKE_SEND,    HEAD "200 OK\r\nContent-Length: 0\r\n\r\n",    NULL},
};

#define PODMAN_VERSION                                                               \
    "{\"ApiVersion\":\"1.44\",\"MinAPIVersion\":\"1.24\",\"Components\":[{\"Name\":" \
    "\"Podman Engine\",\"Version\":\"5.8.6\"}]}"

/* Its default network has two names, and its lists have neither ids nor endpoints. */
static const struct fake_line podman[] = {
    {"GET /version",                                       FAKE_SEND, NULL,           PODMAN_VERSION                                    },
    {"GET /networks/podman",                               FAKE_SEND, NULL,           NETWORK("podman",                                   "\"" A "\":{\"Name\":\"web\"}")},
    {"GET /networks",                                                    FAKE_SEND,                                               NULL, "[" NETWORK("bridge", "\"" A "\":{\"Name\":\"web\"}") "]"},
    {"GET /containers/json?all=1",                 FAKE_SEND,                          NULL,
     "[{\"Id\":\"" A "\",\"Names\":[\"/web\"],\"NetworkSettings\":{\"Networks\":{\"podman\":"
     "{\"NetworkID\":\"podman\",\"EndpointID\":\"\"}}}}]"                                     },
    {"GET /_ping", FAKE_SEND,          NULL,             "OK"                },
    {"POST /volumes/prune?",                                                FAKE_SEND,
     HEAD "500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}",                                      NULL               },
    {"POST /volumes/prune",                                                FAKE_SEND,                                                         NULL,              "{\"VolumesDeleted\":[\"v\"]}"},
};

/* Not known as Podman, but it refuses the filter. */
static const struct fake_line unfiltered[] = {
    {"GET /_ping",           FAKE_SEND, NULL, "OK"                          },
    {"POST /volumes/prune?", FAKE_SEND,
     HEAD
     "500 Internal Server Error\r\nContent-Length: 49\r\n\r\n{\"message\":\"\\\"all\\\" is an invalid "
     "volume filter\"}",                      NULL                          },
    {"POST /volumes/prune",  FAKE_SEND, NULL, "{\"VolumesDeleted\":[\"w\"]}"},
};

#define LINES(table) table, ARRAY_LEN(table)
#define OK           "{'success':true}"

static const struct {
    const struct fake_line *lines;
    size_t n_lines;
    const char *command, *payload;
    int status;       /* of a refusal; 0 none */
    const char *want; /* payload with ' for ", or how the error begins */
} cases[] = {
    {LINES(usual),      "list_images",    "{}",                                      0,
     "[{'id':'0123456789ab','tags':['web:1'],'size':5,'created':'1970-01-01T00:00:00.000Z','in_use':"
     "true,'dangling':false,'labels':{'l':'�'},'container_count':2,'containers':[" USER_A "," USER_B
     "]},"
     "{'id':'0123456789ab','tags':[],'size':5,'created':'1970-01-01T00:00:00.000Z','in_use':true,"
     "'dangling':false,'labels':{'l':'�'},'container_count':2,'containers':[" USER_A "," USER_B
     "]},"
     "{'id':'0123456789ab','tags':[],'size':5,'created':'1970-01-01T00:00:00.000Z','in_use':true,"
     "'dangling':true,'labels':{'l':'�'},'container_count':2,'containers':[" USER_A "," USER_B
     "]}]"                                                                                                                           },
    {LINES(usual),      "remove_image",   "{'image_id':'reg:5/a/b:1','force':true}", 0,   OK                                         },
    {LINES(usual),      "remove_image",   "{'image_id':'used'}",                     409, "used"                                     },
    {LINES(usual),      "prune_images",   "{}",                                      0,   "{'removed_count':1,'space_reclaimed':7}"  },
    {LINES(usual),      "list_networks",  "{}",                                      0,
     "[{'id':'0123456789ab','name':'n','driver':'bridge','scope':'','created':'','internal':false,"
     "'subnet':'','is_builtin':false,'labels':{},'container_count':1,'containers':[" USER_A "]},"
     "{'id':'','name':'','driver':'','scope':'','created':'','internal':false,"
     "'subnet':'','is_builtin':false,'labels':{},'container_count':0,'containers':[]}]"                                              },
    {LINES(usual),      "create_network", "{'name':'n'}",                            0,
     "the docker engine gave the new network no id"                                                                                  },
    {LINES(usual),      "delete_network", "{'network_id':'empty'}",                  0,   OK                                         },
    {LINES(usual),      "delete_network", "{'network_id':'bridge','force':true}",    400,
     "bridge is a built-in network"                                                                                                  },
    {LINES(usual),      "delete_network", "{'network_id':'used'}",                   409,
     "network used is in use by 2 containers: web, lost"                                                                             },
    {LINES(usual),      "delete_network", "{'network_id':'used','force':true}",      0,   OK                                         },
    {LINES(usual),      "delete_network", "{'network_id':'absent'}",                 404, "no such thing"                            },
    {LINES(usual),      "delete_network", "{'network_id':'odd'}",                    0,
     "the docker engine's answer is not"                                                                                             },
    {LINES(usual),      "delete_network", "{'network_id':'broken'}",                 0,   "answer of the docker engine"              },
    {LINES(refusing),   "delete_network", "{'network_id':'used','force':true}",      500,
     "disconnect a container: nope"                                                                                                  },
    {LINES(kept),       "delete_network", "{'network_id':'used','force':true}",      403,
     "kept; its containers were connected to it again"                                                                               },
    {LINES(podman),     "delete_network", "{'network_id':'podman','force':true}",    400,
     "podman is a built-in network"                                                                                                  },
    {LINES(podman),     "list_networks",  "{}",                                      0,
     "[{'id':'0123456789ab','name':'bridge','driver':'bridge','scope':'','created':'','internal':false,"
     "'subnet':'','is_builtin':true,'labels':{},'container_count':1,'containers':[" USER_A "]}]"                                     },
    {LINES(podman),     "prune_volumes",  "{}",                                      0,
     "{'removed_count':1,'volumes_removed':['v'],'space_reclaimed':0}"                                                               },
    {LINES(unfiltered), "prune_volumes",  "{}",                                      0,
     "{'removed_count':1,'volumes_removed':['w'],'space_reclaimed':0}"                                                               },
    {LINES(usual),      "prune_networks", "{}",                                      0,   "{'removed_count':0,'networks_removed':[]}"},
    {LINES(usual),      "list_volumes",   "{}",                                      0,
     "[{'name':'v','driver':'local','scope':'','mountpoint':'/m&','created':'1970-01-01T00:00:00.000Z',"
     "'in_use':true,'labels':{},'container_count':1,'containers':[" USER_A "]},"
     "{'name':'w','driver':'','scope':'','mountpoint':'','created':'','in_use':false,'labels':{},'container_count':0,"
     "'containers':[]}]"                                                                                                             },
    {LINES(refusing),   "list_volumes",   "{}",                                      0,   "answer of the docker engine"              },
    {LINES(usual),      "create_volume",  "{}",                                      0,
     "{'name':'new','driver':'','scope':'','mountpoint':'','created':'','in_use':false,'labels':{},'container_count':0,"
     "'containers':[]}"                                                                                                              },
    {LINES(usual),      "delete_volume",  "{'volume_name':'none'}",                  404, "no such thing"                            },
    {LINES(usual),      "prune_volumes",  "{}",                                      0,
     "{'removed_count':1,'volumes_removed':['v'],'space_reclaimed':3}"                                                               },
    {LINES(old),        "prune_volumes",  "{}",                                      0,
     "{'removed_count':0,'volumes_removed':[],'space_reclaimed':0}"                                                                  },
};

/* JSON with ' for ". */
static json_t *parse(const char *text)
{
    char copy[2048];
    struct error err = ERROR_INIT;
    json_t *v;

    assert_true(strlen(text) < sizeof(copy));
    str_copy(copy, sizeof(copy), text);
    for (char *p = copy; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    v = json_text_parse(copy, strlen(copy), 0, &err);
    if (!v)
        fail_msg("%s: %s", text, err.msg);
    return v;
}

struct fixture {
    struct fake_engine *fake;
    struct loop *loop;
    struct engine *engine;
    struct operation *operation;
    struct msg_command request;
    char steps[128]; /* as recorded, each with a blank behind it */
    unsigned n_done;
    bool is_error;
    const char *type;
    int status;
    enum error_code code;
    char message[256];
    json_t *payload;
    struct network_undo *undo;
    struct loop_timer look;
    const char *awaited;
    unsigned n_awaited; /* requests; 0: one */
};

static void set_up(struct fixture *f, const struct fake_line *lines, size_t n)
{
    *f = (struct fixture){0};
    f->fake = fake_engine_open(lines, n);
    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    f->engine = fake_engine_client(f->fake, f->loop);
}

static void tear_down(struct fixture *f)
{
    loop_timer_stop(&f->look);
    operation_free(f->operation);
    network_undo_free(f->undo);
    msg_command_done(&f->request);
    json_decref(f->payload);
    engine_free(f->engine);
    loop_free(f->loop);
    fake_engine_close(f->fake);
}

/* The request that connects A again, as its endpoint was. */
static const char connection[] = "{\"Container\":\"" A "\",\"EndpointConfig\":{\"IPAMConfig\":"
                                 "{\"IPv4Address\":\"10.9.0.5\"},\"Aliases\":[\"al\"]}}";

static void on_record(void *owner, const char *step)
{
    struct fixture *f = owner;
    size_t n = strlen(f->steps);

    (void)snprintf(f->steps + n, sizeof(f->steps) - n, "%s ", step);
}

static void on_done(void *owner, const struct operation_result *result)
{
    struct fixture *f = owner;

    f->n_done++;
    f->is_error = result->error;
    if (result->error) {
        f->type = result->error->type;
        f->status = result->error->status;
        f->code = result->error->code;
        str_copy(f->message, sizeof(f->message), result->error->text);
    }
    f->payload = result->fields;
    operation_free(f->operation); /* harmless here */
    f->operation = NULL;
    loop_stop(f->loop);
}

static void start(struct fixture *f, const char *command, const char *payload)
{
    f->request.kind = COMMAND_KIND_COMMAND;
    f->request.operation = operation_find(COMMAND_KIND_COMMAND, command);
    f->request.payload = parse(payload);
    f->operation = operation_new(agent_operation(f->request.operation)->type,
                                 &(struct operation_options){.engine = f->engine,
                                                             .request = &f->request,
                                                             .network_undo = f->undo,
                                                             .deadline_ms = 60000,
                                                             .record = on_record,
                                                             .done = on_done,
                                                             .owner = f});
    operation_start(f->operation);
}

static void check(size_t i)
{
    json_t *want;
    struct fixture f;

    set_up(&f, cases[i].lines, cases[i].n_lines);
    start(&f, cases[i].command, cases[i].payload);
    assert_int_equal(f.n_done, 0);
    loop_run(f.loop);
    assert_int_equal(f.n_done, 1);
    if (cases[i].want[0] != '{' && cases[i].want[0] != '[') {
        if (!f.is_error || !str_starts_with(f.message, cases[i].want))
            fail_msg("case %zu, %s: %s", i, cases[i].command, f.message);
        assert_string_equal(f.type, REPLY_ERROR_DOCKER);
        assert_int_equal(f.status, cases[i].status);
    } else {
        want = parse(cases[i].want);
        if (f.is_error || !json_equal(want, f.payload))
            fail_msg("case %zu, %s: %s", i, cases[i].command, f.message);
        json_decref(want);
    }
    tear_down(&f);
}

static void test_flows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(i);
}

/* Both endpoints are disconnected, although the engine has lost them meanwhile. */
static void test_disconnects_all(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, usual, ARRAY_LEN(usual));
    start(&f, "delete_network", "{'network_id':'used','force':true}");
    loop_run(f.loop);
    assert_false(f.is_error);
    assert_string_equal(f.steps, "inspect endpoint disconnect disconnect delete ");
    assert_int_equal(fake_engine_count(f.fake, "POST /networks/" N "/disconnect"), 2);
    assert_int_equal(fake_engine_count(f.fake, "DELETE /networks/" N), 1);
    tear_down(&f);
}

/* A disconnected container is connected again, with the settings that its endpoint had. */
static void test_restores_after_a_refusal(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, kept, ARRAY_LEN(kept));
    start(&f, "delete_network", "{'network_id':'used','force':true}");
    loop_run(f.loop);
    assert_true(f.is_error);
    assert_string_equal(f.steps, "inspect endpoint disconnect delete restore ");
    assert_int_equal(fake_engine_count(f.fake, "POST /networks/" N "/connect"), 1);
    assert_true(fake_engine_received(f.fake, connection));
    tear_down(&f);
}

static void on_look(struct loop_timer *t)
{
    struct fixture *f = CONTAINER_OF(t, struct fixture, look);

    if (fake_engine_count(f->fake, f->awaited) >= (f->n_awaited ? f->n_awaited : 1)) {
        loop_stop(f->loop);
    } else {
        loop_timer_start(f->loop, t, 5, on_look);
    }
}

static void run_until(struct fixture *f, const char *request)
{
    f->awaited = request;
    loop_timer_start(f->loop, &f->look, 1, on_look);
    loop_run(f->loop);
}

/* A removal that is cut at its deadline, or by the end of the session: the engine hangs. */
static void test_restores_after_a_cut(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, hanging, ARRAY_LEN(hanging));
    f.undo = network_undo_new(f.engine, NULL);
    start(&f, "delete_network", "{'network_id':'used','force':true}");
    run_until(&f, "DELETE /networks/" N);
    assert_int_equal(fake_engine_count(f.fake, "POST /networks/" N "/connect"), 0);
    operation_free(TAKE_PTR(f.operation));
    run_until(&f, "POST /networks/" N "/connect");
    assert_true(fake_engine_received(f.fake, connection));
    tear_down(&f);
}

/*
 * Two removals are cut, the later one first, as at the end of a session. Its connection is asked
 * for while that of the earlier one is put before it.
 */
static void test_restores_after_several_cuts(void **state)
{
    static const char later[] = "{\"Container\":\"later\"}";
    json_auto_t *first_body = parse(connection), *later_body = parse(later);
    struct fixture f;
    int first = 1, second = 2; /* their addresses identify the removals */

    (void)state;
    set_up(&f, hanging, ARRAY_LEN(hanging));
    f.undo = network_undo_new(f.engine, NULL);
    network_undo_add(f.undo, &first, N, first_body);
    network_undo_add(f.undo, &second, N, later_body);
    network_undo_run(f.undo, &second);
    network_undo_run(f.undo, &first);
    f.n_awaited = 2;
    run_until(&f, "POST /networks/" N "/connect");
    assert_true(fake_engine_received(f.fake, later));
    assert_true(fake_engine_received(f.fake, connection));
    tear_down(&f);
}

/* The agent ends, the next one finds the connections on disk; the engine is not there at first. */
static void test_restores_after_the_end_of_the_agent(void **state)
{
    char dir[TEMPORARY_DIR_SIZE], path[TEMPORARY_DIR_SIZE + 16];
    struct fixture f;

    (void)state;
    assert_int_equal(temporary_dir_make(dir), 0);
    (void)snprintf(path, sizeof(path), "%s/network_undo", dir);
    set_up(&f, hanging, ARRAY_LEN(hanging));
    f.undo = network_undo_new(f.engine, path);
    start(&f, "delete_network", "{'network_id':'used','force':true}");
    run_until(&f, "DELETE /networks/" N);
    network_undo_free(TAKE_PTR(f.undo));
    f.operation->o.network_undo = NULL; /* a process that is killed does no more */
    operation_free(TAKE_PTR(f.operation));

    fake_engine_pause(f.fake);
    f.undo = network_undo_new(f.engine, path);
    network_undo_start(f.undo);
    fake_engine_resume(f.fake);
    run_until(&f, "POST /networks/" N "/connect");
    assert_true(fake_engine_received(f.fake, connection));
    tear_down(&f);
    assert_int_equal(temporary_dir_remove(dir), 0);
}

/* After a removal, and after one that the engine has refused, there is nothing to restore. */
static void test_restores_nothing_after_the_end(void **state)
{
    static const struct {
        const struct fake_line *lines;
        size_t n;
    } engines[] = {
        {kept,  ARRAY_LEN(kept) },
        {usual, ARRAY_LEN(usual)},
    };
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        char dir[TEMPORARY_DIR_SIZE], path[TEMPORARY_DIR_SIZE + 16];
        _cleanup_free_ char *text = NULL;

        assert_int_equal(temporary_dir_make(dir), 0);
        (void)snprintf(path, sizeof(path), "%s/network_undo", dir);
        set_up(&f, engines[i].lines, engines[i].n);
        f.undo = network_undo_new(f.engine, path);
        start(&f, "delete_network", "{'network_id':'used','force':true}");
        loop_run(f.loop);
        if (engines[i].lines == kept) {
            assert_int_equal(file_read(path, 4096, &text, NULL, NULL), 0);
            assert_string_equal(text, "[]");
        }
        network_undo_start(f.undo);
        assert_true(fake_engine_count(f.fake, "POST /networks/" N "/connect") <= 1);
        tear_down(&f);
        assert_int_equal(temporary_dir_remove(dir), 0);
    }
}

/* Refusals of ours have a code as those of the engine do. */
static void test_codes(void **state)
{
    static const struct {
        const char *command, *payload;
        enum error_code code;
    } refused[] = {
        {"delete_network", "{'network_id':'bridge'}", CODE_BUILT_IN_NETWORK},
        {"delete_network", "{'network_id':'used'}",   CODE_IN_USE          },
        {"delete_network", "{'network_id':'absent'}", CODE_NOT_FOUND       },
        {"remove_image",   "{'image_id':'used'}",     CODE_CONFLICT        },
        {"remove_image",   "{'image_id':'../x'}",     CODE_INVALID_ARGUMENT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct fixture f;

        set_up(&f, usual, ARRAY_LEN(usual));
        start(&f, refused[i].command, refused[i].payload);
        if (f.n_done == 0)
            loop_run(f.loop);
        assert_true(f.is_error);
        assert_int_equal(f.code, refused[i].code);
        tear_down(&f);
    }
}

static void test_refuses_before_asking(void **state)
{
    static const struct {
        const char *command, *payload, *error;
    } bad[] = {
        {"remove_image",  "{'image_id':'../x'}", "(field: image_id)"   },
        {"delete_volume", "{}",                  "(field: volume_name)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct fixture f;

        set_up(&f, usual, ARRAY_LEN(usual));
        start(&f, bad[i].command, bad[i].payload);
        assert_int_equal(f.n_done, 1);
        assert_non_null(strstr(f.message, bad[i].error));
        assert_null(f.type);
        assert_int_equal(f.status, 400);
        assert_string_equal(f.steps, "");
        tear_down(&f);
    }
}

static void test_cancel(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, usual, ARRAY_LEN(usual));
    start(&f, "list_images", "{}");
    tear_down(&f); /* which cancels it */
    assert_int_equal(f.n_done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flows),
        cmocka_unit_test(test_disconnects_all),
        cmocka_unit_test(test_restores_after_a_refusal),
        cmocka_unit_test(test_restores_after_a_cut),
        cmocka_unit_test(test_restores_after_several_cuts),
        cmocka_unit_test(test_restores_after_the_end_of_the_agent),
        cmocka_unit_test(test_restores_nothing_after_the_end),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_refuses_before_asking),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
