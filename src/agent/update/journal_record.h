#pragma once

/*
 * The record of one update: what the transaction (update.h) has to know to go on, or to undo what
 * it did, after the agent, the engine or the machine was killed. journal.h stores it.
 *
 * An update has members: the container itself, and the containers that depend on it, in the order
 * in which they are started. A member is either re-created (a new container replaces it), or only
 * restarted.
 *
 * A step is one kind of act, done for one member after the other. The record names the act that is
 * next or has begun; whether it was done is known from the engine only (struct member_facts).
 */

#include "base/container_id.h"
#include "base/error.h"
#include "proto/update.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPDATE_ID_SIZE     37 /* a UUID and the NUL */
#define UPDATE_MAX_MEMBERS 32

enum update_step {
    STEP_WAIT, /* for other updates */
    STEP_PREPARE,
    STEP_CREATE,
    STEP_CONNECT,
    STEP_POLICY, /* the old one's restart policy becomes "no" */
    STEP_STOP,
    STEP_LATE_POLICY, /* of containers that lose their devices by an update while they run */
    STEP_SET_ASIDE,
    STEP_INSTALL, /* the new one gets the name */
    STEP_START,   /* and is checked before the next one starts */
    STEP_COMMIT,

    STEP_UNDO_STOP,
    STEP_UNDO_REMOVE,
    STEP_UNDO_NAME,
    STEP_UNDO_CONNECT, /* the networks of one that was created again */
    STEP_UNDO_POLICY,
    STEP_UNDO_START,
    STEP_UNDONE,
    UPDATE_STEPS
};

/* The containers that exist; known from the engine, never stored. */
struct member_facts {
    bool has_old, is_old_running, is_aside, is_policy_off;
    bool has_new, is_new_running, is_installed, was_started;
    json_t *connected; /* names of the networks of the new one: an object */
};

struct update_member {
    char *id;     /* of the old container */
    char *name;   /* that both have in turn, without a slash */
    char *new_id; /* NULL: not created yet, or not known to be */
    char *reason; /* why it is a member; NULL of the first one */
    bool is_restart;
    bool is_running;      /* before the update */
    bool is_auto_remove;  /* the engine removes it when it stops */
    bool is_late_policy;  /* see STEP_LATE_POLICY */
    bool is_checked;      /* the new one has passed */
    bool is_policy_fixed; /* the engine cannot change the restart policy of a container */
    json_t *policy;       /* its RestartPolicy */
    json_t *create;       /* body of the new container */
    json_t *connect;      /* array of {"network", "body"} for STEP_CONNECT, or NULL */
    json_t *source;       /* of the plan, for the comparison: material_store() */
    char *platform;       /* that it is created for; NULL: the engine's */
    /* Config of the image of the new one, for its next update: the image may be pruned. */
    json_t *config;
    struct member_facts facts;
};

struct journal_record {
    char *id;
    char *image, *new_image;       /* references */
    char *image_id, *new_image_id; /* new_image_id: NULL until it is known */
    char *digest;                  /* of the new image, or NULL */
    char *platform;                /* "" or NULL: the engine's */
    enum update_state state;
    enum update_step step;
    int64_t member; /* index: the member that the step is at */
    bool is_undoing, is_cancelled;
    bool has_failed_probation;
    char *error_code, *error; /* NULL: none */
    int64_t stop_timeout_s;   /* -1: the container's own */
    int64_t health_timeout_ms, stays_up_ms;
    int64_t keep_ms;
    bool has_consent, ignores_lock;
    int64_t restarts;  /* of the new container by the engine, when it passed */
    char *fingerprint; /* of the preview that was accepted, or NULL */
    int64_t started_at, step_at, ended_at, probation_until, expires_at; /* unix ms; 0: none */
    int64_t downtime_ms;                                                /* -1: unknown */
    json_t *kept_volumes; /* names of anonymous volumes that the new ones use again, or NULL */
    struct update_member members[UPDATE_MAX_MEMBERS];
    size_t n_members;
};

const char *update_step_name(enum update_step step);
/* The name that DockMon's servers know for the stage. */
const char *update_step_stage(enum update_step step);

struct journal_record *journal_record_new(const char *id);
void journal_record_free(struct journal_record *r);
DEFINE_CLEANUP(struct journal_record *, journal_record_free);

json_t *journal_record_encode(const struct journal_record *r) _nodiscard_;
/* The record of proto/update.h, for servers. */
json_t *journal_record_report(const struct journal_record *r) _nodiscard_;
/* -EBADMSG: it is not a record. */
int journal_record_decode(const json_t *v, struct journal_record **ret, struct error *err)
    _nodiscard_;

/* NAME and the suffix with the id of the update, to be freed. */
char *update_member_name(const struct journal_record *r,
                         const struct update_member *m,
                         const char *suffix) _nodiscard_;
