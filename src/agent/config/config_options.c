#include "agent/config/config_options.h"
#include "agent/config/config.h"
#include "base/time.h"

#include <stddef.h>

#define MEMBER(m) offsetof(struct config, m)

/* clang-format off */ /* it would align the rows in columns */
const struct option_spec config_options[] = {
    {.flag = "url", .env = "DOCKMON_URL", .type = OPTION_STRING, .offset = MEMBER(url),
     .flags = OPTION_REQUIRED, .max = CONFIG_URL_MAX,
     .help = "URL of the server, such as https://dockmon.example:8001"},
    {.flag = "registration-token", .env = "REGISTRATION_TOKEN", .type = OPTION_STRING,
     .offset = MEMBER(registration_token), .flags = OPTION_SECRET, .max = CONFIG_NAME_MAX,
     .help = "TOKEN for the first connection, created by `dockmon token create`"},
    {.flag = "permanent-token", .env = "PERMANENT_TOKEN", .type = OPTION_STRING,
     .offset = MEMBER(permanent_token), .flags = OPTION_SECRET, .max = CONFIG_NAME_MAX,
     .help = "TOKEN of an agent that has registered before; default: the content of the file "
             "permanent_token in the data directory"},
    {.flag = "registration-token-file", .env = "REGISTRATION_TOKEN_FILE", .type = OPTION_STRING,
     .offset = MEMBER(registration_token_file), .max = 4096,
     .help = "FILE with the registration token, such as a Docker secret"},
    {.flag = "permanent-token-file", .env = "PERMANENT_TOKEN_FILE", .type = OPTION_STRING,
     .offset = MEMBER(permanent_token_file), .max = 4096,
     .help = "FILE with the permanent token"},
    {.flag = "token-key-file", .env = "TOKEN_KEY_FILE", .type = OPTION_STRING,
     .offset = MEMBER(token_key_file), .max = 4096,
     .help = "FILE with a secret of at least 32 bytes that encrypts the permanent token in the "
             "data directory; default: the Docker secret or systemd credential "
             "dockmon_token_key, if there is one"},
    {.env = "CREDENTIALS_DIRECTORY", .type = OPTION_STRING,
     .offset = MEMBER(credentials_directory), .max = 4096,
     .help = "DIRECTORY of systemd credentials; set by systemd"},
    {.flag = "insecure-skip-verify", .env = "INSECURE_SKIP_VERIFY", .type = OPTION_BOOL,
     .offset = MEMBER(is_insecure), .fallback = "false",
     .help = "accept any certificate of the server; insecure, use DOCKMON_PIN instead"},
    {.flag = "insecure-http", .env = "INSECURE_HTTP", .type = OPTION_BOOL,
     .offset = MEMBER(is_http_allowed), .fallback = "false",
     .help = "register with an http:// server that is not on this host: the tokens can be read on "
             "the network"},
    {.flag = "ca-file", .env = "CA_FILE", .type = OPTION_STRING, .offset = MEMBER(ca_file),
     .max = 4096,
     .help = "FILE of PEM certificates to verify the server with, instead of those of the "
             "system"},
    {.flag = "pin", .env = "DOCKMON_PIN", .type = OPTION_STRING, .offset = MEMBER(pins),
     .max = 1024,
     .help = "sha256:HEX fingerprint of the server's key, as printed by `dockmond fingerprint`; "
             "several are separated by commas; only these keys are accepted, and certificate "
             "authorities are not consulted"},
    {.env = "HTTPS_PROXY", .type = OPTION_STRING, .offset = MEMBER(https_proxy),
     .flags = OPTION_SECRET, .max = CONFIG_URL_MAX,
     .help = "proxy through which an https:// server is reached: http://HOST:PORT or "
             "https://HOST:PORT, with USER:PASSWORD@ before the host if it asks for them"},
    {.env = "HTTP_PROXY", .type = OPTION_STRING, .offset = MEMBER(http_proxy),
     .flags = OPTION_SECRET, .max = CONFIG_URL_MAX,
     .help = "the same for an http:// server; it must allow CONNECT, too"},
    {.env = "NO_PROXY", .type = OPTION_STRING, .offset = MEMBER(no_proxy),
     .max = CONFIG_URL_MAX,
     .help = "hosts that are reached without a proxy: names with all below them, .DOMAINS, "
             "addresses and networks, with or without :PORT, separated by commas; * for all"},
    {.env = "https_proxy", .type = OPTION_STRING, .offset = MEMBER(lower_https_proxy),
     .flags = OPTION_SECRET | OPTION_UNLISTED, .max = CONFIG_URL_MAX, .help = "as HTTPS_PROXY"},
    {.env = "http_proxy", .type = OPTION_STRING, .offset = MEMBER(lower_http_proxy),
     .flags = OPTION_SECRET | OPTION_UNLISTED, .max = CONFIG_URL_MAX, .help = "as HTTP_PROXY"},
    {.env = "no_proxy", .type = OPTION_STRING, .offset = MEMBER(lower_no_proxy),
     .flags = OPTION_UNLISTED, .max = CONFIG_URL_MAX, .help = "as NO_PROXY"},
    {.flag = "docker-host", .env = "DOCKER_HOST", .type = OPTION_STRING,
     .offset = MEMBER(docker_host), .max = 1024,
     .help = "ADDRESS of the engine: unix:///PATH or tcp://HOST:PORT; default: the first "
             "existing socket of Docker or Podman"},
    {.flag = "docker-cert-path", .env = "DOCKER_CERT_PATH", .type = OPTION_STRING,
     .offset = MEMBER(docker_cert_path), .max = 4096,
     .help = "DIRECTORY with ca.pem, cert.pem and key.pem for TLS with a tcp:// engine"},
    {.flag = "docker-tls-verify", .env = "DOCKER_TLS_VERIFY", .type = OPTION_STRING,
     .offset = MEMBER(docker_tls_verify), .max = 16,
     .help = "true: use TLS with a tcp:// engine and verify its certificate; false: do not "
             "verify it"},
    {.flag = "docker-api-version", .env = "DOCKER_API_VERSION", .type = OPTION_STRING,
     .offset = MEMBER(docker_api_version), .max = 16,
     .help = "VERSION of the engine's API to use, such as 1.45; default: the newest that agent and "
             "engine know"},
    {.flag = "engine-timeout", .env = "ENGINE_TIMEOUT", .type = OPTION_DURATION,
     .offset = MEMBER(engine_timeout_ms), .fallback = "30s", .min = 1000, .max = HOUR_MS,
     .help = "maximum time to wait for a response of the engine, except for actions with a "
             "timeout of their own"},
    {.flag = "agent-name", .env = "AGENT_NAME", .type = OPTION_STRING,
     .offset = MEMBER(agent_name),
     .help = "NAME of this host in DockMon, at most 255 bytes; default: the host name"},
    {.flag = "force-unique-registration", .env = "FORCE_UNIQUE_REGISTRATION", .type = OPTION_BOOL,
     .offset = MEMBER(force_unique), .fallback = "false",
     .help = "register even if another host has the same engine ID; requires AGENT_NAME"},
    {.flag = "reconnect-initial", .env = "RECONNECT_INITIAL", .type = OPTION_DURATION,
     .offset = MEMBER(reconnect_initial_ms), .fallback = "1s", .min = 10, .max = HOUR_MS,
     .help = "maximum delay before the first attempt to reconnect"},
    {.flag = "reconnect-max", .env = "RECONNECT_MAX", .type = OPTION_DURATION,
     .offset = MEMBER(reconnect_max_ms), .fallback = "60s", .min = 10, .max = 24 * HOUR_MS,
     .help = "maximum delay between attempts to reconnect"},
    {.flag = "ping-interval", .env = "PING_INTERVAL", .type = OPTION_DURATION,
     .offset = MEMBER(ping_interval_ms), .fallback = "20s", .min = 1000, .max = 600000,
     .help = "interval between pings to the server; after twice this interval plus 5 s without "
             "an answer the agent reconnects"},
    {.flag = "data-path", .env = "DATA_PATH", .type = OPTION_STRING, .offset = MEMBER(data_path),
     .fallback = "/data", .max = 3072,
     .help = "DIRECTORY for the data of the agent: its token, spooled samples and events"},
    {.flag = "update-timeout", .env = "UPDATE_TIMEOUT", .type = OPTION_DURATION,
     .offset = MEMBER(update_timeout_ms), .fallback = "120s", .min = 1000, .max = 24 * HOUR_MS,
     .help = "time in which an updated container must be healthy or stay up, when the server asks "
             "for no other"},
    {.flag = "self-update-timeout", .env = "SELF_UPDATE_TIMEOUT", .type = OPTION_DURATION,
     .offset = MEMBER(self_update_timeout_ms), .fallback = "120s", .min = 1000, .max = HOUR_MS,
     .help = "time in which the agent must be accepted by the server after a self-update; after "
             "three failures the program before the update returns"},
    {.flag = "agent-stacks-dir", .env = "AGENT_STACKS_DIR", .type = OPTION_STRING,
     .offset = MEMBER(stacks_dir), .flags = OPTION_UNLISTED, .max = 4096,
     .help = "no effect; accepted because existing installations set it"},
    {.flag = "host-stacks-dir", .env = "HOST_STACKS_DIR", .type = OPTION_STRING,
     .offset = MEMBER(host_stacks_dir), .flags = OPTION_UNLISTED, .max = 4096,
     .help = "no effect; accepted because existing installations set it"},
    {.flag = "policy", .env = "AGENT_POLICY", .type = OPTION_STRING,
     .offset = MEMBER(policy_text), .fallback = "full", .max = POLICY_TEXT,
     .help = "POLICY that limits the server's actions on this host: observe, operate, full, or a "
             "list such as observe,start,stop"},
    {.flag = "stats-interval", .env = "STATS_INTERVAL", .type = OPTION_DURATION,
     .offset = MEMBER(stats_interval_ms), .fallback = "10s", .min = 1000, .max = HOUR_MS,
     .help = "sampling interval of host and containers while no client watches them"},
    {.flag = "stats-live-interval", .env = "STATS_LIVE_INTERVAL", .type = OPTION_DURATION,
     .offset = MEMBER(stats_live_interval_ms), .fallback = "1s", .min = 500, .max = 60000,
     .help = "shortest sampling interval of containers that a client watches"},
    {.flag = "stats-source", .env = "STATS_SOURCE", .type = OPTION_STRING,
     .offset = MEMBER(stats_source_text), .fallback = "auto", .max = 16,
     .help = "auto: read the kernel's files, or ask the engine where they cannot be read; api: "
             "ask the engine; off: collect no statistics"},
    {.flag = "spool-size", .env = "SPOOL_SIZE", .type = OPTION_U64, .offset = MEMBER(spool_mb),
     .fallback = "64", .max = 65536,
     .help = "maximum size in MiB of the samples kept on disk while the server cannot be "
             "reached; 0: keep none on disk"},
    {.flag = "proto-version", .env = "PROTO_VERSION", .type = OPTION_STRING,
     .offset = MEMBER(proto_version), .fallback = "1.1", .max = CONFIG_PROTO_MAX,
     .help = "VERSION of the protocol to announce"},
    {.flag = "log-level", .env = "LOG_LEVEL", .type = OPTION_STRING,
     .offset = MEMBER(log_level_text), .fallback = "info", .max = 32,
     .help = "LEVEL of the log: debug, info, warn or error"},
    {.flag = "log-json", .env = "LOG_JSON", .type = OPTION_BOOL, .offset = MEMBER(log_json),
     .fallback = "false",
     .help = "log one JSON object per line"},
    {.flag = "log-format", .env = "LOG_FORMAT", .type = OPTION_STRING,
     .offset = MEMBER(log_format), .max = 32,
     .help = "FORMAT of the log: text (key=value) or json; takes precedence over LOG_JSON"},
    {.env = "AGENT_VERSION", .type = OPTION_STRING, .offset = MEMBER(agent_version),
     .help = "ignored; the agent reports its own version"},
    {.flag = "check", .type = OPTION_BOOL, .offset = MEMBER(want_check),
     .help = "check the configuration, the engine and the server, print the results, and exit"},
    {.flag = "version", .type = OPTION_BOOL, .offset = MEMBER(want_version),
     .help = "print the version and exit"},
    {.flag = "help", .type = OPTION_BOOL, .offset = MEMBER(want_help),
     .help = "print this help and exit"},
};
/* clang-format on */

const size_t config_n_options = ARRAY_LEN(config_options);
