#include "server/session/agent_keys.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

static void free_all(struct map *m)
{
    map_foreach(m, e)
        free(e->value);
    map_done(m);
}

void agent_keys_done(struct agent_keys *k)
{
    free_all(&k->agents);
    free_all(&k->hashes);
}

static void remove_all(struct agent_keys *k, char *hashes)
{
    char *rest = hashes;

    for (const char *hash; (hash = strsep(&rest, " "));)
        free(map_remove(&k->agents, hash));
    free(hashes);
}

void agent_keys_set(struct agent_keys *k, const char *agent_id, const char *hashes)
{
    char *former = map_remove(&k->hashes, agent_id);
    _cleanup_free_ char *copy = NULL;
    char *rest;

    if (former)
        remove_all(k, former);
    if (str_is_empty(hashes))
        return;
    free(map_put(&k->hashes, agent_id, xstrdup(hashes)));
    copy = xstrdup(hashes);
    rest = copy;
    for (const char *hash; (hash = strsep(&rest, " "));)
        free(map_put(&k->agents, hash, xstrdup(agent_id)));
}

const char *agent_keys_find(const struct agent_keys *k, const char *hash)
{
    return map_find(&k->agents, hash);
}
