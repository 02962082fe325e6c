#pragma once

/*
 * The agent's configuration: flags, environment, file and defaults, checked as a whole. It is read
 * once at start and never changes; all modules borrow it. No message contains a token or the key.
 */

#include "agent/common/policy.h"
#include "agent/config/token.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/options.h"
#include "net/proxy.h"

#define CONFIG_NAME_MAX  255 /* bytes of AGENT_NAME, and of any token */
#define CONFIG_URL_MAX   2000
#define CONFIG_AGENT_WS  "/api/agent/ws"
#define CONFIG_STATS_WS  "/api/stats/ws/ingest"
#define CONFIG_PROTO_MAX 20 /* longest proto_version that servers accept */

enum stats_source {
    STATS_SOURCE_AUTO, /* the kernel's files, or the Engine API where they cannot be read */
    STATS_SOURCE_API,
    STATS_SOURCE_OFF,
};

struct config {
    /* Values as they were given. */
    char *url;
    char *registration_token;                             /* NULL: none */
    char *permanent_token;                                /* NULL: the token file decides */
    char *registration_token_file, *permanent_token_file; /* sources of the tokens, or NULL */
    char *token_key_file, *credentials_directory;         /* NULL: not given */
    char *agent_name;                                     /* trimmed; NULL: none */
    char *docker_host; /* unix:// or tcp://; detected when not given */
    char *docker_cert_path, *docker_tls_verify;
    char *docker_api_version; /* NULL: negotiated */
    char *data_path;
    char *log_level_text, *log_format;
    char *proto_version;
    char *stacks_dir, *host_stacks_dir; /* accepted, without effect */
    char *ca_file;
    char *pins; /* of the server's key, see net/tls_trust.h */
    char *https_proxy, *http_proxy, *no_proxy;
    char *lower_https_proxy, *lower_http_proxy, *lower_no_proxy; /* names in small letters */
    char *policy_text;
    char *agent_version; /* accepted because existing installations set it, and ignored */
    bool force_unique, is_insecure, is_http_allowed, log_json;
    uint64_t reconnect_initial_ms, reconnect_max_ms;
    uint64_t update_timeout_ms; /* of the health gate, when the server names none */
    uint64_t self_update_timeout_ms;
    char *stats_source_text;
    uint64_t engine_timeout_ms, ping_interval_ms;
    uint64_t stats_interval_ms, stats_live_interval_ms;
    uint64_t spool_mb; /* MiB on disk; 0: in memory only */

    /* Requests of the command line for something other than running. */
    bool want_help, want_version, want_check;

    /* Values derived from the above. */
    char *ws_url;                  /* ws[s]://host[:port]/prefix/api/agent/ws */
    char *stats_url;               /* the same for the channel of session/stats_channel.h */
    char *http_address;            /* http[s]://host:port, for http_client */
    char *http_prefix;             /* "" or "/prefix": the part before /api */
    char *token_path;              /* $DATA_PATH/permanent_token */
    char *engine_id_path;          /* $DATA_PATH/engine_id */
    char *era_path;                /* $DATA_PATH/server_era */
    char *spool_path;              /* $DATA_PATH/spool */
    char *event_log_path;          /* $DATA_PATH/events */
    char *network_undo_path;       /* $DATA_PATH/network_undo */
    char *release_pin_path;        /* $DATA_PATH/release_key */
    char *updates_path;            /* $DATA_PATH/updates */
    struct proxy_settings proxies; /* of the variables above; for connections with the server */
    struct token_key token_key;    /* unset: the token file is plain text */
    bool is_tls;
    bool is_exposed; /* plain HTTP to another machine, and not because INSECURE_HTTP allows it */
    bool is_engine_tls, is_engine_insecure;
    unsigned api_minor;                         /* of docker_api_version; 0: negotiated */
    char *engine_ca, *engine_cert, *engine_key; /* files in docker_cert_path; NULL: missing */
    struct policy policy;
    enum stats_source stats_source;
    enum log_level log_level;
    struct buf notes; /* lines about variables that were corrected, see lenient.h */
};

/*
 * Fills a zeroed *c. Returns 0, or -EINVAL with one line per problem in `errors`; the want_ members
 * and the log format are valid even then. `root` is "" or, in tests, the directory under which
 * engine sockets and secrets are searched. Call config_done() in either case.
 */
int config_load(struct config *c,
                const struct option_source *source,
                const char *root,
                struct buf *errors) _nodiscard_;
void config_done(struct config *c);
/* Overwrites secrets in argv, which the process list shows; call it after config_load(). */
void config_hide_secrets(const struct option_source *source);

/* The file of the permanent token and its key; the result borrows from *c. */
struct token_file config_token_file(const struct config *c);

void config_help(struct buf *out); /* appends the text of --help */

/* Parses DOCKMON_URL: fills ws_url, http_address, http_prefix and is_tls. -EINVAL: invalid. */
int config_parse_url(struct config *c, const char *url, struct error *err) _nodiscard_;

struct tls_trust;
/*
 * Creates the trust settings for TLS with the engine; the caller frees them. *ret is NULL without
 * TLS.
 */
int config_engine_trust(const struct config *c, struct tls_trust **ret, struct error *err)
    _nodiscard_;
