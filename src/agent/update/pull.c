#include "agent/update/pull.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/engine.h"
#include "proto/json_text.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define MAX_TEXT           400 /* bytes of the engine's message */
#define MAX_NODES          10000
#define READ_MS            60000
#define IMAGE_PLATFORM_API 49 /* GET /images/NAME/json knows the platform since */

enum pull_state { PULL_LOOKING, PULL_PULLING, PULL_READING, PULL_ENDING };

struct pull {
    struct pull_options o;
    char *reference, *platform, *present_id;
    char *auth;           /* the value of the header, a secret; NULL: none */
    bool is_local;        /* of the result */
    bool has_other_image; /* one of this host that may be taken */
    enum pull_state state;
    struct engine_call *call;
    struct loop_timer deadline;
    struct buf line;
    struct pull_layers layers;
    uint64_t reported_ms; /* when the last progress was reported; 0: never */
    char digest[80];      /* of the line "Digest: ..." */
    struct error failure; /* of a line; code 0: none */
};

static void free_secret(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

static void free_pull(struct pull *p)
{
    loop_timer_stop(&p->deadline);
    engine_call_cancel(TAKE_PTR(p->call));
    buf_done(&p->line);
    pull_layers_done(&p->layers);
    free(p->reference);
    free(p->platform);
    free(p->present_id);
    free_secret(p->auth);
    free(p);
}

void pull_cancel(struct pull *p)
{
    if (p && p->state != PULL_ENDING)
        free_pull(p);
}

static void end(struct pull *p, const struct pull_result *result)
{
    p->state = PULL_ENDING;
    p->o.done(p->o.owner, result);
    free_pull(p);
}

static void fail(struct pull *p, int code, int status, const char *message)
{
    end(p, &(struct pull_result){.code = code, .status = status, .message = message});
}

char *pull_encode_auth(const json_t *auth)
{
    static const char *const members[] = {"username",      "password",      "email",
                                          "serveraddress", "identitytoken", "registrytoken"};
    json_auto_t *o = json_object();
    char *text, *ret;

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        json_t *v = json_object_get(auth, members[i]);

        if (json_is_string(v))
            json_text_set(o, members[i], json_incref(v));
    }
    text = json_text_write(o, NULL);
    ret = base64_encode(text, strlen(text));
    free_secret(text);
    for (char *c = ret; *c; c++) {
        if (*c == '+') {
            *c = '-';
        } else if (*c == '/') {
            *c = '_';
        }
    }
    return ret;
}

/* --- images --- */

/* Splits "os/arch[/variant]" into parts of at most 31 bytes. False: it is none. */
static bool split_platform(const char *platform, char parts[3][32])
{
    size_t n = 0;

    memset(parts, 0, 3 * sizeof(parts[0]));
    while (n < 3) {
        size_t size = strcspn(platform, "/");

        if (size == 0 || size >= sizeof(parts[0]) ||
            strspn(platform, "abcdefghijklmnopqrstuvwxyz0123456789._-") < size)
            return false;
        str_copy(parts[n++], size + 1, platform);
        platform += size;
        if (*platform == '\0')
            return n >= 2;
        platform++;
    }
    return false;
}

bool pull_fits_platform(const json_t *image, const char *platform)
{
    static const char *const keys[] = {"Os", "Architecture", "Variant"};
    char parts[3][32];

    if (!split_platform(platform, parts))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *v = json_text_get(image, keys[i]);

        if (*parts[i] && !str_is_empty(v) && strcasecmp(v, parts[i]) != 0)
            return false;
    }
    return true;
}

/* The part of a reference that names the repository, without the parts that Docker implies. */
static char *normalize_repository(const char *reference)
{
    static const char *const implied[] = {"index.docker.io/", "registry-1.docker.io/",
                                          "docker.io/"};
    const char *name = reference, *slash;
    size_t size;

    for (size_t i = 0; i < ARRAY_LEN(implied); i++) {
        if (str_starts_with(reference, implied[i])) {
            name += strlen(implied[i]);
            break;
        }
    }
    if (str_starts_with(name, "library/"))
        name += strlen("library/");
    size = strcspn(name, "@");
    slash = memrchr(name, '/', size);
    slash = slash ? slash : name;
    for (const char *c = slash; c < name + size; c++) {
        if (*c == ':')
            size = (size_t)(c - name);
    }
    return xstrndup(name, size);
}

const char *pull_find_digest(const json_t *image, const char *reference, const char *announced)
{
    _cleanup_free_ char *wanted = normalize_repository(reference);
    const json_t *digests = json_object_get(image, "RepoDigests"), *entry;
    const char *first = NULL;
    size_t i;

    json_array_foreach(digests, i, entry)
    {
        const char *text = json_string_value(entry);
        const char *digest = text ? strchr(text, '@') : NULL;
        _cleanup_free_ char *repository = digest ? normalize_repository(text) : NULL;

        if (!repository || !str_eq(repository, wanted))
            continue;
        digest++;
        if (str_eq(digest, announced))
            return digest;
        first = first ? first : digest;
    }
    return first;
}

static void on_image(void *owner, const struct engine_reply *reply)
{
    struct pull *p = owner;
    struct error err = ERROR_INIT;
    struct pull_result result = {.image = reply->json, .message = "", .is_local = p->is_local};

    p->call = NULL;
    if (reply->code < 0) {
        error_set(&err, reply->code, "the image %s was pulled, but cannot be read: %s",
                  p->reference, reply->message);
        fail(p, reply->code, reply->status, err.msg); /* p is gone now */
        return;
    }
    result.image_id = json_text_get(reply->json, "Id");
    if (str_is_empty(result.image_id)) {
        fail(p, -EPROTO, 0, "the engine describes the image without an id"); /* p is gone now */
        return;
    }
    if (p->platform && !pull_fits_platform(reply->json, p->platform)) {
        const char *os = json_text_get(reply->json, "Os");
        const char *architecture = json_text_get(reply->json, "Architecture");

        os = os ? os : "?";
        architecture = architecture ? architecture : "?";
        error_set(&err, -EINVAL,
                  "the image %s is of the platform %.*s/%.*s, not of %s: it would not run, or "
                  "run slowly; choose an image for %s",
                  p->reference, STR_CUT(os, 32), STR_CUT(architecture, 32), p->platform,
                  p->platform);
        fail(p, -EINVAL, 0, err.msg); /* p is gone now */
        return;
    }
    result.digest = pull_find_digest(reply->json, p->reference, p->digest);
    if (!result.digest && *p->digest)
        result.digest = p->digest;
    end(p, &result); /* p is gone now */
}

/* {"os", "architecture", "variant"} as the value of a query; NULL: the engine does not take it. */
static char *make_platform_query(const struct pull *p)
{
    char parts[3][32];
    json_auto_t *o = NULL;
    _cleanup_free_ char *text = NULL;

    if (!p->platform || engine_is_podman(p->o.engine) ||
        engine_api_minor(p->o.engine) < IMAGE_PLATFORM_API || !split_platform(p->platform, parts))
        return NULL;
    o = json_object();
    json_text_set(o, "os", json_text_str(parts[0]));
    json_text_set(o, "architecture", json_text_str(parts[1]));
    if (*parts[2])
        json_text_set(o, "variant", json_text_str(parts[2]));
    text = json_text_write(o, NULL);
    return engine_query_escape(text);
}

static void read_image(struct pull *p)
{
    _cleanup_free_ char *platform = make_platform_query(p);
    _cleanup_free_ char *path = xasprintf("/images/%s/json%s%s", p->reference,
                                          platform ? "?platform=" : "", platform ? platform : "");
    struct error err = ERROR_INIT;
    int r;

    p->state = PULL_READING;
    r = engine_call_start(
        &p->call, p->o.engine,
        &(struct engine_request){
            .path = path, .timeout_ms = READ_MS, .wants_json = true, .done = on_image, .owner = p},
        &err);
    if (r < 0)
        fail(p, r, 0, err.msg); /* p is gone now */
}

/* --- the stream --- */

static void report(struct pull *p, uint64_t now_ms)
{
    if (!p->layers.has_changed || !p->o.on_progress)
        return;
    p->layers.has_changed = false;
    p->reported_ms = now_ms;
    p->o.on_progress(p->o.owner, &p->layers);
}

/* An error inside the stream: its text, or NULL. */
static const char *find_error(const json_t *line)
{
    const char *text = json_text_get(json_object_get(line, "errorDetail"), "message");

    if (str_is_empty(text))
        text = json_text_get(line, "error");
    if (str_is_empty(text) &&
        (json_object_get(line, "error") || json_object_get(line, "errorDetail")))
        return "the engine reports an error without a text";
    return text;
}

static int take_line(struct pull *p, const char *text, size_t size)
{
    json_auto_t *line = NULL;
    struct error why = ERROR_INIT;
    const char *error, *status;
    uint64_t now_ms = time_monotonic_ms();

    while (size > 0 && strchr(" \t\r\n", text[size - 1]))
        size--;
    if (size == 0)
        return 0;
    line = json_text_parse_small(text, size, MAX_NODES, &why);
    if (!json_is_object(line)) {
        return error_set(&p->failure, -EPROTO, "the engine sent a line that is no JSON object%s%s",
                         *why.msg ? ": " : "", why.msg);
    }
    error = find_error(line);
    if (error)
        return error_set(&p->failure, -EREMOTEIO, "%.*s", STR_CUT(error, MAX_TEXT));
    status = json_text_get(line, "status");
    if (status && str_starts_with(status, "Digest: sha256:"))
        str_copy(p->digest, sizeof(p->digest), status + strlen("Digest: "));
    pull_layers_take(&p->layers, line, now_ms);
    if (p->reported_ms == 0 || now_ms - p->reported_ms >= PULL_PROGRESS_MS)
        report(p, now_ms);
    return 0;
}

/* A failure cannot end the pull inside its own stream: a timer without delay does. */
static void on_deadline(struct loop_timer *t)
{
    struct pull *p = CONTAINER_OF(t, struct pull, deadline);
    struct error err = p->failure;
    uint64_t total_ms = p->o.total_ms;

    engine_call_cancel(TAKE_PTR(p->call));
    if (err.code == 0) {
        error_set(&err, -ETIMEDOUT, "the image %s was not pulled within %llu s", p->reference,
                  (unsigned long long)(total_ms / 1000));
    }
    fail(p, err.code, 0, err.msg); /* p is gone now */
}

static void on_data(void *owner, const void *data, size_t size)
{
    struct pull *p = owner;
    const char *at = data, *end_of_data = at + size;

    while (at < end_of_data && p->failure.code == 0) {
        const char *newline = memchr(at, '\n', (size_t)(end_of_data - at));
        size_t n = (size_t)((newline ? newline : end_of_data) - at);

        if (buf_append(&p->line, at, n) < 0) {
            error_set(&p->failure, -EMSGSIZE,
                      "the engine sent a line of more than %zu bytes while it pulled %s",
                      PULL_MAX_LINE, p->reference);
        } else if (newline) {
            (void)take_line(p, buf_str(&p->line), p->line.size);
            buf_clear(&p->line);
        }
        at += n + 1;
    }
    if (p->failure.code != 0)
        loop_timer_start(engine_loop(p->o.engine), &p->deadline, 0, on_deadline);
}

static void on_pulled(void *owner, const struct engine_reply *reply)
{
    struct pull *p = owner;
    struct error err = ERROR_INIT;

    p->call = NULL;
    if (p->failure.code == 0 && reply->code == 0)
        (void)take_line(p, buf_str(&p->line), p->line.size); /* the last one, without a newline */
    if (p->failure.code != 0) {
        err = p->failure;
        fail(p, err.code, 0, err.msg); /* p is gone now */
        return;
    }
    if (reply->code == -ETIMEDOUT) {
        error_set(&err, -ETIMEDOUT, "the engine was silent for %llu s while it pulled %s",
                  (unsigned long long)(p->o.idle_ms / 1000), p->reference);
        fail(p, err.code, 0, err.msg); /* p is gone now */
        return;
    }
    if (reply->code == -ENOENT && p->has_other_image) {
        p->is_local = true;
        read_image(p); /* p may be gone now */
        return;
    }
    if (reply->code < 0) {
        fail(p, reply->code, reply->status, reply->message); /* p is gone now */
        return;
    }
    report(p, time_monotonic_ms());
    read_image(p); /* p may be gone now */
}

/* A tag or digest is always sent, so that the engine never pulls all tags. */
static char *make_path(const struct pull *p)
{
    size_t size = strcspn(p->reference, "@");
    const char *digest = p->reference[size] == '@' ? p->reference + size + 1 : NULL;
    _cleanup_free_ char *name = xstrndup(p->reference, size);
    _cleanup_free_ char *image = NULL, *version = NULL, *platform = NULL;
    char *colon = strrchr(name, ':');
    const char *slash = strrchr(name, '/'), *tag = "latest";

    if (colon && (!slash || colon > slash)) {
        *colon = '\0';
        tag = colon + 1;
    }
    image = engine_query_escape(name);
    version = engine_query_escape(digest ? digest : tag);
    platform = engine_query_escape(p->platform ? p->platform : "");
    return xasprintf("/images/create?fromImage=%s&tag=%s%s%s", image, version,
                     *platform ? "&platform=" : "", platform);
}

static void start_stream(struct pull *p)
{
    _cleanup_free_ char *path = make_path(p);
    struct error err = ERROR_INIT;
    int r;

    p->state = PULL_PULLING;
    r = engine_call_start(&p->call, p->o.engine,
                          &(struct engine_request){.method = "POST",
                                                   .path = path,
                                                   .registry_auth = p->auth,
                                                   .timeout_ms = p->o.idle_ms,
                                                   .on_data = on_data,
                                                   .done = on_pulled,
                                                   .owner = p},
                          &err);
    if (r < 0)
        fail(p, r, 0, err.msg); /* p is gone now */
}

static void on_look(void *owner, const struct engine_reply *reply)
{
    struct pull *p = owner;
    const char *id = json_text_get(reply->json, "Id");

    p->call = NULL;
    if (reply->code < 0 && reply->status == 0) {
        fail(p, reply->code, 0, reply->message); /* p is gone now */
        return;
    }
    if (id && json_array_size(json_object_get(reply->json, "RepoDigests")) == 0) {
        p->is_local = true;
        read_image(p); /* p may be gone now */
        return;
    }
    p->has_other_image = id && p->present_id && !str_eq(id, p->present_id);
    start_stream(p); /* p may be gone now */
}

static int start_look(struct pull *p, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("/images/%s/json", p->reference);

    return engine_call_start(
        &p->call, p->o.engine,
        &(struct engine_request){
            .path = path, .timeout_ms = READ_MS, .wants_json = true, .done = on_look, .owner = p},
        err);
}

int pull_start(struct pull **ret, const struct pull_options *o, struct error *err)
{
    char parts[3][32];
    struct pull *p;
    int r;

    if (!str_is_image_ref(o->reference))
        return error_set(err, -EINVAL, "the reference of the image is invalid");
    if (str_starts_with(o->reference, "sha256:") || str_is_hex(o->reference, 64))
        return error_set(err, -EINVAL, "an image that is known by its id cannot be pulled");
    if (!str_is_empty(o->platform) && !split_platform(o->platform, parts))
        return error_set(err, -EINVAL, "the platform is not of the form os/architecture/variant");
    p = xcalloc(1, sizeof(*p));
    p->o = *o;
    p->o.idle_ms = o->idle_ms ? o->idle_ms : PULL_IDLE_MS;
    p->o.total_ms = o->total_ms ? o->total_ms : PULL_TOTAL_MS;
    p->reference = xstrdup(o->reference);
    p->platform = str_is_empty(o->platform) ? NULL : xstrdup(o->platform);
    p->present_id = str_is_empty(o->present_id) ? NULL : xstrdup(o->present_id);
    p->auth = o->auth ? pull_encode_auth(o->auth) : NULL;
    p->o.auth = NULL; /* borrowed during this call only */
    buf_init(&p->line, PULL_MAX_LINE);
    r = start_look(p, err);
    if (r < 0) {
        free_pull(p);
        return r;
    }
    loop_timer_start(engine_loop(o->engine), &p->deadline, p->o.total_ms, on_deadline);
    *ret = p;
    return 0;
}
