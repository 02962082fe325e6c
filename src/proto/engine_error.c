#include "proto/engine_error.h"

#include "base/macros.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define WITHOUT (-1)

/* Codes for texts of the engine and of Go agents, which send no status; the first match counts. */
static const struct {
    const char *words; /* part of the text, any case */
    enum error_code code;
    int status; /* of the engine; 0: that of the code; WITHOUT: only if the agent sends none */
} map[] = {
  /* Podman has only 500 for these. */
    {"that name is already in use",                                    CODE_NAME_IN_USE,           500    },
    {"UNIQUE constraint failed: ContainerConfig.Name",                 CODE_NAME_IN_USE,           500    },
    {"network is being used",                                          CODE_IN_USE,                500    },
    {"volume is being used",                                           CODE_IN_USE,                500    },
 /* Docker 20.10 has 500 for these, newer ones 409. */
    {"is not running",                                                 CODE_CONTAINER_NOT_RUNNING, 500    },
    {"is not paused",                                                  CODE_CONTAINER_NOT_PAUSED,  500    },
    {"is already paused",                                              CODE_CONTAINER_PAUSED,      500    },
 /* Docker's networks have 403 for these. */
    {"pre-defined network",                                            CODE_BUILT_IN_NETWORK,      403    },
    {"has active endpoints",                                           CODE_IN_USE,                403    },
    {"is paused",                                                      CODE_CONTAINER_PAUSED,      500    },
    {"No such container",                                              CODE_NO_SUCH_CONTAINER,     0      },
    {"is already in use",                                              CODE_NAME_IN_USE,           0      },
    {"already exists",                                                 CODE_NAME_IN_USE,           0      },
    {"is not running",                                                 CODE_CONTAINER_NOT_RUNNING, 0      },
    {"is not paused",                                                  CODE_CONTAINER_NOT_PAUSED,  0      },
    {"is already paused",                                              CODE_CONTAINER_PAUSED,      0      },
    {"is paused",                                                      CODE_CONTAINER_PAUSED,      0      },
    {"is already in progress",                                         CODE_CONFLICT,              0      },
    {"cannot remove a running",                                        CODE_CONTAINER_RUNNING,     0      },
    {"You cannot remove",                                              CODE_CONTAINER_RUNNING,     0      },
    {"No such image",                                                  CODE_NO_SUCH_IMAGE,         0      },
    {"No such network",                                                CODE_NO_SUCH_NETWORK,       0      },
    {"no such volume",                                                 CODE_NO_SUCH_VOLUME,        0      },
    {"conflict: unable to",                                            CODE_IN_USE,                0      },
    {"has active endpoints",                                           CODE_IN_USE,                0      },
    {"volume is in use",                                               CODE_IN_USE,                0      },
    {"pre-defined network",                                            CODE_BUILT_IN_NETWORK,      0      },
 /* Go agents send words only. */
    {"cannot delete built-in network",                                 CODE_BUILT_IN_NETWORK,      WITHOUT},
    {"connected container",                                            CODE_IN_USE,                WITHOUT},
    {"containers connected",                                           CODE_IN_USE,                WITHOUT},
    {"container(s) connected",                                         CODE_IN_USE,                WITHOUT},
    {"containers are connected",                                       CODE_IN_USE,                WITHOUT},
    {"still connected",                                                CODE_IN_USE,                WITHOUT},
    {"network is in use",                                              CODE_IN_USE,                WITHOUT},
    {"in use by",                                                      CODE_IN_USE,                WITHOUT},
    {"being used by",                                                  CODE_IN_USE,                WITHOUT},
    {"Cannot connect to the Docker daemon",                            CODE_ENGINE_UNREACHABLE,    WITHOUT},
    {"error during connect",                                           CODE_ENGINE_UNREACHABLE,    WITHOUT},
    {"dial unix",                                                      CODE_ENGINE_UNREACHABLE,    WITHOUT},
    {"failed to inspect network: Error response from daemon: network", CODE_NO_SUCH_NETWORK,
     WITHOUT                                                                                              },
    {"executable file not found",                                      CODE_INVALID_ARGUMENT,      WITHOUT},
    {"unable to start container process",                              CODE_INVALID_ARGUMENT,      WITHOUT},
    {"no such file or directory: unknown",                             CODE_INVALID_ARGUMENT,      WITHOUT},
    {"port is already allocated",                                      CODE_CONFLICT,              WITHOUT},
    {"Invalid filter",                                                 CODE_INVALID_ARGUMENT,      WITHOUT},
    {"invalid reference format",                                       CODE_INVALID_ARGUMENT,      WITHOUT},
    {"Invalid container name",                                         CODE_INVALID_ARGUMENT,      WITHOUT},
};

static enum error_code find_words(int status, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        int wanted = map[i].status ? map[i].status : error_code_status(map[i].code);

        if (status > 0 && status != wanted)
            continue;
        if (strcasestr(text, map[i].words))
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
