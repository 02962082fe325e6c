#pragma once

/*
 * What the flows of images.c, networks.c and volumes.c share. A flow is one function: called with step 0
 * and no reply at first, then with the reply to each question. It returns 0 after resource_ask(), 0 with
 * `payload` set at the end, or a negative errno with `err` filled and perhaps `status`. A question that
 * fails ends the flow, unless `is_tolerant`.
 */

#include "agent/commands/resource.h"
#include "agent/commands/usage.h"
#include "proto/resource_args.h"

typedef int (*resource_flow_fn)(struct resource *f,
                                const struct engine_reply *reply,
                                struct error *err);

struct resource {
    struct resource_options o; /* command and payload are not valid after start */
    struct resource_args args;
    resource_flow_fn flow;
    unsigned step;
    struct engine_call *call;
    bool is_tolerant; /* the flow looks at reply->code itself, for the next question only */
    bool is_done;
    int status;
    json_t *object;  /* what an earlier step has read */
    json_t *payload; /* of the reply */
};

struct resource_question {
    const char *method; /* NULL: GET */
    char *path;         /* taken */
    json_t *body;       /* taken; NULL none */
};
int resource_ask(struct resource *f, struct resource_question question, struct error *err)
    _nodiscard_;

/* Parses the reply; `type` is what it must be. *ret is the caller's. */
int resource_read(const struct engine_reply *reply, json_type type, json_t **ret, struct error *err)
    _nodiscard_;

/* Lists: the engine's objects, then the containers that use them. */
struct resource_list {
    const char *path;
    const char *member; /* the array in the answer; NULL: the answer is the array */
    enum usage_kind usage;
    json_t *(*describe)(const json_t *object, const struct usage *usage);
};
int resource_list_next(struct resource *f,
                       const struct resource_list *list,
                       const struct engine_reply *reply,
                       struct error *err) _nodiscard_;

/* A member of an engine's object as ours: string or "", time in UTC or "", and what else counts users. */
json_t *resource_text(const json_t *object, const char *key);
json_t *resource_time(const json_t *object, const char *key);
json_t *resource_short_id(const char *id); /* "sha256:" cut off, 12 digits */
void resource_set_users(json_t *o, json_t *users /* stolen */);
/* Strings of an array that may be null; the result is an array. */
json_t *resource_texts(const json_t *array);

int images_list(struct resource *f, const struct engine_reply *reply, struct error *err);
int images_remove(struct resource *f, const struct engine_reply *reply, struct error *err);
int images_prune(struct resource *f, const struct engine_reply *reply, struct error *err);
int networks_list(struct resource *f, const struct engine_reply *reply, struct error *err);
int networks_create(struct resource *f, const struct engine_reply *reply, struct error *err);
int networks_delete(struct resource *f, const struct engine_reply *reply, struct error *err);
int networks_prune(struct resource *f, const struct engine_reply *reply, struct error *err);
int volumes_list(struct resource *f, const struct engine_reply *reply, struct error *err);
int volumes_create(struct resource *f, const struct engine_reply *reply, struct error *err);
int volumes_delete(struct resource *f, const struct engine_reply *reply, struct error *err);
int volumes_prune(struct resource *f, const struct engine_reply *reply, struct error *err);
