#pragma once

/*
 * Self-updates of the agent: the arguments of the command self_update, and the record of one, which
 * the agent keeps on disk and sends at each change, and at the start of each session, as the event
 * self_update_progress. docs/protocol.md, "Self-update", describes both.
 *
 *   running   stages: download, install, restart (the new program is put in place), trial (it runs)
 *   done      the new program was accepted by the server
 *   failed    the program before it runs, or still runs; `error` has the reason
 */

#include "proto/codec.h"

#define SELF_UPDATE_MAX_BYTES (INT64_C(64) << 20) /* of a program */
#define SELF_UPDATE_RUNNING   "running"
#define SELF_UPDATE_DONE      "done"
#define SELF_UPDATE_FAILED    "failed"

struct self_update_args {
    char *update_id;
    char *description; /* signed: release.h */
    char *url;         /* http or https; NULL or "": `path` on the server */
    char *path;        /* "/download/agent/..." */
    int64_t size;      /* in bytes; 0: unknown */
    bool allow_older;
};

/* Times are unix milliseconds; 0: not yet. */
struct self_update_record {
    char *update_id;
    char *version, *from_version;
    char *sha256; /* of the new program */
    char *state;  /* SELF_UPDATE_... */
    char *stage;
    int64_t received, size; /* bytes; size 0: unknown */
    int64_t started_at, ended_at;
    char *error; /* NULL: none */
};

/* On failure `err` names the invalid field and the reason, and `ret` is already done. */
int self_update_args_decode(const json_t *payload, struct self_update_args *ret, struct error *err)
    _nodiscard_;
json_t *self_update_args_encode(const struct self_update_args *a) _nodiscard_;
void self_update_args_done(struct self_update_args *a);

int self_update_record_decode(const json_t *v, struct self_update_record *ret, struct error *err)
    _nodiscard_;
json_t *self_update_record_encode(const struct self_update_record *r) _nodiscard_;
void self_update_record_done(struct self_update_record *r);
