#include "server/api/update_body.h"
#include "base/alloc.h"
#include "proto/json_text.h"
#include "server/api/call.h"

#include <errno.h>

#define MAX_REF  512
#define STOP_S   30  /* of DockMon's server */
#define HEALTH_S 120 /* of DockMon's server */

/* The members of the body that agents check themselves are passed to them as they are. */
int update_body_read(const json_t *body, struct update_args *ret, struct error *err)
{
    static const char *const passed[] = {"platform",       "has_consent", "stop_timeout",
                                         "health_timeout", "fingerprint", "keep_s",
                                         "stays_up_s",     "ignore_lock"};
    json_auto_t *payload = json_pack("{s:s, s:i, s:i}", "container_id", "x", "stop_timeout", STOP_S,
                                     "health_timeout", HEALTH_S);
    const char *image;
    int r;

    r = api_body_optional_string(body, "image", MAX_REF, &image, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
        if (json_object_get(body, passed[i]))
            (void)json_object_set(payload, passed[i], json_object_get(body, passed[i]));
    }
    json_text_set(payload, "new_image", json_text_str(image));
    r = update_args_decode(OPERATION_UPDATE_CONTAINER, payload, ret, err);
    if (r < 0)
        return error_wrap(err, -EDOM, "the body is invalid");
    free(TAKE_PTR(ret->container_id));
    return 0;
}
