#include "agent/update/eligible.h"
#include "base/alloc.h"
#include "base/str.h"
#include "docker/engine.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#define LOCK_LABEL "dockmon.update.lock"
#define LOCK_PATH  "/tmp/dockmon/lock"

const char *eligible_get_name(const json_t *inspect)
{
    const char *name = json_text_get(inspect, "Name");

    if (!name)
        return "";
    return name[0] == '/' ? name + 1 : name;
}

char *eligible_make_lock_path(const char *id)
{
    return xasprintf("/containers/%s/archive?path=%s", id, LOCK_PATH);
}

int eligible_check_label(const json_t *inspect, struct error *err)
{
    const json_t *labels = json_object_get(json_object_get(inspect, "Config"), "Labels");
    const char *lock = json_text_get(labels, LOCK_LABEL);

    if (str_is_empty(lock) || str_eq(lock, "false"))
        return 0;
    return error_code_set(err, CODE_UPDATE_LOCKED, "%s is locked by its label %s",
                          eligible_get_name(inspect), LOCK_LABEL);
}

int eligible_check_file(const struct engine_reply *reply, const char *name, struct error *err)
{
    if (reply->code < 0 && reply->status > 0)
        return 0; /* there is none, or the container cannot be read */
    if (reply->code < 0) {
        return error_code_set(err, CODE_ENGINE_UNREACHABLE,
                              "the engine did not say whether %s is locked: %s", name,
                              reply->message);
    }
    return error_code_set(err, CODE_UPDATE_LOCKED, "%s is locked by the file %s in it", name,
                          LOCK_PATH);
}

int eligible_check_own(const char *own, const char *id, const char *name, struct error *err)
{
    if (str_is_empty(own) || !str_starts_with(id, own))
        return 0;
    return error_code_set(err, CODE_OWN_CONTAINER,
                          "%s is the container that this agent runs in: it would end in the "
                          "middle of the update",
                          name);
}

int eligible_choose_image(const json_t *inspect,
                          const char *wanted,
                          const char **ret,
                          struct error *err)
{
    const char *own = json_text_get(json_object_get(inspect, "Config"), "Image");

    if (!str_is_empty(wanted)) {
        *ret = wanted;
        return 0;
    }
    if (!str_is_image_ref(own) || str_starts_with(own, "sha256:")) {
        return error_code_set(err, CODE_INVALID_ARGUMENT,
                              "%s was created from the id of an image: name the image to use",
                              eligible_get_name(inspect));
    }
    *ret = own;
    return 0;
}

static const char *get_manifest(const json_t *inspect)
{
    return json_text_get(json_object_get(inspect, "ImageManifestDescriptor"), "digest");
}

bool eligible_is_same_image(const json_t *inspect, const json_t *image, const json_t *probe)
{
    const char *old = get_manifest(inspect), *new = get_manifest(probe);

    if (old && new)
        return str_eq(old, new);
    return str_eq(json_text_get(inspect, "Image"), json_text_get(image, "Id"));
}
