#pragma once

/*
 * Cache of what /containers/json does not say and what hardly ever changes: Env, StartedAt and restart
 * policy of a container, RepoDigests of an image. It outlives sessions. Entries are JSON text, ready to be put into
 * a list element. Events keep it right: see facts_on_event(); after a gap in them it is dropped whole.
 */

#include <stdbool.h>
#include <stddef.h>

struct facts;

struct facts *facts_new(void);
void facts_free(struct facts *facts);

struct facts_container {
    char *env;            /* JSON object as text */
    char *started_at;     /* JSON string as text, NULL: never started */
    char *restart_policy; /* JSON object as text, NULL: the engine says none */
    bool is_stale;        /* started or updated since: must be read anew */
};

/* Borrowed, until the next change; NULL when unknown or stale. */
const struct facts_container *facts_find_container(const struct facts *facts, const char *id);
const char *facts_find_image(const struct facts *facts, const char *image_id);

/* Texts are taken over. The caches hold at most 5,000 containers and 5,000 images. */
void facts_put_container(struct facts *facts, const char *id, const struct facts_container *texts);
void facts_put_image(struct facts *facts, const char *image_id, char *digests);

void facts_on_event(struct facts *facts, const char *type, const char *action, const char *id);
void facts_clear(struct facts *facts);

/*
 * Bumped whenever something may have changed: an answer that was asked for under another generation must
 * not be cached.
 */
unsigned facts_generation(const struct facts *facts);
