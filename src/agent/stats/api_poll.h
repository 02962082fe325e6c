#pragma once

/*
 * Asks the Engine API for one sample each of many containers, a few at a time: with engine 20.10 an
 * answer takes a second.
 */

#include "agent/stats/api_stats.h"

struct api_poll;

typedef void (*api_poll_fn)(void *owner, const char *id, const struct api_sample *sample);

struct api_poll *api_poll_new(struct engine *engine, api_poll_fn fn, void *owner);
void api_poll_free(struct api_poll *p); /* `fn` is not called afterwards */

/* Asks for a sample of a container, unless that is pending already. `fn` is called for an answer
 * that is a sample. */
void api_poll_add(struct api_poll *p, const char *id);
