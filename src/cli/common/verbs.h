#pragma once

/*
 * The verbs of the program (struct verb, see args.h) and how words of the command line lead to one.
 * verbs.c lists each verb once; --help, completion and the manual page follow that list.
 *
 * A verb has a name of one word (`ps`) or two (`network create`). The first word of a name of two
 * is called a group: `dockmon network` alone prints what it contains. An alias is another name for
 * a verb, as docker has `image ls` for `images`.
 */

#include "cli/common/args.h"

/* A section of --help. */
struct verb_section {
    const char *title;
    const struct verb *const *verbs; /* ends with NULL */
};
extern const struct verb_section verb_sections[];
extern const size_t n_verb_sections;

struct verb_alias {
    const char *name;
    const struct verb *verb;
};
extern const struct verb_alias verb_aliases[];
extern const size_t n_verb_aliases;

/*
 * The verb whose name or alias the words begin with, or NULL. *ret_words: the words in that name.
 */
const struct verb *verb_find(const char *const *words, size_t n, size_t *ret_words);

/*
 * Calls `each` for every verb of the group, with the second word of its name. `each` may be NULL.
 * Returns how many there are: 0 if the word is not a group.
 */
typedef void (*verb_fn)(void *owner, const char *second, const struct verb *verb);
size_t verb_each_of_group(const char *group, verb_fn each, void *owner);

extern const struct verb verb_login, verb_logout;
extern const struct verb verb_hosts;
extern const struct verb verb_ps;
extern const struct verb verb_logs;
extern const struct verb verb_exec;
extern const struct verb verb_start;
extern const struct verb verb_stop;
extern const struct verb verb_restart;
extern const struct verb verb_kill;
extern const struct verb verb_pause;
extern const struct verb verb_unpause;
extern const struct verb verb_rename;
extern const struct verb verb_rm;
extern const struct verb verb_top;
extern const struct verb verb_diff;
extern const struct verb verb_port;
extern const struct verb verb_wait;
extern const struct verb verb_cp;
extern const struct verb verb_container_prune;
extern const struct verb verb_update, verb_updates, verb_rollback;
extern const struct verb verb_batch_ls, verb_batch_follow, verb_batch_cancel;
extern const struct verb verb_inspect;
extern const struct verb verb_stats;
extern const struct verb verb_history;
extern const struct verb verb_images;
extern const struct verb verb_rmi;
extern const struct verb verb_image_prune;
extern const struct verb verb_network_ls;
extern const struct verb verb_network_create;
extern const struct verb verb_network_rm;
extern const struct verb verb_network_prune;
extern const struct verb verb_volume_ls;
extern const struct verb verb_volume_create;
extern const struct verb verb_volume_rm;
extern const struct verb verb_volume_prune;
extern const struct verb verb_system_df;
extern const struct verb verb_events;
extern const struct verb verb_host_rename;
extern const struct verb verb_host_tag;
extern const struct verb verb_host_rm;
extern const struct verb verb_audit;
extern const struct verb verb_token;
extern const struct verb verb_agent_ls;
extern const struct verb verb_agent_rotate;
extern const struct verb verb_agent_revoke;
extern const struct verb verb_agent_update;
extern const struct verb verb_user_ls;
extern const struct verb verb_user_create;
extern const struct verb verb_user_set;
extern const struct verb verb_user_rm;
extern const struct verb verb_user_passwd;
extern const struct verb verb_apikey_ls;
extern const struct verb verb_apikey_create;
extern const struct verb verb_apikey_rm;
extern const struct verb verb_session_ls;
extern const struct verb verb_session_rm;
extern const struct verb verb_version;
extern const struct verb verb_completion;
