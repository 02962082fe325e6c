#include "server/config.h"
#include "base/alloc.h"
#include "base/options.h"
#include "base/str.h"
#include "net/address.h"
#include "net/certificate.h"
#include "net/url.h"

#include <errno.h>
#include <string.h>

#define OPT(member) offsetof(struct config, member)
#define MIB         (UINT64_C(1) << 20)
#define DAYS(n)     ((uint64_t)(n)*DAY_MS)

/* clang-format off */ /* it would align them in columns */
static const struct option_spec specs[] = {
    {.flag = "listen", .env = "DOCKMOND_LISTEN", .type = OPTION_STRING, .offset = OPT(listen),
     .flags = OPTION_REQUIRED, .fallback = "127.0.0.1:8001", .max = 255,
     .help = "ADDR:PORT to listen on; port 0 takes a free port"},
    {.flag = "data-dir", .env = "DOCKMOND_DATA_DIR", .type = OPTION_STRING,
     .offset = OPT(data_dir), .flags = OPTION_REQUIRED, .fallback = "/var/lib/dockmon",
     .max = 3000,
     .help = "DIR for the database; created if it is missing"},
    {.flag = "insecure-http", .env = "DOCKMOND_INSECURE_HTTP", .type = OPTION_BOOL,
     .offset = OPT(is_http_allowed), .fallback = "false",
     .help = "allow plain HTTP on addresses other than loopback"},
    {.flag = "tls", .env = "DOCKMOND_TLS", .type = OPTION_BOOL, .offset = OPT(wants_tls),
     .fallback = "false",
     .help = "serve HTTPS on loopback, too; the default on other addresses"},
    {.flag = "tls-cert", .env = "DOCKMOND_TLS_CERT", .type = OPTION_STRING,
     .offset = OPT(tls_cert), .max = 4096,
     .help = "FILE with the server's certificate chain (PEM); default: a self-signed certificate "
             "in DATA-DIR/tls/"},
    {.flag = "tls-key", .env = "DOCKMOND_TLS_KEY", .type = OPTION_STRING, .offset = OPT(tls_key),
     .max = 4096,
     .help = "FILE with the private key of --tls-cert (PEM)"},
    {.flag = "tls-san", .env = "DOCKMOND_TLS_SAN", .type = OPTION_STRING, .offset = OPT(tls_san),
     .max = 4096,
     .help = "NAME,NAME... additional host names and IPs in the self-signed certificate"},
    {.flag = "trusted-proxies", .env = "DOCKMOND_TRUSTED_PROXIES", .type = OPTION_STRING,
     .offset = OPT(trusted_proxies), .max = NETWORKS_TEXT_MAX,
     .help = "CIDR,... of proxies whose X-Forwarded-For, -Proto and -Host, Forwarded and X-Real-IP "
             "are believed"},
    {.flag = "trusted-origins", .env = "DOCKMOND_TRUSTED_ORIGINS", .type = OPTION_STRING,
     .offset = OPT(trusted_origins), .max = 4096,
     .help = "URL,... of pages on other sites that may use a login, such as https://example.org"},
    {.flag = "base-path", .env = "DOCKMOND_BASE_PATH", .type = OPTION_STRING,
     .offset = OPT(base_path), .max = 255,
     .help = "PATH below which a proxy serves this server, such as /dockmon"},
    {.flag = "public-url", .env = "DOCKMOND_PUBLIC_URL", .type = OPTION_STRING,
     .offset = OPT(public_url), .max = 1024,
     .help = "URL at which browsers and other hosts reach this server, for cookies and the lines "
             "that join hosts; its path is the default of --base-path"},
    {.flag = "web-dir", .env = "DOCKMOND_WEB_DIR", .type = OPTION_STRING, .offset = OPT(web_dir),
     .max = 4096,
     .help = "DIR of another built web UI (index.html and its files), read at start and served at / "
             "instead of the one in the program"},
    {.flag = "agent-dir", .env = "DOCKMOND_AGENT_DIR", .type = OPTION_STRING,
     .offset = OPT(agent_dir), .max = 4096,
     .help = "DIR with agents for hosts that join (agent-linux-amd64, image-amd64.tar), read at "
             "start; default: ../libexec/dockmon/agents beside dockmond"},
    {.flag = "log-level", .env = "DOCKMOND_LOG_LEVEL", .type = OPTION_STRING,
     .offset = OPT(log_level_text), .flags = OPTION_REQUIRED, .fallback = "info", .max = 16,
     .help = "debug, info, warning or error"},
    {.flag = "log-format", .env = "DOCKMOND_LOG_FORMAT", .type = OPTION_STRING,
     .offset = OPT(log_format), .flags = OPTION_REQUIRED, .fallback = "text", .max = 16,
     .help = "text (key=value) or json, one entry per line"},
    {.flag = "session-lifetime", .env = "DOCKMOND_SESSION_LIFETIME", .type = OPTION_DURATION,
     .offset = OPT(session_lifetime_ms), .fallback = "24h", .min = 60000, .max = DAYS(90),
     .help = "time after which a login expires"},
    {.flag = "poll-interval", .env = "DOCKMOND_POLL_INTERVAL", .type = OPTION_DURATION,
     .offset = OPT(poll_interval_ms), .fallback = "2s", .min = 500, .max = 3600000,
     .help = "interval at which agents that do not push are polled for their containers (10s while "
             "nobody reads lists)"},
    {.flag = "max-agent-message", .env = "DOCKMOND_MAX_AGENT_MESSAGE", .type = OPTION_U64,
     .offset = OPT(max_agent_message), .fallback = "16777216", .min = 65536, .max = 256 * MIB,
     .help = "maximum size of an agent's message in bytes"},
    {.flag = "max-connections", .env = "DOCKMOND_MAX_CONNECTIONS", .type = OPTION_U64,
     .offset = OPT(max_connections), .fallback = "25000", .min = 16, .max = 1000000,
     .help = "maximum number of open connections, including agents"},
    {.flag = "max-agents", .env = "DOCKMOND_MAX_AGENTS", .type = OPTION_U64,
     .offset = OPT(max_agents), .fallback = "20000", .min = 1, .max = 1000000,
     .help = "maximum number of registered agents"},
    {.flag = "max-containers", .env = "DOCKMOND_MAX_CONTAINERS", .type = OPTION_U64,
     .offset = OPT(max_containers), .fallback = "5000", .min = 1, .max = 100000,
     .help = "maximum number of containers of one host; further ones are omitted, with a warning; "
             "the history keeps 5,000 at most"},
    {.flag = "inventory-memory", .env = "DOCKMOND_INVENTORY_MEMORY", .type = OPTION_U64,
     .offset = OPT(inventory_memory_mib), .fallback = "1024", .min = 1, .max = 1048576,
     .help = "maximum MiB of memory for what agents say of all containers; one host has 64 MiB at "
             "most, further containers are omitted, with a warning"},
    {.flag = "max-commands", .env = "DOCKMOND_MAX_COMMANDS", .type = OPTION_U64,
     .offset = OPT(max_commands), .fallback = "64", .min = 1, .max = 10000,
     .help = "maximum number of pending commands of one agent"},
    {.flag = "rate-limit", .env = "DOCKMOND_RATE_LIMIT", .type = OPTION_U64,
     .offset = OPT(rate_percent), .fallback = "100", .max = 100000,
     .help = "PERCENT of the default limits of requests that apply to each user and API key (per "
             "minute 900 for containers and reads of hosts, 60 for changes of hosts, 120 for others); "
             "0: no limits"},
    {.flag = "max-client-queue", .env = "DOCKMOND_MAX_CLIENT_QUEUE", .type = OPTION_U64,
     .offset = OPT(max_client_queue), .fallback = "4194304", .min = 2 * MIB, .max = 256 * MIB,
     .help = "maximum number of bytes queued for one client of the live feed; a slower client "
             "misses updates and then receives the complete state again"},
    {.flag = "auth-timeout", .env = "DOCKMOND_AUTH_TIMEOUT", .type = OPTION_DURATION,
     .offset = OPT(auth_timeout_ms), .fallback = "30s", .min = 1000, .max = 600000,
     .help = "time within which a connected agent must authenticate"},
    {.flag = "ping-interval", .env = "DOCKMOND_PING_INTERVAL", .type = OPTION_DURATION,
     .offset = OPT(ping_interval_ms), .fallback = "20s", .min = 1000, .max = 600000,
     .help = "interval of pings to agents; an agent that is silent for twice the interval plus 5 s "
             "is offline"},
    {.flag = "history-tiers", .env = "DOCKMOND_HISTORY_TIERS", .type = OPTION_STRING,
     .offset = OPT(history_tiers), .fallback = TIERS_DEFAULT, .max = 255,
     .help = "STEP:KEEP,... resolutions of the history and how long each is kept, in files of 1 "
             "day to 4 weeks: 10s first, then any of 30s, 1m, 5m, 10m, 30m, 1h, 6h and 1d; at least "
             "2 days each (units h, d, y)"},
    {.flag = "stats-memory", .env = "DOCKMOND_STATS_MEMORY", .type = OPTION_U64,
     .offset = OPT(stats_memory_mib), .fallback = "0", .max = 1048576,
     .help = "maximum MiB of memory for the samples of the last 15 minutes; 0: a quarter of the "
             "machine's memory, at most 2048"},
    {.flag = "no-history", .env = "DOCKMOND_NO_HISTORY", .type = OPTION_BOOL,
     .offset = OPT(wants_no_history), .fallback = "false",
     .help = "keep only the samples of the last 15 minutes, in memory"},
    {.flag = "backup-schedule", .env = "DOCKMOND_BACKUP_SCHEDULE", .type = OPTION_STRING,
     .offset = OPT(backup_schedule), .max = 64,
     .help = "daily@HH:MM or hourly@MM, in local time: write a verified backup then"},
    {.flag = "backup-dir", .env = "DOCKMOND_BACKUP_DIR", .type = OPTION_STRING,
     .offset = OPT(backup_dir), .max = 3000,
     .help = "DIR for scheduled backups, best on another disk; default: DATA-DIR/backups"},
    {.flag = "backup-keep", .env = "DOCKMOND_BACKUP_KEEP", .type = OPTION_U64,
     .offset = OPT(backup_keep), .fallback = "7", .min = 1, .max = 10000,
     .help = "number of scheduled backups to keep"},
    {.flag = "backup-history", .env = "DOCKMOND_BACKUP_HISTORY", .type = OPTION_BOOL,
     .offset = OPT(is_history_backed_up), .fallback = "true",
     .help = "include the history in scheduled backups"},
    {.flag = "image-check-interval", .env = "DOCKMOND_IMAGE_CHECK_INTERVAL", .type = OPTION_DURATION,
     .offset = OPT(image_check_ms), .fallback = "24h", .max = 30 * DAY_MS,
     .help = "interval in which registries are asked for newer images; 0: on demand only"},
    {.flag = "check", .type = OPTION_BOOL, .offset = OPT(wants_check), .fallback = "false",
     .help = "check the configuration and the data directory, then exit"},
    {.flag = "version", .type = OPTION_BOOL, .offset = OPT(wants_version), .fallback = "false",
     .help = "print the version and exit"},
    {.flag = "help", .type = OPTION_BOOL, .offset = OPT(wants_help), .fallback = "false",
     .help = "print this text and exit"},
};
/* clang-format on */

static void check_names(const char *text, struct buf *errors)
{
    _cleanup_free_ char *copy = xstrdup(text);
    char *rest = copy;

    while (rest) {
        const char *name = str_trim(strsep(&rest, ","));

        if (!certificate_name_is_valid(name)) {
            (void)buf_printf(
                errors, "--tls-san (DOCKMOND_TLS_SAN): `%s` is neither a host name nor an IP\n",
                name);
        }
    }
}

/* Addresses other than loopback use TLS unless --insecure-http allows plain HTTP: passwords and
 * tokens do not travel unencrypted by default. */
static void derive_tls(struct config *c, struct buf *errors)
{
    if (!c->tls_cert != !c->tls_key) {
        (void)buf_printf(errors, "--tls-cert and --tls-key (DOCKMOND_TLS_CERT, DOCKMOND_TLS_KEY): "
                                 "set both or neither\n");
    }
    check_names(c->tls_san, errors);
    if (c->is_http_allowed && (c->wants_tls || c->tls_cert)) {
        (void)buf_printf(errors, "--insecure-http (DOCKMOND_INSECURE_HTTP): plain HTTP and TLS "
                                 "exclude each other\n");
    }
    c->is_tls = c->wants_tls || c->tls_cert ||
                (c->host && !address_is_loopback(c->host) && !c->is_http_allowed);
}

/* Removes a slash at the end. The URL is pasted into shells. */
static bool is_public_url(char *text)
{
    struct url u = {0};
    bool is_valid;

    if (str_ends_with(text, "/"))
        text[strlen(text) - 1] = '\0';
    is_valid = url_parse(text, &u, NULL) == 0 && str_starts_with(text, "http") &&
               !str_ends_with(text, "/") &&
               (str_eq(u.path, "/") || front_base_path_is_valid(u.path)) &&
               !strpbrk(text, "'\"`$\\&|;<>()*? ") && (u.is_tls || address_is_loopback(u.host));

    url_done(&u);
    return is_valid;
}

/* Returns the path of a URL, or NULL: it has none. */
static const char *find_path(const char *url)
{
    const char *authority = url ? strstr(url, "://") : NULL;

    return authority ? strchr(authority + strlen("://"), '/') : NULL;
}

static void derive_front(struct config *c, struct buf *errors)
{
    struct error err = ERROR_INIT;

    if (networks_parse(c->trusted_proxies, &c->front.trusted, &err) < 0)
        (void)buf_printf(errors, "--trusted-proxies (DOCKMOND_TRUSTED_PROXIES): %s\n", err.msg);
    if (c->trusted_origins && !front_origins_are_valid(c->trusted_origins)) {
        (void)buf_printf(errors,
                         "--trusted-origins (DOCKMOND_TRUSTED_ORIGINS): `%s` is not a list of "
                         "origins such as https://example.org\n",
                         c->trusted_origins);
    }
    if (c->base_path && !front_base_path_is_valid(c->base_path)) {
        (void)buf_printf(errors,
                         "--base-path (DOCKMOND_BASE_PATH): `%s` is not a path such as /dockmon\n",
                         c->base_path);
    }
    if (c->public_url && !is_public_url(c->public_url)) {
        (void)buf_printf(errors,
                         "--public-url (DOCKMOND_PUBLIC_URL): `%s` is not a URL such as "
                         "https://example.org/dockmon\n",
                         c->public_url);
    }
    c->front.origins = c->trusted_origins;
    c->front.public_url = c->public_url;
    c->front.base_path = c->base_path ? c->base_path : find_path(c->public_url);
}

/* Checks values that the table cannot check: texts with a grammar of their own, and rules between
 * options. */
static int derive(struct config *c, struct buf *errors)
{
    size_t before = errors->size;
    struct error err = ERROR_INIT;

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
    if (c->history_tiers && tiers_parse(c->history_tiers, c->history_keep_ms, &err) < 0)
        (void)buf_printf(errors, "--history-tiers (DOCKMOND_HISTORY_TIERS): %s\n", err.msg);
    if (c->backup_schedule && backup_plan_parse(c->backup_schedule, &c->backup_plan, &err) < 0)
        (void)buf_printf(errors, "--backup-schedule (DOCKMOND_BACKUP_SCHEDULE): %s\n", err.msg);
    derive_tls(c, errors);
    derive_front(c, errors);
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
        (void)buf_printf(errors, "%s: unknown command or unexpected argument\n", argv[first]);
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
