#include "docker/engine.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define NEGOTIATION_TIMEOUT_MS 10000
#define CONNECT_TIMEOUT_MS     5000
#define MAX_VERSION_BODY       ((size_t)256 << 10)

enum engine_state {
    ENGINE_UNKNOWN,     /* API version unknown, no negotiation */
    ENGINE_NEGOTIATING, /* waiting for /version, calls wait */
    ENGINE_READY,
};

struct engine {
    struct loop *loop;
    char *address; /* for humans */
    char *dial;    /* for net/ */
    struct tls_trust *trust;
    uint64_t timeout_ms; /* default of calls */
    unsigned only_minor; /* the version to use; 0: negotiated */
    enum engine_state state;
    unsigned api_minor;
    bool is_podman;
    unsigned generation; /* of engine_generation() */
    struct http_call *negotiation;
    struct list waiting; /* calls */
    struct list running;
};

enum call_state {
    CALL_WAITING, /* for the API version */
    CALL_RUNNING,
    CALL_DONE, /* calling `done` */
};

struct engine_call {
    struct engine *engine;
    struct list link;
    enum call_state state;
    char *method, *path, *body, *auth;
    struct engine_request request; /* its strings are the four above */
    struct http_call *http;
    unsigned minor;   /* the version it was sent with */
    bool is_repeated; /* the engine has refused the version once */
    bool is_paused;
    struct buf early; /* of an upload: written before the API version was known */
    bool is_ended;    /* the upload is complete */
};

static void call_set_state(struct engine_call *call, enum call_state state)
{
    assert(state > call->state);
    call->state = state;
}

static void free_secret(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

static void call_free(struct engine_call *call)
{
    list_unlink(&call->link);
    http_call_cancel(call->http);
    free(call->method);
    free(call->path);
    free(call->body);
    free_secret(call->auth);
    buf_done(&call->early);
    free(call);
}

static void call_finish(struct engine_call *call, const struct engine_reply *reply)
{
    call_set_state(call, CALL_DONE);
    call->http = NULL;
    call->request.done(call->request.owner, reply);
    call_free(call);
}

static void call_fail(struct engine_call *call, int code, const char *message)
{
    call_finish(call, &(struct engine_reply){
                          .code = code, .message = message, .body = "", .content_type = ""});
}

/* Converts a failure of the connection; `ret` receives the text for humans. */
static int describe_failure(const struct engine *engine,
                            const struct http_result *result,
                            struct error *ret)
{
    const char *detail = str_is_empty(result->message) ? error_text(result->code) : result->message;

    switch (result->code) {
    case -ETIMEDOUT:
        return error_set(ret, -ETIMEDOUT, "docker engine did not answer in time: %s", detail);
    case -EMSGSIZE: return error_set(ret, -EMSGSIZE, "answer of the docker engine is too large");
    case -EPROTO: return error_set(ret, -EPROTO, "docker engine: %s", detail);
    case -ECONNRESET:
        return error_set(ret, -ECONNRESET, "docker engine broke the connection: %s", detail);
    default:
        return error_set(ret, -ENOTCONN, "docker engine not reachable at %s: %s", engine->address,
                         detail);
    }
}

/* Docker and Podman refuse an API version before anything is done. */
static bool is_version_refused(const struct http_result *result)
{
    static const char *const words[] = {"is too new", "is too old", "version is not supported"};

    if (result->code < 0 || result->status != 400 || !strstr(result->body, "version"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strstr(result->body, words[i]))
            return true;
    }
    return false;
}

static int call_run(struct engine_call *call, struct error *err);
static int negotiate(struct engine *engine, struct error *err);

/* Sends the call again, after another negotiation unless that has happened meanwhile. */
static void call_repeat(struct engine_call *call)
{
    struct engine *engine = call->engine;
    struct error err = ERROR_INIT;
    int r = 0;

    call->is_repeated = true;
    call->state = CALL_WAITING; /* the one way back */
    list_unlink(&call->link);
    list_append(&engine->waiting, &call->link);
    if (engine->state == ENGINE_READY && engine->api_minor != call->minor) {
        r = call_run(call, &err);
    } else {
        if (engine->state == ENGINE_READY)
            engine->state = ENGINE_UNKNOWN;
        r = negotiate(engine, &err);
    }
    if (r < 0)
        call_fail(call, err.code, err.msg);
}

static void on_call_done(void *owner, const struct http_result *result)
{
    struct engine_call *call = owner;
    struct engine *engine = call->engine;
    struct error error = ERROR_INIT;
    struct engine_reply reply = {.status = result->status,
                                 .message = error.msg,
                                 .body = result->body,
                                 .size = result->size,
                                 .content_type = result->content_type,
                                 .wanted = result->wanted};
    json_t *json = NULL;

    call->http = NULL;
    /* The body of an upload is gone. */
    if (!call->is_repeated && !call->request.max_upload && is_version_refused(result)) {
        call_repeat(call);
        return;
    }
    if (result->code < 0) {
        reply.code = describe_failure(engine, result, &error);
        if (reply.code != -ETIMEDOUT && reply.code != -EMSGSIZE)
            engine->state = engine->state == ENGINE_READY ? ENGINE_UNKNOWN : engine->state;
    } else {
        reply.code = engine_status_code(result->status);
        if (reply.code < 0)
            engine_describe_refusal(result, call->method, call->path, &error);
    }
    if (reply.code == 0 && call->request.wants_json && !call->request.on_data) {
        json = json_loadb(result->body, result->size, 0, NULL);
        reply.json = json;
        if (!json)
            reply.code = error_set(&error, -EPROTO, "docker engine sent invalid JSON");
    }
    call_finish(call, &reply);
    json_decref(json);
}

static void on_call_data(void *owner, const void *data, size_t size)
{
    struct engine_call *call = owner;

    call->request.on_data(call->request.owner, data, size);
}

static void on_call_open(void *owner)
{
    struct engine_call *call = owner;

    call->request.on_open(call->request.owner);
}

static void on_call_drain(void *owner)
{
    struct engine_call *call = owner;

    call->request.on_drain(call->request.owner);
}

static int send_early(struct engine_call *call)
{
    int r = call->early.size > 0 ? http_call_write(call->http, call->early.data, call->early.size)
                                 : 0;

    buf_done(&call->early);
    return r == 0 && call->is_ended ? http_call_end_upload(call->http) : r;
}

static int call_run(struct engine_call *call, struct error *err)
{
    struct engine *engine = call->engine;
    const struct engine_request *q = &call->request;
    bool is_older = q->max_api_minor && q->max_api_minor < engine->api_minor;
    unsigned minor = is_older ? q->max_api_minor : engine->api_minor;
    _cleanup_free_ char *path = xasprintf("/v1.%u%s", minor, q->path);
    const struct http_header auth = {"X-Registry-Auth", q->registry_auth};
    uint64_t timeout_ms = q->timeout_ms || q->on_data ? q->timeout_ms : engine->timeout_ms;
    int r;

    r = http_call_start(&call->http, engine->loop,
                        &(struct http_call_options){
                            .address = engine->dial,
                            .trust = engine->trust,
                            .method = q->method,
                            .path = path,
                            .headers = &auth,
                            .n_headers = q->registry_auth ? 1 : 0,
                            .body = q->body,
                            .body_size = q->body ? strlen(q->body) : 0,
                            .max_body = q->max_body ? q->max_body : ENGINE_DEFAULT_MAX_BODY,
                            .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                            .timeout_ms = timeout_ms,
                            .on_data = q->on_data ? on_call_data : NULL,
                            .on_open = q->on_open ? on_call_open : NULL,
                            .max_upload = q->max_upload,
                            .content_type = q->content_type,
                            .on_drain = q->on_drain ? on_call_drain : NULL,
                            .wanted = q->wanted,
                            .done = on_call_done,
                            .owner = call,
                        },
                        err);
    if (r == 0 && q->max_upload && send_early(call) < 0) {
        http_call_cancel(TAKE_PTR(call->http));
        r = error_set(err, -ENOBUFS, "the begin of the upload does not fit its queue");
    }
    if (r < 0)
        return r;
    call->minor = engine->api_minor;
    call_set_state(call, CALL_RUNNING);
    list_unlink(&call->link);
    list_append(&engine->running, &call->link);
    if (call->is_paused)
        http_call_pause(call->http, true);
    return 0;
}

/*
 * Starts the waiting calls, or ends them after an error. Their owners may start and cancel others.
 */
static void release_waiting(struct engine *engine, const struct error *failure)
{
    struct list batch;

    list_init(&batch);
    while (!list_empty(&engine->waiting))
        list_append(&batch, list_take_first(&engine->waiting));
    while (!list_empty(&batch)) {
        struct engine_call *call = CONTAINER_OF(list_take_first(&batch), struct engine_call, link);
        struct error err = ERROR_INIT;

        if (failure) {
            call_fail(call, failure->code, failure->msg);
        } else if (call_run(call, &err) < 0) {
            call_fail(call, err.code, err.msg);
        }
    }
}

static int parse_minor(const json_t *v, const char *key, unsigned *ret)
{
    const char *s = json_string_value(json_object_get(v, key));
    uint64_t minor;
    int r;

    if (!s || !str_starts_with(s, "1."))
        return -EPROTO;
    r = parse_u64(s + 2, 10000, &minor);
    if (r < 0)
        return r;
    *ret = (unsigned)minor;
    return 0;
}

static bool has_podman(const json_t *version)
{
    const json_t *components = json_object_get(version, "Components"), *component;
    size_t i;

    json_array_foreach(components, i, component)
    {
        if (str_eq(json_string_value(json_object_get(component, "Name")), "Podman Engine"))
            return true;
    }
    return false;
}

static int choose_version(struct engine *engine,
                          const struct http_result *result,
                          struct error *err)
{
    json_t *v = json_loadb(result->body, result->size, 0, NULL);
    unsigned newest = 0, oldest = 0;
    int r = parse_minor(v, "ApiVersion", &newest);

    if (parse_minor(v, "MinAPIVersion", &oldest) < 0)
        oldest = 0; /* engines may omit it */
    engine->is_podman = has_podman(v);
    json_decref(v);
    if (r < 0)
        return error_set(err, -EPROTO, "%s is not a docker engine: no ApiVersion", engine->address);
    if (newest < ENGINE_API_MIN || oldest > ENGINE_API_MAX) {
        return error_set(
            err, -EPROTONOSUPPORT,
            "docker engine supports API 1.%u to 1.%u, but the agent needs 1.%d to 1.%d", oldest,
            newest, ENGINE_API_MIN, ENGINE_API_MAX);
    }
    if (engine->only_minor && (newest < engine->only_minor || oldest > engine->only_minor)) {
        return error_set(err, -EPROTONOSUPPORT,
                         "docker engine supports API 1.%u to 1.%u, but the agent is set to 1.%u",
                         oldest, newest, engine->only_minor);
    }
    engine->api_minor = newest < ENGINE_API_MAX ? newest : ENGINE_API_MAX;
    if (engine->only_minor)
        engine->api_minor = engine->only_minor;
    return 0;
}

static void on_version(void *owner, const struct http_result *result)
{
    struct engine *engine = owner;
    struct error err = ERROR_INIT;
    int r;

    engine->negotiation = NULL;
    if (result->code < 0) {
        r = describe_failure(engine, result, &err);
    } else if (result->status != 200) {
        engine_describe_refusal(result, "GET", "/version", &err);
        r = engine_status_code(result->status);
        err.code = r < 0 ? r : -EPROTO;
        r = err.code;
    } else {
        r = choose_version(engine, result, &err);
    }
    engine->state = r < 0 ? ENGINE_UNKNOWN : ENGINE_READY;
    engine->generation += r < 0 ? 0 : 1;
    release_waiting(engine, r < 0 ? &err : NULL);
}

static int negotiate(struct engine *engine, struct error *err)
{
    int r;

    if (engine->state == ENGINE_NEGOTIATING)
        return 0;
    r = http_call_start(&engine->negotiation, engine->loop,
                        &(struct http_call_options){
                            .address = engine->dial,
                            .trust = engine->trust,
                            .method = "GET",
                            .path = "/version",
                            .max_body = MAX_VERSION_BODY,
                            .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                            .timeout_ms = NEGOTIATION_TIMEOUT_MS,
                            .done = on_version,
                            .owner = engine,
                        },
                        err);
    if (r < 0)
        return r;
    engine->state = ENGINE_NEGOTIATING;
    return 0;
}

int engine_new(struct engine **ret, const struct engine_options *o, struct error *err)
{
    struct engine *engine;

    if (str_is_empty(o->address))
        return error_set(err, -EINVAL, "no address of a docker engine");
    engine = xcalloc(1, sizeof(*engine));
    engine->loop = o->loop;
    engine->address = xstrdup(o->address);
    engine->trust = o->trust;
    engine->only_minor = o->api_minor;
    engine->timeout_ms = o->timeout_ms ? o->timeout_ms : ENGINE_DEFAULT_TIMEOUT_MS;
    if (o->trust && str_starts_with(o->address, "tcp://")) {
        engine->dial = xasprintf("https://%s", o->address + strlen("tcp://"));
    } else {
        engine->dial = xstrdup(o->address);
    }
    list_init(&engine->waiting);
    list_init(&engine->running);
    *ret = engine;
    return 0;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    assert(list_empty(&engine->waiting) && list_empty(&engine->running));
    http_call_cancel(engine->negotiation);
    free(engine->address);
    free(engine->dial);
    free(engine);
}

struct loop *engine_loop(const struct engine *engine)
{
    return engine->loop;
}

const char *engine_address(const struct engine *engine)
{
    return engine->address;
}

unsigned engine_api_minor(const struct engine *engine)
{
    return engine->api_minor;
}

bool engine_is_podman(const struct engine *engine)
{
    return engine->is_podman;
}

unsigned engine_generation(const struct engine *engine)
{
    return engine->generation;
}

static struct engine_call *call_new(struct engine *engine, const struct engine_request *request)
{
    struct engine_call *call = xcalloc(1, sizeof(*call));

    call->engine = engine;
    call->request = *request;
    call->request.method = call->method = xstrdup(request->method ? request->method : "GET");
    call->request.path = call->path = xstrdup(request->path);
    call->request.body = call->body = xstrdup(request->body);
    call->request.registry_auth = call->auth = xstrdup(request->registry_auth);
    buf_init(&call->early, request->max_upload);
    list_init(&call->link);
    list_append(&engine->waiting, &call->link);
    return call;
}

int engine_call_start(struct engine_call **ret,
                      struct engine *engine,
                      const struct engine_request *request,
                      struct error *err)
{
    struct engine_call *call = call_new(engine, request);
    int r;

    r = engine->state == ENGINE_READY ? call_run(call, err) : negotiate(engine, err);
    if (r < 0) {
        call_free(call);
        return r;
    }
    *ret = call;
    return 0;
}

void engine_call_cancel(struct engine_call *call)
{
    if (call && call->state != CALL_DONE)
        call_free(call);
}

void engine_call_pause(struct engine_call *call, bool is_paused)
{
    call->is_paused = is_paused;
    if (call->http)
        http_call_pause(call->http, is_paused);
}

int engine_call_write(struct engine_call *call, const void *data, size_t size)
{
    if (call->is_ended)
        return -EPIPE;
    if (call->http)
        return http_call_write(call->http, data, size);
    return buf_append(&call->early, data, size) < 0 ? -ENOBUFS : 0;
}

int engine_call_end_upload(struct engine_call *call)
{
    if (call->is_ended)
        return -EPIPE;
    call->is_ended = true;
    return call->http ? http_call_end_upload(call->http) : 0;
}

size_t engine_call_queued(const struct engine_call *call)
{
    return call->http ? http_call_queued(call->http) : call->early.size;
}

int engine_hijack_start(struct hijack **ret,
                        struct engine *engine,
                        const struct hijack_options *o,
                        struct error *err)
{
    unsigned minor = engine->api_minor ? engine->api_minor : ENGINE_API_MIN;
    _cleanup_free_ char *path = xasprintf("/v1.%u%s", minor, o->path);
    struct hijack_options mine = *o;

    mine.address = engine->dial;
    mine.trust = engine->trust;
    mine.path = path;
    return hijack_start(ret, engine->loop, &mine, err);
}

char *engine_query_escape(const char *s)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    struct buf b = BUF_INIT(strlen(s) * 3);

    for (; *s; s++) {
        int r = strchr(plain, *s) ? buf_append_char(&b, *s)
                                  : buf_printf(&b, "%%%02X", (unsigned char)*s);

        assert(r == 0);
    }
    return buf_take(&b);
}
