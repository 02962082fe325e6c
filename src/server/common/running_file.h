#pragma once

/*
 * DATA-DIR/running.json: the addresses and the key of the server that runs on the data directory, for
 * the commands that administer it (`dockmond token create`, `dockmond health`) without its
 * command line. It is removed when the server stops, and may be left behind by a crash.
 */

#include "base/error.h"
#include <stdbool.h>

struct running {
    char *host; /* that it listens on; "" for all */
    unsigned port;
    bool is_tls;
    char *fingerprint;    /* of its key; NULL: no TLS */
    bool has_agent_files; /* it hands out agents */
    char *base_path;      /* "/x" below which a proxy serves it, or NULL */
    char *public_url;     /* at which others reach it, as configured, or NULL */
    bool has_proxies;     /* it trusts some */
};

int running_write(const char *data_dir, const struct running *running, struct error *err)
    _nodiscard_;
void running_remove(const char *data_dir);

/* Returns false when there is no valid file. running_done() frees. */
bool running_read(const char *data_dir, struct running *ret);
void running_done(struct running *running);
