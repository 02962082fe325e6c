#pragma once

/*
 * Positions track, per host, which batches of its agent are on disk. Batches arrive in order. A
 * batch is on disk once a round (history.h) that began after the end of its step has written its
 * rows.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POSITIONS_WAITING 64 /* per host; beyond that, neighbours are merged */

struct history_position {
    uint64_t epoch, seq; /* see proto/samples.h */
};

struct host_position {
    char *host;
    struct history_position at;
};

struct positions;

struct positions *positions_new(void);
void positions_free(struct positions *p);

/* A batch has arrived completely. */
void positions_took(struct positions *p,
                    const char *host,
                    const struct history_position *at,
                    int64_t at_ms);
/* The last batch of each host from before `until_ms`: the round that begins now writes it. The
 * array and the host names are owned by the caller. */
struct host_position *positions_take(struct positions *p, int64_t until_ms, size_t *ret_n);

/* The round failed: the position, or a later one of the host, is returned by the next
 * positions_take(). */
void positions_give_back(struct positions *p, const struct host_position *at);

/*
 * Data of the host was dropped: its position is not advanced until positions_resume(), as later
 * positions would also cover the dropped data.
 */
void positions_lose(struct positions *p, const char *host);
/* The hosts that have lost data; their positions advance again, and their agents must send all
 * unwritten batches again. The array and the names are owned by the caller. */
char **positions_resume(struct positions *p, size_t *ret_n);

/* Sets the position that is on disk: at the start, and after every round. */
void positions_set(struct positions *p, const char *host, const struct history_position *at);
bool positions_get(const struct positions *p, const char *host, struct history_position *ret);
