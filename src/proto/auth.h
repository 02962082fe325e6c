#pragma once

/*
 * auth_success and auth_error: the server's answer to register.
 */

#include "proto/codec.h"

struct msg_auth_success {
    char *agent_id, *host_id;
    char *permanent_token; /* NULL or "": none was issued */
    json_t *capabilities;  /* object of bools, NULL from other servers */
    /* The newest batch of samples that the server has stored; epoch 0: none. */
    uint64_t samples_epoch, samples_seq;
    char *release_key;    /* base64, see proto/release.h; NULL: this server signs no programs */
    int64_t events_since; /* engine time (ns) of the newest event of the server, 0: none */
};

struct msg_auth_error {
    char *error;
    char *code; /* for agents that support codes: a name of proto/error_code.h, or NULL */
};

int msg_auth_success_decode(const json_t *v, struct msg_auth_success *ret, struct error *err)
    _nodiscard_;
json_t *msg_auth_success_encode(const struct msg_auth_success *m) _nodiscard_;
void msg_auth_success_done(struct msg_auth_success *m);
bool msg_auth_success_can(const struct msg_auth_success *m, const char *capability);

int msg_auth_error_decode(const json_t *v, struct msg_auth_error *ret, struct error *err)
    _nodiscard_;
json_t *msg_auth_error_encode(const struct msg_auth_error *m) _nodiscard_;
void msg_auth_error_done(struct msg_auth_error *m);
