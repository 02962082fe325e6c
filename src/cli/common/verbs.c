#include "cli/common/verbs.h"

#include "base/str.h"

#include <string.h>

static const struct verb *const containers[] = {
    &verb_ps,           &verb_logs,    &verb_exec,     &verb_start,    &verb_stop,
    &verb_restart,      &verb_kill,    &verb_pause,    &verb_unpause,  &verb_rename,
    &verb_rm,           &verb_inspect, &verb_stats,    &verb_history,  &verb_container_prune,
    &verb_top,          &verb_diff,    &verb_port,     &verb_wait,     &verb_cp,
    &verb_update,       &verb_updates, &verb_rollback, &verb_batch_ls, &verb_batch_follow,
    &verb_batch_cancel, NULL,
};

static const struct verb *const hosts[] = {
    &verb_hosts,        &verb_host_rename,  &verb_host_tag,     &verb_host_rm,
    &verb_events,       &verb_audit,        &verb_token,        &verb_agent_ls,
    &verb_agent_rotate, &verb_agent_revoke, &verb_agent_update, NULL,
};

static const struct verb *const resources[] = {
    &verb_images,
    &verb_rmi,
    &verb_image_prune,
    &verb_network_ls,
    &verb_network_create,
    &verb_network_rm,
    &verb_network_prune,
    &verb_volume_ls,
    &verb_volume_create,
    &verb_volume_rm,
    &verb_volume_prune,
    &verb_system_df,
    NULL,
};

static const struct verb *const users[] = {
    &verb_user_ls,
    &verb_user_create,
    &verb_user_rm,
    &verb_user_passwd,
    &verb_user_set,
    &verb_apikey_ls,
    &verb_apikey_create,
    &verb_apikey_rm,
    &verb_session_ls,
    &verb_session_rm,
    NULL,
};

static const struct verb *const program[] = {
    &verb_login, &verb_logout, &verb_version, &verb_completion, NULL,
};

const struct verb_section verb_sections[] = {
    {"Containers",                   containers},
    {"Hosts",                        hosts     },
    {"Images, networks and volumes", resources },
    {"Users and API keys",           users     },
    {"This program",                 program   },
};
const size_t n_verb_sections = ARRAY_LEN(verb_sections);

const struct verb_alias verb_aliases[] = {
    {"container ls",      &verb_ps     },
    {"container logs",    &verb_logs   },
    {"container exec",    &verb_exec   },
    {"container start",   &verb_start  },
    {"container stop",    &verb_stop   },
    {"container restart", &verb_restart},
    {"container kill",    &verb_kill   },
    {"container pause",   &verb_pause  },
    {"container unpause", &verb_unpause},
    {"container rename",  &verb_rename },
    {"container top",     &verb_top    },
    {"container diff",    &verb_diff   },
    {"container port",    &verb_port   },
    {"container wait",    &verb_wait   },
    {"container cp",      &verb_cp     },
    {"container rm",      &verb_rm     },
    {"container inspect", &verb_inspect},
    {"container update",  &verb_update },
    {"container stats",   &verb_stats  },
    {"container usage",   &verb_history},
    {"container history", &verb_history},
    {"history",           &verb_history},
    {"host ls",           &verb_hosts  },
    {"image ls",          &verb_images },
    {"image rm",          &verb_rmi    },
};
const size_t n_verb_aliases = ARRAY_LEN(verb_aliases);

/* The rest of the name after `word`: "", or " ls"; NULL if the name begins with another word. */
static const char *skip_word(const char *name, const char *word)
{
    size_t size = strlen(word);

    return strncmp(name, word, size) == 0 && (!name[size] || name[size] == ' ') ? name + size
                                                                                : NULL;
}

/* The number of words in the name if the given words begin with it, else 0. */
static size_t match_name(const char *name, const char *const *words, size_t n)
{
    const char *rest = n > 0 ? skip_word(name, words[0]) : NULL;

    if (!rest || !*words[0])
        return 0;
    if (!*rest)
        return 1;
    return n > 1 && str_eq(rest + 1, words[1]) ? 2 : 0;
}

static const struct verb *find_by_name(const char *const *words, size_t n, size_t *ret_words)
{
    size_t n_taken;

    for (size_t i = 0; i < n_verb_sections; i++) {
        for (const struct verb *const *v = verb_sections[i].verbs; *v; v++) {
            n_taken = match_name((*v)->name, words, n);
            if (n_taken > 0) {
                *ret_words = n_taken;
                return *v;
            }
        }
    }
    return NULL;
}

const struct verb *verb_find(const char *const *words, size_t n, size_t *ret_words)
{
    const struct verb *v = find_by_name(words, n, ret_words);

    for (size_t i = 0; i < n_verb_aliases && !v; i++) {
        size_t n_taken = match_name(verb_aliases[i].name, words, n);

        if (n_taken > 0) {
            *ret_words = n_taken;
            v = verb_aliases[i].verb;
        }
    }
    return v;
}

static size_t visit(
    const char *name, const struct verb *v, const char *group, verb_fn each, void *owner)
{
    const char *rest = skip_word(name, group);

    if (!rest || !*rest || !*group)
        return 0;
    if (each)
        each(owner, rest + 1, v);
    return 1;
}

size_t verb_each_of_group(const char *group, verb_fn each, void *owner)
{
    size_t n = 0;

    for (size_t i = 0; i < n_verb_aliases; i++)
        n += visit(verb_aliases[i].name, verb_aliases[i].verb, group, each, owner);
    for (size_t i = 0; i < n_verb_sections; i++) {
        for (const struct verb *const *v = verb_sections[i].verbs; *v; v++)
            n += visit((*v)->name, *v, group, each, owner);
    }
    return n;
}
