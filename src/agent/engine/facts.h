#pragma once

/*
 * A cache of facts that /containers/json does not contain and that rarely change: Env, StartedAt,
 * OOMKilled and restart policy of a container, RepoDigests of an image. It outlives sessions. Entries are
 * JSON text that is inserted into list elements. Events invalidate entries (facts_on_event());
 * after a gap in the events the whole cache is cleared.
 */

#include <stdbool.h>
#include <stddef.h>

struct facts;

struct facts *facts_new(void);
void facts_free(struct facts *facts);

struct facts_container {
    char *env;              /* JSON object as text */
    char *started_at;       /* JSON string as text, NULL: never started */
    char *restart_policy;   /* JSON object as text, NULL: none */
    const char *oom_killed; /* "true" or "false", static; NULL: unknown */
    bool is_stale;          /* started, ended or updated since: must be read again */
};

/* Borrowed until the cache changes; NULL: unknown or stale. */
const struct facts_container *facts_find_container(const struct facts *facts, const char *id);
const char *facts_find_image(const struct facts *facts, const char *image_id);

/* Take ownership of the texts. The cache holds at most 5,000 containers and 5,000 images. */
void facts_put_container(struct facts *facts, const char *id, const struct facts_container *texts);
void facts_put_image(struct facts *facts, const char *image_id, char *digests);

/*
 * Whether this is the first long description of the container, which is to be logged. Containers are
 * remembered until they are destroyed.
 */
bool facts_note_long(struct facts *facts, const char *id);

/* Invalidates the entries that an event of the engine concerns. */
void facts_on_event(struct facts *facts, const char *type, const char *action, const char *id);
void facts_clear(struct facts *facts);

/*
 * A number that grows whenever something may have changed: the answer to a request that was sent
 * under another generation must not be cached.
 */
unsigned facts_generation(const struct facts *facts);
