#pragma once

/*
 * Configuration of dockmond: flags, environment, KEY=value file. Plain data; config_done() frees it.
 */

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "server/history/tier.h"
#include "server/tls/tls_keeper.h"
#include <stdbool.h>
#include <stdint.h>

struct config {
    char *listen;
    char *data_dir;
    char *log_level_text, *log_format;
    bool is_http_allowed; /* plain HTTP on addresses that others reach */
    bool wants_tls;
    char *web_dir;            /* NULL: no web UI is served */
    char *tls_cert, *tls_key; /* paths, both or none; NULL: self-signed */
    char *tls_san;            /* further names for the self-signed one, comma-separated */
    bool wants_check, wants_help, wants_version;
    uint64_t max_agent_message; /* bytes */
    uint64_t poll_interval_ms, session_lifetime_ms;
    uint64_t max_connections, max_agents;
    uint64_t max_containers;                    /* of a host */
    uint64_t max_commands;                      /* that wait for one agent */
    uint64_t max_client_queue;                  /* bytes */
    uint64_t auth_timeout_ms, ping_interval_ms; /* of agents */
    uint64_t stats_memory_mib;                  /* 0: by the machine's */
    bool wants_no_history;
    char *history_tiers;
    int64_t history_keep_ms[TIER_COUNT]; /* made of it */

    /* Derived from the texts above. */
    char *host;
    uint16_t port;
    bool is_tls;
    enum log_level log_level;
    bool is_log_json;
};

/* 0, or -EINVAL with one line per problem in `errors`. config_done() is due either way. */
int config_read(int argc,
                char **argv,
                const char *const *env,
                struct config *ret,
                struct buf *errors) _nodiscard_;
/* Borrows from *c. */
struct tls_keeper_files config_tls_files(const struct config *c);
void config_done(struct config *c);
void config_help(struct buf *out);
/* For a word of argv: "--listen" does, "--listen=..." and "--check" do not. */
bool config_flag_takes_value(const char *word);
