#include "agent/join/advice.h"
#include "base/macros.h"

#include <stddef.h>
#include <string.h>

struct advice {
    const char *text; /* the first match counts */
    const char *advice;
};

static const struct advice server[] = {
    {"not the pinned one",
     "somebody may be posing as the server; if its key was changed on purpose, compare with "
     "`dockmond fingerprint` there and set DOCKMON_PIN to it"                                          },
    {"wrong version",      "the server speaks plain HTTP on this port: say http:// instead of https://"},
    {"plain HTTP",         "the server speaks HTTPS on this port: say https:// instead of http://"     },
    {"HTTP status 400",    "if the server speaks HTTPS on this port, say https:// instead of http://"  },
    {"mismatch",           "the server's certificate is for another name: use that one in DOCKMON_URL, or "
                 "DOCKMON_PIN"                                                         },
    {"expired",            "the server needs a new certificate, or this host's clock is wrong"         },
    {"not yet valid",
     "this host's clock is wrong, or the server's was when it made the certificate"                    },
    {"its key is",
     "if `dockmond fingerprint` prints the same on the server, set DOCKMON_PIN to it; CA_FILE "
     "names the authority if there is one"                                                             },
    {"certificate",
     "set CA_FILE to the authority of the server's certificate, or DOCKMON_PIN to what "
     "`dockmond fingerprint` prints there"                                                             },
    {"resolve",            "is the host name in DOCKMON_URL right, and does name resolution work here?"},
};

static const struct advice engine[] = {
    {"certificate required",
     "the engine wants to know who we are: DOCKER_CERT_PATH names a directory with "
     "cert.pem and key.pem"                                                                              },
    {"alert bad certificate",
     "the engine does not accept our certificate: is cert.pem in DOCKER_CERT_PATH signed by "
     "the engine's authority?"                                                                           },
    {"alert",
     "the engine does not accept our certificate: is cert.pem in DOCKER_CERT_PATH signed by "
     "the engine's authority, and not expired?"                                                          },
    {"wrong version",
     "the engine speaks no TLS on this port: unset DOCKER_CERT_PATH and DOCKER_TLS_VERIFY"               },
    {"HTTPS",                 "the engine speaks TLS on this port: set DOCKER_CERT_PATH"                 },
    {"status 400",            "if the engine speaks TLS on this port, set DOCKER_CERT_PATH"              },
    {"mismatch",              "the engine's certificate is for another name: use that one in DOCKER_HOST"},
    {"expired",               "the engine needs a new certificate, or this host's clock is wrong"        },
    {"its key is",            "is ca.pem in DOCKER_CERT_PATH the authority of the engine's certificate?" },
};

static const char *find(const struct advice *list,
                        size_t n,
                        const char *reason,
                        const char *otherwise)
{
    for (size_t i = 0; i < n; i++) {
        if (strcasestr(reason, list[i].text))
            return list[i].advice;
    }
    return otherwise;
}

const char *advice_server(const char *reason)
{
    return find(server, ARRAY_LEN(server), reason,
                "is the server running, is DOCKMON_URL right, does a firewall let it through?");
}

const char *advice_engine_tls(const char *reason)
{
    return find(engine, ARRAY_LEN(engine), reason,
                "does an engine listen there? DOCKER_HOST names another one");
}
