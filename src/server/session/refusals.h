#pragma once

/*
 * The newest refused attempts of agents to join or connect, for a user who waits for a host that does not appear. Kept in
 * memory only, and bounded: strangers cause them. Repetitions of one peer with one reason are one entry, so that an agent
 * that keeps trying does not push out the others.
 */

#include <stddef.h>
#include <stdint.h>

#define REFUSALS_MAX 32

struct refusal {
    int64_t at_ms;  /* UTC, of the newest repetition */
    uint64_t count; /* from 1 */
    const char *code;
    char peer[64]; /* address; "" if unknown */
    char text[256];
};

/* Zeroed memory is empty, and there is nothing to release. */
struct refusals {
    struct refusal entries[REFUSALS_MAX]; /* newest first */
    size_t n;
};

/* `code` is of static storage; peer (NULL: unknown) and text are copied and cut. */
void refusals_note(
    struct refusals *r, const char *peer, const char *code, const char *text, int64_t now_ms);
