#include "agent/config/config.h"
#include "agent/config/config_options.h"
#include "agent/config/docker_host.h"
#include "agent/config/lenient.h"
#include "agent/config/token.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "docker/engine.h"
#include "net/address.h"
#include "net/tls_trust.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_TOKEN_FILE 4096
#define NOTES_MAX      ((size_t)16 * 1024)

static const char *const engine_sockets[] = {
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
};

static void _printf_(2, 3) add_error(struct buf *errors, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    (void)buf_printf(errors, "%s\n", line); /* a full buffer keeps the first errors */
}

static bool is_url_text(const char *s)
{
    for (; *s; s++) {
        if (*s <= ' ' || *s >= 0x7f || strchr("?#@\\\"<>", *s))
            return false;
    }
    return true;
}

static void cut_suffix(char *s, const char *suffix)
{
    if (str_ends_with(s, suffix))
        s[strlen(s) - strlen(suffix)] = '\0';
}

static void cut_slashes(char *s)
{
    size_t n = strlen(s);

    while (n > 0 && s[n - 1] == '/')
        s[--n] = '\0';
}

/* Adds the port `fallback` to an authority without one: "host", "host:port" or "[v6]:port". */
static int add_port(const char *authority, uint16_t fallback, char **ret)
{
    _cleanup_free_ char *host = NULL;
    _cleanup_free_ char *text = NULL;
    const char *end = strrchr(authority, ']');
    bool has_port = strchr(end ? end : authority, ':') != NULL;
    bool is_v6;
    uint16_t port;

    text = has_port ? xstrdup(authority) : xasprintf("%s:%u", authority, (unsigned)fallback);
    if (parse_host_port(text, &host, &port) < 0 || str_is_empty(host) || port == 0)
        return -EINVAL;
    is_v6 = strchr(host, ':') != NULL;
    *ret = xasprintf("%s%s%s:%u", is_v6 ? "[" : "", host, is_v6 ? "]" : "", (unsigned)port);
    return 0;
}

static bool is_loopback(const char *host_port)
{
    _cleanup_free_ char *host = NULL;
    uint16_t port;

    return parse_host_port(host_port, &host, &port) == 0 && address_is_loopback(host);
}

int config_parse_url(struct config *c, const char *url, struct error *err)
{
    static const struct {
        const char *scheme;
        bool is_tls;
    } schemes[] = {
        {"http://",  false},
        {"ws://",    false},
        {"https://", true },
        {"wss://",   true },
    };
    static const char expected[] =
        "expected http://, https://, ws:// or wss://, then HOST or HOST:PORT";
    _cleanup_free_ char *rest = NULL;
    _cleanup_free_ char *host_port = NULL;
    _cleanup_free_ char *prefix = NULL;
    size_t i = 0, n;

    while (i < ARRAY_LEN(schemes) &&
           strncasecmp(url, schemes[i].scheme, strlen(schemes[i].scheme)) != 0)
        i++;
    if (i == ARRAY_LEN(schemes) || !is_url_text(url))
        return error_set(err, -EINVAL, "%s", expected);

    rest = xstrdup(url + strlen(schemes[i].scheme));
    n = strcspn(rest, "/");
    prefix = xstrdup(rest + n);
    rest[n] = '\0';
    if (add_port(rest, schemes[i].is_tls ? 443 : 80, &host_port) < 0)
        return error_set(err, -EINVAL, "%s", expected);

    cut_slashes(prefix);
    cut_suffix(prefix, CONFIG_AGENT_WS);
    cut_slashes(prefix);
    cut_suffix(prefix, "/api");
    cut_slashes(prefix);

    c->is_tls = schemes[i].is_tls;
    c->is_exposed = !c->is_tls && !c->is_http_allowed && !is_loopback(host_port);
    c->ws_url = xasprintf("%s://%s%s%s", c->is_tls ? "wss" : "ws", rest, prefix, CONFIG_AGENT_WS);
    c->stats_url = xasprintf("%s://%s%s%s", c->is_tls ? "wss" : "ws", rest, prefix,
                             CONFIG_STATS_WS);
    c->http_address = xasprintf("%s://%s", c->is_tls ? "https" : "http", host_port);
    c->http_prefix = TAKE_PTR(prefix);
    return 0;
}

/* An empty value counts as unset. */
static void drop_empty(char **value)
{
    if (*value && !**value) {
        free(*value);
        *value = NULL;
    }
}

static void trim_member(char **value)
{
    char *trimmed;

    if (!*value)
        return;
    trimmed = xstrdup(str_trim(*value));
    free(*value);
    *value = trimmed;
    drop_empty(value);
}

static void check_url(struct config *c, struct buf *errors)
{
    struct error err = ERROR_INIT;

    trim_member(&c->url);
    if (c->url && config_parse_url(c, c->url, &err) < 0)
        add_error(errors, "DOCKMON_URL=%s: %s", c->url, err.msg);
}

/* Reads a token that is given as a file; from here on it is the same as one given as text. */
static void read_token_file(char **token, char **file, const char *name, struct buf *errors)
{
    struct error err = ERROR_INIT;
    char *text = NULL;
    size_t size;

    drop_empty(file);
    if (!*file)
        return;
    if (*token) {
        add_error(errors, "%s_FILE=%s: expected either this option or %s, not both", name, *file,
                  name);
        return;
    }
    if (file_read(*file, MAX_TOKEN_FILE, &text, &size, &err) < 0) {
        add_error(errors, "%s_FILE=%s: %s", name, *file, err.msg);
        return;
    }
    if (strlen(text) != size || !token_is_valid(str_trim(text))) {
        add_error(errors, "%s_FILE=%s: expected a file with " TOKEN_EXPECTED, name, *file);
    } else {
        *token = xstrdup(str_trim(text));
    }
    explicit_bzero(text, size);
    free(text);
}

static void check_tokens(struct config *c, struct buf *errors)
{
    trim_member(&c->registration_token);
    trim_member(&c->permanent_token);
    read_token_file(&c->registration_token, &c->registration_token_file, "REGISTRATION_TOKEN",
                    errors);
    read_token_file(&c->permanent_token, &c->permanent_token_file, "PERMANENT_TOKEN", errors);
    if (c->registration_token && !token_is_valid(c->registration_token))
        add_error(errors, "REGISTRATION_TOKEN=(secret): expected " TOKEN_EXPECTED);
    if (c->permanent_token && !token_is_valid(c->permanent_token))
        add_error(errors, "PERMANENT_TOKEN=(secret): expected " TOKEN_EXPECTED);
}

static void check_token_key(struct config *c, const char *root, struct buf *errors)
{
    const struct token_key_places places = {
        .file = c->token_key_file,
        .credentials = c->credentials_directory,
        .root = root,
    };
    struct error err = ERROR_INIT;

    if (token_key_find(&c->token_key, &places, &err) < 0)
        add_error(errors, "%s%s", err.code == -EEXIST ? "" : "TOKEN_KEY_FILE: ", err.msg);
}

struct token_file config_token_file(const struct config *c)
{
    return (struct token_file){.path = c->token_path, .key = &c->token_key};
}

/*
 * A registration token is not sent over plain HTTP to another machine. An agent that has its
 * permanent token keeps working there, so that existing installations survive an update.
 */
static void check_registration(struct config *c, bool has_permanent, struct buf *errors)
{
    if (!c->is_exposed || !c->registration_token)
        return;
    if (!has_permanent) {
        add_error(errors,
                  "DOCKMON_URL=%s: the registration is refused because the connection is not "
                  "encrypted: expected https://, or INSECURE_HTTP=true to allow it",
                  c->url);
    }
    token_free(c->registration_token);
    c->registration_token = NULL;
}

/*
 * Requires a token. A sealed token that cannot be opened is an error even when there is a
 * registration token: the key is wrong, and registering again would hide that.
 */
static void check_has_token(struct config *c, struct buf *errors)
{
    const struct token_file file = config_token_file(c);
    _cleanup_(token_freep) char *stored = NULL;
    struct error err = ERROR_INIT;
    int r;

    if (c->permanent_token)
        check_registration(c, true, errors);
    if (c->permanent_token || !c->token_path)
        return;
    r = token_load(&file, &stored, NULL, &err);
    if (token_is_fatal(&file, r) || (r < 0 && r != -ENOENT && !c->registration_token)) {
        add_error(errors, "%s", err.msg);
    } else if (r == -ENOENT && !c->registration_token) {
        add_error(errors,
                  "REGISTRATION_TOKEN or PERMANENT_TOKEN is required: neither is set, and there is "
                  "no %s of an earlier registration",
                  c->token_path);
    }
    check_registration(c, r == 0, errors);
}

static void check_name(struct config *c, struct buf *errors)
{
    trim_member(&c->agent_name);
    if (c->agent_name && strlen(c->agent_name) > CONFIG_NAME_MAX) {
        add_error(errors, "AGENT_NAME=%.*s...: expected at most %d bytes, not %zu",
                  STR_CUT(c->agent_name, 40), CONFIG_NAME_MAX, strlen(c->agent_name));
    }
    if (c->agent_name && !str_is_utf8(c->agent_name, strlen(c->agent_name)))
        add_error(errors, "AGENT_NAME: expected UTF-8 text");
    if (c->force_unique && !c->agent_name)
        add_error(errors, "FORCE_UNIQUE_REGISTRATION=true: expected AGENT_NAME to be set as well");
}

static void find_engine(struct config *c, const char *root)
{
    for (size_t i = 0; i < ARRAY_LEN(engine_sockets) && !c->docker_host; i++) {
        _cleanup_free_ char *path = xasprintf("%s%s", root, engine_sockets[i]);
        struct stat st;

        if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode))
            c->docker_host = xasprintf("unix://%s", path);
    }
    /* The engine may start after the agent: fall back to its usual socket. */
    if (!c->docker_host)
        c->docker_host = xasprintf("unix://%s%s", root, engine_sockets[0]);
}

/* Returns the path of a file in DOCKER_CERT_PATH, or NULL when it does not exist. */
static char *find_pem(const struct config *c, const char *name, struct buf *errors)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", c->docker_cert_path, name);

    if (access(path, R_OK) == 0)
        return TAKE_PTR(path);
    if (errno != ENOENT) {
        add_error(errors, "DOCKER_CERT_PATH=%s: expected a directory in which %s can be read: %s",
                  c->docker_cert_path, name, error_text(-errno));
    }
    return NULL;
}

/*
 * Follows the docker CLI, except that with certificates the engine is always verified, unless
 * DOCKER_TLS_VERIFY is false.
 */
static void check_engine_tls(struct config *c, struct buf *errors)
{
    bool is_verified = true;

    if (c->docker_tls_verify && parse_bool(c->docker_tls_verify, &is_verified) < 0)
        add_error(errors, "DOCKER_TLS_VERIFY=%s: expected true or false", c->docker_tls_verify);
    c->is_engine_tls = c->docker_cert_path || (c->docker_tls_verify && is_verified);
    c->is_engine_insecure = !is_verified;
    if (!c->docker_cert_path)
        return;
    c->engine_ca = find_pem(c, "ca.pem", errors);
    c->engine_cert = find_pem(c, "cert.pem", errors);
    c->engine_key = find_pem(c, "key.pem", errors);
    if (!c->engine_cert != !c->engine_key || (!c->engine_ca && !c->engine_cert)) {
        add_error(errors,
                  "DOCKER_CERT_PATH=%s: expected a directory with ca.pem, cert.pem and key.pem",
                  c->docker_cert_path);
    }
}

/* "1.45", or as some write it "v1.45". */
static void check_api_version(struct config *c, struct buf *errors)
{
    const char *text;
    uint64_t minor = 0;

    trim_member(&c->docker_api_version);
    drop_empty(&c->docker_api_version);
    text = c->docker_api_version;
    if (!text)
        return;
    text += *text == 'v';
    if (!str_starts_with(text, "1.") || parse_u64(text + 2, 10000, &minor) < 0 ||
        minor < ENGINE_API_MIN) {
        add_error(errors, "DOCKER_API_VERSION=%s: expected a version from 1.%d to 1.%d",
                  c->docker_api_version, ENGINE_API_MIN, ENGINE_API_MAX);
    }
    c->api_minor = minor < ENGINE_API_MAX ? (unsigned)minor : ENGINE_API_MAX;
}

static void check_docker_host(struct config *c, struct buf *errors)
{
    struct error err = ERROR_INIT;
    bool is_verified = false;
    char *parsed = NULL;

    if (c->docker_tls_verify)
        (void)parse_bool(c->docker_tls_verify, &is_verified); /* check_engine_tls() reports it */
    if (docker_host_parse(c->docker_host, c->docker_cert_path || is_verified, &parsed, &err) < 0) {
        add_error(errors, "DOCKER_HOST=%s: %s", c->docker_host, err.msg);
        return;
    }
    free(c->docker_host);
    c->docker_host = parsed;
}

static void check_engine(struct config *c, const char *root, struct buf *errors)
{
    trim_member(&c->docker_host);
    trim_member(&c->docker_tls_verify);
    drop_empty(&c->docker_cert_path);
    if (c->docker_host)
        check_docker_host(c, errors);
    find_engine(c, root);
    check_api_version(c, errors);
    if (str_starts_with(c->docker_host, "tcp://"))
        check_engine_tls(c, errors);
}

static void check_ca_file(struct config *c, struct buf *errors)
{
    drop_empty(&c->ca_file);
    if (c->ca_file && access(c->ca_file, R_OK) < 0) {
        add_error(errors, "CA_FILE=%s: expected a file that can be read: %s", c->ca_file,
                  error_text(-errno));
    }
}

static void check_pins(struct config *c, struct buf *errors)
{
    struct error err = ERROR_INIT;

    trim_member(&c->pins);
    if (c->pins && tls_pins_check(c->pins, &err) < 0)
        add_error(errors, "DOCKMON_PIN=%s: %s", c->pins, err.msg);
    if (c->pins && c->ws_url && !c->is_tls) {
        add_error(errors,
                  "DOCKMON_PIN: expected https:// in DOCKMON_URL, because %s is not encrypted",
                  c->url);
    }
}

/* Only the proxy that would be used must be valid: others belong to other programs. */
static void check_proxies(struct config *c, struct buf *errors)
{
    struct error err = ERROR_INIT;
    struct proxy proxy = {0};
    struct address server;

    c->proxies = (struct proxy_settings){
        .https = c->https_proxy ? c->https_proxy : c->lower_https_proxy,
        .http = c->http_proxy ? c->http_proxy : c->lower_http_proxy,
        .none = c->no_proxy ? c->no_proxy : c->lower_no_proxy,
    };
    if (!c->http_address || address_parse(&server, c->http_address, NULL) < 0)
        return; /* check_url() reports it */
    if (proxy_find(&c->proxies, &server, &proxy, &err) < 0)
        add_error(errors, "%s", err.msg);
    proxy_done(&proxy);
}

static void check_paths(struct config *c, struct buf *errors)
{
    size_t n;

    if (!c->data_path)
        return;
    if (*c->data_path != '/') {
        add_error(errors, "DATA_PATH=%s: expected an absolute path", c->data_path);
        return;
    }
    n = strlen(c->data_path);
    while (n > 1 && c->data_path[n - 1] == '/')
        c->data_path[--n] = '\0';
    c->token_path = xasprintf("%s/permanent_token", n > 1 ? c->data_path : "");
    c->engine_id_path = xasprintf("%s/engine_id", n > 1 ? c->data_path : "");
    c->era_path = xasprintf("%s/server_era", n > 1 ? c->data_path : "");
    c->spool_path = xasprintf("%s/spool", n > 1 ? c->data_path : "");
    c->event_log_path = xasprintf("%s/events", n > 1 ? c->data_path : "");
    c->network_undo_path = xasprintf("%s/network_undo", n > 1 ? c->data_path : "");
    c->release_pin_path = xasprintf("%s/release_key", n > 1 ? c->data_path : "");
    c->updates_path = xasprintf("%s/updates", n > 1 ? c->data_path : "");
    drop_empty(&c->stacks_dir);
    if (!c->stacks_dir)
        c->stacks_dir = xasprintf("%s/stacks", n > 1 ? c->data_path : "");
}

static void check_reconnect(struct config *c, struct buf *errors)
{
    if (c->reconnect_max_ms && c->reconnect_initial_ms > c->reconnect_max_ms) {
        add_error(errors, "RECONNECT_INITIAL=%llums: expected at most RECONNECT_MAX (%llums)",
                  (unsigned long long)c->reconnect_initial_ms,
                  (unsigned long long)c->reconnect_max_ms);
    }
}

static void check_policy(struct config *c, struct buf *errors)
{
    struct error err = ERROR_INIT;

    if (c->policy_text && policy_parse(c->policy_text, &c->policy, &err) < 0)
        add_error(errors, "AGENT_POLICY=%.*s: %s", STR_CUT(c->policy_text, 100), err.msg);
}

static void check_stats(struct config *c, struct buf *errors)
{
    static const char *const words[] = {
        [STATS_SOURCE_AUTO] = "auto", [STATS_SOURCE_API] = "api", [STATS_SOURCE_OFF] = "off"};
    size_t i = 0;

    trim_member(&c->stats_source_text);
    while (c->stats_source_text && i < ARRAY_LEN(words) && !str_eq(c->stats_source_text, words[i]))
        i++;
    if (i == ARRAY_LEN(words)) {
        add_error(errors, "STATS_SOURCE=%s: expected auto, api or off", c->stats_source_text);
    } else {
        c->stats_source = (enum stats_source)i;
    }
    if (c->stats_interval_ms && c->stats_live_interval_ms > c->stats_interval_ms) {
        add_error(errors, "STATS_LIVE_INTERVAL=%llums: expected at most STATS_INTERVAL (%llums)",
                  (unsigned long long)c->stats_live_interval_ms,
                  (unsigned long long)c->stats_interval_ms);
    }
}

static void check_log(struct config *c, struct buf *errors)
{
    c->log_level = LOG_LEVEL_INFO;
    trim_member(&c->log_level_text);
    if (c->log_level_text && log_level_parse(c->log_level_text, &c->log_level) < 0)
        add_error(errors, "LOG_LEVEL=%s: expected debug, info, warn or error", c->log_level_text);
    trim_member(&c->log_format);
    if (!c->log_format)
        return;
    if (str_eq(c->log_format, "json") || str_eq(c->log_format, "text")) {
        c->log_json = str_eq(c->log_format, "json");
    } else {
        add_error(errors, "LOG_FORMAT=%s: expected json or text", c->log_format);
    }
}

int config_load(struct config *c,
                const struct option_source *source,
                const char *root,
                struct buf *errors)
{
    struct option_source corrected = *source;
    size_t before = errors->size;
    char **env;
    int first = 0;
    int r;

    c->notes = BUF_INIT(NOTES_MAX);
    env = lenient_read(config_options, config_n_options, source->env, &c->notes);
    corrected.env = (const char *const *)env;
    r = options_parse(config_options, config_n_options, &corrected, c, &first, errors);
    lenient_free(env);
    for (int i = first; i > 0 && i < source->argc; i++)
        add_error(errors, "%.*s: expected flags only", STR_CUT(source->argv[i], 100));

    check_url(c, errors);
    check_tokens(c, errors);
    check_name(c, errors);
    check_engine(c, root, errors);
    check_ca_file(c, errors);
    check_pins(c, errors);
    check_proxies(c, errors);
    check_paths(c, errors);
    check_token_key(c, root, errors);
    check_has_token(c, errors);
    check_reconnect(c, errors);
    check_policy(c, errors);
    check_stats(c, errors);
    check_log(c, errors);
    return r < 0 || errors->size > before ? -EINVAL : 0;
}

void config_hide_secrets(const struct option_source *source)
{
    options_hide_secrets(config_options, config_n_options, source);
}

int config_engine_trust(const struct config *c, struct tls_trust **ret, struct error *err)
{
    const struct tls_trust_options o = {
        .ca_file = c->engine_ca,
        .cert_file = c->engine_cert,
        .key_file = c->engine_key,
        .is_insecure = c->is_engine_insecure,
    };

    *ret = NULL;
    return c->is_engine_tls ? tls_trust_new(ret, &o, err) : 0;
}

void config_done(struct config *c)
{
    options_done(config_options, config_n_options, c);
    buf_done(&c->notes);
    free(c->ws_url);
    free(c->stats_url);
    free(c->http_address);
    free(c->http_prefix);
    free(c->token_path);
    free(c->engine_id_path);
    free(c->era_path);
    free(c->spool_path);
    free(c->event_log_path);
    free(c->network_undo_path);
    free(c->release_pin_path);
    free(c->updates_path);
    token_key_done(&c->token_key);
    free(c->engine_ca);
    free(c->engine_cert);
    free(c->engine_key);
    *c = (struct config){0};
}

void config_help(struct buf *out)
{
    (void)buf_append_str(
        out, "Usage: dockmon-agent [FLAGS]\n\n"
             "Connects this host's Docker engine to a DockMon server. It runs in the foreground\n"
             "until SIGTERM or SIGINT and logs to stderr.\n\n"
             "Flags, with [environment variable or key of the file, default]:\n");
    options_help(config_options, config_n_options, out);
    (void)buf_append_str(out, "\nExit status: 0 success, 1 failure, 2 invalid configuration.\n");
}
