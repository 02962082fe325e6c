#pragma once

/*
 * The installation script (packaging/install.sh) with a preamble for one host: the address and the
 * key of this server, the registration token, the sums of the agents, and the systemd unit.
 */

#include "base/buf.h"
#include "server/download/agent_files.h"

#define INSTALL_SCRIPT_MAX ((size_t)64 * 1024)

/* Embedded by the build. */
extern const char install_sh[], agent_unit[];
extern const size_t install_sh_size, agent_unit_size;

struct install_script {
    const char *url;         /* from join_url() */
    const char *fingerprint; /* "sha256:HEX", or NULL: certificate authorities decide */
    const char *token;
    const struct agent_files *files;
};

/*
 * Appends the script. The strings may have only characters that join_url(), fingerprints and
 * registration tokens have: they stand between quotes.
 */
int install_script_write(const struct install_script *script, struct buf *out) _nodiscard_;

/* Appends a script that prints the text (without quotes and backslashes) and fails. */
int install_script_refuse(const char *text, struct buf *out) _nodiscard_;
