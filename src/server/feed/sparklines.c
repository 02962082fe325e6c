#include "server/feed/sparklines.h"
#include "base/container_id.h"
#include "base/str.h"
#include "server/fleet/scope_view.h"
#include "server/stats/live.h"

#include <math.h>

#define MAX_VALUE 1e15 /* beyond it a value is shown as unknown */

struct shown {
    const char *name;
    enum live_value value;
    bool has_decimal;
};

static const struct shown shown[] = {
    {"cpu", LIVE_CPU,    true },
    {"mem", LIVE_MEMORY, true },
    {"net", LIVE_NET,    false},
};

static void append(struct buf *out, const char *text)
{
    (void)buf_append_str(out, text); /* cannot fail: the buffer has no limit */
}

/* Written for speed: a list of thousands of containers has 90 values each. */
static void append_value(struct buf *out, double v, bool has_decimal)
{
    int64_t scaled;

    if (isnan(v) || v < 0 || v > MAX_VALUE) {
        append(out, "null");
        return;
    }
    scaled = (int64_t)(v * (has_decimal ? 10 : 1) + 0.5);
    (void)buf_append_i64(out, has_decimal ? scaled / 10 : scaled);
    if (has_decimal && scaled % 10 > 0) {
        (void)buf_append_char(out, '.');
        (void)buf_append_char(out, (char)('0' + scaled % 10));
    }
}

static void append_points(struct buf *out, const struct stats_series *series)
{
    struct live_point points[SPARKLINES_POINTS];
    struct live_reader reader;
    size_t n = 0;

    live_read_newest(&reader, series, SPARKLINES_POINTS);
    while (n < SPARKLINES_POINTS && live_read_next(&reader, &points[n]))
        n++;
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        append(out, i > 0 ? ",\"" : "{\"");
        append(out, shown[i].name);
        append(out, "\":[");
        for (size_t k = 0; k < n; k++) {
            append(out, k > 0 ? "," : "");
            append_value(out, points[k].values[shown[i].value], shown[i].has_decimal);
        }
        append(out, "]");
    }
    append(out, "}");
}

/* The object that is being written, with its maximum. */
struct object {
    struct buf *out;
    size_t begin, max;
    bool is_full; /* a member was left out */
};

/* Appends one member unless it exceeds the maximum. `container_id` NULL: of the host. */
static void add_series(struct object *o,
                       const struct stats *s,
                       const char *host_id,
                       const char *container_id)
{
    const struct stats_series *series = stats_find(s, host_id, container_id);
    size_t before = o->out->size;

    if (!series)
        return;
    append(o->out, before > o->begin ? ",\"" : "\"");
    append(o->out, host_id);
    if (container_id)
        (void)buf_printf(o->out, ":%.*s", STR_CUT(container_id, CONTAINER_SHORT_ID_LEN));
    append(o->out, "\":");
    append_points(o->out, series);
    o->is_full = o->out->size - o->begin > o->max;
    if (o->is_full)
        buf_truncate(o->out, before);
}

static struct object begin_object(struct buf *out, size_t max)
{
    append(out, "{");
    return (struct object){.out = out, .begin = out->size, .max = max};
}

void sparklines_write_hosts(struct buf *out,
                            const struct stats *s,
                            const struct fleet *f,
                            const struct scope *scope)
{
    struct object o = begin_object(out, SPARKLINES_MAX_HOSTS);

    map_foreach(fleet_hosts(f), e) {
        const struct fleet_host *h = e->value;
        struct scope_view view;

        if (o.is_full)
            break;
        scope_view_host(scope, h, &view);
        if (scope_view_host_samples(&view))
            add_series(&o, s, h->row.id, NULL);
    }
    append(out, "}");
}

void sparklines_write_containers(struct buf *out,
                                 const struct stats *s,
                                 const struct fleet *f,
                                 const struct scope *scope)
{
    struct object o = begin_object(out, SPARKLINES_MAX_CONTAINERS);

    map_foreach(fleet_hosts(f), e) {
        const struct fleet_host *h = e->value;
        struct scope_view view;

        scope_view_host(scope, h, &view);
        if (o.is_full || !scope_view_any(&view))
            continue;
        map_foreach(&h->containers, c) {
            if (!o.is_full && scope_view_container(&view, c->value))
                add_series(&o, s, h->row.id, c->key);
        }
    }
    append(out, "}");
}
