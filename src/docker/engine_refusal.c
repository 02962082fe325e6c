#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "docker/engine.h"

#include <errno.h>
#include <string.h>

int engine_status_code(int status)
{
    if (status < 300 || status == 304)
        return 0;
    switch (status) {
    case 401:
    case 403:
    case 405: return -EACCES;
    case 404: return -ENOENT;
    case 409: return -EBUSY;
    default: break;
    }
    if (status < 400)
        return -EPROTO;
    return status < 500 ? -EINVAL : -EREMOTEIO;
}

/* Without the query, and with short ids, because some readers have little room. To be freed. */
static char *shorten_ids(const char *path)
{
    char *ret = xstrndup(path, strcspn(path, "?"));
    char *out = ret;

    for (const char *in = ret; *in;) {
        size_t size = strcspn(in, "/");
        size_t kept = size == CONTAINER_ID_LEN ? CONTAINER_SHORT_ID_LEN : size;

        memmove(out, in, kept);
        out += kept;
        in += size;
        if (*in)
            *out++ = *in++;
    }
    *out = '\0';
    return ret;
}

void engine_describe_refusal(const struct http_result *result,
                             const char *method,
                             const char *path,
                             struct error *ret)
{
    json_t *v = json_loadb(result->body, result->size, 0, NULL);
    const char *message = json_string_value(json_object_get(v, "message"));

    _cleanup_free_ char *shown = shorten_ids(path);
    bool is_refusal = engine_status_code(result->status) == -EACCES;

    if (is_refusal && str_is_empty(message)) {
        error_set(ret, -EREMOTEIO,
                  "a proxy in front of the docker engine refused %s %s with status %d", method,
                  shown, result->status);
    } else if (is_refusal && strstr(message, "authorization denied")) {
        error_set(ret, -EREMOTEIO, "docker engine refused %s %s: %s", method, shown, message);
    } else if (str_is_empty(message)) {
        error_set(ret, -EREMOTEIO, "docker engine answered with status %d", result->status);
    } else {
        error_set(ret, -EREMOTEIO, "%s", message);
    }
    json_decref(v);
}
