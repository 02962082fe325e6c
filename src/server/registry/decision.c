#include "server/registry/decision.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/registry/manifest.h"
#include "server/registry/reference.h"

#include <string.h>

static const char *const state_names[] = {
    [DECISION_UNKNOWN] = "unknown",   [DECISION_UP_TO_DATE] = "up_to_date",
    [DECISION_OUTDATED] = "outdated", [DECISION_PINNED] = "pinned",
    [DECISION_LOCAL] = "local",
};

const char *decision_state_name(enum decision_state state)
{
    return state_names[state];
}

/* Returns whether a RepoDigest belongs to the repository; *ret_digest points into its text. */
static bool is_of_repository(const char *text, const char *repository, const char **ret_digest)
{
    struct reference r = {0};
    bool is_same = false;

    if (!text || reference_parse(text, &r, NULL) < 0)
        return false;
    if (r.digest) {
        _cleanup_free_ char *own = reference_repository(&r);

        is_same = str_eq(own, repository);
        if (is_same)
            *ret_digest = strchr(text, '@') + 1;
    }
    reference_done(&r);
    return is_same;
}

static bool has_repository(const struct decision_source *s, const char *repository)
{
    const char *digest;

    for (size_t i = 0; i < json_array_size(s->repo_digests); i++) {
        if (is_of_repository(json_string_value(json_array_get(s->repo_digests, i)), repository,
                             &digest))
            return true;
    }
    return false;
}

static bool has_digest(const struct decision_source *s, const char *repository, const char *wanted)
{
    const char *digest;

    if (!wanted)
        return false;
    if (str_eq(wanted, s->manifest_digest) || str_eq(wanted, s->image_id))
        return true;
    for (size_t i = 0; i < json_array_size(s->repo_digests); i++) {
        if (is_of_repository(json_string_value(json_array_get(s->repo_digests, i)), repository,
                             &digest) &&
            str_eq(digest, wanted))
            return true;
    }
    return false;
}

/* An engine names an image whose tag has moved by its id, whole or short. */
static bool is_id_of_image(const char *image, const char *image_id)
{
    size_t n = image ? strlen(image) : 0;

    return image && n >= 12 && image_id && str_starts_with(image_id, "sha256:") &&
           str_is_hex(image, n) && strncmp(image_id + strlen("sha256:"), image, n) == 0;
}

/* Decides what no registry is asked for. Returns false when the answer of the registry decides. */
static bool decide_alone(const struct decision_source *s,
                         const struct reference *r,
                         const char *repository,
                         struct decision *ret)
{
    if (json_array_size(s->repo_digests) == 0 || str_eq(r->domain, "localhost")) {
        ret->state = DECISION_LOCAL;
        ret->reason = "the image was built on the host, or loaded there";
        return true;
    }
    if (!has_repository(s, repository)) {
        ret->state = DECISION_LOCAL;
        ret->reason = "the image was tagged on the host: it was not pulled under this name";
        return true;
    }
    if (r->digest) {
        ret->state = DECISION_PINNED;
        ret->has_moved = r->tag && s->digest && !str_eq(s->digest, r->digest);
        ret->reason = ret->has_moved ? "pinned by digest; the tag has moved" : "pinned by digest";
        return !ret->has_moved || !s->platforms;
    }
    return false;
}

static void decide_platform(const struct decision_source *s,
                            const char *repository,
                            struct decision *ret)
{
    const json_t *found = manifest_find_platform(s->platforms, s->platform);

    ret->platform = found;
    if (!found) {
        ret->reason = "the image of the registry has no variant for this platform";
        return;
    }
    if (has_digest(s, repository, json_string_value(json_object_get(found, "digest"))) ||
        (s->image_id && str_eq(json_string_value(json_object_get(found, "config")), s->image_id))) {
        ret->state = DECISION_UP_TO_DATE;
        ret->reason = "the index has changed, the image for this platform has not";
        return;
    }
    ret->state = DECISION_OUTDATED;
}

/* A moved tag may still have the same image for this platform. */
static void refine_pinned(const struct decision_source *s,
                          const char *repository,
                          struct decision *ret)
{
    struct decision platform = {0};

    decide_platform(s, repository, &platform);
    ret->platform = platform.platform;
    if (platform.state != DECISION_UP_TO_DATE)
        return;
    ret->has_moved = false;
    ret->reason = "pinned by digest";
}

static void decide_by_answer(const struct decision_source *s,
                             const char *repository,
                             struct decision *ret)
{
    if (!s->digest) {
        ret->reason = s->failure ? s->failure : "not checked yet";
    } else if (has_digest(s, repository, s->digest)) {
        ret->state = DECISION_UP_TO_DATE;
    } else if (!s->platforms) {
        ret->needs_platforms = true;
        ret->reason = s->failure ? s->failure : "the new image was not read yet";
    } else {
        decide_platform(s, repository, ret);
    }
}

void decision_make(const struct decision_source *s, struct decision *ret)
{
    struct reference r = {0};
    _cleanup_free_ char *repository = NULL;

    *ret = (struct decision){0};
    if (!s->image || reference_parse(s->image, &r, NULL) < 0) {
        ret->reason = "the reference of the image cannot be read";
        return;
    }
    if (r.is_id || is_id_of_image(s->image, s->image_id)) {
        ret->reason = "the image is known only by its id, which no registry can be asked for";
        reference_done(&r);
        return;
    }
    repository = reference_repository(&r);
    if (!decide_alone(s, &r, repository, ret)) {
        if (ret->state == DECISION_PINNED) {
            refine_pinned(s, repository, ret);
        } else {
            decide_by_answer(s, repository, ret);
        }
    }
    reference_done(&r);
}

bool decision_needs_answer(const struct decision_source *s)
{
    struct decision_source bare = *s;
    struct reference r = {0};
    struct decision d;
    bool has_tag;

    bare.digest = NULL;
    bare.failure = NULL;
    decision_make(&bare, &d);
    if (reference_parse(s->image ? s->image : "", &r, NULL) < 0)
        return false;
    has_tag = r.tag && !is_id_of_image(s->image, s->image_id);
    reference_done(&r);
    return has_tag && d.state != DECISION_LOCAL;
}

const char *decision_current_digest(const struct decision_source *s)
{
    struct reference r = {0};
    _cleanup_free_ char *repository = NULL;
    const char *digest = NULL;

    if (!s->image || reference_parse(s->image, &r, NULL) < 0 || r.is_id)
        return NULL;
    repository = reference_repository(&r);
    reference_done(&r);
    for (size_t i = 0; !digest && i < json_array_size(s->repo_digests); i++) {
        (void)is_of_repository(json_string_value(json_array_get(s->repo_digests, i)), repository,
                               &digest);
    }
    return digest;
}
