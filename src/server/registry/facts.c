#include "server/registry/facts.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/registry/reference.h"

#include <stdio.h>
#include <string.h>

/* Words of the kernel for architectures that Go names otherwise. */
static const char *const architectures[][2] = {
    {"x86_64",  "amd64" },
    {"aarch64", "arm64" },
    {"armv7l",  "arm/v7"},
    {"armv6l",  "arm/v6"},
};

static void set_host_platform(struct image_facts *f, const struct fleet_host *h)
{
    const char *arch = h->agent.arch;

    for (size_t i = 0; i < ARRAY_LEN(architectures); i++) {
        if (str_eq(arch, architectures[i][0]))
            arch = architectures[i][1];
    }
    if (!str_is_empty(arch) && strlen(arch) < 32)
        (void)snprintf(f->platform, sizeof(f->platform), "linux/%s", arch);
}

/* The engine names platform and manifest of the image that the container has (containerd store). */
static void take_descriptor(struct image_facts *f, const json_t *descriptor)
{
    const json_t *p = json_object_get(descriptor, "platform");
    const char *os = json_text_get(p, "os"), *arch = json_text_get(p, "architecture");
    const char *variant = json_text_get(p, "variant"),
               *digest = json_text_get(descriptor, "digest");

    if (reference_is_digest(digest))
        f->manifest_digest = xstrdup(digest);
    if (!str_is_empty(os) && !str_is_empty(arch) &&
        strlen(os) + strlen(arch) + (variant ? strlen(variant) : 0) < sizeof(f->platform) - 3) {
        (void)snprintf(f->platform, sizeof(f->platform), "%s/%s%s%s", os, arch,
                       str_is_empty(variant) ? "" : "/", variant ? variant : "");
    }
}

static char *copy_text(const json_t *o, const char *key)
{
    const char *text = json_text_get(o, key);

    return text && strlen(text) <= REFERENCE_MAX ? xstrdup(text) : NULL;
}

static void find_reference(struct image_facts *f)
{
    struct decision_source s = image_facts_source(f);
    struct reference r = {0};

    if (!decision_needs_answer(&s) || reference_parse(f->image, &r, NULL) < 0)
        return;
    f->reference = reference_key(&r);
    reference_done(&r);
}

void image_facts_read(struct image_facts *ret,
                      const struct fleet_host *h,
                      const struct fleet_container *c)
{
    struct image_facts f = {.version = c->version};
    json_auto_t *v = c->element ? fleet_container_element(c) : NULL;

    set_host_platform(&f, h);
    if (v) {
        f.image = copy_text(v, "Image");
        f.image_id = copy_text(v, "ImageID");
        f.repo_digests = json_incref(json_object_get(v, "RepoDigests"));
        take_descriptor(&f, json_object_get(v, "ImageManifestDescriptor"));
    } else if (c->shown.text) { /* the element was encoded, and forgotten */
        _cleanup_free_ char *text = xasprintf("%s}", c->shown.text);

        v = json_text_parse(text, strlen(text), 0, NULL);
        f.image = copy_text(v, "image");
        f.image_id = copy_text(v, "image_id");
        f.repo_digests = json_incref(json_object_get(v, "repo_digests"));
        take_descriptor(&f, json_object_get(v, "image_manifest"));
    }
    find_reference(&f);
    *ret = f;
}

void image_facts_done(struct image_facts *f)
{
    free(f->image);
    free(f->image_id);
    free(f->manifest_digest);
    free(f->reference);
    json_decref(f->repo_digests);
    *f = (struct image_facts){0};
}

struct decision_source image_facts_source(const struct image_facts *f)
{
    return (struct decision_source){
        .image = f->image,
        .image_id = f->image_id,
        .repo_digests = f->repo_digests,
        .manifest_digest = f->manifest_digest,
        .platform = f->platform[0] ? f->platform : NULL,
    };
}
