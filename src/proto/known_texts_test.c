#include "proto/known_texts.h"

#include "base/macros.h"
#include "proto/engine_error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

/* Peers match these texts: if this test fails, restore the text and do not change the test. */
static void test_texts_are_frozen(void **state)
{
    static const struct {
        const char *text, *frozen;
    } cases[] = {
        {TEXT_TOKEN_INVALID,         "Invalid registration token"                                                                                           },
        {TEXT_TOKEN_EXPIRED,         "Registration token has expired"                                                                                       },
        {TEXT_TOKEN_USED_UP,         "Registration token has reached maximum uses"                                                                          },
        {TEXT_TOKEN_REVOKED,         "Permanent token has been revoked"                                                                                     },
        {TEXT_TOKEN_OF_OTHER_ENGINE, "Permanent token does not match engine_id"                                                                             },
        {TEXT_AUTH_TIMEOUT,          "Authentication timeout"                                                                                               },
        {TEXT_ENGINE_REGISTERED,     "Agent with this engine_id is already registered"                                                                      },
        {TEXT_INVALID_REGISTRATION,  "Invalid registration data"                                                                                            },
        {TEXT_INVALID_AUTH_TYPE,     "Invalid authentication type: %s"                                                                                      },
        {TEXT_AGENT_NAME_REQUIRED,
         "FORCE_UNIQUE_REGISTRATION requires AGENT_NAME to be set on the agent (reported hostname_source: %s)"                                              },
        {TEXT_HOST_NAME_TAKEN,
         "A host named '%.*s' already exists in DockMon. Set AGENT_NAME to a unique value and retry."                                                       },
        {TEXT_ENGINE_IS_LOCAL,
         "Migration not supported for local Docker connections: this engine is already monitored through the local socket, agents are only for remote hosts"},
        {TEXT_SERVER_BUSY,           "server busy"                                                                                                          },
        {TEXT_INTERNAL_ERROR,        "Registration failed: internal error"                                                                                  },
        {TEXT_EXTRA_INPUTS,          "Extra inputs are not permitted (field: "                                                                              },
        {TEXT_PART_TIMEOUT,          "timeout"                                                                                                              },
        {TEXT_PART_REGISTERED,       "already registered"                                                                                                   },
        {TEXT_PART_FORCE_UNIQUE,     "FORCE_UNIQUE_REGISTRATION"                                                                                            },
        {TEXT_PART_NAME_TAKEN,       "already exists"                                                                                                       },
        {TEXT_PART_OTHER_ENGINE,     "does not match engine_id"                                                                                             },
        {TEXT_PART_TOKEN,            "token"                                                                                                                },
        {TEXT_UNKNOWN_ACTION,        "unknown action"                                                                                                       },
        {TEXT_UNKNOWN_COMMAND,       "unknown command"                                                                                                      },
        {TEXT_UNKNOWN_ERROR,         "unknown error"                                                                                                        },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(cases[i].text, cases[i].frozen);
}

/* Texts of real engines. */
static const struct {
    int code, status;
    const char *text;
    enum error_code want;
} engine_texts[] = {
    {-ENOENT,    404, "No such container: web",                                                                                                                                                                    CODE_NO_SUCH_CONTAINER    },
    {-EREMOTEIO, 0,   "Error response from daemon: No such container: web",                                                                                                                                        CODE_NO_SUCH_CONTAINER    },
    {-EREMOTEIO, 0,   "no container with name or ID \"web\" found: no such container",
     CODE_NO_SUCH_CONTAINER                                                                                                                                                                                                                  },
    {-EBUSY,     409, "Conflict. The container name \"/web\" is already in use by container 4f1c",
     CODE_NAME_IN_USE                                                                                                                                                                                                                        },
    {-EBUSY,     409, "network with name web already exists",                                                                                                                                                      CODE_NAME_IN_USE          },
    {-EBUSY,     409, "container 4f1c is not running",                                                                                                                                                             CODE_CONTAINER_NOT_RUNNING},
    {-EBUSY,     409, "Container 4f1c is not paused",                                                                                                                                                              CODE_CONTAINER_NOT_PAUSED },
    {-EBUSY,     409, "Container 4f1c is already paused",                                                                                                                                                          CODE_CONTAINER_PAUSED     },
    {-EBUSY,     409, "Container 4f1c is paused, unpause the container before exec",
     CODE_CONTAINER_PAUSED                                                                                                                                                                                                                   },
    {-EBUSY,     409, "removal of container 4f1c is already in progress",                                                                                                                                          CODE_CONFLICT             },
    {-EBUSY,     409, "cannot remove a running container 4f1c",                                                                                                                                                    CODE_CONTAINER_RUNNING    },
    {-EBUSY,     409, "You cannot remove a running container 4f1c",                                                                                                                                                CODE_CONTAINER_RUNNING    },
    {-ENOENT,    404, "No such image: web:1",                                                                                                                                                                      CODE_NO_SUCH_IMAGE        },
    {-EREMOTEIO, 0,   "Error: No such network: web",                                                                                                                                                               CODE_NO_SUCH_NETWORK      },
    {-ENOENT,    404, "get web: no such volume",                                                                                                                                                                   CODE_NO_SUCH_VOLUME       },
    {-EBUSY,     409, "conflict: unable to delete 4f1c (must be forced)",                                                                                                                                          CODE_IN_USE               },
    {-EREMOTEIO, 0,   "network web has active endpoints",                                                                                                                                                          CODE_IN_USE               },
    {-EBUSY,     409, "remove web: volume is in use - [4f1c]",                                                                                                                                                     CODE_IN_USE               },
    {-EREMOTEIO, 0,   "bridge is a pre-defined network and cannot be removed",                                                                                                                                     CODE_BUILT_IN_NETWORK     },
 /* A status that contradicts the text has precedence. */
    {-EREMOTEIO, 500, "Container x is not paused",                                                                                                                                                                 CODE_CONTAINER_NOT_PAUSED },
    {-EREMOTEIO, 500, "Container x is not running",                                                                                                                                                                CODE_CONTAINER_NOT_RUNNING},
    {-EREMOTEIO, 500, "Container x is already paused",                                                                                                                                                             CODE_CONTAINER_PAUSED     },
    {-EREMOTEIO, 500, "Container x is paused",                                                                                                                                                                     CODE_CONTAINER_PAUSED     },
    {-EREMOTEIO, 500, "volume web is being used",                                                                                                                                                                  CODE_ENGINE_ERROR         },
    {-EREMOTEIO, 500, "volume is being used by a container",                                                                                                                                                       CODE_IN_USE               },
    {-EREMOTEIO, 500, "port 80 is already in use",                                                                                                                                                                 CODE_ENGINE_ERROR         },
    {-EREMOTEIO, 500, "creating container storage: that name is already in use",                                                                                                                                   CODE_NAME_IN_USE          },
    {-EREMOTEIO, 500, "UNIQUE constraint failed: ContainerConfig.Name",                                                                                                                                            CODE_NAME_IN_USE          },
    {-EREMOTEIO, 500, "\"web\" has associated containers with it: network is being used",
     CODE_IN_USE                                                                                                                                                                                                                             },
    {-ENOENT,    404, "page not found",                                                                                                                                                                            CODE_NOT_FOUND            },
    {-EBUSY,     409, "something else",                                                                                                                                                                            CODE_CONFLICT             },
    {-EINVAL,    400, "bad parameter",                                                                                                                                                                             CODE_BAD_REQUEST          },
    {-EACCES,    403, "authorization denied by plugin",                                                                                                                                                            CODE_ENGINE_REFUSED       },
    {-EACCES,    403, "network x has active endpoints",                                                                                                                                                            CODE_IN_USE               },
    {-EACCES,    401, "log in first",                                                                                                                                                                              CODE_ENGINE_REFUSED       },
    {-EACCES,    405, "a proxy",                                                                                                                                                                                   CODE_ENGINE_REFUSED       },
    {-EACCES,    403, "bridge is a pre-defined network and cannot be removed",                                                                                                                                     CODE_BUILT_IN_NETWORK     },
    {-EREMOTEIO, 0,
     "failed to remove network: Error response from daemon: error while removing network: network usernet id 4f has active endpoints",
     CODE_IN_USE                                                                                                                                                                                                                             },
    {-EREMOTEIO, 0,   "cannot delete network 'usernet': 2 container(s) connected",                                                                                                                                 CODE_IN_USE               },
    {-EREMOTEIO, 0,   "cannot delete built-in network 'bridge'",                                                                                                                                                   CODE_BUILT_IN_NETWORK     },
    {-EREMOTEIO, 0,
     "failed to inspect network: Error response from daemon: network fbc05e64b430 not found",                                                                                                                      CODE_NO_SUCH_NETWORK      },
    {-EREMOTEIO, 0,
     "failed to start container: Error response from daemon: OCI runtime create failed: container_linux.go:380: starting container process caused: exec: \"nosuch\": executable file not found in $PATH: unknown",
     CODE_INVALID_ARGUMENT                                                                                                                                                                                                                   },
    {-EREMOTEIO, 0,
     "failed to list containers: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
     CODE_ENGINE_UNREACHABLE                                                                                                                                                                                                                 },
    {-EREMOTEIO, 0,   "failed to prune volumes: Error response from daemon: Invalid filter 'all'",
     CODE_INVALID_ARGUMENT                                                                                                                                                                                                                   },
    {-EREMOTEIO, 500, "Cannot connect to the Docker daemon",                                                                                                                                                       CODE_ENGINE_ERROR         },
    {-ENOTCONN,  0,   "connect unix:///var/run/docker.sock",                                                                                                                                                       CODE_ENGINE_UNREACHABLE   },
    {-ETIMEDOUT, 0,   "docker engine: no answer",                                                                                                                                                                  CODE_ENGINE_UNREACHABLE   },
    {-EMSGSIZE,  0,   "the answer is too large",                                                                                                                                                                   CODE_REPLY_TOO_LARGE      },
    {-EPROTO,    0,   "the answer is not JSON",                                                                                                                                                                    CODE_ENGINE_ERROR         },
    {-EREMOTEIO, 0,   "it broke",                                                                                                                                                                                  CODE_ENGINE_ERROR         },
};

static void test_words_of_the_engine(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(engine_texts); i++) {
        int status = engine_texts[i].status;
        const char *text = engine_texts[i].text;

        if (engine_error_code(engine_texts[i].code, status, text) != engine_texts[i].want)
            fail_msg("%d: %s", status, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_are_frozen),
        cmocka_unit_test(test_words_of_the_engine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
