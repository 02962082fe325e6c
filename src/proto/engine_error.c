#include "proto/engine_error.h"

#include "base/macros.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Codes for texts of the engine; the first match counts. */
static const struct {
    const char *words; /* part of the text, any case */
    enum error_code code;
    int status; /* of the engine; 0: that of the code */
} map[] = {
  /* Podman has only 500 for these. */
    {"that name is already in use",                    CODE_NAME_IN_USE,           500},
    {"UNIQUE constraint failed: ContainerConfig.Name", CODE_NAME_IN_USE,           500},
    {"network is being used",                          CODE_IN_USE,                500},
    {"volume is being used",                           CODE_IN_USE,                500},
 /* Docker 20.10 has 500 for these, newer ones 409. */
    {"is not running",                                 CODE_CONTAINER_NOT_RUNNING, 500},
    {"is not paused",                                  CODE_CONTAINER_NOT_PAUSED,  500},
    {"is already paused",                              CODE_CONTAINER_PAUSED,      500},
 /* Docker's networks have 403 for these. */
    {"pre-defined network",                            CODE_BUILT_IN_NETWORK,      403},
    {"has active endpoints",                           CODE_IN_USE,                403},
    {"is paused",                                      CODE_CONTAINER_PAUSED,      500},
    {"No such container",                              CODE_NO_SUCH_CONTAINER,     0  },
    {"is already in use",                              CODE_NAME_IN_USE,           0  },
    {"already exists",                                 CODE_NAME_IN_USE,           0  },
    {"is not running",                                 CODE_CONTAINER_NOT_RUNNING, 0  },
    {"is not paused",                                  CODE_CONTAINER_NOT_PAUSED,  0  },
    {"is already paused",                              CODE_CONTAINER_PAUSED,      0  },
    {"is paused",                                      CODE_CONTAINER_PAUSED,      0  },
    {"is already in progress",                         CODE_CONFLICT,              0  },
    {"cannot remove a running",                        CODE_CONTAINER_RUNNING,     0  },
    {"You cannot remove",                              CODE_CONTAINER_RUNNING,     0  },
    {"No such image",                                  CODE_NO_SUCH_IMAGE,         0  },
    {"No such network",                                CODE_NO_SUCH_NETWORK,       0  },
    {"no such volume",                                 CODE_NO_SUCH_VOLUME,        0  },
    {"conflict: unable to",                            CODE_IN_USE,                0  },
    {"has active endpoints",                           CODE_IN_USE,                0  },
    {"volume is in use",                               CODE_IN_USE,                0  },
    {"pre-defined network",                            CODE_BUILT_IN_NETWORK,      0  },
};

static enum error_code find_words(int status, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        int wanted = map[i].status ? map[i].status : error_code_status(map[i].code);

        if (strcasestr(text, map[i].words) && (status == 0 || status == wanted))
            return map[i].code;
    }
    return CODE_NONE;
}

enum error_code engine_error_code(int code, int status, const char *text)
{
    enum error_code found = find_words(status, text);

    if (found)
        return found;
    if (status == 401 || status == 403 || status == 405)
        return CODE_ENGINE_REFUSED;
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
