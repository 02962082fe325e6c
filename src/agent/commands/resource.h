#pragma once

/*
 * The parts that the operations on images, networks and volumes share: their struct, the flow of
 * the lists, and helpers to describe an object of the engine. The flows are in images.c,
 * networks.c and volumes.c.
 */

#include "agent/commands/operation.h"
#include "agent/commands/usage.h"
#include "proto/resource_args.h"

#define RESOURCE_MAX_BODY ((size_t)64 << 20)

struct resource {
    struct operation base;
    struct resource_args args;
    json_t *object; /* an earlier reply that the flow still needs, or NULL */
};

/* The members that the types of all these operations have in common. */
#define RESOURCE_TYPE                                                                            \
    .size = sizeof(struct resource), .max_body = RESOURCE_MAX_BODY, .prepare = resource_prepare, \
    .release = resource_release
int resource_prepare(struct operation *op, struct error *err) _nodiscard_;
void resource_release(struct operation *op);

static inline struct resource *resource_of(struct operation *op)
{
    return CONTAINER_OF(op, struct resource, base);
}

/* Parses the reply to the last request; it must be of `type`. *ret is the caller's. */
int resource_read(const struct operation *op, json_type type, json_t **ret, struct error *err)
    _nodiscard_;

/* Lists: the engine's objects, then the containers that use them. */
struct resource_list {
    const char *path;
    const char *member; /* the array in the reply; NULL: the reply is the array */
    enum usage_kind usage;
    /* An element of the answer, or NULL to leave the object out. */
    json_t *(*describe)(const json_t *object, const struct usage *usage);
    /* Makes the answer of the elements, which it takes; NULL: the elements are the answer. */
    json_t *(*summarize)(json_t *elements);
};
enum resource_list_step { LIST_OBJECTS, LIST_CONTAINERS, LIST_ANSWER };
extern const char *const resource_list_steps[];
int resource_list_advance(struct operation *op, const struct resource_list *list, struct error *err)
    _nodiscard_;

/*
 * A member of an engine's object in the form of our protocol: a string or "", a time in UTC or
 * "".
 */
json_t *resource_text(const json_t *object, const char *key);
json_t *resource_time(const json_t *object, const char *key);
json_t *resource_short_id(const char *id); /* 12 digits, without "sha256:" */
/* Sets the number of users, and the users, which it takes. */
void resource_set_users(json_t *o, json_t *users);
/*
 * The labels of an object of the engine as an object of strings, to be set as a member. Null if
 * they are larger than 4 KiB: labels of an image are written by strangers, and many of them would
 * make the list too large for one message.
 */
json_t *resource_labels(const json_t *object);
/* Strings of an array that may be null; the result is an array. */
json_t *resource_texts(const json_t *array);

/* By the name in the answer of the engine. */
bool resource_is_builtin_network(const char *name);

/* The answer to a deletion. */
json_t *resource_make_success(void);

extern const struct operation_type disk_usage;
extern const struct operation_type images_list, images_remove, images_prune;
extern const struct operation_type networks_list, networks_create, networks_delete, networks_prune;
extern const struct operation_type volumes_list, volumes_create, volumes_delete, volumes_prune;
