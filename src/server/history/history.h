#pragma once

/*
 * History stores what all hosts and containers measured, in tiers on disk, and answers queries
 * about it.
 *
 * Two threads share the work. The loop collects samples (accumulate.h) and positions (positions.h).
 * Once a second it hands a round, which holds everything collected so far, to a job queue with a
 * single thread (worker.h). The jobs alone touch files, so that a slow or full disk never blocks
 * the loop. Queries are jobs of the same queue.
 *
 * A sample passes through these places:
 *
 *   accumulator --step over--> round --job--> head --seal--> finest tier --roll up--> coarser tiers
 *     memory                   memory       head.db         10s-DAY.db               1h-DAY.db ...
 *
 * A kill at any moment loses at most the last step (10 s) of each host, and nothing that is sealed.
 *
 * Terms:
 *
 *   series       one container, or the host itself (""); named by host and by what outlives a
 *                container (stats/series.h), so that a re-created container continues its series
 *   step         the interval between two rows of a tier; 10 s in the finest one
 *   row          the values of one series in one step
 *   tick         the rows of all series of one host in one step, packed; a record of the head log
 *   accumulator  sums of the current step of each host
 *   head         the log of ticks that are not sealed yet; a crash leaves it intact
 *   chunk        up to 240 rows of one series, packed by column
 *   seal         turn the ticks of a host into chunks of the finest tier
 *   tier         all data of one resolution; the tiers to keep, and for how long, are configured
 *   roll up      compute a finished day of the coarser tiers from the finest one
 *   disk         the directory with the head and the files of the tiers
 *   mark         an event of a series, such as a start; shown in charts
 *   points       the answer to a query: mean and maximum per step that was asked for
 *   position     (epoch, seq) of the last batch of a host that is on disk; acknowledged to the
 *                agent
 *
 * Ownership: history owns everything above. Pointers passed to a callback are valid during the call
 * only. history_stop() must be called before history_free(); it waits for jobs, and their callbacks
 * still run. A listener may be removed at any time, even within a callback.
 */

#include "base/listeners.h"
#include "net/loop.h"
#include "server/history/accumulate.h"
#include "server/history/positions.h"
#include "server/history/query.h"

struct history;

/* Callbacks are called from the loop, never from within a call of this module. */
struct history_listener {
    struct listener base;
    /* Every batch of the host up to and including `at` is durable, and so is this position. */
    void (*on_written)(struct history_listener *l,
                       const char *host,
                       const struct history_position *at);
    /* The disk can be written again, but samples of the host were dropped meanwhile. All batches
     * after history_position() must be sent again. */
    void (*on_lost)(struct history_listener *l, const char *host);
    /* Called once: history_position() now knows the batches of earlier runs. It is also called if
     * they could not be read, or if reading takes longer than 20 s. */
    void (*on_started)(struct history_listener *l, const struct history *h);
};

struct history_options {
    struct loop *loop;
    const char *dir;
    int64_t keep_ms[TIER_COUNT]; /* from tiers_parse(); all 0: TIERS_DEFAULT */
    int64_t (*utc_ms)(void);     /* NULL: time_utc_ms */
    size_t max_pending;          /* maximum bytes of rows that wait to be written; 0: 64 MiB */
};

/* Returns before anything is read. Succeeds even if the directory cannot be used: history_state()
 * then has the reason, and it is tried again. NULL if no thread could be started. */
struct history *history_new(const struct history_options *o);
/* Writes the unfinished steps, too, and waits for jobs. The loop must not run with history's
 * watches afterwards. */
void history_stop(struct history *h);
void history_free(struct history *h); /* only after history_stop(); NULL is fine */
void history_add_listener(struct history *h, struct history_listener *l);
void history_remove_listener(struct history_listener *l); /* harmless if it was not added */

/*
 * The sums of one host at one time, to be filled with accumulator_add(); valid until the next call.
 * Times more than a minute in the future count as now. NULL if the time is older than what the
 * finest tier keeps: drop the sample.
 */
struct host_sums *history_host(struct history *h, const char *host, int64_t at_ms);
/*
 * Every sample of a batch has been added; batches arrive in order. The position is written together
 * with the step of the batch, so that a batch that the agent sends again after a crash of either
 * side is recognised.
 */
void history_took(struct history *h,
                  const char *host,
                  const struct history_position *at,
                  int64_t at_ms);
/* The last batch of the host that is on disk. Returns false if there is none, or if it is not known
 * yet. */
bool history_position(const struct history *h, const char *host, struct history_position *ret);
/* Adds an event of a series. Times are treated as above; marks are kept as long as the coarsest
 * tier. */
void history_add_mark(struct history *h,
                      const struct series_key *key,
                      int64_t at_ms,
                      const char *kind,
                      const char *text);

/* `done` is called exactly once, after history_ask() has returned. `points` is NULL if `code` < 0;
 * it is released after the call. */
struct history_answer {
    int code; /* 0, -EDOM, -EUCLEAN, -ENOBUFS busy, ... */
    const char *message;
    const struct history_points *points;
    const struct history_mark *marks;
    size_t n_marks;
};
typedef void (*history_fn)(void *owner, const struct history_answer *answer);
void history_ask(struct history *h, const struct history_query *q, history_fn done, void *owner);

/* The state of history. `code`: 0, or the result of the last write. */
struct history_state {
    int code;
    bool is_starting;    /* files of earlier runs are being opened; queries wait */
    const char *problem; /* "", or what is wrong, with the name of the file */
    uint64_t n_dropped;  /* rows that could not be written since the start */
    size_t n_damaged;    /* files set aside since the start */
};
struct history_state history_state(const struct history *h);

/* The files and bytes of each tier, at most a minute old. */
struct history_usage {
    struct {
        size_t n_files;
        int64_t bytes, oldest_ms; /* oldest_ms: start of its oldest file; METRIC_NONE: none */
        int64_t keep_ms;
        bool is_made; /* the tier is configured; else its files are from earlier */
    } tiers[TIER_COUNT];
    int64_t head_bytes;
};
struct history_usage history_usage(const struct history *h);
