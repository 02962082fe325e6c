#include "agent/update/pull_layers.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <stdlib.h>

#define SAMPLE_MS     1000
#define MAX_LAYER     (INT64_C(1) << 50) /* bytes; engines send less */
#define BYTES_PER_MIB 1048576.0

/* Percent of a layer that is done at the begin of a phase, and how many its bytes add. */
static const struct pull_phase {
    const char *name;
    unsigned begin, share;
    bool is_active, is_download, is_end;
} phases[] = {
    {"Pulling fs layer",   0,   0,  false, false, false},
    {"Waiting",            0,   0,  false, false, false},
    {"Downloading",        0,   70, true,  true,  false},
    {"Verifying Checksum", 70,  0,  true,  false, false},
    {"Download complete",  70,  0,  false, false, false},
    {"Extracting",         70,  30, true,  false, false},
    {"Pull complete",      100, 0,  false, false, true },
    {"Already exists",     100, 0,  false, false, true },
};

void pull_layers_done(struct pull_layers *l)
{
    free(l->layers);
    *l = (struct pull_layers){0};
}

static const struct pull_phase *find_phase(const char *status)
{
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        if (str_eq(status, phases[i].name))
            return &phases[i];
    }
    return NULL;
}

static struct pull_layer *get_layer(struct pull_layers *l, const char *id)
{
    for (size_t i = 0; i < l->n; i++) {
        if (str_eq(l->layers[i].id, id))
            return &l->layers[i];
    }
    if (l->n == PULL_LAYERS_MAX)
        return NULL;
    if (!l->layers)
        l->layers = xcalloc(PULL_LAYERS_MAX, sizeof(*l->layers));
    str_copy(l->layers[l->n].id, sizeof(l->layers[l->n].id), id);
    return &l->layers[l->n++];
}

static int64_t get_bytes(const json_t *detail, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(detail, key));

    return v < 0 || v > MAX_LAYER ? 0 : v;
}

static int64_t sum_downloaded(const struct pull_layers *l)
{
    int64_t sum = 0;

    for (size_t i = 0; i < l->n; i++)
        sum += l->layers[i].downloaded;
    return sum;
}

static void sample_speed(struct pull_layers *l, uint64_t now_ms)
{
    int64_t bytes = sum_downloaded(l);
    uint64_t elapsed_ms = now_ms - l->sampled_ms;

    if (l->sampled_ms != 0 && elapsed_ms < SAMPLE_MS)
        return;
    if (l->sampled_ms != 0) {
        l->speeds[l->n_speeds++ % PULL_SPEEDS] = (double)(bytes - l->sampled_bytes) /
                                                 BYTES_PER_MIB * 1000.0 / (double)elapsed_ms;
    }
    l->sampled_bytes = bytes;
    l->sampled_ms = now_ms;
}

static double get_speed(const struct pull_layers *l)
{
    size_t n = l->n_speeds < PULL_SPEEDS ? l->n_speeds : PULL_SPEEDS;
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += l->speeds[i];
    return n > 0 ? sum / (double)n : 0;
}

void pull_layers_take(struct pull_layers *l, const json_t *line, uint64_t now_ms)
{
    const json_t *detail = json_object_get(line, "progressDetail");
    const struct pull_phase *phase = find_phase(json_text_get(line, "status"));
    const char *id = json_text_get(line, "id");
    struct pull_layer *layer = phase && !str_is_empty(id) ? get_layer(l, id) : NULL;
    /* The containerd store counts seconds here. */
    bool has_bytes = !json_object_get(detail, "units");

    if (!layer)
        return;
    layer->phase = phase;
    layer->current = has_bytes ? get_bytes(detail, "current") : 0;
    layer->total = has_bytes ? get_bytes(detail, "total") : 0;
    if (phase->is_download && layer->current > layer->downloaded)
        layer->downloaded = layer->current;
    sample_speed(l, now_ms);
    l->has_changed = true;
}

static unsigned get_share(const struct pull_layer *layer, unsigned whole)
{
    double part;

    if (layer->total <= 0 || layer->current <= 0)
        return 0;
    part = (double)layer->current / (double)layer->total;
    return (unsigned)((part < 1 ? part : 1) * whole);
}

unsigned pull_layers_percent(const struct pull_layers *l)
{
    size_t sum = 0;

    for (size_t i = 0; i < l->n; i++)
        sum += l->layers[i].phase->begin + get_share(&l->layers[i], l->layers[i].phase->share);
    return l->n > 0 ? (unsigned)(sum / l->n) : 0;
}

static json_t *describe_layer(const struct pull_layer *layer)
{
    json_t *o = json_object();

    json_text_set(o, "id", json_text_string(layer->id, strlen(layer->id)));
    json_text_set(o, "status", json_text_str(layer->phase->name));
    json_text_set(o, "current", json_integer(layer->current));
    json_text_set(o, "total", json_integer(layer->total));
    json_text_set(o, "percent",
                  json_integer(layer->phase->is_end ? 100 : (json_int_t)get_share(layer, 100)));
    return o;
}

static char *make_summary(const struct pull_layers *l)
{
    size_t n_downloads = 0, n_active = 0, n_ended = 0;
    unsigned percent = pull_layers_percent(l);

    for (size_t i = 0; i < l->n; i++) {
        n_downloads += l->layers[i].phase->is_download;
        n_active += l->layers[i].phase->is_active;
        n_ended += l->layers[i].phase->is_end;
    }
    if (n_downloads > 0) {
        return xasprintf("Downloading %zu of %zu layers (%u%%) @ %.1f MB/s", n_downloads, l->n,
                         percent, get_speed(l));
    }
    if (n_active > 0)
        return xasprintf("Extracting %zu of %zu layers (%u%%)", n_active, l->n, percent);
    if (n_ended == l->n)
        return xasprintf("Pull complete (%zu layers)", l->n);
    return xasprintf("Pulling image (%u%%)", percent);
}

/* Those at work come first, then those that wait, then those that are complete. */
static unsigned get_rank(const struct pull_layer *layer)
{
    return layer->phase->is_active ? 0 : layer->phase->is_end ? 2 : 1;
}

json_t *pull_layers_describe(const struct pull_layers *l)
{
    _cleanup_free_ char *summary = make_summary(l);
    json_t *o = json_object(), *shown = json_array();
    size_t n_shown = 0;

    for (unsigned rank = 0; rank <= 2; rank++) {
        for (size_t i = 0; i < l->n && n_shown < PULL_LAYERS_SHOWN; i++) {
            if (get_rank(&l->layers[i]) != rank)
                continue;
            if (json_array_append_new(shown, describe_layer(&l->layers[i])) < 0)
                abort(); /* out of memory */
            n_shown++;
        }
    }
    json_text_set(o, "overall_progress", json_integer(pull_layers_percent(l)));
    json_text_set(o, "layers", shown);
    json_text_set(o, "total_layers", json_integer((json_int_t)l->n));
    json_text_set(o, "remaining_layers", json_integer((json_int_t)(l->n - n_shown)));
    json_text_set(o, "summary", json_text_str(summary));
    json_text_set(o, "speed_mbps", json_real(get_speed(l)));
    return o;
}
