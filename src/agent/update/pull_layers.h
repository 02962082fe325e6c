#pragma once

/*
 * The layers of a pull: their state by the lines of the engine, as numbers for people. Layers
 * without a total, as those of the containerd store, count by their state alone.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PULL_LAYERS_MAX   512 /* more are not followed */
#define PULL_LAYERS_SHOWN 20
#define PULL_SPEEDS       3 /* rates of one second that the speed is the mean of */

struct pull_layer {
    char id[32];
    const struct pull_phase *phase; /* a row of the table */
    int64_t current, total;         /* bytes; total 0: unknown */
    int64_t downloaded;             /* most bytes so far */
};

struct pull_layers {
    struct pull_layer *layers; /* in the order of their first line */
    size_t n;
    int64_t sampled_bytes; /* downloaded at the last sample of the speed */
    uint64_t sampled_ms;
    double speeds[PULL_SPEEDS]; /* MiB/s */
    size_t n_speeds;
    bool has_changed; /* since the owner has cleared it */
};

void pull_layers_done(struct pull_layers *l);

/* Takes a line of the stream; `now_ms` is monotonic. */
void pull_layers_take(struct pull_layers *l, const json_t *line, uint64_t now_ms);

unsigned pull_layers_percent(const struct pull_layers *l); /* of the whole, 0 to 100 */

/*
 * The members of the event update_layer_progress, without container_id: overall_progress,
 * layers (at most PULL_LAYERS_SHOWN, those first that are at work), total_layers,
 * remaining_layers (those not in `layers`), summary, speed_mbps.
 */
json_t *pull_layers_describe(const struct pull_layers *l);
