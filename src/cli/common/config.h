#pragma once

/*
 * The address of the server and the credentials for it: the file ~/.config/dockmon/config
 * (KEY=value, mode 0600), which `dockmon login` writes, and environment variables, which override
 * it.
 */

#include "base/error.h"
#include <stdbool.h>

#define CONFIG_DEFAULT_URL "http://127.0.0.1:8001"

struct config {
    char *path;    /* of the file, which need not exist */
    char *url;     /* never NULL after config_load(); without a slash at the end */
    char *api_key; /* NULL: none */
    char *session; /* session id of the cookie, NULL: none */
    char *ca_file; /* NULL: the system's roots */
    char *pin;     /* fingerprint of the server's key, see net/tls_trust.h; NULL: none */
    bool is_insecure;
    bool is_url_given; /* false: `url` is the default */
};

/* Reads an environment variable: secure_getenv() outside of tests. */
typedef char *(*config_env_fn)(const char *name);

/*
 * Reads the file, if it exists, then the environment. A URL in the environment that differs from
 * the file's drops the file's key, session and pin: they belong to another server. -EINVAL names
 * the variable or the file.
 */
int config_load(struct config *ret, config_env_fn env, struct error *err) _nodiscard_;
/* Replaces the file atomically; creates its folders. */
int config_save(const struct config *c, struct error *err) _nodiscard_;
void config_done(struct config *c);

/* Checks an address as users type it: adds a missing http://, removes slashes at the end. */
int config_set_url(struct config *c, const char *url, struct error *err) _nodiscard_;
