#include "agent/engine/facts.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"

#include <string.h>

#define MAX_ENTRIES 5000

struct facts {
    struct map containers; /* struct facts_container, owned */
    struct map images;     /* char *, owned */
    struct map noted;      /* ids of facts_note_long() */
    unsigned generation;
};

static void container_free(struct facts_container *c)
{
    if (!c)
        return;
    free(c->env);
    free(c->started_at);
    free(c->restart_policy);
    free(c);
}

struct facts *facts_new(void)
{
    return xcalloc(1, sizeof(struct facts));
}

static void clear_images(struct facts *facts)
{
    map_foreach(&facts->images, e)
        free(e->value);
    map_done(&facts->images);
    facts->images = (struct map){0};
}

static void clear_containers(struct facts *facts)
{
    map_foreach(&facts->containers, e)
        container_free(e->value);
    map_done(&facts->containers);
    facts->containers = (struct map){0};
}

void facts_clear(struct facts *facts)
{
    clear_containers(facts);
    clear_images(facts);
    facts->generation++;
}

void facts_free(struct facts *facts)
{
    if (!facts)
        return;
    facts_clear(facts);
    map_done(&facts->noted);
    free(facts);
}

unsigned facts_generation(const struct facts *facts)
{
    return facts->generation;
}

const struct facts_container *facts_find_container(const struct facts *facts, const char *id)
{
    const struct facts_container *c = map_find(&facts->containers, id);

    return c && !c->is_stale ? c : NULL;
}

const char *facts_find_image(const struct facts *facts, const char *image_id)
{
    return map_find(&facts->images, image_id);
}

void facts_put_container(struct facts *facts, const char *id, const struct facts_container *texts)
{
    struct facts_container *c = xcalloc(1, sizeof(*c));

    *c = *texts;
    if (facts->containers.size >= MAX_ENTRIES && !map_find(&facts->containers, id))
        clear_containers(facts);
    container_free(map_put(&facts->containers, id, c));
}

void facts_put_image(struct facts *facts, const char *image_id, char *digests)
{
    if (facts->images.size >= MAX_ENTRIES && !map_find(&facts->images, image_id))
        clear_images(facts);
    free(map_put(&facts->images, image_id, digests));
}

bool facts_note_long(struct facts *facts, const char *id)
{
    static char mark[1];

    if (map_find(&facts->noted, id))
        return false;
    if (facts->noted.size >= MAX_ENTRIES) {
        map_done(&facts->noted);
        facts->noted = (struct map){0};
    }
    (void)map_put(&facts->noted, id, mark);
    return true;
}

void facts_on_event(struct facts *facts, const char *type, const char *action, const char *id)
{
    struct facts_container *c;

    if (str_eq(type, "image")) {
        /* pull, tag, untag and delete add or remove names, which digests depend on */
        clear_images(facts);
        facts->generation++;
        return;
    }
    if (!str_eq(type, "container"))
        return;
    if (str_eq(action, "destroy")) {
        container_free(map_remove(&facts->containers, id));
        (void)map_remove(&facts->noted, id);
    } else if (str_eq(action, "start") || str_eq(action, "restart") || str_eq(action, "die") ||
               str_eq(action, "update")) {
        c = map_find(&facts->containers, id);
        if (!c || c->is_stale) {
            facts->generation++; /* an inspect may be running */
        } else {
            c->is_stale = true;
        }
    }
}
