#pragma once

/*
 * The agent's configuration: flags, environment, file and defaults, checked as a whole. It is read once
 * at start and never changes; everybody borrows it. No message ever contains a token or the key.
 */

#include "agent/common/policy.h"
#include "agent/config/token.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/options.h"

#define CONFIG_NAME_MAX  255 /* bytes of AGENT_NAME, and of any token */
#define CONFIG_URL_MAX   2000
#define CONFIG_AGENT_WS  "/api/agent/ws"
#define CONFIG_PROTO_MAX 20 /* what servers accept as proto_version */

enum stats_source {
    STATS_SOURCE_AUTO, /* the kernel's files, the Engine API where these cannot be read */
    STATS_SOURCE_API,
    STATS_SOURCE_OFF,
};

struct config {
    /* As given. */
    char *url;
    char *registration_token;                             /* NULL: none */
    char *permanent_token;                                /* NULL: the token file decides */
    char *registration_token_file, *permanent_token_file; /* where the two came from, or NULL */
    char *token_key_file, *credentials_directory;         /* NULL: not given */
    char *agent_name;                                     /* trimmed; NULL: none */
    char *docker_host; /* unix:// or tcp://; found by itself when not given */
    char *docker_cert_path, *docker_tls_verify;
    char *data_path;
    char *log_level_text, *log_format;
    char *proto_version;
    char *stacks_dir, *host_stacks_dir;
    char *ca_file;
    char *pins; /* of the server's key, see net/tls_trust.h */
    char *policy_text;
    char *agent_version; /* accepted because old set-ups have it, and ignored */
    bool force_unique, is_insecure, log_json;
    uint64_t reconnect_initial_ms, reconnect_max_ms, update_timeout_ms;
    char *stats_source_text;
    uint64_t engine_timeout_ms, ping_interval_ms;
    uint64_t stats_interval_ms, stats_live_interval_ms;
    uint64_t spool_mb; /* MiB; 0: nothing is spooled on disk */

    /* What the command line asks for instead of running. */
    bool want_help, want_version, want_check;

    /* Made of the above. */
    char *ws_url;               /* ws[s]://host[:port]/prefix/api/agent/ws */
    char *http_address;         /* http[s]://host:port, for http_client */
    char *http_prefix;          /* "" or "/prefix", what lies before /api */
    char *token_path;           /* $DATA_PATH/permanent_token */
    char *spool_path;           /* $DATA_PATH/spool */
    char *event_log_path;       /* $DATA_PATH/events */
    struct token_key token_key; /* unset: the token is kept as text */
    bool is_tls;
    bool is_engine_tls, is_engine_insecure;
    char *engine_ca, *engine_cert, *engine_key; /* files in docker_cert_path, NULL: not there */
    struct policy policy;
    enum stats_source stats_source;
    enum log_level log_level;
};

/*
 * Fills a zeroed *c. Returns 0, or -EINVAL with every problem as one line each in `errors`; the want_
 * members and the log format are valid even then. `root` is "" or, in tests, the folder under which
 * engine sockets are looked for.
 */
int config_load(struct config *c,
                const struct option_source *source,
                const char *root,
                struct buf *errors) _nodiscard_;
void config_done(struct config *c);
/* Overwrites secrets in the process list; call once the options are loaded. */
void config_hide_secrets(const struct option_source *source);

struct token_file config_token_file(const struct config *c); /* borrows from it */

void config_help(struct buf *out);

/* DOCKMON_URL taken apart: fills ws_url, http_address, http_prefix and is_tls, or says what is wrong. */
int config_parse_url(struct config *c, const char *url, struct error *err) _nodiscard_;

struct tls_trust;
/* Whom to believe when talking to the engine, the caller's; *ret is NULL when there is no TLS. */
int config_engine_trust(const struct config *c, struct tls_trust **ret, struct error *err)
    _nodiscard_;

/* "unix:///path" or "tcp://host:port", the two ways to an engine. */
int config_check_docker_host(const char *address, struct error *err) _nodiscard_;
