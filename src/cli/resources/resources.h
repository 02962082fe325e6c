#pragma once

/*
 * Images, networks and volumes of several hosts: their lists in one, references into it, removal.
 */

#include "cli/common/listing.h"
#include "cli/hosts/hosts.h"

/* How well a word names an element; better matches count alone. */
enum resource_match { RESOURCE_EXACT, RESOURCE_PREFIX, N_RESOURCE_MATCHES };

struct resource_kind {
    const char *path;     /* "images" */
    const char *noun;     /* "image" */
    const char *order;    /* the member that the things of a host are sorted by */
    bool is_newest_first; /* by "created" before that */
    struct listing listing;
    /* The table, where a row is no element; NULL: by `listing`. */
    void (*print)(const json_t *list);
    /* What to call the element in a request if the word names it that well, to be freed; else NULL. */
    char *(*find_ref)(const json_t *element, const char *word, enum resource_match how);
};

/*
 * *ret: all elements, each with host_id and host_name, sorted; the caller's. Hosts that fail are printed
 * and counted in the exit code; `is_lenient`: unless their agent does not know how.
 */
int resources_fetch(struct client *c,
                    const struct resource_kind *kind,
                    const json_t *hosts,
                    bool is_lenient,
                    json_t **ret);

/* One thing to be removed. */
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

/* Appends what `word` names; `is_many`: on every host that has it, else on one. -ENOENT, -EEXIST. */
int resources_resolve(const struct resource_kind *kind,
                      const json_t *list,
                      const char *word,
                      bool is_many,
                      struct resource_targets *targets,
                      struct error *err) _nodiscard_;

/*
 * Listing and removing verbs are these functions, with a kind as `data` of the verb, and these flags.
 */
struct resource_ls_options {
    struct args_list hosts;
    struct listing_options listing;
};
#define RESOURCE_LS_FLAGS(quiet_what)                                             \
    HOSTS_FLAG(resource_ls_options, hosts),                                       \
        LISTING_QUIET(offsetof(struct resource_ls_options, listing), quiet_what), \
        LISTING_JSON(offsetof(struct resource_ls_options, listing))
int resources_run_ls(const struct verb *verb, void *options, const struct args_list *words);

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

/* The whole of a creating verb: prints `member` of what was made. */
int resources_create(const struct resource_kind *kind,
                     const struct args_list *hosts,
                     const json_t *body,
                     const char *member);

extern const struct resource_kind resource_images, resource_networks, resource_volumes;

/* The same request to each host; `show` is called in their order with the name of the host, or NULL if one host was asked. */
struct resources_batch {
    const char *path;   /* behind "/api/hosts/ID/" */
    const json_t *body; /* NULL none */
    void (*show)(void *owner, const char *host, const json_t *answer);
    void *owner;
};
int resources_post(struct client *c, const json_t *hosts, const struct resources_batch *batch);
