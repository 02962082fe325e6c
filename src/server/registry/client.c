#include "server/registry/client.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/registry/challenge.h"
#include "server/registry/manifest.h"
#include "server/registry/transfer.h"
#include "server/store/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_TOKEN_BODY ((size_t)64 << 10)
#define MAX_TAGS_BODY  ((size_t)4 << 20) /* of one page */
#define MAX_TAG_PAGES  20
#define MAX_TAGS       20000
#define MAX_TAG_NODES  100000

/* Token servers that belong to a registry on another host. */
static const char *const token_hosts[][2] = {
    {REFERENCE_HUB, "auth.docker.io"},
};

void registry_access_done(struct registry_access *a)
{
    free(a->domain);
    free(a->username);
    secret_free(a->password);
    free(a->token_host);
    free(a->ca_pem);
    *a = (struct registry_access){0};
}

void registry_request_done(struct registry_request *q)
{
    registry_access_done(&q->access);
    reference_done(&q->reference);
    free(q->known_etag);
    free(q->wanted_digest);
    json_decref(q->wanted_platforms);
    secret_free(q->token);
    free(q->digest);
    free(q->etag);
    json_decref(q->platforms);
    json_decref(q->tags);
    *q = (struct registry_request){0};
}

static int end(struct registry_request *q, enum registry_outcome outcome, const char *text)
{
    q->outcome = outcome;
    return error_set(&q->err, -EPROTO, "%s: %s", q->access.domain, text);
}

/* "100;w=21600" */
static void read_limit(const char *text, int64_t *ret, int64_t *ret_window)
{
    const char *window = text ? strstr(text, ";w=") : NULL;
    _cleanup_free_ char *first = text ? xstrndup(text, strcspn(text, ";, ")) : NULL;
    uint64_t n;

    if (!text || parse_u64(first, INT32_MAX, &n) < 0)
        return;
    *ret = (int64_t)n;
    if (window && parse_u64(window + strlen(";w="), INT32_MAX, &n) == 0)
        *ret_window = (int64_t)n;
}

static void take_limits(struct registry_request *q, const struct transfer_reply *r)
{
    read_limit(r->limit, &q->limit, &q->window_s);
    read_limit(r->remaining, &q->remaining, &q->window_s);
    if (r->retry_after_s > 0)
        q->retry_after_s = r->retry_after_s;
}

static char *make_basic(const struct registry_access *a)
{
    _cleanup_(secret_freep) char *pair = xasprintf("%s:%s", a->username, a->password);
    _cleanup_(secret_freep) char *encoded = base64_encode(pair, strlen(pair));

    return xasprintf("Basic %s", encoded);
}

/* Sends one exchange to the registry or to its token server. */
static int exchange(struct registry_request *q,
                    const struct transfer_options *o,
                    struct transfer_reply *ret)
{
    struct transfer_options all = *o;
    struct error err = ERROR_INIT;
    int r;

    all.ca_pem = q->access.ca_pem;
    all.accepts_any_certificate = q->access.security == REGISTRY_ANY_CERTIFICATE;
    all.may_be_plain = q->access.security == REGISTRY_PLAIN;
    all.may_be_local = q->access.is_known;
    all.timeout_ms = q->timeout_ms;
    all.is_cancelled = q->is_cancelled;
    r = transfer_run(&all, ret, &err);
    if (r < 0) {
        transfer_done(ret);
        return end(q, r == -EMSGSIZE ? REGISTRY_INVALID : REGISTRY_UNREACHABLE, err.msg);
    }
    take_limits(q, ret);
    return 0;
}

static bool may_get_credentials(const struct registry_access *a, const char *realm)
{
    _cleanup_free_ char *host = transfer_host(realm);
    _cleanup_free_ char *own_url = xasprintf("https://%s/", reference_registry_host(a->domain));
    _cleanup_free_ char *own = transfer_host(own_url);

    if (!host)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(token_hosts); i++) {
        if (str_eq(a->domain, token_hosts[i][0]) && str_eq(host, token_hosts[i][1]))
            return true;
    }
    return str_eq(host, own) || (a->token_host && str_eq(host, a->token_host));
}

static char *make_token_url(const struct registry_request *q, const struct challenge *c)
{
    _cleanup_free_ char *scope = c->scope ? xstrdup(c->scope)
                                          : xasprintf("repository:%s:pull", q->reference.path);
    _cleanup_free_ char *scope_text = transfer_escape(scope);
    _cleanup_free_ char *service = transfer_escape(c->service ? c->service : "");

    return xasprintf("%s%sservice=%s&scope=%s", c->realm, strchr(c->realm, '?') ? "&" : "?",
                     service, scope_text);
}

static int get_token(struct registry_request *q, const struct challenge *c, int64_t now_ms)
{
    bool is_trusted = may_get_credentials(&q->access, c->realm);
    bool has_credentials = q->access.username && q->access.password;
    _cleanup_(secret_freep) char *basic = has_credentials && is_trusted ? make_basic(&q->access)
                                                                        : NULL;
    _cleanup_free_ char *url = make_token_url(q, c);
    struct transfer_reply reply = {0};
    struct error err = ERROR_INIT;
    int64_t lifetime_s = 0;
    int r;

    r = exchange(
        q,
        &(struct transfer_options){.url = url, .authorization = basic, .max_body = MAX_TOKEN_BODY},
        &reply);
    if (r < 0)
        return r;
    if (reply.status == 429) {
        r = end(q, REGISTRY_LIMITED, "its token server answers 429, too many requests");
    } else if (reply.status >= 500) {
        r = end(q, REGISTRY_UNREACHABLE, "its token server has failed");
    } else if (reply.status != 200) {
        r = end(q, REGISTRY_DENIED,
                has_credentials && !is_trusted
                    ? "its token server is on another host, which gets the password only as the "
                      "`token_host` of the registry"
                    : "its token server refuses access");
    } else {
        secret_free(TAKE_PTR(q->token));
        r = challenge_read_token(reply.body.data ? reply.body.data : "", reply.body.size, &q->token,
                                 &lifetime_s, &err);
        if (r < 0)
            (void)end(q, REGISTRY_INVALID, err.msg);
        q->token_until_ms = now_ms + lifetime_s * 1000;
    }
    transfer_done(&reply);
    return r;
}

/* Returns the value of the header Authorization, or NULL: none is to be tried. */
static char *authorize(struct registry_request *q, const char *challenges, int64_t now_ms, int *ret)
{
    struct challenge c;
    char *value = NULL;

    challenge_parse(challenges, &c);
    *ret = 0;
    if (c.kind == CHALLENGE_BEARER) {
        *ret = get_token(q, &c, now_ms);
        if (*ret == 0)
            value = xasprintf("Bearer %s", q->token);
    } else if (c.kind == CHALLENGE_BASIC && q->access.username && q->access.password) {
        value = make_basic(&q->access);
    }
    challenge_done(&c);
    return value;
}

/* Sends a request, and once more with what the challenge asks for. */
static int ask(struct registry_request *q,
               const struct transfer_options *o,
               int64_t now_ms,
               struct transfer_reply *ret)
{
    bool has_token = q->token && q->token_until_ms > now_ms;
    _cleanup_(secret_freep) char *first = has_token ? xasprintf("Bearer %s", q->token) : NULL;
    _cleanup_(secret_freep) char *second = NULL;
    struct transfer_options again = *o;
    int r;

    again.authorization = first;
    r = exchange(q, &again, ret);
    if (r < 0 || ret->status != 401)
        return r;
    second = authorize(q, ret->challenges, now_ms, &r);
    if (!second) {
        transfer_done(ret);
        return r < 0 ? r : end(q, REGISTRY_DENIED, "it wants a user and a password");
    }
    transfer_done(ret);
    again.authorization = second;
    return exchange(q, &again, ret);
}

/* Sets the outcome of a status that is no success. */
static int judge(struct registry_request *q, int status)
{
    char text[64];

    if (status == 429)
        return end(q, REGISTRY_LIMITED, "it answers 429, too many requests");
    if (status == 401 || status == 403)
        return end(q, REGISTRY_DENIED, "it refuses access to the image");
    if (status == 404)
        return end(q, REGISTRY_NOT_FOUND, "it has no such image or tag");
    (void)snprintf(text, sizeof(text), "it answers with status %d", status);
    return end(q, status >= 500 ? REGISTRY_UNREACHABLE : REGISTRY_INVALID, text);
}

static char *make_url(const struct registry_request *q, const char *kind, const char *rest)
{
    return xasprintf("%s://%s/v2/%s/%s/%s", q->access.security == REGISTRY_PLAIN ? "http" : "https",
                     reference_registry_host(q->access.domain), q->reference.path, kind, rest);
}

/* GETs content by its digest, or by a tag with digest NULL, and compares it with the digest. */
static int get_content(struct registry_request *q,
                       const char *url,
                       const char *digest,
                       size_t max,
                       int64_t now_ms,
                       struct transfer_reply *ret)
{
    int r = ask(q,
                &(struct transfer_options){.url = url, .accept = MANIFEST_ACCEPT, .max_body = max},
                now_ms, ret);

    if (r < 0)
        return r;
    if (ret->status != 200) {
        r = judge(q, ret->status);
    } else if (digest && str_starts_with(digest, "sha256:") &&
               !manifest_has_digest(buf_str(&ret->body), ret->body.size, digest)) {
        r = end(q, REGISTRY_INVALID, "it sent content with another digest than it was asked for");
    }
    if (r < 0)
        transfer_done(ret);
    return r;
}

/* Some registries refuse HEAD, and others name no digest: one GET has it. */
static void compute_digest(struct registry_request *q, const char *url, int64_t now_ms)
{
    struct transfer_reply reply = {0};
    char digest[MANIFEST_DIGEST_SIZE];
    struct manifest m = {0};
    struct error err = ERROR_INIT;

    if (get_content(q, url, NULL, MANIFEST_MAX_SIZE, now_ms, &reply) < 0)
        return;
    manifest_digest(buf_str(&reply.body), reply.body.size, digest);
    if (reply.digest && str_starts_with(reply.digest, "sha256:") && !str_eq(reply.digest, digest)) {
        (void)end(q, REGISTRY_INVALID, "the digest that it names is not that of the content");
    } else if (manifest_parse(buf_str(&reply.body), reply.body.size, &m, &err) < 0) {
        (void)end(q, REGISTRY_INVALID, err.msg);
    } else {
        q->outcome = REGISTRY_ANSWERED;
        q->digest = xstrdup(reference_is_digest(reply.digest) ? reply.digest : digest);
        q->etag = TAKE_PTR(reply.etag);
    }
    manifest_done(&m);
    transfer_done(&reply);
}

static void ask_digest(struct registry_request *q, int64_t now_ms)
{
    _cleanup_free_ char *url = make_url(q, "manifests",
                                        q->reference.tag ? q->reference.tag : q->reference.digest);
    struct transfer_reply reply = {0};

    if (ask(q,
            &(struct transfer_options){.url = url,
                                       .is_head = true,
                                       .accept = MANIFEST_ACCEPT,
                                       .etag = q->known_etag,
                                       .max_body = MANIFEST_MAX_SIZE},
            now_ms, &reply) < 0)
        return;
    if (reply.status == 304 && q->known_etag) {
        q->outcome = REGISTRY_UNCHANGED;
    } else if (reply.status == 200 && reference_is_digest(reply.digest)) {
        q->outcome = REGISTRY_ANSWERED;
        q->digest = TAKE_PTR(reply.digest);
        q->etag = TAKE_PTR(reply.etag);
    } else if (reply.status == 200 || reply.status == 404 || reply.status == 405 ||
               reply.status == 400 || reply.status == 501) {
        compute_digest(q, url, now_ms);
    } else {
        (void)judge(q, reply.status);
    }
    transfer_done(&reply);
}

static bool is_wanted(const struct registry_request *q, const json_t *platform)
{
    const json_t *alone = NULL;
    json_auto_t *list = json_pack("[O]", (json_t *)(uintptr_t)platform);

    for (size_t i = 0; !alone && i < json_array_size(q->wanted_platforms); i++) {
        alone = manifest_find_platform(list,
                                       json_string_value(json_array_get(q->wanted_platforms, i)));
    }
    return alone != NULL;
}

/* Reads the config of a platform: when it was made, and its version. */
static int read_config(struct registry_request *q, json_t *platform, int64_t now_ms)
{
    const char *digest = json_text_get(platform, "config");
    _cleanup_free_ char *url = make_url(q, "blobs", digest);
    struct transfer_reply reply = {0};
    struct error err = ERROR_INIT;
    int r = get_content(q, url, digest, MANIFEST_MAX_CONFIG, now_ms, &reply);

    if (r < 0)
        return r;
    r = manifest_apply_config(platform, buf_str(&reply.body), reply.body.size, &err);
    if (r < 0)
        (void)end(q, REGISTRY_INVALID, err.msg);
    transfer_done(&reply);
    return r;
}

static int read_manifest(struct registry_request *q,
                         const char *digest,
                         int64_t now_ms,
                         struct manifest *ret)
{
    _cleanup_free_ char *url = make_url(q, "manifests", digest);
    struct transfer_reply reply = {0};
    struct error err = ERROR_INIT;
    int r = get_content(q, url, digest, MANIFEST_MAX_SIZE, now_ms, &reply);

    if (r < 0)
        return r;
    r = manifest_parse(buf_str(&reply.body), reply.body.size, ret, &err);
    if (r < 0)
        (void)end(q, REGISTRY_INVALID, err.msg);
    transfer_done(&reply);
    return r;
}

/* Completes the platforms that somebody has, by their manifest and its config. */
static int complete_platforms(struct registry_request *q, int64_t now_ms)
{
    json_t *platform;
    size_t i;

    json_array_foreach(q->platforms, i, platform)
    {
        struct manifest m = {0};
        int r;

        if (!is_wanted(q, platform))
            continue;
        r = read_manifest(q, json_text_get(platform, "digest"), now_ms, &m);
        if (r == 0 && m.config) {
            json_text_set(platform, "config", json_text_str(m.config));
            r = read_config(q, platform, now_ms);
        }
        manifest_done(&m);
        if (r < 0)
            return r;
    }
    return 0;
}

static int walk_index(struct registry_request *q, const char *digest, int depth, int64_t now_ms)
{
    struct manifest m = {0};
    int r;

    if (depth >= MANIFEST_MAX_DEPTH)
        return end(q, REGISTRY_INVALID, "its index contains indexes deeper than 3 levels");
    r = read_manifest(q, digest, now_ms, &m);
    if (r == 0 && !m.is_index) {
        json_t *o = json_pack("{s:o, s:o}", "digest", json_text_str(digest), "config",
                              json_text_str(m.config));

        r = read_config(q, o, now_ms);
        (void)json_array_append_new(q->platforms, o);
    }
    if (r == 0 && m.is_index)
        (void)json_array_extend(q->platforms, m.platforms);
    for (size_t i = 0; r == 0 && i < json_array_size(m.nested); i++) {
        if (json_array_size(q->platforms) >= MANIFEST_MAX_PLATFORMS)
            break;
        r = walk_index(q, json_string_value(json_array_get(m.nested, i)), depth + 1, now_ms);
    }
    manifest_done(&m);
    return r;
}

static void ask_platforms(struct registry_request *q, int64_t now_ms)
{
    q->platforms = json_array();
    if (walk_index(q, q->wanted_digest, 0, now_ms) < 0 || complete_platforms(q, now_ms) < 0)
        return;
    q->outcome = REGISTRY_ANSWERED;
}

/* Tags of signatures, attestations and other artefacts. */
static bool is_image_tag(const char *tag)
{
    return tag && strlen(tag) <= REFERENCE_MAX_TAG && !str_starts_with(tag, "sha256-") &&
           !str_ends_with(tag, ".sig") && !str_ends_with(tag, ".att") &&
           !str_ends_with(tag, ".sbom");
}

static int take_tags(struct registry_request *q, const struct buf *body)
{
    struct error err = ERROR_INIT;
    json_auto_t *v = json_text_parse_small(buf_str(body), body->size, MAX_TAG_NODES, &err);
    const json_t *tags = json_object_get(v, "tags"), *tag;
    size_t i;

    if (!v)
        return end(q, REGISTRY_INVALID, err.msg);
    json_array_foreach((json_t *)(uintptr_t)tags, i, tag)
    {
        if (is_image_tag(json_string_value(tag)) && json_array_size(q->tags) < MAX_TAGS)
            (void)json_array_append(q->tags, (json_t *)(uintptr_t)tag);
    }
    return 0;
}

/* The next page is on the same host: only the query of the link counts. To be freed; NULL: none. */
static char *find_next_page(const char *link)
{
    const char *query = link ? strchr(link, '?') : NULL;
    const char *close = query ? strchr(query, '>') : NULL;

    if (!close || !strstr(close, "next"))
        return NULL;
    return xasprintf("list%.*s", (int)(close - query), query);
}

static void ask_tags(struct registry_request *q, int64_t now_ms)
{
    _cleanup_free_ char *page = xstrdup("list?n=1000");

    q->tags = json_array();
    for (int i = 0; page && i < MAX_TAG_PAGES; i++) {
        _cleanup_free_ char *url = make_url(q, "tags", page);
        struct transfer_reply reply = {0};
        int r = ask(q, &(struct transfer_options){.url = url, .max_body = MAX_TAGS_BODY}, now_ms,
                    &reply);

        if (r < 0)
            return;
        r = reply.status == 200 ? take_tags(q, &reply.body) : judge(q, reply.status);
        free(page);
        page = r == 0 ? find_next_page(reply.link) : NULL;
        transfer_done(&reply);
        if (r < 0)
            return;
    }
    q->outcome = REGISTRY_ANSWERED;
}

void registry_request_run(struct registry_request *q, int64_t now_ms)
{
    q->limit = q->remaining = q->window_s = -1;
    q->outcome = REGISTRY_INVALID;
    switch (q->work) {
    case REGISTRY_ASK_DIGEST: ask_digest(q, now_ms); break;
    case REGISTRY_ASK_PLATFORMS: ask_platforms(q, now_ms); break;
    case REGISTRY_ASK_TAGS: ask_tags(q, now_ms); break;
    }
}
