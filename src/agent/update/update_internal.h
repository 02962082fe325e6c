#pragma once

/*
 * Shared by the files of the transaction only: update.c goes from act to act, update_acts.c has
 * the acts, update_look.c reads what exists, update_prepare.c makes the plans, update_check.c
 * judges a container that was started, update_expire.c removes what was kept.
 */

#include "agent/update/gate.h"
#include "agent/update/material.h"
#include "agent/update/pull.h"
#include "agent/update/update.h"
#include "net/loop.h"

struct update {
    struct update_options o;
    struct journal_record *r;
    json_t *auth;
    struct engine_call *call;
    struct material_call *gathering; /* these four are of STEP_PREPARE */
    struct pull *pull;
    struct material material;  /* of the container itself */
    struct material dependent; /* of the one that is planned */
    struct gate *gate;
    bool is_compared; /* the container at the gate, with its plan */
    struct loop_timer timer;
    unsigned n_failed;   /* attempts of the present act */
    unsigned n_timeouts; /* acts without an answer in time */
    size_t look_at;      /* of update_look(): the member */
    int64_t stopped_ms;  /* when the old one was stopped; 0: not by this process */
    size_t remove_at;    /* of update_expire(): the member */
};

/* update.c */
struct update_member *update_at(struct update *u);
void update_proceed(struct update *u); /* the next act */
/* The step fails: undoes what was done. */
void update_fail(struct update *u, enum error_code code, const char *fmt, ...) _printf_(3, 4);
/* The engine does not answer: looks again in a while what exists, and decides then. */
void update_suspend(struct update *u);
/* Ends the run with this state. */
void update_end(struct update *u, enum update_state state);
int update_ask(struct update *u,
               const char *method,
               char *path,
               json_t *body,
               uint64_t timeout_ms,
               engine_done_fn done) _nodiscard_; /* takes path and body */

/* GET of JSON, which is reply->json. */
int update_read(struct update *u, const char *path, engine_done_fn done) _nodiscard_;
/* reply->json is the container; an engine that cannot be asked suspends the update. */
void update_inspect(struct update *u, const char *container, engine_done_fn done);

/* update_acts.c */
struct update_act {
    bool is_reverse; /* from the last member to the first */
    /* Whether the act is not needed for the member, or was done. */
    bool (*is_done)(const struct update *u, const struct update_member *m);
    void (*begin)(struct update *u, struct update_member *m);
    enum update_step next;
};
/* NULL: the step is none of acts. */
const struct update_act *update_act(enum update_step step);
extern const struct update_act update_act_create;
extern const struct update_act update_act_connect;
extern const struct update_act update_act_policy;
extern const struct update_act update_act_stop;
extern const struct update_act update_act_late_policy;
extern const struct update_act update_act_set_aside;
extern const struct update_act update_act_install;
extern const struct update_act update_act_start;
extern const struct update_act update_act_undo_stop;
extern const struct update_act update_act_undo_remove;
extern const struct update_act update_act_undo_name;
extern const struct update_act update_act_undo_connect;
extern const struct update_act update_act_undo_policy;
extern const struct update_act update_act_undo_start;

/* The request of an act; takes path and body. `done` sets the facts. */
void update_act_ask(
    struct update *u, const char *method, char *path, json_t *body, engine_done_fn done);
/* For a reply that is a failure. `what` is put before the name of the member: "stop". */
void update_retry_or_fail(struct update *u, const struct engine_reply *reply, const char *what);
void update_ask_stop(struct update *u, const char *id, engine_done_fn done);
void update_ask_rename(struct update *u, const char *id, const char *name, engine_done_fn done);
void update_set_policy(struct update *u,
                       const struct update_member *m,
                       json_t *policy, /* taken */
                       engine_done_fn done);
/* Whether the engine would start the old one again. */
bool update_has_own_policy(const struct update_member *m);

/* update_create.c: body and path of the request that creates the member's container. */
json_t *update_make_body(const struct update *u, const struct update_member *m) _nodiscard_;
char *update_make_create_path(const struct update_member *m, const char *name) _nodiscard_;
/* The reply; NULL: it cannot be read. *ret_id is borrowed from it. */
json_t *update_parse_created(const struct engine_reply *reply, const char **ret_id) _nodiscard_;
/* The first element of `connect` that has no connection yet; NULL: none. */
const json_t *update_find_unconnected(const struct update_member *m);
void update_begin_connect(struct update *u, struct update_member *m);

/* update_look.c: reads the facts of all members, then update_decide() */
void update_look(struct update *u);
void update_decide(struct update *u); /* of update.c */

/* update_prepare.c: plans all members, then update_proceed() or update_fail() */
void update_prepare(struct update *u);
void update_prepare_cancel(struct update *u);

/* update_check.c: judges the member until it passes or fails */
void update_check(struct update *u, struct update_member *m);
