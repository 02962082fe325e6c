#pragma once

/*
 * samples: a batch of samples that an agent took at one time, as one binary frame of MessagePack.
 * It is used between peers that both have the capability `samples`. docs/protocol.md, "Samples",
 * describes the format.
 *
 * Every batch has a position in a sequence: `epoch` names the sequence (a new one whenever an agent
 * starts), and `seq` grows by 1 within it. The server acknowledges batches with samples_ack and
 * drops duplicates, because an agent may send a batch again after a reconnect.
 */

#include "base/buf.h"
#include "proto/codec.h"
#include "proto/metric.h"
#include <stdbool.h>

#define SAMPLES_MAX_SIZE         ((size_t)4 << 20) /* bytes of a frame */
#define SAMPLES_MAX_CONTAINERS   5000
#define SAMPLES_MAX_MOUNTS       256
#define SAMPLES_MAX_TEMPERATURES 128
#define SAMPLES_MAX_NOTES        16
#define SAMPLES_MAX_NAME         255  /* bytes of names, file system types, sensor labels */
#define SAMPLES_MAX_TEXT         4096 /* bytes of any other text */
#define SAMPLES_ID_SIZE          65

struct container_sample {
    char id[SAMPLES_ID_SIZE]; /* 64 hex digits */
    const char *name;         /* never NULL; without a leading slash; "": unknown */
    int64_t values[CONTAINER_METRICS];
};

struct mount_sample { /* numbers: METRIC_NONE if unknown */
    const char *path, *device, *type;
    int64_t size, used, available; /* bytes; available to ordinary users */
    int64_t read, written;         /* bytes since boot, of the device: mounts can share it */
};

struct temperature_sample {
    const char *label;
    int64_t centi_degrees; /* hundredths of a degree Celsius */
};

struct host_sample {
    int64_t values[HOST_METRICS];
    struct mount_sample *mounts;
    size_t n_mounts;
    struct temperature_sample *temperatures;
    size_t n_temperatures;
};

/* The sources of the samples of a host, in the first batch of a session and after every change. */
struct samples_source {
    const char *containers; /* "cgroup1", "cgroup2", "api" or "none" */
    const char *network;    /* "netlink", "proc", "api" or "none" */
    const char *why;        /* for humans: why no better source is used; "": it is the best */
    const char *notes[SAMPLES_MAX_NOTES]; /* missing metrics, such as "memory: ... is off" */
    size_t n_notes;
};

struct samples {
    uint64_t epoch, seq; /* at most INT64_MAX */
    int64_t at_ms;       /* UTC, of the readings */
    bool has_host, has_source;
    bool is_late; /* spooled while not connected: for the history, not for live statistics */
    bool has_age; /* age_ms is set; late batches only */
    /* Time between the readings and sending, by a monotonic clock; at least 0. */
    int64_t age_ms;
    struct host_sample host;
    struct samples_source source;
    struct container_sample *containers;
    size_t n_containers;
    char *text; /* of decoded batches: memory of the strings */
};

/*
 * Appends the frame; long texts are truncated. -EMSGSIZE: it does not fit, and `out` is unchanged.
 */
int samples_encode(const struct samples *s, struct buf *out) _nodiscard_;

/*
 * Fills *ret; call samples_done() after success. -EBADMSG: not a samples message within the limits.
 * Unknown keys and trailing values are skipped, missing trailing values are METRIC_NONE.
 */
int samples_decode(const void *data, size_t size, struct samples *ret, struct error *err)
    _nodiscard_;
void samples_done(struct samples *s); /* decoded batches only */

void samples_clear_values(int64_t *values, size_t n); /* all METRIC_NONE */

/* Server to agent, flat JSON: the server has all batches of `epoch` up to and including `seq`. */
struct msg_samples_ack {
    uint64_t epoch, seq;
};
int msg_samples_ack_decode(const json_t *v, struct msg_samples_ack *ret, struct error *err)
    _nodiscard_;
json_t *msg_samples_ack_encode(const struct msg_samples_ack *m) _nodiscard_;

/*
 * Server to agent, {"type":"stats_rate","payload":{...}}: the containers that clients watch. It
 * replaces the previous one. After `ttl_s` the containers return to the ordinary interval.
 */
#define STATS_RATE_MAX_CONTAINERS 5000
#define STATS_RATE_MIN_MS         1000
#define STATS_RATE_MAX_MS         60000
#define STATS_RATE_MAX_TTL_S      300

struct msg_stats_rate {
    int64_t interval_ms;       /* STATS_RATE_MIN_MS to _MAX_MS */
    int64_t ttl_s;             /* 1 to STATS_RATE_MAX_TTL_S */
    bool host;                 /* includes the host itself */
    bool all;                  /* all containers */
    struct strings containers; /* ids of 64 hex digits */
};
int msg_stats_rate_decode(const json_t *payload, struct msg_stats_rate *ret, struct error *err)
    _nodiscard_;
json_t *msg_stats_rate_encode(const struct msg_stats_rate *m) _nodiscard_; /* the whole message */
void msg_stats_rate_done(struct msg_stats_rate *m);
