#include "agent/join/advice.h"
#include "agent/engine/dead_socket.h"
#include "base/macros.h"
#include "base/str.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define UNIX "unix://"

struct advice {
    const char *text; /* part of the reason, any case; the first match counts */
    const char *advice;
};

static const struct advice server[] = {
    {"HTTP status 407, ",
     "write them into its URL, percent-encoded: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"                                  },
    {"through proxy",
     "the proxy must allow CONNECT to the host and port of the server, or NO_PROXY must name "
     "the host"                                                                                                              },
    {"TLS with proxy",
     "the proxy's certificate is verified with the authorities of this system, or those in the file that SSL_CERT_FILE names"},
    {"resolve proxy",      "check HTTPS_PROXY and HTTP_PROXY, or name the server in NO_PROXY"                                },
    {"connect proxy",      "check HTTPS_PROXY and HTTP_PROXY, or name the server in NO_PROXY"                                },
    {"not the pinned one",
     "the server may be impersonated; if its key was changed on purpose, compare with "
     "`dockmond fingerprint` there and set DOCKMON_PIN to it; a server of DockMon makes a new key "
     "with each certificate, so that only CA_FILE or INSECURE_SKIP_VERIFY=true works there"                                  },
    {"wrong version",      "the server speaks plain HTTP on this port: use http:// instead of https://"                      },
    {"plain HTTP",         "the server speaks HTTPS on this port: use https:// instead of http://"                           },
    {"HTTP status 426",
     "a proxy in front of the server drops the upgrade to WebSocket: let it forward the "
     "headers Upgrade and Connection"                                                                                        },
    {"HTTP status 404",
     "DOCKMON_URL leads to another server or path, or a proxy in front of the server "
     "does not forward the upgrade to WebSocket"                                                                             },
    {"HTTP status 500",    "the server is at fault: see its log"                                                             },
    {"HTTP status 502",
     "a proxy in front of the server cannot reach it: check that the server is running"                                      },
    {"HTTP status 503",
     "a proxy in front of the server cannot reach it: check that the server is running"                                      },
    {"HTTP status 504",
     "a proxy in front of the server cannot reach it: check that the server is running"                                      },
    {"HTTP status 400",    "if the server speaks HTTPS on this port, use https:// instead of http://"                        },
    {"mismatch",           "the server's certificate is for another name: use that one in DOCKMON_URL, or "
                 "DOCKMON_PIN"                                                                               },
    {"expired",            "the server needs a new certificate, or this host's clock is wrong"                               },
    {"not yet valid",
     "this host's clock is wrong, or the server's clock was when it created the certificate"                                 },
    {"its key is",
     "if `dockmond fingerprint` prints the same key on the server, set DOCKMON_PIN to it; CA_FILE "
     "is for certificates of an authority; with a server of DockMon, which makes a new key with "
     "each certificate, set INSECURE_SKIP_VERIFY=true or give it a certificate of an authority"                              },
    {"certificate",
     "set CA_FILE to the authority of the server's certificate, or DOCKMON_PIN to the output "
     "of `dockmond fingerprint`"                                                                                             },
    {"resolve",            "check the host name in DOCKMON_URL and the name resolution of this host"                         },
};

static const struct advice engine[] = {
    {"certificate required",
     "the engine requires a client certificate: set DOCKER_CERT_PATH to a directory with "
     "cert.pem and key.pem"                                                                              },
    {"alert bad certificate",
     "the engine does not accept the agent's certificate: check that cert.pem in "
     "DOCKER_CERT_PATH is signed by the engine's authority"                                              },
    {"alert",                 "the engine does not accept the agent's certificate: check that cert.pem in "
              "DOCKER_CERT_PATH is signed by the engine's authority and has not expired"    },
    {"wrong version",
     "the engine speaks no TLS on this port: unset DOCKER_CERT_PATH and DOCKER_TLS_VERIFY"               },
    {"HTTPS",                 "the engine speaks TLS on this port: set DOCKER_CERT_PATH"                 },
    {"status 400",            "if the engine speaks TLS on this port, set DOCKER_CERT_PATH"              },
    {"mismatch",              "the engine's certificate is for another name: use that one in DOCKER_HOST"},
    {"expired",               "the engine needs a new certificate, or this host's clock is wrong"        },
    {"its key is",
     "check that ca.pem in DOCKER_CERT_PATH is the authority of the engine's certificate"                },
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
    return find(
        server, ARRAY_LEN(server), reason,
        "check that the server is running, that DOCKMON_URL is right, and that no firewall blocks "
        "the connection");
}

/* The engine client has one code for "not reachable"; access() to the socket gives the reason. */
static bool is_socket_forbidden(const char *address)
{
    return str_starts_with(address, UNIX) && access(address + strlen(UNIX), W_OK) < 0 &&
           (errno == EACCES || errno == EPERM);
}

const char *advice_engine(const char *address, int code, const char *reason)
{
    if (is_socket_forbidden(address))
        return "run the agent as root or as a member of the group that owns the socket";
    if (code == -EPROTONOSUPPORT)
        return "update the older of the two, or unset DOCKER_API_VERSION if it is set";
    if (code == -EACCES && strstr(reason, "proxy"))
        return "allow the request in the settings of that proxy, or set DOCKER_HOST to the engine";
    if (code == -EACCES)
        return "the engine itself refuses it: check its authorization plugins";
    if (dead_socket_advice(address, code))
        return dead_socket_advice(address, code);
    if (str_starts_with(address, UNIX)) {
        return "check that Docker or Podman is running, and that the socket is mounted if this is "
               "a container, or set DOCKER_HOST to another address";
    }
    return find(engine, ARRAY_LEN(engine), reason,
                "check that an engine listens there, or set DOCKER_HOST to another address");
}
