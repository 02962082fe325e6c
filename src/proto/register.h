#pragma once

/*
 * register: the first message of an agent, flat, without an envelope. Decoding checks and cleans
 * every field; the text of a refusal begins with "Invalid registration data: ", for auth_error.
 */

#include "proto/codec.h"

/*
 * The version that our agent registers with: that of the protocol, and a mark. Its own version is the
 * rest of a capability, because servers of DockMon refuse fields that they do not know.
 */
#define REGISTER_VERSION     "2.4.5-c"
#define REGISTER_OWN_VERSION "version_"

struct msg_register {
    char *token; /* a registration token or the permanent token */
    char *engine_id;
    char *version, *proto_version;
    json_t *capabilities; /* object of bools */
    char *hostname;       /* this and all below: NULL or 0 when absent */
    char *os_type, *os_version, *kernel_version, *docker_version;
    char *daemon_started_at;
    int64_t total_memory; /* bytes */
    int64_t num_cpus;
    char *agent_os, *agent_arch; /* GOOS and GOARCH names */
    char *host_ip;
    struct strings host_ips;
    char *hostname_source; /* agent_name, daemon, os, engine_id */
    bool force_unique_registration;
};

int msg_register_decode(const json_t *v, struct msg_register *ret, struct error *err) _nodiscard_;
/*
 * `leave_out` is NULL or a NULL-terminated list of field names to omit: old servers refuse unknown
 * fields, and name the field.
 */
json_t *msg_register_encode(const struct msg_register *m, const char *const *leave_out) _nodiscard_;
void msg_register_done(struct msg_register *m);

/* The version of the agent itself: that of the capability, else `version`. Borrowed. */
const char *msg_register_own_version(const struct msg_register *m);

/* False: the text, which is UTF-8, has characters that can hide or reorder it, or line breaks. */
bool msg_register_is_printable(const char *text);

/* The fields that servers of the seed era do not know; NULL after the last one. */
const char *msg_register_newer_field(size_t i);

/*
 * Returns the field that a server refused as unknown ("Extra inputs are not permitted (field: X)"),
 * to be freed. NULL: another error, or a field that every server knows.
 */
char *msg_register_refused_field(const char *error) _nodiscard_;
