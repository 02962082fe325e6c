#include "proto/engine_error.h"

#include "base/macros.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Codes for texts of the engine; the first match counts. */
static const struct {
    const char *words; /* part of the text, any case */
    enum error_code code;
} map[] = {
    {"No such container",       CODE_NO_SUCH_CONTAINER    },
    {"is already in use",       CODE_NAME_IN_USE          },
    {"already exists",          CODE_NAME_IN_USE          },
    {"is not running",          CODE_CONTAINER_NOT_RUNNING},
    {"is not paused",           CODE_CONTAINER_NOT_PAUSED },
    {"is already paused",       CODE_CONTAINER_PAUSED     },
    {"is paused",               CODE_CONTAINER_PAUSED     },
    {"is already in progress",  CODE_CONFLICT             },
    {"cannot remove a running", CODE_CONTAINER_RUNNING    },
    {"You cannot remove",       CODE_CONTAINER_RUNNING    },
    {"No such image",           CODE_NO_SUCH_IMAGE        },
    {"No such network",         CODE_NO_SUCH_NETWORK      },
    {"no such volume",          CODE_NO_SUCH_VOLUME       },
    {"conflict: unable to",     CODE_IN_USE               },
    {"has active endpoints",    CODE_IN_USE               },
    {"volume is in use",        CODE_IN_USE               },
    {"pre-defined network",     CODE_BUILT_IN_NETWORK     },
};

static enum error_code find_words(int status, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        if (strcasestr(text, map[i].words) &&
            (status == 0 || status == error_code_status(map[i].code)))
            return map[i].code;
    }
    return CODE_NONE;
}

enum error_code engine_error_code(int code, int status, const char *text)
{
    enum error_code found = find_words(status, text);

    if (found)
        return found;
    if (status >= 400 && status <= 499)
        return error_code_from_status(status);
    switch (status == 0 ? code : -EREMOTEIO) {
    case -ENOTCONN:
    case -ECONNRESET:
    case -ETIMEDOUT: return CODE_ENGINE_UNREACHABLE;
    case -EMSGSIZE: return CODE_REPLY_TOO_LARGE;
    default: return CODE_ENGINE_ERROR;
    }
}
