#pragma once

/*
 * History: what all hosts and containers measured, kept in tiers (tier.h) on disk. This is the part that lives on
 * the loop; the work on files is done in jobs of a queue of its own, so that a slow or full disk hurts nothing
 * else. A kill at any moment loses at most the last step (10 s) of each host and never what is sealed.
 *
 * Series are named by host and by what lives longer than a container (history_series_name() of the caller), so that a
 * container that is made anew continues its line.
 */

#include "base/listeners.h"
#include "net/loop.h"
#include "server/history/accumulate.h"
#include "server/history/positions.h"
#include "server/history/query.h"

struct history;

/* Callbacks come from the loop, never from inside a call of this module. */
struct history_listener {
    struct listener base;
    /* Every batch of the host up to and including `at` is durable, and so is this position. */
    void (*on_written)(struct history_listener *l,
                       const char *host,
                       const struct history_position *at);
    /* Samples of the host were dropped while the disk could not be written; now it can again. All
     * batches after history_position() must be sent again. */
    void (*on_lost)(struct history_listener *l, const char *host);
    /* Once: the files of earlier runs were read, so that history_position() knows; or that failed, or
     * has taken longer than a caller should wait (20 s). */
    void (*on_started)(struct history_listener *l, const struct history *h);
};

struct history_options {
    struct loop *loop;
    const char *dir;
    int64_t keep_ms[TIER_COUNT]; /* of tiers_parse(); nothing: TIERS_DEFAULT */
    int64_t (*utc_ms)(void);     /* NULL: time_utc_ms */
    size_t max_pending;          /* bytes that are kept while nothing is written; 0: 64 MiB */
};

/* Returns before anything was read. Starts also when the directory cannot be used: history_state() says so then, and it is tried again. */
struct history *history_new(const struct history_options *o);
/* Writes what is known of steps that are not over, and waits for jobs. The loop must not run afterwards with history's watches. */
void history_stop(struct history *h);
void history_free(struct history *h); /* after history_stop() */
void history_add_listener(struct history *h, struct history_listener *l);
void history_remove_listener(struct history_listener *l); /* harmless if it was not added */

/*
 * Where samples of a host are added, of one time (accumulate.h); good until the next call. Times that lie in the future by more
 * than a minute count as now. NULL: what is older than the finest tier keeps is dropped.
 */
struct host_sums *history_host(struct history *h, const char *host, int64_t at_ms);
/*
 * All of a batch of an agent has been added; batches come in order. With its step it is written together with this
 * place, so that what the agent sends once more after a crash of either side can be told apart.
 */
void history_took(struct history *h,
                  const char *host,
                  const struct history_position *at,
                  int64_t at_ms);
/* The last one of the host that is on disk; false: none, or nobody knows yet. */
bool history_position(const struct history *h, const char *host, struct history_position *ret);
/* Something that happened to a series, for its curve. Times as above; marks are kept as long as the coarsest tier. */
void history_add_mark(struct history *h,
                      const struct series_key *key,
                      int64_t at_ms,
                      const char *kind,
                      const char *text);

/* `done` is called exactly once, after the start has returned. `points` is NULL when code < 0, and may be taken apart but
   is released afterwards. */
struct history_answer {
    int code; /* 0, -EDOM, -EUCLEAN, -ENOBUFS busy, ... */
    const char *message;
    const struct history_points *points;
    const struct history_mark *marks;
    size_t n_marks;
};
typedef void (*history_fn)(void *owner, const struct history_answer *answer);
void history_ask(struct history *h, const struct history_query *q, history_fn done, void *owner);

/* How it is: code 0, or what the last write came to, with a text that names the file. */
struct history_state {
    int code;
    bool is_starting;    /* the files of earlier runs are being opened; questions wait */
    const char *problem; /* "" */
    uint64_t n_dropped;  /* rows that could not be written since the start */
    size_t n_damaged;    /* files set aside since the start */
};
struct history_state history_state(const struct history *h);

/* Files and bytes of each tier as of the last look, which is at most a minute ago. */
struct history_usage {
    struct {
        size_t n_files;
        int64_t bytes, oldest_ms; /* oldest_ms: start of its oldest file; METRIC_NONE: none */
        int64_t keep_ms;
        bool is_made; /* else there are files from when it was */
    } tiers[TIER_COUNT];
    int64_t head_bytes;
};
struct history_usage history_usage(const struct history *h);
