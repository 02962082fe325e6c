#pragma once

/*
 * Configuration of dockmond from flags, environment and a KEY=value file. Plain data.
 */

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "server/auth/front.h"
#include "server/history/tier.h"
#include "server/maintenance/backup_plan.h"
#include "server/tls/tls_keeper.h"
#include <stdbool.h>
#include <stdint.h>

struct config {
    char *listen;
    char *data_dir;
    char *log_level_text, *log_format;
    bool is_http_allowed; /* plain HTTP on addresses other than loopback */
    bool wants_tls;
    char *web_dir;            /* NULL: the web UI in the program is served */
    char *agent_dir;          /* agents to hand out; NULL: those of the installation */
    char *tls_cert, *tls_key; /* paths, both or none; NULL: self-signed */
    char *tls_san;            /* additional names in it, comma-separated */
    char *trusted_proxies;    /* networks; NULL: none */
    char *trusted_origins;    /* URLs; NULL: none */
    char *base_path;          /* "/x"; NULL: none */
    char *public_url;         /* NULL: found from the address and from requests */
    bool wants_check, wants_help, wants_version;
    uint64_t max_agent_message; /* bytes */
    uint64_t poll_interval_ms, session_lifetime_ms;
    uint64_t max_connections, max_agents;
    uint64_t max_containers;                    /* of a host */
    uint64_t inventory_memory_mib;              /* of all hosts */
    uint64_t rate_percent;                      /* of the limits of requests; 0: none */
    uint64_t max_commands;                      /* pending, of one agent */
    uint64_t max_client_queue;                  /* bytes */
    uint64_t auth_timeout_ms, ping_interval_ms; /* of agents */
    uint64_t stats_memory_mib;                  /* 0: a quarter of the machine's memory */
    bool wants_no_history;
    char *backup_schedule; /* NULL: none */
    char *backup_dir;      /* NULL: DATA-DIR/backups */
    uint64_t backup_keep;
    bool is_history_backed_up;
    uint64_t image_check_ms; /* interval; 0: on demand only */
    char *history_tiers;
    int64_t history_keep_ms[TIER_COUNT]; /* parsed from history_tiers */

    /* Derived from the texts above. */
    char *host;
    uint16_t port;
    bool is_tls;
    struct front front; /* borrows the texts above */
    struct backup_plan backup_plan;
    enum log_level log_level;
    bool is_log_json;
};

/* Returns 0, or -EINVAL with one line per error in `errors`. In either case the caller must call
 * config_done(). */
int config_read(int argc,
                char **argv,
                const char *const *env,
                struct config *ret,
                struct buf *errors) _nodiscard_;
/* The result borrows from *c. */
struct tls_keeper_files config_tls_files(const struct config *c);
void config_done(struct config *c);
void config_help(struct buf *out);
/* Returns whether argv's next word is the value of this one: true for "--listen", false for
 * "--listen=..." and "--check". */
bool config_flag_takes_value(const char *word);
