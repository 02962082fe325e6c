#include "server/registry/manifest.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/registry/reference.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define MAX_WORD  64 /* bytes of os, architecture and variant */
#define MAX_LABEL 1024

#define LABEL "org.opencontainers.image."

static bool is_word(const char *text)
{
    if (!text || *text == '\0' || strlen(text) > MAX_WORD)
        return false;
    for (; *text; text++) {
        if (*text <= ' ' || *text == '/' || (unsigned char)*text >= 0x7f)
            return false;
    }
    return true;
}

/* OS/ARCHITECTURE[/VARIANT], to be freed; NULL: unknown. */
static char *name_platform(const json_t *o)
{
    const char *os = json_text_get(o, "os"), *variant = json_text_get(o, "variant");
    const char *architecture = json_text_get(o, "architecture");

    if (!is_word(os) || !is_word(architecture))
        return NULL;
    if (str_eq(os, "unknown") || str_eq(architecture, "unknown"))
        return NULL;
    return is_word(variant) ? xasprintf("%s/%s/%s", os, architecture, variant)
                            : xasprintf("%s/%s", os, architecture);
}

static bool is_index_type(const char *type)
{
    return str_eq(type, "application/vnd.oci.image.index.v1+json") ||
           str_eq(type, "application/vnd.docker.distribution.manifest.list.v2+json");
}

/* Attestations of buildx have a platform `unknown`, and an annotation in any case. */
static bool is_attestation(const json_t *entry)
{
    const json_t *platform = json_object_get(entry, "platform");

    return json_text_get(json_object_get(entry, "annotations"), "vnd.docker.reference.type") ||
           str_eq(json_text_get(platform, "os"), "unknown") ||
           str_eq(json_text_get(platform, "architecture"), "unknown") ||
           json_text_get(entry, "artifactType");
}

static void take_entry(struct manifest *m, const json_t *entry)
{
    const char *digest = json_text_get(entry, "digest");
    _cleanup_free_ char *platform = name_platform(json_object_get(entry, "platform"));

    if (!reference_is_digest(digest) || is_attestation(entry))
        return;
    if (is_index_type(json_text_get(entry, "mediaType"))) {
        if (json_array_size(m->nested) < MANIFEST_MAX_PLATFORMS)
            (void)json_array_append_new(m->nested, json_text_str(digest));
    } else if (json_array_size(m->platforms) < MANIFEST_MAX_PLATFORMS) {
        json_t *o = json_pack("{s:o}", "digest", json_text_str(digest));

        if (platform)
            json_text_set(o, "platform", json_text_str(platform));
        (void)json_array_append_new(m->platforms, o);
    }
}

int manifest_parse(const char *text, size_t size, struct manifest *ret, struct error *err)
{
    struct manifest m = {0};
    json_auto_t *v = json_text_parse_small(text, size, MANIFEST_MAX_NODES, err);
    const json_t *entries, *entry;
    const char *config;
    size_t i;

    if (!v)
        return error_wrap(err, -EPROTO, "manifest");
    entries = json_object_get(v, "manifests");
    config = json_text_get(json_object_get(v, "config"), "digest");
    if (json_is_array(entries)) {
        m = (struct manifest){.is_index = true, .platforms = json_array(), .nested = json_array()};
        json_array_foreach((json_t *)(uintptr_t)entries, i, entry) take_entry(&m, entry);
    } else if (reference_is_digest(config)) {
        m.config = xstrdup(config);
    } else {
        return error_set(err, -EPROTO, "manifest: it is neither an image nor an index of images");
    }
    *ret = m;
    return 0;
}

void manifest_done(struct manifest *m)
{
    json_decref(m->platforms);
    json_decref(m->nested);
    free(m->config);
    *m = (struct manifest){0};
}

static void take_label(json_t *platform, const char *key, const json_t *labels, const char *label)
{
    const char *value = json_text_get(labels, label);

    if (value && *value && strlen(value) <= MAX_LABEL)
        json_text_set(platform, key, json_text_str(value));
}

int manifest_apply_config(json_t *platform, const char *text, size_t size, struct error *err)
{
    json_auto_t *v = json_text_parse_small(text, size, MANIFEST_MAX_NODES, err);
    _cleanup_free_ char *name = NULL;
    const json_t *labels;
    const char *created;

    if (!v)
        return error_wrap(err, -EPROTO, "config of the image");
    name = name_platform(v);
    if (name && !json_object_get(platform, "platform"))
        json_text_set(platform, "platform", json_text_str(name));
    created = json_text_get(v, "created");
    if (created && strlen(created) < 64)
        json_text_set(platform, "created", json_text_str(created));
    labels = json_object_get(json_object_get(v, "config"), "Labels");
    take_label(platform, "version", labels, LABEL "version");
    take_label(platform, "source", labels, LABEL "source");
    take_label(platform, "url", labels, LABEL "url");
    return 0;
}

void manifest_digest(const char *text, size_t size, char ret[MANIFEST_DIGEST_SIZE])
{
    unsigned char hash[crypto_hash_sha256_BYTES];

    (void)crypto_hash_sha256(hash, (const unsigned char *)text, size);
    str_copy(ret, MANIFEST_DIGEST_SIZE, "sha256:");
    (void)sodium_bin2hex(ret + strlen("sha256:"), MANIFEST_DIGEST_SIZE - strlen("sha256:"), hash,
                         sizeof(hash));
}

bool manifest_has_digest(const char *text, size_t size, const char *digest)
{
    char own[MANIFEST_DIGEST_SIZE];

    manifest_digest(text, size, own);
    return str_eq(own, digest);
}

/* arm64 is arm64/v8, and amd64 is amd64/v1. Returns the size without the default variant. */
static size_t measure_platform(const char *name)
{
    size_t n = strlen(name);

    if (str_ends_with(name, "/arm64/v8") || str_ends_with(name, "/amd64/v1"))
        n -= strlen("/v8");
    return n;
}

static bool is_same_platform(const char *a, const char *b)
{
    size_t n = measure_platform(a);

    return n == measure_platform(b) && strncmp(a, b, n) == 0;
}

const json_t *manifest_find_platform(const json_t *platforms, const char *platform)
{
    static const char *const variants[] = {"", "/v7", "/v6", "/v5"};

    if (json_array_size(platforms) == 1) {
        const json_t *only = json_array_get(platforms, 0);
        const char *name = json_text_get(only, "platform");

        if (!name || !platform)
            return only;
    }
    if (!platform)
        return NULL;
    for (size_t v = 0; v < ARRAY_LEN(variants); v++) {
        _cleanup_free_ char *wanted = xasprintf("%s%s", platform, variants[v]);

        for (size_t i = 0; i < json_array_size(platforms); i++) {
            const json_t *o = json_array_get(platforms, i);
            const char *name = json_text_get(o, "platform");

            if (name && is_same_platform(name, wanted))
                return o;
        }
    }
    return NULL;
}
