#include "server/config.h"
#include "base/alloc.h"
#include "base/options.h"
#include "base/str.h"
#include "net/certificate.h"

#include <errno.h>
#include <string.h>

#define OPT(member) offsetof(struct config, member)
#define MIB         (UINT64_C(1) << 20)
#define DAYS(n)     ((uint64_t)(n)*DAY_MS)

/* clang-format off: one option per line, in columns */
static const struct option_spec specs[] = {
    {"listen",            "DOCKMOND_LISTEN",            OPTION_STRING,   OPT(listen),                    OPTION_REQUIRED, "127.0.0.1:8001", 0,
     255,                                                                                                                                                         "ADDR:PORT to listen on; port 0 takes any free one"               },
    {"data-dir",          "DOCKMOND_DATA_DIR",          OPTION_STRING,   OPT(data_dir),                  OPTION_REQUIRED,
     "/var/lib/dockmon",                                                                                                                    0,       3000,        "DIR for the database; made when missing"                         },
    {"insecure-http",     "DOCKMOND_INSECURE_HTTP",     OPTION_BOOL,     OPT(is_http_allowed),           0,               "false",          0,       0,
     "allow plain HTTP on addresses other than loopback"                                                                                                                                                                            },
    {"tls",               "DOCKMOND_TLS",               OPTION_BOOL,     OPT(wants_tls),                 0,               "false",          0,       0,
     "speak HTTPS on loopback, too; on other addresses it is the default"                                                                                                                                                           },
    {"tls-cert",          "DOCKMOND_TLS_CERT",          OPTION_STRING,   OPT(tls_cert),                  0,               NULL,             0,       4096,
     "FILE with the server's certificate chain (PEM); self-signed in DATA-DIR/tls/ when not given"                                                                                                                                  },
    {"tls-key",           "DOCKMOND_TLS_KEY",           OPTION_STRING,   OPT(tls_key),                   0,               NULL,             0,       4096,
     "FILE with the key of --tls-cert (PEM)"                                                                                                                                                                                        },
    {"tls-san",           "DOCKMOND_TLS_SAN",           OPTION_STRING,   OPT(tls_san),                   0,               NULL,             0,       4096,
     "NAME,NAME... further host names and IPs for the self-signed certificate"                                                                                                                                                      },
    {"log-level",         "DOCKMOND_LOG_LEVEL",         OPTION_STRING,   OPT(log_level_text),            OPTION_REQUIRED, "info",
     0,                                                                                                                                              16,          "debug, info, warning or error"                                   },
    {"log-format",        "DOCKMOND_LOG_FORMAT",        OPTION_STRING,   OPT(log_format),                OPTION_REQUIRED, "text",
     0,                                                                                                                                              16,          "text (key=value) or json, one line each"                         },
    {"session-lifetime",  "DOCKMOND_SESSION_LIFETIME",  OPTION_DURATION, OPT(session_lifetime_ms),       0,
     "24h",                                                                                                                                 60000,   DAYS(90),    "how long a login lasts"                                          },
    {"poll-interval",     "DOCKMOND_POLL_INTERVAL",     OPTION_DURATION, OPT(poll_interval_ms),          0,               "2s",
     500,                                                                                                                                            3600000,     "how often agents that do not push are asked for their containers"},
    {"max-agent-message", "DOCKMOND_MAX_AGENT_MESSAGE", OPTION_U64,      OPT(max_agent_message),         0,
     "16777216",                                                                                                                            65536,   256 * MIB,   "longest message of an agent in bytes"                            },
    {"max-connections",   "DOCKMOND_MAX_CONNECTIONS",   OPTION_U64,      OPT(max_connections),           0,               "25000",
     16,                                                                                                                                             1000000,     "most connections at a time, agents included"                     },
    {"history-10s",       "DOCKMOND_HISTORY_10S",       OPTION_DURATION, OPT(history_keep_ms[TIER_10S]), 0,
     "48h",                                                                                                                                 DAYS(2), DAYS(3650),
     "how long figures of every 10 s are kept, in whole files: of a day"                                                                                                                                                            },
    {"history-1m",        "DOCKMOND_HISTORY_1M",        OPTION_DURATION, OPT(history_keep_ms[TIER_1M]),  0,               "336h",
     DAYS(2),                                                                                                                                        DAYS(3650),  "the same of every minute: of a day"                              },
    {"history-10m",       "DOCKMOND_HISTORY_10M",       OPTION_DURATION, OPT(history_keep_ms[TIER_10M]), 0,
     "2160h",                                                                                                                               DAYS(2), DAYS(3650),  "the same of every 10 minutes: of a week"                         },
    {"history-1h",        "DOCKMOND_HISTORY_1H",        OPTION_DURATION, OPT(history_keep_ms[TIER_1H]),  0,
     "17520h",                                                                                                                              DAYS(2), DAYS(36500),
     "the same of every hour, and what happened to containers: of 4 weeks"                                                                                                                                                          },
    {"no-history",        "DOCKMOND_NO_HISTORY",        OPTION_BOOL,     OPT(wants_no_history),          0,               "false",          0,       0,
     "keep no figures beyond the last 15 minutes, which are in memory"                                                                                                                                                              },
    {"check",             NULL,                         OPTION_BOOL,     OPT(wants_check),               0,               "false",          0,       0,
     "check configuration and data directory, then exit"                                                                                                                                                                            },
    {"version",           NULL,                         OPTION_BOOL,     OPT(wants_version),             0,               "false",          0,       0,
     "print the version and exit"                                                                                                                                                                                                   },
    {"help",              NULL,                         OPTION_BOOL,     OPT(wants_help),                0,               "false",          0,       0,           "print this text and exit"                                        },
};
/* clang-format on */

static bool is_loopback(const char *host)
{
    return str_starts_with(host, "127.") || str_eq(host, "::1") || str_eq(host, "localhost");
}

static void check_names(const char *text, struct buf *errors)
{
    _cleanup_free_ char *copy = xstrdup(text);
    char *rest = copy;

    while (rest) {
        const char *name = str_trim(strsep(&rest, ","));

        if (!certificate_name_is_valid(name)) {
            (void)buf_printf(
                errors, "--tls-san (DOCKMOND_TLS_SAN): `%s` is neither host name nor IP\n", name);
        }
    }
}

/* On addresses that others reach, passwords and tokens do not travel unencrypted unless somebody says so. */
static void derive_tls(struct config *c, struct buf *errors)
{
    if (!c->tls_cert != !c->tls_key) {
        (void)buf_printf(errors, "--tls-cert and --tls-key (DOCKMOND_TLS_CERT, DOCKMOND_TLS_KEY): "
                                 "one is given without the other\n");
    }
    check_names(c->tls_san, errors);
    if (c->is_http_allowed && (c->wants_tls || c->tls_cert)) {
        (void)buf_printf(errors, "--insecure-http (DOCKMOND_INSECURE_HTTP): plain HTTP and TLS "
                                 "are both asked for\n");
    }
    c->is_tls = c->wants_tls || c->tls_cert ||
                (c->host && !is_loopback(c->host) && !c->is_http_allowed);
}

/* What the table cannot say: texts with a grammar of their own, and rules between options. */
static int derive(struct config *c, struct buf *errors)
{
    size_t before = errors->size;

    if (c->listen && parse_host_port(c->listen, &c->host, &c->port) < 0) {
        (void)buf_printf(
            errors,
            "--listen (DOCKMOND_LISTEN): `%s` is not ADDR:PORT, for example 127.0.0.1:8001\n",
            c->listen);
    }
    if (c->log_level_text && log_level_parse(c->log_level_text, &c->log_level) < 0) {
        (void)buf_printf(
            errors,
            "--log-level (DOCKMOND_LOG_LEVEL): `%s` is not one of debug, info, warning, error\n",
            c->log_level_text);
    }
    c->is_log_json = str_eq(c->log_format, "json");
    if (c->log_format && !c->is_log_json && !str_eq(c->log_format, "text")) {
        (void)buf_printf(errors,
                         "--log-format (DOCKMOND_LOG_FORMAT): `%s` is not one of text, json\n",
                         c->log_format);
    }
    derive_tls(c, errors);
    return errors->size == before ? 0 : -EINVAL;
}

int config_read(
    int argc, char **argv, const char *const *env, struct config *ret, struct buf *errors)
{
    struct option_source source = {
        .argc = argc, .argv = argv, .file = "/etc/dockmon/dockmond.conf", .env = env};
    int first, r, d;

    *ret = (struct config){0};
    r = options_parse(specs, ARRAY_LEN(specs), &source, ret, &first, errors);
    if (first < argc) {
        (void)buf_printf(errors, "%s: unknown command or superfluous word\n", argv[first]);
        r = -EINVAL;
    }
    d = derive(ret, errors);
    return r < 0 ? r : d;
}

struct tls_keeper_files config_tls_files(const struct config *c)
{
    return (struct tls_keeper_files){
        .data_dir = c->data_dir,
        .cert_file = c->tls_cert,
        .key_file = c->tls_key,
        .names = c->tls_san,
    };
}

void config_done(struct config *c)
{
    options_done(specs, ARRAY_LEN(specs), c);
    free(TAKE_PTR(c->host));
}

void config_help(struct buf *out)
{
    options_help(specs, ARRAY_LEN(specs), out);
}

bool config_flag_takes_value(const char *word)
{
    if (!str_starts_with(word, "--"))
        return false;
    if (str_eq(word, "--config"))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        if (specs[i].flag && str_eq(specs[i].flag, word + 2))
            return specs[i].type != OPTION_BOOL;
    }
    return false;
}
