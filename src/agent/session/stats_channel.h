#pragma once

/*
 * The second connection with today's servers of DockMon, on which their history gets the samples of
 * containers: each is one text message, the payload of container_stats. The server keeps them if
 * history is switched on there, and never answers. Our own server takes batches instead.
 *
 *   WAITING -> DIALLING -> OPEN -> WAITING ...
 *
 * The channel belongs to a session and never disturbs it: a failure is logged once, and tried again
 * after 1 to 30 s; after more than 10 minutes when the server has no such channel (older ones
 * answer 404, or 502 behind their proxy). While it is not open, the newest 256 samples are kept.
 */

#include "net/loop.h"
#include "net/proxy.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define STATS_CHANNEL_MAX_SAMPLES 256
#define STATS_CHANNEL_MAX_MESSAGE ((size_t)16384) /* the server closes with 1009 beyond it */
#define STATS_CHANNEL_SELDOM_MS   (UINT64_C(10) * 60 * 1000)

struct stats_channel;

struct stats_channel_options {
    struct loop *loop;
    const char *url;   /* ws:// or wss://, with path; outlives the channel */
    const char *token; /* the permanent one; copied */
    bool is_insecure;
    const struct proxy_settings *proxies; /* outlives the channel */
};

/* Dials as soon as the loop runs. */
struct stats_channel *stats_channel_new(const struct stats_channel_options *o);
void stats_channel_free(struct stats_channel *c); /* closes at once; NULL is fine */
DEFINE_CLEANUP(struct stats_channel *, stats_channel_free);

/*
 * Sends a sample or keeps it; `payload` stays the caller's, and has STATS_CHANNEL_MAX_MESSAGE bytes as
 * text at most. The oldest one makes room.
 */
void stats_channel_put(struct stats_channel *c, const json_t *payload);
