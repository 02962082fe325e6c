#pragma once

/*
 * register: the first frame of an agent, flat, without an envelope. Decoding checks and cleans every
 * field; the refusal text starts with "Invalid registration data: " and is fit for auth_error.
 */

#include "proto/codec.h"

struct msg_register {
    char *token; /* registration token, or the permanent one */
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
 * `leave_out` is NULL or a NULL-terminated list of field names: servers of the seed era refuse fields
 * that they do not know, and say which.
 */
json_t *msg_register_encode(const struct msg_register *m, const char *const *leave_out) _nodiscard_;
void msg_register_done(struct msg_register *m);

/*
 * The field that a server refused as unknown ("Extra inputs are not permitted (field: X)"), to be freed;
 * NULL when `error` says something else or X is one that every server knows.
 */
char *msg_register_refused_field(const char *error) _nodiscard_;
