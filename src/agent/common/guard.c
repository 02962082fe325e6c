#include "agent/common/guard.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"
#include "docker/checked_text.h"

#include <assert.h>
#include <errno.h>

#define MAX_KNOWN 5000
#define MAX_LABEL 1024

struct guard {
    const struct policy *policy;
    const char *own_container; /* or NULL */
    struct map labels; /* full id -> char *, owned; `unlabelled` for those without a label */
};

static char unlabelled[1];

static void forget_all(struct guard *g)
{
    map_foreach(&g->labels, e) {
        if (e->value != unlabelled)
            free(e->value);
    }
    map_done(&g->labels);
    g->labels = (struct map){0};
}

struct guard *guard_new(const struct policy *policy, const char *own_container)
{
    struct guard *g = xcalloc(1, sizeof(*g));

    assert(policy);
    g->policy = policy;
    g->own_container = str_is_empty(own_container) ? NULL : own_container;
    return g;
}

void guard_free(struct guard *g)
{
    if (!g)
        return;
    forget_all(g);
    free(g);
}

char *guard_refuse(const struct guard *g, enum operation_id operation)
{
    return policy_refuse(g->policy, operation);
}

bool guard_knows(const struct guard *g, const char *container, enum operation_id operation)
{
    return !policy_heeds_label(operation) || map_find(&g->labels, container);
}

char *guard_refuse_container(const struct guard *g,
                             const char *container,
                             enum operation_id operation)
{
    const char *label = map_find(&g->labels, container);

    assert(label || !policy_heeds_label(operation));
    return policy_refuse_label(label == unlabelled ? NULL : label, container, operation);
}

bool guard_is_own(const struct guard *g, const char *container)
{
    return g->own_container && str_starts_with(container, g->own_container);
}

bool guard_is_in_container(const struct guard *g)
{
    return g->own_container != NULL;
}

/* The verb of an operation that would harm the container of the agent; NULL: it would not. */
static const char *find_harm(enum operation_id operation)
{
    const struct operation_spec *spec = operation_spec(operation);

    if (operation == OPERATION_SHELL)
        return "enter";
    if (operation == OPERATION_COPY) /* out, it has the permanent token */
        return "copy files from or to";
    return spec->effect == EFFECT_ENDS || spec->flags & SPARES_OWN ? spec->word : NULL;
}

char *guard_refuse_own(const struct guard *g, const char *container, enum operation_id operation)
{
    const char *harm = find_harm(operation);

    if (!harm || !guard_is_own(g, container))
        return NULL;
    return xasprintf("Permission denied: container %.*s belongs to DockMon, it cannot %s itself",
                     STR_CUT(container, CONTAINER_SHORT_ID_LEN), harm);
}

/* An unreadable label forbids every operation that labels can forbid (fail closed). */
static char *read_label(struct json_span inspect)
{
    struct json_span labels = json_span_find(json_span_find(inspect, "Config"), "Labels");
    struct json_span label = json_span_find(labels, POLICY_LABEL);
    char text[MAX_LABEL];

    if (label.n == 0)
        return unlabelled;
    return xstrdup(json_span_copy_string(label, text, sizeof(text)) ? text : "?");
}

int guard_learn(struct guard *g,
                const struct engine_reply *reply,
                char ret_id[CONTAINER_ID_SIZE],
                struct error *err)
{
    struct checked_text text;
    struct json_span span;
    char id[CONTAINER_ID_SIZE];
    char *old;
    int r;

    r = checked_text_init(&text, reply->body, reply->size, err);
    if (r < 0)
        return r;
    span = checked_text_span(&text);
    if (!json_span_copy_string(json_span_find(span, "Id"), id, sizeof(id)) ||
        !str_is_hex(id, CONTAINER_ID_LEN) ||
        json_span_find(json_span_find(span, "Config"), "Labels").n == 0) {
        checked_text_done(&text);
        return error_set(
            err, -EPROTO,
            "the engine's description of the container cannot be read, so nothing was done");
    }
    if (g->labels.size >= MAX_KNOWN)
        forget_all(g);
    old = map_put(&g->labels, id, read_label(span));
    if (old != unlabelled)
        free(old);
    checked_text_done(&text);
    str_copy(ret_id, CONTAINER_ID_SIZE, id);
    return 0;
}
