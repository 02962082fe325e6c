#include "agent/update/dependents.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/container_id.h"
#include "base/map.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#include <errno.h>
#include <string.h>

#define MAX_EDGES      100000
#define MAX_REFERENCE  512  /* bytes of the name of a parent */
#define MAX_CYCLE_TEXT 400  /* bytes */
#define NOBODY         (-1) /* instead of the index of a node */

enum need { NEED_NOTHING, NEED_RESTART, NEED_RECREATE }; /* the greater one counts */

enum kind { KIND_NETWORK, KIND_PID, KIND_IPC, KIND_VOLUMES, KIND_LINK, KIND_ALIAS, KIND_COMPOSE };

/* The need of a dependent of each kind, when its parent is recreated or restarted. */
static const struct kind_row {
    enum need if_recreated, if_restarted;
    bool is_joined; /* counts when the container is merely restarted */
    const char *reason;
} kinds[] = {
    [KIND_NETWORK] = {NEED_RECREATE, NEED_RESTART, true,  "it joins the network of"              },
    [KIND_PID] = {NEED_RECREATE, NEED_RESTART, true,  "it joins the processes of"            },
    [KIND_IPC] = {NEED_RECREATE, NEED_RESTART, true,  "it joins the IPC of"                  },
    [KIND_VOLUMES] = {NEED_RECREATE, NEED_NOTHING, false, "it takes its volumes from"            },
    [KIND_LINK] = {NEED_RECREATE, NEED_NOTHING, false, "it is linked to"                      },
    [KIND_ALIAS] = {NEED_RESTART,  NEED_NOTHING, false, "it is linked on a network to"         },
    [KIND_COMPOSE] = {NEED_RESTART,  NEED_RESTART, false, "compose restarts it (depends_on) with"},
};

struct node {
    const json_t *inspect;
    const char *id, *name; /* borrowed; the name without slash */
    bool is_running;
    enum need need;
    int because;      /* index of the parent that it needs this for */
    enum kind kind;   /* and how it depends on that one */
    int next_service; /* index of the next node of the same compose service, or NOBODY */
    unsigned n_waits; /* parents that come before it in the order */
    bool is_placed;
};

struct edge {
    int child, parent;
    enum kind kind;
};

struct graph {
    struct node *nodes;
    size_t n;
    struct edge *edges;
    size_t n_edges, max_edges;
    struct map ids, short_ids, names, services; /* to index + 1; short ids: 0 is ambiguous */
    bool is_restart;
};

bool update_name_is_ours(const char *name)
{
    size_t size = strlen(name), suffix = strlen(".dmold-") + 8;
    const char *end;

    if (size < suffix)
        return false;
    end = name + size - suffix;
    return (str_starts_with(end, ".dmold-") || str_starts_with(end, ".dmnew-")) &&
           str_is_hex(end + strlen(".dmold-"), 8);
}

static void graph_done(struct graph *g)
{
    map_done(&g->ids);
    map_done(&g->short_ids);
    map_done(&g->names);
    map_done(&g->services);
    free(g->nodes);
    free(g->edges);
}

static void *to_value(int index)
{
    return (void *)(uintptr_t)(index + 1);
}

static int from_value(const void *value)
{
    return (int)(uintptr_t)value - 1;
}

static const char *get_label(const json_t *inspect, const char *key)
{
    return json_text_get(json_object_get(json_object_get(inspect, "Config"), "Labels"), key);
}

/* The key of a compose service in the map; NULL: none. To be freed. */
static char *make_service_key(const char *project, const char *service)
{
    if (str_is_empty(project) || str_is_empty(service))
        return NULL;
    return xasprintf("%s\n%s", project, service);
}

static void add_service(struct graph *g, int index)
{
    const json_t *inspect = g->nodes[index].inspect;
    _cleanup_free_ char *key = make_service_key(get_label(inspect, "com.docker.compose.project"),
                                                get_label(inspect, "com.docker.compose.service"));
    const char *oneoff = get_label(inspect, "com.docker.compose.oneoff");

    g->nodes[index].next_service = NOBODY;
    if (key && !str_eq(oneoff, "True"))
        g->nodes[index].next_service = from_value(map_put(&g->services, key, to_value(index)));
}

static void add_node(struct graph *g, const json_t *inspect)
{
    const char *id = json_text_get(inspect, "Id"), *name = json_text_get(inspect, "Name");
    char short_id[CONTAINER_SHORT_ID_SIZE];
    int index = (int)g->n;

    if (!str_is_hex(id ? id : "", CONTAINER_ID_LEN) || map_find(&g->ids, id))
        return;
    name = name ? name + (*name == '/') : "";
    g->nodes[g->n++] = (struct node){
        .inspect = inspect,
        .id = id,
        .name = *name ? name : id,
        .is_running = json_is_true(json_object_get(json_object_get(inspect, "State"), "Running")),
        .because = NOBODY,
    };
    map_put(&g->ids, id, to_value(index));
    str_copy(short_id, sizeof(short_id), id);
    if (map_put(&g->short_ids, short_id, to_value(index)))
        map_put(&g->short_ids, short_id, to_value(NOBODY));
    if (*name)
        map_put(&g->names, name, to_value(index));
    add_service(g, index);
}

/* The node that a reference of `size` bytes names, or NOBODY. */
static int resolve(const struct graph *g, const char *reference, size_t size)
{
    char text[MAX_REFERENCE + 1];
    const void *value;

    if (size > 0 && *reference == '/') {
        reference++;
        size--;
    }
    if (size == 0 || size > MAX_REFERENCE)
        return NOBODY;
    str_copy(text, size + 1, reference);
    value = map_find(&g->ids, text);
    if (!value)
        value = map_find(&g->names, text);
    if (!value)
        value = map_find(&g->short_ids, text);
    return from_value(value);
}

static void add_edge(struct graph *g, int child, int parent, enum kind kind)
{
    if (parent == NOBODY || parent == child || g->n_edges == MAX_EDGES)
        return;
    if (g->n_edges == g->max_edges) {
        g->max_edges = g->max_edges ? 2 * g->max_edges : 64;
        g->edges = xrealloc(g->edges, g->max_edges, sizeof(*g->edges));
    }
    g->edges[g->n_edges++] = (struct edge){child, parent, kind};
}

/* "container:PARENT" of a namespace */
static void add_joined(struct graph *g, int child, const char *key, enum kind kind)
{
    const json_t *host = json_object_get(g->nodes[child].inspect, "HostConfig");
    const char *mode = json_text_get(host, key);

    if (mode && str_starts_with(mode, "container:")) {
        mode += strlen("container:");
        add_edge(g, child, resolve(g, mode, strlen(mode)), kind);
    }
}

/* Strings that begin with the parent and perhaps go on behind a colon. */
static void add_listed(struct graph *g, int child, const json_t *list, enum kind kind)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        const char *text = json_string_value(entry);

        if (text)
            add_edge(g, child, resolve(g, text, strcspn(text, ":")), kind);
    }
}

/* The label is "SERVICE:CONDITION:RESTART,...". */
static void add_compose(struct graph *g, int child)
{
    const json_t *inspect = g->nodes[child].inspect;
    const char *project = get_label(inspect, "com.docker.compose.project");
    const char *p = get_label(inspect, "com.docker.compose.depends_on");

    if (!p || str_eq(get_label(inspect, "com.docker.compose.oneoff"), "True"))
        return;
    while (*p) {
        size_t size = strcspn(p, ",");
        _cleanup_free_ char *entry = xstrndup(p, size);
        _cleanup_free_ char *key = NULL;

        p += size + (p[size] == ',');
        if (!str_ends_with(entry, ":true"))
            continue;
        entry[strcspn(entry, ":")] = '\0';
        key = make_service_key(project, str_trim(entry));
        for (int i = key ? from_value(map_find(&g->services, key)) : NOBODY; i != NOBODY;
             i = g->nodes[i].next_service)
            add_edge(g, child, i, KIND_COMPOSE);
    }
}

static void add_edges(struct graph *g, int child)
{
    const json_t *inspect = g->nodes[child].inspect;
    const json_t *host = json_object_get(inspect, "HostConfig"), *endpoint;
    json_t *networks = json_object_get(json_object_get(inspect, "NetworkSettings"), "Networks");
    const char *key;

    if (update_name_is_ours(g->nodes[child].name))
        return;
    add_joined(g, child, "NetworkMode", KIND_NETWORK);
    add_joined(g, child, "PidMode", KIND_PID);
    add_joined(g, child, "IpcMode", KIND_IPC);
    if (g->is_restart)
        return;
    add_listed(g, child, json_object_get(host, "VolumesFrom"), KIND_VOLUMES);
    add_listed(g, child, json_object_get(host, "Links"), KIND_LINK);
    json_object_foreach(networks, key, endpoint)
    {
        add_listed(g, child, json_object_get(endpoint, "Links"), KIND_ALIAS);
    }
    add_compose(g, child);
}

static void build(struct graph *g, const json_t *inspects)
{
    const json_t *inspect;
    size_t i;

    g->nodes = xcalloc(json_array_size(inspects) + 1, sizeof(*g->nodes));
    json_array_foreach(inspects, i, inspect)
    {
        add_node(g, inspect);
    }
    for (i = 0; i < g->n; i++)
        add_edges(g, (int)i);
}

static enum need get_need(const struct graph *g, const struct edge *e)
{
    const struct node *parent = &g->nodes[e->parent];
    enum need need;

    if (parent->need == NEED_NOTHING)
        return NEED_NOTHING;
    need = parent->need == NEED_RECREATE ? kinds[e->kind].if_recreated
                                         : kinds[e->kind].if_restarted;
    return need == NEED_RESTART && !g->nodes[e->child].is_running ? NEED_NOTHING : need;
}

/* Spreads the needs from the root until they do not change. Returns the number of dependents. */
static size_t spread(struct graph *g, int root)
{
    size_t n = 0;

    for (bool has_changed = true; has_changed && n <= DEPENDENTS_MAX;) {
        has_changed = false;
        for (size_t i = 0; i < g->n_edges; i++) {
            const struct edge *e = &g->edges[i];
            struct node *child = &g->nodes[e->child];
            enum need need = get_need(g, e);

            if (e->child == root || need <= child->need)
                continue;
            n += child->need == NEED_NOTHING ? 1 : 0;
            child->need = need;
            child->because = e->parent;
            child->kind = e->kind;
            has_changed = true;
        }
    }
    return n;
}

/* Whether the edge orders two containers that are handled, and not placed yet. */
static bool is_open(const struct graph *g, const struct edge *e)
{
    const struct node *child = &g->nodes[e->child], *parent = &g->nodes[e->parent];

    return child->need != NEED_NOTHING && !child->is_placed && parent->need != NEED_NOTHING &&
           !parent->is_placed;
}

/* Follows parents from a node that waits until one repeats: that is a cycle. */
static int refuse_cycle(const struct graph *g, int start, struct error *err)
{
    struct buf text = BUF_INIT(MAX_CYCLE_TEXT);
    _cleanup_free_ bool *is_seen = xcalloc(g->n, sizeof(*is_seen));
    int at = start, first = NOBODY, r;

    while (first == NOBODY || at != first) {
        if (first == NOBODY && is_seen[at])
            first = at; /* from here on it is named */
        is_seen[at] = true;
        if (first != NOBODY && buf_printf(&text, "%.*s -> ", STR_CUT(g->nodes[at].name, 64)) < 0)
            break;
        for (size_t i = 0; i < g->n_edges; i++) {
            if (g->edges[i].child == at && is_open(g, &g->edges[i])) {
                at = g->edges[i].parent;
                break;
            }
        }
    }
    r = error_set(err, -ELOOP,
                  "containers depend on each other, so there is no order to recreate them in: "
                  "%s%.*s; recreate them by hand",
                  buf_str(&text), STR_CUT(g->nodes[first == NOBODY ? at : first].name, 64));
    if (err)
        err->reason = CODE_CONFLICT;
    buf_done(&text);
    return r;
}

static json_t *describe(const struct graph *g, const struct node *node)
{
    json_t *o = json_object();

    json_text_set(o, "id", json_text_str(node->id));
    json_text_set(o, "name", json_text_string(node->name, strlen(node->name)));
    json_text_set(o, "action", json_text_str(node->need == NEED_RECREATE ? "recreate" : "restart"));
    if (node->because != NOBODY) {
        const char *name = g->nodes[node->because].name;
        _cleanup_free_ char *reason = xasprintf("%s %.*s", kinds[node->kind].reason,
                                                STR_CUT(name, 128));

        json_text_set(o, "reason", json_text_string(reason, strlen(reason)));
    }
    return o;
}

/* A node whose parents are all placed, or NOBODY; then *ret_waiting is one that has to wait. */
static int find_ready(struct graph *g, int *ret_waiting)
{
    for (size_t i = 0; i < g->n; i++)
        g->nodes[i].n_waits = 0;
    for (size_t i = 0; i < g->n_edges; i++) {
        if (is_open(g, &g->edges[i]))
            g->nodes[g->edges[i].child].n_waits++;
    }
    for (size_t i = 0; i < g->n; i++) {
        if (g->nodes[i].need == NEED_NOTHING || g->nodes[i].is_placed)
            continue;
        if (g->nodes[i].n_waits == 0)
            return (int)i;
        *ret_waiting = (int)i;
    }
    return NOBODY;
}

/* Puts parents before their dependents; the root is the first, and is left out of *ret. */
static int put_in_order(struct graph *g, int root, size_t n, json_t **ret, struct error *err)
{
    json_auto_t *order = json_array();

    for (size_t placed = 0; placed < n + 1; placed++) {
        int waiting = NOBODY, next = find_ready(g, &waiting);

        if (next == NOBODY)
            return refuse_cycle(g, waiting, err);
        g->nodes[next].is_placed = true;
        if (next != root && json_array_append_new(order, describe(g, &g->nodes[next])) < 0)
            abort(); /* out of memory */
    }
    *ret = json_incref(order);
    return 0;
}

static int find(
    json_t **ret, const json_t *inspects, const char *id, bool is_restart, struct error *err)
{
    _cleanup_(graph_done) struct graph g = {.is_restart = is_restart};
    size_t n;
    int root;

    if (json_array_size(inspects) > DEPENDENTS_MAX_SEEN) {
        return error_set(err, -EMSGSIZE, "the host has more than %d containers",
                         DEPENDENTS_MAX_SEEN);
    }
    build(&g, inspects);
    root = from_value(map_find(&g.ids, id));
    if (root == NOBODY)
        return error_set(err, -ENOENT, "no container %.12s", id);
    g.nodes[root].need = is_restart ? NEED_RESTART : NEED_RECREATE;
    n = spread(&g, root);
    if (n > DEPENDENTS_MAX) {
        return error_set(err, -EMSGSIZE, "more than %d containers depend on %.*s", DEPENDENTS_MAX,
                         STR_CUT(g.nodes[root].name, 128));
    }
    return put_in_order(&g, root, n, ret, err);
}

const json_t *dependents_get(const json_t *inspects, const char *id)
{
    size_t i;
    json_t *one;

    json_array_foreach(inspects, i, one)
    {
        if (str_eq(json_text_get(one, "Id"), id))
            return one;
    }
    return NULL;
}

int dependents_find(json_t **ret, const json_t *inspects, const char *id, struct error *err)
{
    return find(ret, inspects, id, false, err);
}

int dependents_find_joined(json_t **ret, const json_t *inspects, const char *id, struct error *err)
{
    return find(ret, inspects, id, true, err);
}
