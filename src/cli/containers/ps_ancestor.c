#include "cli/containers/ps_ancestor.h"

#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/text.h"

#include <stdlib.h>
#include <string.h>

#define HUB         "docker.io/"
#define HUB_LIBRARY "docker.io/library/"
#define ALGORITHM   "sha256:"

static const char *skip(const char *text, const char *prefix)
{
    return str_starts_with(text, prefix) ? text + strlen(prefix) : text;
}

/* "nginx:latest" for "docker.io/library/nginx"; to be freed. */
static char *complete_name(const char *image)
{
    const char *name = skip(skip(image, HUB_LIBRARY), HUB);
    const char *slash = strrchr(name, '/');
    bool has_tag = strpbrk(slash ? slash : name, ":@") != NULL;

    return xasprintf("%s%s", name, has_tag ? "" : ":latest");
}

/* The list of images has the first 12 digits only. */
static bool is_id(const char *id, const char *wanted)
{
    size_t own, size;

    id = skip(id, ALGORITHM);
    wanted = skip(wanted, ALGORITHM);
    own = strlen(id);
    size = strlen(wanted);
    return own > 0 && str_is_hex(wanted, size) && size > 0 &&
           strncmp(id, wanted, own < size ? own : size) == 0;
}

static bool is_image(const json_t *image, const char *name, const char *wanted)
{
    const json_t *tags = json_object_get(image, "tags");

    for (size_t i = 0; i < json_array_size(tags); i++) {
        if (str_eq(json_string_value(json_array_get(tags, i)), name))
            return true;
    }
    return is_id(member_text(image, "id"), wanted);
}

/* Adds "HOST/ID" of each image that matches. */
static void collect(struct filter *f, const char *host_id, const json_t *images)
{
    _cleanup_free_ char *name = complete_name(f->value);

    for (size_t i = 0; i < json_array_size(images); i++) {
        const json_t *image = json_array_get(images, i);
        _cleanup_free_ char *key = xasprintf("%s/%s", host_id, member_text(image, "id"));

        if (is_image(image, name, f->value))
            (void)json_object_set_new(f->found, key, json_true());
    }
}

int ps_ancestor_resolve(struct filter *f, struct client *c, struct error *err)
{
    _cleanup_free_ struct client_request *requests = NULL;
    json_auto_t *hosts = NULL;
    size_t n;
    int r;

    r = client_get(c, xstrdup("/api/hosts"), &hosts, err);
    if (r < 0)
        return r;
    n = json_array_size(hosts);
    requests = xcalloc(n ? n : 1, sizeof(*requests));
    f->found = json_object();
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *id = text_url_encode(member_text(json_array_get(hosts, i), "id"));

        requests[i].method = "GET";
        requests[i].path = xasprintf("/api/hosts/%s/images", id);
    }
    client_run(c, requests, n);
    for (size_t i = 0; i < n; i++) {
        collect(f, member_text(json_array_get(hosts, i), "id"), requests[i].json);
        client_request_done(&requests[i]);
    }
    return 0;
}

bool ps_ancestor_match(const json_t *container, const struct filter *f)
{
    _cleanup_free_ char *name = complete_name(member_text(container, "image"));
    _cleanup_free_ char *wanted = complete_name(f->value);
    const char *id = skip(member_text(container, "image_id"), ALGORITHM);
    _cleanup_free_ char *key = xasprintf("%s/%.*s", member_text(container, "host_id"),
                                         CONTAINER_SHORT_ID_LEN, id);

    return str_eq(name, wanted) || is_id(id, f->value) || json_object_get(f->found, key) != NULL;
}
