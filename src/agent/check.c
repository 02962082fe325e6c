#include "agent/check.h"
#include "agent/config/data_dir.h"
#include "agent/config/release_pin.h"
#include "agent/config/token.h"
#include "agent/join/advice.h"
#include "agent/join/identity.h"
#include "agent/spool/spool.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "docker/engine_info.h"
#include "net/http_client.h"
#include "net/tls_trust.h"
#include "net/ws.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HTTP_TIMEOUT_MS 10000
#define MAX_BODY        ((size_t)64 * 1024)
#define MAX_MESSAGE     ((size_t)64 * 1024)
#define SCRIPT_START    "#!/bin/sh\n"

enum step { STEP_ENGINE, STEP_HTTP, STEP_TOKEN, STEP_WEBSOCKET, STEP_END };

struct check {
    struct loop *loop;
    const struct config *config;
    struct buf *out;
    bool has_failed;
    bool has_http;     /* an HTTP server answered on the URL */
    bool is_healthy;   /* and its answer was 200 */
    bool will_join;    /* no permanent token: the registration token decides */
    char *token;       /* the permanent one, if there is one */
    bool has_endpoint; /* it accepted a WebSocket connection */
    enum step step;
    struct loop_timer timer;
    struct tls_trust *engine_trust;
    struct engine *engine;
    struct engine_info_call *info_call;
    struct http_call *call;
    struct ws *ws;
};

static void _printf_(3, 4) say(struct check *c, const char *verdict, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)buf_printf(c->out, "%-5s  %s\n", verdict, text); /* CHECK_MAX_TEXT is never reached */
}

#define say_ok(c, ...)   say(c, "ok", __VA_ARGS__)
#define say_note(c, ...) say(c, "note", __VA_ARGS__)
#define say_wrong(c, ...)             \
    do {                              \
        (c)->has_failed = true;       \
        say(c, "WRONG", __VA_ARGS__); \
    } while (0)

static void start_step(struct check *c);

static void on_step_over(struct loop_timer *t)
{
    struct check *c = CONTAINER_OF(t, struct check, timer);

    c->step++;
    start_step(c);
}

/* Continues from the loop: no request is started inside the callback of another one. */
static void next_step(struct check *c)
{
    loop_timer_start(c->loop, &c->timer, 0, on_step_over);
}

/* --- configuration and data directory --------------------------------------------------------- */

static void check_config(struct check *c)
{
    const struct config *config = c->config;

    _cleanup_free_ char *notes = xstrdup(buf_str(&config->notes));
    char *rest = notes;

    say_ok(c, "configuration: server %s, engine %s, data directory %s", config->ws_url,
           config->docker_host, config->data_path);
    while (rest && *rest)
        say_note(c, "%s", strsep(&rest, "\n"));
    if (config->is_tls && config->pins) {
        say_ok(c, "the server is identified by its key alone: %s", config->pins);
    } else if (config->is_tls && config->is_insecure) {
        say_note(c, "INSECURE_SKIP_VERIFY is on: anybody on the network can impersonate the "
                    "server; set DOCKMON_PIN to the output of `dockmond fingerprint` instead");
    }
    if (config->is_engine_tls && config->is_engine_insecure)
        say_note(c, "DOCKER_TLS_VERIFY is off: anybody on the network can impersonate the engine");
    if (config->is_exposed) {
        say_note(c,
                 "the connection to the server is not encrypted (%s), so the token of this "
                 "agent can be read on the network; a registration would be refused: use "
                 "https:// in DOCKMON_URL",
                 config->url);
    } else if (!config->is_tls) {
        say_note(c, "the connection to the server is not encrypted (%s)", config->url);
    }
}

static void check_proxy(struct check *c)
{
    const struct config *config = c->config;
    struct proxy proxy = {0};
    struct address server;

    if (address_parse(&server, config->http_address, NULL) == 0 &&
        proxy_find(&config->proxies, &server, &proxy, NULL) == 1) {
        say_ok(c, "the server is reached through the proxy %s of %s%s", proxy.address.display,
               proxy.variable, proxy.credentials ? ", with a user" : "");
        if (proxy.credentials && !proxy.address.is_tls)
            say_note(c, "user and password of the proxy can be read on the way to it");
    }
    proxy_done(&proxy);
}

static void check_token(struct check *c)
{
    const struct config *config = c->config;
    const struct token_file file = config_token_file(config);
    const char *dir = config->data_path;
    struct error err = ERROR_INIT;
    bool is_sealed = false;
    int r = 0;

    if (config->permanent_token) {
        c->token = xstrdup(config->permanent_token);
    } else {
        r = token_load(&file, &c->token, &is_sealed, &err);
    }
    if (config->permanent_token) {
        say_ok(c, "data directory %s: writable, the permanent token is set by PERMANENT_TOKEN",
               dir);
    } else if (r == -ENOENT) {
        c->will_join = true;
        say_ok(c,
               "data directory %s: writable, no permanent token yet: the agent will register with "
               "REGISTRATION_TOKEN",
               dir);
    } else if (r < 0) {
        say_wrong(c, "%s; delete it to register again with a REGISTRATION_TOKEN", err.msg);
    } else if (is_sealed) {
        say_ok(c,
               "data directory %s: writable, holds the permanent token of an earlier registration, "
               "sealed with the key of %s",
               dir, file.key->source);
    } else {
        say_ok(c,
               "data directory %s: writable, holds the permanent token of an earlier registration",
               dir);
    }
    if (r == 0 && !config->permanent_token && !is_sealed && file.key->is_set) {
        say_note(c, "the permanent token will be sealed with the key of %s at the next start",
                 file.key->source);
    }
    if (r == -ENOENT && file.key->is_set)
        say_ok(c, "the permanent token will be sealed with the key of %s", file.key->source);
}

static void check_release_pin(struct check *c)
{
    _cleanup_free_ char *key = NULL;
    struct error err = ERROR_INIT;
    int r = release_pin_load(c->config->release_pin_path, &key, &err);

    if (r == 0) {
        say_ok(c, "self-updates: signed by a release, or by the server's key %s", key);
    } else if (r == -ENOENT) {
        say_ok(c, "self-updates: the server's key will be pinned at the next connection");
    } else {
        say_wrong(c, "self-updates: %s", err.msg);
    }
}

static void check_spool(struct check *c)
{
    struct error err = ERROR_INIT;

    if (c->config->spool_mb > 0 && spool_check(c->config->spool_path, &err) < 0) {
        say_note(c, "spool %s: %s; samples taken without a server are kept in memory only",
                 c->config->spool_path, err.msg);
    }
}

static void check_data(struct check *c)
{
    const char *dir = c->config->data_path;
    _cleanup_free_ char *doubt = NULL;
    struct error err = ERROR_INIT;

    if (data_dir_prepare(dir, &err) < 0) {
        say_wrong(c, "data directory %s: %s", dir, err.msg);
    } else {
        doubt = data_dir_protect(dir);
        if (doubt)
            say_note(c, "data directory %s: %s", dir, doubt);
        check_token(c);
        check_release_pin(c);
        check_spool(c);
    }
}

/* --- engine ----------------------------------------------------------------------------------- */

static void on_engine_info(void *owner, int code, const char *message, struct engine_info *info)
{
    struct check *c = owner;
    const char *address = c->config->docker_host;
    struct identity id = {0};
    struct error err = ERROR_INIT;

    c->info_call = NULL;
    if (code < 0) {
        say_wrong(c, "engine %s: %s; %s", address, message, advice_engine(address, code, message));
    } else if (identity_read(&id, info, c->config, &err) < 0) {
        say_wrong(c, "engine %s: %s", address, err.msg);
    } else {
        say_ok(c, "engine %s: version %s on %s, id %s", address, id.docker_version, id.os_version,
               id.engine_id);
        say_ok(c, "this host: %s (from %s)%s%s%s%.*s", id.hostname, id.hostname_source,
               id.host_ips.n ? ", address " : "", id.host_ips.n ? id.host_ips.ips[0] : "",
               *id.own_container ? ", inside container " : "",
               STR_CUT(id.own_container, CONTAINER_SHORT_ID_LEN));
    }
    identity_done(&id);
    next_step(c);
}

static void check_engine(struct check *c)
{
    struct error err = ERROR_INIT;
    struct engine_options o = {.loop = c->loop,
                               .address = c->config->docker_host,
                               .timeout_ms = c->config->engine_timeout_ms,
                               .api_minor = c->config->api_minor};

    int r;

    r = config_engine_trust(c->config, &c->engine_trust, &err);
    o.trust = c->engine_trust;
    if (r < 0 || engine_new(&c->engine, &o, &err) < 0 ||
        engine_info_start(&c->info_call, c->engine, on_engine_info, c, &err) < 0) {
        say_wrong(c, "engine %s: %s", c->config->docker_host, err.msg);
        next_step(c);
    }
}

/* --- server ----------------------------------------------------------------------------------- */

static void on_health(void *owner, const struct http_result *result)
{
    struct check *c = owner;
    const struct config *config = c->config;

    c->call = NULL;
    if (result->code < 0) {
        say_wrong(c, "server %s: %s; %s", config->http_address, result->message,
                  advice_server(result->message));
    } else {
        c->has_http = true;
        c->is_healthy = result->status == 200;
        if (c->is_healthy) {
            say_ok(c, "server %s%s: answers and is healthy", config->http_address,
                   config->http_prefix);
        } else {
            say_note(c, "server %s%s/health: answers with HTTP status %d", config->http_address,
                     config->http_prefix, result->status);
        }
    }
    next_step(c);
}

static void check_http(struct check *c)
{
    const struct config *config = c->config;
    _cleanup_free_ char *path = xasprintf("%s/health", config->http_prefix);
    struct error err = ERROR_INIT;
    int r;

    r = http_call_start(&c->call, c->loop,
                        &(struct http_call_options){
                            .address = config->http_address,
                            .method = "GET",
                            .path = path,
                            .max_body = MAX_BODY,
                            .timeout_ms = HTTP_TIMEOUT_MS,
                            .is_insecure = config->is_insecure,
                            .proxies = &config->proxies,
                            .done = on_health,
                            .owner = c,
                        },
                        &err);
    if (r < 0) {
        say_wrong(c, "server %s: %s", config->http_address, err.msg);
        next_step(c);
    }
}

/*
 * The server hands out its installation script for a valid registration token only, which stays
 * usable. A server of another kind has no such script, so its answer decides nothing.
 */
static void on_script(void *owner, const struct http_result *result)
{
    struct check *c = owner;
    bool is_script = result->code >= 0 && result->size >= strlen(SCRIPT_START) &&
                     memcmp(result->body, SCRIPT_START, strlen(SCRIPT_START)) == 0;

    c->call = NULL;
    if (is_script && result->status == 401) {
        say_wrong(c, "registration token: the server refuses it: it is unknown, used or expired; "
                     "`dockmon token create` prints a new line");
    } else if (is_script && result->status == 200) {
        say_ok(c, "registration token: the server accepts it");
    } else {
        say_note(c, "registration token: this server tells only when the agent registers whether "
                    "it is valid");
    }
    next_step(c);
}

/*
 * Without an upgrade the server answers 401 for an unknown token and 426 for a valid one, and an
 * agent that runs keeps its channel. Other answers come from a server of another kind.
 */
static void on_channel(void *owner, const struct http_result *result)
{
    struct check *c = owner;
    int status = result->code < 0 ? 0 : result->status;

    c->call = NULL;
    if (status == 401 && c->is_healthy) {
        say_wrong(c, "permanent token: the server refuses it: the agent was revoked, or its host "
                     "deleted; delete the token to register again with a REGISTRATION_TOKEN");
    } else if (status == 426) {
        say_ok(c, "permanent token: the server accepts it");
    } else {
        say_note(c, "permanent token: this server tells only when the agent connects whether it is "
                    "valid");
    }
    next_step(c);
}

/* Sends the token that the agent would use. One that can be read on the network is not sent. */
static void check_acceptance(struct check *c)
{
    const struct config *config = c->config;
    const char *kind = c->will_join ? "registration" : "permanent";
    const char *token = c->will_join ? config->registration_token : c->token;
    _cleanup_(token_freep) char *value = NULL;
    _cleanup_free_ char *path = xasprintf("%s%s", config->http_prefix,
                                          c->will_join ? "/install.sh" : CONFIG_STATS_WS);
    struct error err = ERROR_INIT;
    int r;

    if (!c->has_http || !token || config->is_exposed) {
        next_step(c);
        return;
    }
    value = xasprintf("Bearer %s", token);
    r = http_call_start(
        &c->call, c->loop,
        &(struct http_call_options){
            .address = config->http_address,
            .method = "GET",
            .path = path,
            .headers = (const struct http_header[]){{.name = "Authorization", .value = value}},
            .n_headers = 1,
            .max_body = MAX_BODY,
            .timeout_ms = HTTP_TIMEOUT_MS,
            .is_insecure = config->is_insecure,
            .proxies = &config->proxies,
            .done = c->will_join ? on_script : on_channel,
            .owner = c,
        },
        &err);
    if (r < 0) {
        say_note(c, "%s token: it was not checked: %s", kind, err.msg);
        next_step(c);
    }
}

static void on_open(void *owner)
{
    struct check *c = owner;

    say_ok(c, "agent endpoint %s: accepts connections", c->config->ws_url);
    c->has_endpoint = true;
    ws_close(c->ws, WS_CLOSE_NORMAL, "check only");
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    (void)owner;
    (void)data;
    (void)size;
    (void)is_binary; /* no request was sent, so no message is expected */
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct check *c = owner;

    c->ws = NULL;
    if (!c->has_endpoint) {
        say_wrong(
            c,
            "agent endpoint %s: %s; a proxy in front of the server must forward WebSocket upgrades",
            c->config->ws_url, why->reason);
    }
    next_step(c);
}

static const struct ws_handler ws_functions = {
    .on_open = on_open,
    .on_message = on_message,
    .on_close = on_close,
};

static void check_websocket(struct check *c)
{
    struct error err = ERROR_INIT;
    struct ws_dial dial = {
        .url = c->config->ws_url,
        .is_insecure = c->config->is_insecure,
        .proxies = &c->config->proxies,
        .limits = {.max_message = MAX_MESSAGE, .max_queue = MAX_MESSAGE},
        .handler = &ws_functions,
        .owner = c,
    };

    if (!c->has_http) {
        next_step(c); /* check_http() has reported the failure */
    } else if (ws_connect(&c->ws, c->loop, &dial, &err) < 0) {
        say_wrong(c, "agent endpoint %s: %s", c->config->ws_url, err.msg);
        next_step(c);
    }
}

static void start_step(struct check *c)
{
    switch (c->step) {
    case STEP_ENGINE: check_engine(c); break;
    case STEP_HTTP: check_http(c); break;
    case STEP_TOKEN: check_acceptance(c); break;
    case STEP_WEBSOCKET: check_websocket(c); break;
    case STEP_END: loop_stop(c->loop); break;
    }
}

bool check_run(struct loop *loop, const struct config *config, struct buf *out)
{
    struct check c = {.loop = loop, .config = config, .out = out};

    check_config(&c);
    check_proxy(&c);
    check_data(&c);
    start_step(&c);
    loop_run(loop);
    engine_free(c.engine);
    tls_trust_free(c.engine_trust);
    token_free(c.token);
    return !c.has_failed;
}
