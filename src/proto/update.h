#pragma once

/*
 * Updates of containers: the arguments of the commands, the result of a preview, the events.
 *
 * An update replaces a container by one of another image, under the same name. Its agent has a
 * journal of it, and sends the whole state as a record at each step: the event update_journal. The
 * record is all that a server keeps; a server that gets one twice, or out of order after a
 * reconnect, has lost nothing. Agents of DockMon send no records, only update_progress (notice.h),
 * update_layer_progress and update_complete. docs/protocol.md, "Updates", describes all messages.
 *
 *   running      the update is under way, or is being rolled back
 *   kept         success; the old container still exists, and a rollback is possible
 *   done         success; the old container was removed
 *   rolled_back  the old container runs again under its name
 *   failed       it ended with an error, or the rollback did; `error` has the reason
 *   cancelled    the user ended it; the old container was never replaced, or is back
 */

#include "proto/codec.h"
#include "proto/operation.h"

#define UPDATE_MAX_RECORD      65536 /* bytes of an encoded record */
#define UPDATE_MAX_DEPENDENTS  128
#define UPDATE_MAX_LAYERS      64
#define UPDATE_MAX_LIST        200 /* lost paths of a preview, updates of a list */
#define UPDATE_MAX_CHANGES     1024
#define UPDATE_FINGERPRINT_LEN 64

enum update_state {
    UPDATE_RUNNING,
    UPDATE_KEPT,
    UPDATE_DONE,
    UPDATE_ROLLED_BACK,
    UPDATE_FAILED,
    UPDATE_CANCELLED,
    UPDATE_STATES
};

const char *update_state_name(enum update_state s);
/* UPDATE_STATES: the name is NULL or unknown. */
enum update_state update_state_find(const char *name);
/* Whether updates in this state never change again, but for the removal of the old container. */
bool update_state_is_end(enum update_state s);

/* The state of one update. Times are unix milliseconds; 0 and NULL: unknown, or not yet. */
struct update_record {
    char *update_id;
    char *container_id; /* 64 hex digits, or 12: the container that is replaced */
    char *container_name;
    char *new_container_id;
    char *image, *new_image; /* references */
    char *image_id, *new_image_id;
    char *digest; /* of the new image in its registry */
    char *state;  /* a name of update_state_find() */
    char *step;   /* of the agent's transaction, for people */
    int64_t step_at, started_at, ended_at;
    json_t *error; /* {code, text}; NULL: none */
    bool is_rolling_back;
    int64_t probation_until;
    bool probation_failed;
    int64_t expires_at;  /* when the old container is removed */
    int64_t downtime_ms; /* from the stop of the old one to the start of the new one; -1: unknown */
    json_t *dependents;  /* array of {id, new_id, name, action, state}; NULL: none */
    struct strings kept_volumes;
};

#define UPDATE_RECORD_INIT ((struct update_record){.downtime_ms = -1})

int update_record_decode(const json_t *v, struct update_record *ret, struct error *err) _nodiscard_;
json_t *update_record_encode(const struct update_record *u) _nodiscard_;
void update_record_done(struct update_record *u);
/* Members of `error`; NULL: there is none. */
const char *update_record_code(const struct update_record *u);
const char *update_record_text(const struct update_record *u);

/* Arguments of update_preview, update_container, update_rollback and update_cancel. */
struct update_args {
    char *container_id; /* 12 or 64 hex digits, or a name */
    char *new_image;    /* "" or NULL: the reference that the container was created from */
    int64_t stop_timeout_s, health_timeout_s; /* 0: the agent's default */
    json_t *registry_auth;                    /* {username, password}; NULL: none */
    char *update_id;
    char *fingerprint; /* of the preview that the user has seen; NULL: none */
    char *platform;    /* "linux/arm64"; NULL: that of the old image */
    int64_t keep_s;    /* how long the old container is kept; -1: the agent's default */
    int64_t stays_up_s;
    bool has_consent; /* Podman: the present addresses may become static ones */
    bool ignore_lock;
};

#define UPDATE_ARGS_INIT ((struct update_args){.keep_s = -1})

/* On failure `err` names the invalid field and the reason, and `ret` is already done. */
int update_args_decode(enum operation_id operation,
                       const json_t *payload,
                       struct update_args *ret,
                       struct error *err) _nodiscard_;
void update_args_done(struct update_args *a);
/* Returns the payload of a request; members with their default are omitted. */
json_t *update_args_encode(enum operation_id operation, const struct update_args *a) _nodiscard_;

/* The result of update_preview. Arrays and objects are checked by their shape. */
struct update_preview {
    char *container_id, *name;
    char *image, *new_image, *image_id, *new_image_id, *digest, *new_digest;
    char *created, *new_created; /* RFC 3339 */
    int64_t size, new_size;
    char *platform;
    bool is_update;
    json_t *changes; /* array of {path, before, after} */
    struct strings lost_paths;
    int64_t lost_paths_total;
    json_t *notes;      /* array of {code, text} */
    json_t *dependents; /* array of {id, name, action, reason}, in the order of their start */
    json_t *compose;    /* {project, service, will_recreate, reason} or NULL */
    json_t *refused;    /* {code, text} or NULL */
    char *source, *version, *url;
    char *fingerprint;
};

int update_preview_decode(const json_t *v, struct update_preview *ret, struct error *err)
    _nodiscard_;
json_t *update_preview_encode(const struct update_preview *p) _nodiscard_;
void update_preview_done(struct update_preview *p);

/* The event update_layer_progress. */
struct update_layers {
    char *container_id; /* 12 hex digits */
    double overall_progress;
    json_t *layers; /* array of {id, status, current, total, percent} */
    int64_t total_layers, remaining_layers;
    char *summary;
    double speed_mbps;
};

int update_layers_decode(const json_t *v, struct update_layers *ret, struct error *err) _nodiscard_;
json_t *update_layers_encode(const struct update_layers *l) _nodiscard_;
void update_layers_done(struct update_layers *l);

/* The event update_complete. */
struct update_complete {
    char *old_container_id, *new_container_id; /* 12 hex digits */
    char *container_name;
    struct strings failed_dependents; /* names */
};

int update_complete_decode(const json_t *v, struct update_complete *ret, struct error *err)
    _nodiscard_;
json_t *update_complete_encode(const struct update_complete *c) _nodiscard_;
void update_complete_done(struct update_complete *c);
