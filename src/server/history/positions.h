#pragma once

/*
 * How far the batches of each host are written. Batches come in the order of their agent; one is written when a round
 * (history.h) that began after its step was over has been.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POSITIONS_WAITING 64 /* of a host; beyond that, neighbours are taken together */

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

/* A batch has come, all of it. */
void positions_took(struct positions *p,
                    const char *host,
                    const struct history_position *at,
                    int64_t at_ms);
/* What a round that begins now will have written, of batches from before `until_ms`: an array, and hosts, to be freed. */
struct host_position *positions_take(struct positions *p, int64_t until_ms, size_t *ret_n);

/* One that was taken could not be written: it is taken again, or a later one of the host. */
void positions_give_back(struct positions *p, const struct host_position *at);

/*
 * Something of the host had to be dropped: from here on nothing that comes is known to be written, or later batches would
 * say so of what is gone. Until positions_resume(), when the agent is made to send again what is not written.
 */
void positions_lose(struct positions *p, const char *host);
/* The hosts that have lost something: an array, and texts, to be freed. They are as before. */
char **positions_resume(struct positions *p, size_t *ret_n);

/* What is written, as of the start and of every round. */
void positions_set(struct positions *p, const char *host, const struct history_position *at);
bool positions_get(const struct positions *p, const char *host, struct history_position *ret);
