#pragma once

/*
 * Images, networks and volumes ("resources") of several hosts: one list of all, references into it,
 * and the verbs that list, create and remove.
 *
 * A kind describes one of the three. Its verbs are made by the macros below, with the kind as
 * `data`; they choose hosts with --host (see hosts.h), ask these side by side, and print one result
 * for each. A host whose agent is too old for the request is skipped with a note if --host is not
 * given, and is an error if it is.
 */

#include "cli/common/filter.h"
#include "cli/common/listing.h"
#include "cli/hosts/hosts.h"

/* How a word names an element; an exact match hides the others. */
enum resource_match { RESOURCE_EXACT, RESOURCE_PREFIX, N_RESOURCE_MATCHES };

struct resource_kind {
    const char *path;     /* "images" */
    const char *noun;     /* "image" */
    const char *order;    /* the member by which the elements of a host are sorted */
    bool is_newest_first; /* sorted by "created" before `order` */
    int (*compare)(const json_t *a, const json_t *b); /* instead of `order`; NULL: none */
    struct listing listing;
    const struct filter_key *filters; /* ends with one without a name */
    /* Removes the parts of a chosen element that no filter has chosen; NULL: there are none. */
    void (*trim)(json_t *element, const struct filters *f);
    /* Prints the table if elements and rows differ; NULL: `listing` does. */
    void (*print)(const json_t *list);
    /*
     * If the word names the element in this way: its reference for a request, to be freed. Else
     * NULL.
     */
    char *(*find_ref)(const json_t *element, const char *word, enum resource_match how);
};

/* A resource to be removed. */
struct resource_target {
    const char *word;      /* as the user wrote it; borrowed */
    const json_t *element; /* borrowed from the list */
    char *ref;             /* owned */
};
struct resource_targets {
    struct resource_target *items;
    size_t n;
};
void resource_targets_done(struct resource_targets *targets);

/* Appends what `word` names, on one host, or on all with `is_many`. -ENOENT, -EEXIST. */
int resources_resolve(const struct resource_kind *kind,
                      const json_t *list,
                      const char *word,
                      bool is_many,
                      struct resource_targets *targets,
                      struct error *err) _nodiscard_;

struct resource_ls_options {
    struct args_list hosts, filters;
    struct listing_options listing;
};
#define RESOURCE_LS_FLAGS(quiet_what, keys)                                       \
    HOSTS_FLAG(resource_ls_options, hosts),                                       \
        {"filter",    'f',                                                        \
         FLAG_LIST,   offsetof(struct resource_ls_options, filters),              \
         "KEY=VALUE", keys "; may be given several times"},                       \
        LISTING_FORMAT(offsetof(struct resource_ls_options, listing)),            \
        LISTING_QUIET(offsetof(struct resource_ls_options, listing), quiet_what), \
        LISTING_JSON(offsetof(struct resource_ls_options, listing))
/* Prints the elements of the kind on the chosen hosts. Returns an exit code. */
int resources_list(const struct resource_kind *kind, const struct resource_ls_options *o);
int resources_run_ls(const struct verb *verb, void *options, const struct args_list *words);

/* The members of a verb that lists; its flags are RESOURCE_LS_FLAGS(). */
#define RESOURCE_LS(kind, flags)                                                                 \
    .usage = "[OPTIONS]", VERB_FLAGS(flags), .options_size = sizeof(struct resource_ls_options), \
    .run = resources_run_ls, .data = &(kind)

struct resource_rm_options {
    struct args_list hosts;
    bool is_forced;
};
#define RESOURCE_RM_FLAGS(force_help)                                                              \
    HOSTS_FLAG(resource_rm_options, hosts),                                                        \
    {                                                                                              \
        "force", 'f', FLAG_BOOL, offsetof(struct resource_rm_options, is_forced), NULL, force_help \
    }
int resources_run_rm(const struct verb *verb, void *options, const struct args_list *words);

/* The members of a verb that removes; its flags are RESOURCE_RM_FLAGS(). */
#define RESOURCE_RM(kind, flags)                                                           \
    VERB_FLAGS(flags), .min_words = 1, .options_size = sizeof(struct resource_rm_options), \
                       .run = resources_run_rm, .data = &(kind)

/* Runs a verb that creates; prints `member` of each answer. Returns the exit code. */
int resources_create(const struct resource_kind *kind,
                     const struct args_list *hosts,
                     const json_t *body,
                     const char *member);

extern const struct resource_kind resource_images, resource_networks, resource_volumes;

/*
 * The same request to each host. `show` is called in the order of the hosts with the name of the
 * host, or NULL if there is only one. Returns the exit code.
 */
struct resources_batch {
    const char *path;   /* after "/api/hosts/ID/" */
    const json_t *body; /* NULL: none */
    void (*show)(void *owner, const char *host, const json_t *answer);
    void *owner;
};
int resources_post(struct client *c, const json_t *hosts, const struct resources_batch *batch);
