/*
 * GET .../stats/history, .../stats/live and .../metrics, and GET /api/history. The history is read
 * by a job of its own; the last minutes and the current metrics are in memory.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/api/stats_json.h"
#include "server/feed/sampling.h"
#include "server/fleet/scope_view.h"
#include "server/stats/rate.h"
#include "server/view/json_values.h"

#include <errno.h>
#include <stdlib.h>

#define NEW_MS 60000 /* older samples are not current */

/* --- the history of a host or container ------------------------------------------------------- */

struct past_call {
    struct api_call *call;
    struct stats_query query;
    char *host_id, *container_id, *series; /* container_id NULL: the host itself */
};

static void past_free(struct past_call *p)
{
    free(p->host_id);
    free(p->container_id);
    free(p->series);
    free(p);
}

static void on_answer(void *owner, const struct history_answer *h)
{
    struct past_call *p = owner;
    struct stats_answer a = {
        .host_id = p->host_id,
        .container_id = p->container_id,
        .series = p->series,
        .query = &p->query,
        .points = h->points,
        .marks = h->marks,
        .n_marks = h->n_marks,
    };
    struct buf text = BUF_INIT(SIZE_MAX / 2);

    if (h->code < 0) {
        api_fail(p->call, h->code, "could not read the history: %s", h->message);
    } else if (p->query.is_csv) {
        stats_csv_write(&text, &a);
        api_reply_as(p->call, "text/csv; charset=utf-8", text.data, text.size);
    } else {
        stats_json_write(&text, &a);
        api_reply_text(p->call, 200, text.data, text.size);
    }
    buf_done(&text);
    past_free(p);
}

static void fail_no_history(struct api_call *call)
{
    api_fail_code(call, CODE_UNAVAILABLE,
                  "The history is disabled: dockmond runs with --no-history");
}

/* The number of ms before the first step from which its rate may be computed, see rate.h. */
static int64_t get_lead_ms(const struct stats_query *q)
{
    return q->step_ms * (q->step_ms < 60000 ? 3 : 1);
}

static void ask(struct api_call *call, const char *host_id, const char *id, const char *series)
{
    struct past_call *p = xcalloc(1, sizeof(*p));
    struct error err = ERROR_INIT;
    struct history_query q;
    int r = stats_query_read(call, metric_set_of(series), time_utc_ms(), &p->query, &err);

    if (r < 0 || !call->api->o.history) {
        if (r < 0) {
            api_fail_error(call, &err);
        } else {
            fail_no_history(call);
        }
        past_free(p);
        return;
    }
    p->call = call;
    p->host_id = xstrdup(host_id);
    p->container_id = id ? xstrdup(id) : NULL;
    p->series = xstrdup(series);
    q = (struct history_query){
        .host = p->host_id,
        .series = p->series,
        .from_ms = p->query.from_ms - get_lead_ms(&p->query),
        .to_ms = p->query.to_ms,
        .step_ms = p->query.step_ms,
        .columns = rate_columns(series, p->query.columns),
    };
    history_ask(call->api->o.history, &q, on_answer, p);
}

void host_stats_history(struct api_call *call)
{
    const struct fleet_host *h = api_host(call, 0);

    if (h)
        ask(call, h->row.id, NULL, "");
}

void container_stats_history(struct api_call *call)
{
    struct fleet_host *h;
    const struct fleet_container *c = api_container(call, &h);
    char series[STATS_SERIES_SIZE];

    if (!c)
        return;
    stats_name(call->api->o.stats, h, c, series);
    ask(call, h->row.id, c->id, series);
}

/* --- the last minutes ------------------------------------------------------------------------- */

static void reply_live(struct api_call *call, const struct fleet_host *h, const char *id)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    struct error err = ERROR_INIT;
    int64_t since_ms;

    if (api_query_time(call, "since", &since_ms, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    sampling_on_asked(call->api->o.sampling, h, id);
    stats_live_write(&text, stats_find(call->api->o.stats, h->row.id, id), since_ms);
    api_reply_text(call, 200, text.data, text.size);
    buf_done(&text);
}

void host_stats_live(struct api_call *call)
{
    const struct fleet_host *h = api_host(call, 0);

    if (h)
        reply_live(call, h, NULL);
}

void container_stats_live(struct api_call *call)
{
    struct fleet_host *h;
    const struct fleet_container *c = api_container(call, &h);

    if (c)
        reply_live(call, h, c->id);
}

static json_t *make_number(int64_t v, double factor)
{
    if (v == METRIC_NONE)
        return json_null();
    return factor < 1 ? json_real((double)v * factor) : json_integer(v);
}

void hosts_metrics(struct api_call *call)
{
    const struct fleet_host *h = api_host(call, 0);
    const struct stats_series *line = h ? stats_find(call->api->o.stats, h->row.id, NULL) : NULL;
    const int64_t *v = line ? line->values : NULL;
    struct scope_view view;
    json_t *memory;

    if (!h)
        return;
    scope_view_host(&call->who.scope, h, &view);
    if (!line || time_utc_ms() - line->at_ms > NEW_MS) {
        api_fail_code(call, h->is_online ? CODE_UNAVAILABLE : CODE_HOST_OFFLINE, "%s",
                      h->is_online ? "No metrics of this host yet"
                                   : "No metrics: the host is offline");
        return;
    }
    memory = v[HOST_MEM_USED] != METRIC_NONE && v[HOST_MEM_TOTAL] > 0
                 ? json_real((double)v[HOST_MEM_USED] * 100 / (double)v[HOST_MEM_TOTAL])
                 : json_null();
    api_reply(call, 200,
              json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:I, s:o}", "cpu_percent",
                        make_number(v[HOST_CPU], 0.01), "memory_percent", memory,
                        "memory_used_bytes", make_number(v[HOST_MEM_USED], 1), "memory_limit_bytes",
                        make_number(v[HOST_MEM_TOTAL], 1), "network_rx_bytes",
                        make_number(v[HOST_NET_RX], 1), "network_tx_bytes",
                        make_number(v[HOST_NET_TX], 1), "container_count",
                        (json_int_t)scope_view_count(&view, h, false), "source",
                        h->sample.is_derived ? "containers" : "agent", "timestamp",
                        (json_int_t)(line->at_ms / 1000), "timestamp_iso",
                        json_value_time(line->at_ms)));
}

/* --- the state of the history ----------------------------------------------------------------- */

static json_t *make_tier_json(const struct history_usage *u, enum tier t)
{
    int64_t oldest = u->tiers[t].oldest_ms;

    return json_pack("{s:o, s:I, s:I, s:I, s:o, s:f, s:b}", "name", json_text_str(tiers[t].name),
                     "step_seconds", (json_int_t)(tiers[t].step_ms / 1000), "files",
                     (json_int_t)u->tiers[t].n_files, "bytes", (json_int_t)u->tiers[t].bytes,
                     "oldest", oldest == METRIC_NONE ? json_null() : json_value_time(oldest),
                     "keep_days", (double)u->tiers[t].keep_ms / (double)DAY_MS, "is_made",
                     u->tiers[t].is_made);
}

void history_get(struct api_call *call)
{
    const struct history *h = call->api->o.history;
    struct ring_pool live = stats_live_memory(call->api->o.stats);
    struct history_state state;
    struct history_usage usage;
    json_t *list;
    int64_t bytes;

    if (!h) {
        fail_no_history(call);
        return;
    }
    state = history_state(h);
    usage = history_usage(h);
    bytes = usage.head_bytes;
    list = json_array();
    for (int t = 0; t < TIER_COUNT; t++) {
        bytes += usage.tiers[t].bytes;
        if (usage.tiers[t].is_made || usage.tiers[t].n_files > 0)
            (void)json_array_append_new(list, make_tier_json(&usage, (enum tier)t));
    }
    api_reply(call, 200,
              json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "status",
                        health_history_name(&state), "problem", json_text_str(state.problem),
                        "dropped", (json_int_t)state.n_dropped, "damaged",
                        (json_int_t)state.n_damaged, "bytes", (json_int_t)bytes, "head_bytes",
                        (json_int_t)usage.head_bytes, "live_bytes", (json_int_t)live.bytes,
                        "live_max_bytes", (json_int_t)live.max_bytes, "tiers", list));
}
