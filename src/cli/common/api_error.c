#include "cli/common/api_error.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"

#include <errno.h>
#include <string.h>

int api_error_code(int status)
{
    static const struct {
        int status;
        int code;
    } map[] = {
        {400, -EBADMSG     },
        {401, -ENOKEY      },
        {403, -EACCES      },
        {404, -ENOENT      },
        {409, -EBUSY       },
        {413, -EMSGSIZE    },
        {422, -EDOM        },
        {429, -EAGAIN      },
        {501, -EOPNOTSUPP  },
        {502, -EPROTO      },
        {503, -ECONNREFUSED},
        {504, -ETIMEDOUT   },
    };

    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        if (map[i].status == status)
            return map[i].code;
    }
    return -EIO;
}

static const char *choose_advice(int status, const char *path)
{
    switch (status) {
    case 401: return strstr(path, "/auth/login") ? "" : "; " MSG_LOG_IN;
    case 403: return "; your user or API key is not allowed to do this";
    case 413: return "; the request is too large";
    case 429: return "; wait a moment and try again";
    default: return "";
    }
}

/* A server writes {"detail": "..."}; a list of details, as FastAPI has it, is shown as it is. */
static char *read_detail(const json_t *body, int status)
{
    const json_t *detail = json_object_get(body, "detail");

    if (json_is_string(detail) && json_string_length(detail) > 0)
        return xstrdup(json_string_value(detail));
    if (detail && !json_is_string(detail))
        return json_dumps(detail, JSON_COMPACT | JSON_ENCODE_ANY);
    return xasprintf("the server answered with HTTP status %d", status);
}

char *api_error_text(int status, const json_t *body, const char *path)
{
    _cleanup_free_ char *detail = read_detail(body, status);

    return xasprintf("%s%s", detail, choose_advice(status, path));
}

char *api_error_item_text(const json_t *item)
{
    const char *error = member_text(item, "error");

    if (*error == '\0')
        error = member_text(item, "status");
    return xstrdup(*error ? error : "the server's answer does not say what happened");
}
