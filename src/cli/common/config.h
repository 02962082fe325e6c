#pragma once

/*
 * The address of the server and the settings for it: the file ~/.config/dockmon/config (KEY=value,
 * mode 0600), which `dockmon login` writes, and environment variables, which override it.
 *
 * Credentials, pin, certificates and exceptions from encryption belong to the server that they were
 * given for: another address drops all of them together. Passwords and keys travel encrypted:
 * plain HTTP is for loopback, unless the user asks for it.
 */

#include "base/error.h"
#include <stdbool.h>

#define CONFIG_DEFAULT_URL "http://127.0.0.1:8001"

struct config {
    char *path;    /* of the file, which need not exist */
    char *url;     /* never NULL after config_load(); may have a path; without a slash at the end */
    char *api_key; /* NULL: none */
    char *session; /* session id of the cookie, NULL: none */
    char *ca_file; /* NULL: the system's roots */
    char *pin;     /* fingerprint of the server's key, see net/tls_trust.h; NULL: none */
    bool is_insecure;
    bool is_http_allowed; /* plain HTTP beyond loopback */
    bool is_url_given;    /* false: `url` is the default */
    bool is_exposed;      /* other users can read the file */
};

/* Reads an environment variable: secure_getenv() outside of tests. */
typedef char *(*config_env_fn)(const char *name);

/*
 * Reads the file, if it exists, then the environment. A URL in the environment that differs from
 * the file's drops all settings of the file. -EINVAL names the variable or the file; -EPERM: other
 * users can write the file.
 */
int config_load(struct config *ret, config_env_fn env, struct error *err) _nodiscard_;
/* config_load() with the environment of the process; notes on stderr if others can read the file. */
int config_load_process(struct config *ret, struct error *err) _nodiscard_;
/* Replaces the file atomically; creates its folders. */
int config_save(const struct config *c, struct error *err) _nodiscard_;
void config_done(struct config *c);

/*
 * Sets an address as users type it: without a scheme it is https://, or http:// on loopback;
 * slashes at the end are removed. If it differs from the present one, the settings of that are
 * dropped.
 */
int config_set_url(struct config *c, const char *url, struct error *err) _nodiscard_;
/*
 * config_set_url(), then applies the environment again, unless its settings belong to another URL
 * that it names.
 */
int config_choose_server(struct config *c, const char *url, config_env_fn env, struct error *err)
    _nodiscard_;

/* -EPERM: the address is plain HTTP beyond loopback, and the user has not allowed that. */
int config_check_transport(const struct config *c, struct error *err) _nodiscard_;
