#include "agent/session/report.h"

#include "agent/stats/running.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/envelope.h"
#include "proto/json_text.h"
#include "proto/stats.h"

#include <string.h>

/* Each byte of the name may need an escape of 6; the other members are a fixed number of numbers. */
_Static_assert(RUNNING_NAME_SIZE * 6 + 1024 <= STATS_CHANNEL_MAX_MESSAGE,
               "a sample fits into a message of the channel");

struct report {
    struct report_options o;
    struct collector_listener listener; /* for servers without batches */
    struct stats_channel *channel;      /* NULL: none */
    bool is_complaining;                /* the last batch could not be sent */
    /* The last counters, for the bytes per second of the host. */
    int64_t net_bytes, net_at_ms;
};

/* Rounds to one decimal, as the Go agents do. */
static double round_percent(double v)
{
    return (double)(int64_t)(v * 10.0 + 0.5) / 10.0;
}

/* These messages cannot express an unknown value. */
static int64_t zero_if_none(int64_t v)
{
    return v == METRIC_NONE ? 0 : v;
}

static void on_failure(struct report *r, int code)
{
    if (!r->is_complaining)
        log_warn(NULL, "could not send samples: %s", error_text(code));
    r->is_complaining = true;
}

static json_t *encode_container(const struct container_sample *c, int64_t at_ms)
{
    const int64_t *v = c->values;
    int64_t used = zero_if_none(v[CONTAINER_MEM_USED]),
            limit = zero_if_none(v[CONTAINER_MEM_LIMIT]);
    char when[TIME_TEXT_SIZE];
    struct msg_container_stats m = {
        .container_id = (char *)(uintptr_t)c->id,
        .container_name = (char *)(uintptr_t)c->name,
        .cpu_percent = round_percent((double)zero_if_none(v[CONTAINER_CPU]) / 100.0),
        .memory_usage = used,
        .memory_limit = limit,
        .memory_percent = limit > 0 ? round_percent((double)used * 100.0 / (double)limit) : 0,
        .network_rx = zero_if_none(v[CONTAINER_NET_RX]),
        .network_tx = zero_if_none(v[CONTAINER_NET_TX]),
        .disk_read = zero_if_none(v[CONTAINER_BLK_READ]),
        .disk_write = zero_if_none(v[CONTAINER_BLK_WRITE]),
        .timestamp = when,
    };

    (void)time_format_s(at_ms, when); /* the format of the Go agents */
    return msg_container_stats_encode(&m);
}

static double bytes_per_second(struct report *r, const int64_t *v, int64_t at_ms)
{
    int64_t bytes = zero_if_none(v[HOST_NET_RX]) + zero_if_none(v[HOST_NET_TX]);
    int64_t grown = bytes - r->net_bytes, passed_ms = at_ms - r->net_at_ms;
    bool is_known = r->net_at_ms > 0 && grown > 0 && passed_ms > 0;

    r->net_bytes = bytes;
    r->net_at_ms = at_ms;
    return is_known ? (double)grown * 1000.0 / (double)passed_ms : 0;
}

static int send_host(struct report *r, const struct samples *batch)
{
    const int64_t *v = batch->host.values;
    double rate = bytes_per_second(r, v, batch->at_ms);

    /* Without host statistics the server computes them from the containers. */
    if (v[HOST_CPU] == METRIC_NONE || v[HOST_MEM_USED] == METRIC_NONE || v[HOST_MEM_TOTAL] <= 0)
        return 0;
    return sender_send(r->o.sender, msg_host_stats_encode(&(struct msg_host_stats){
                                        .cpu_percent = (double)v[HOST_CPU] / 100.0,
                                        .mem_percent = (double)v[HOST_MEM_USED] * 100.0 /
                                                       (double)v[HOST_MEM_TOTAL],
                                        .net_bytes_per_sec = rate,
                                    }));
}

/* A connection that cannot take the samples does not keep the other one from getting them. */
static int send_container(struct report *r, const struct container_sample *c, int64_t at_ms)
{
    json_auto_t *payload = encode_container(c, at_ms);

    if (r->channel)
        stats_channel_put(r->channel, payload);
    if (sender_is_busy(r->o.sender))
        return 0;
    return sender_send(r->o.sender,
                       envelope_event("container_stats", json_incref(payload), time_utc_ms()));
}

static void send_messages(struct report *r, const struct samples *batch)
{
    int code = batch->has_host && !sender_is_busy(r->o.sender) ? send_host(r, batch) : 0;

    for (size_t i = 0; i < batch->n_containers; i++) {
        int result = 0;

        /* The first sample of a container has no CPU usage, and 0 would be wrong. */
        if (batch->containers[i].values[CONTAINER_CPU] != METRIC_NONE)
            result = send_container(r, &batch->containers[i], batch->at_ms);
        if (code == 0)
            code = result;
    }
    if (code < 0) {
        on_failure(r, code);
    } else {
        r->is_complaining = false;
    }
}

static void on_batch(struct collector_listener *l, const struct samples *batch)
{
    struct report *r = CONTAINER_OF(l, struct report, listener);

    send_messages(r, batch);
}

struct report *report_new(const struct report_options *o)
{
    struct report *r = xcalloc(1, sizeof(*r));

    r->o = *o;
    r->listener.on_batch = on_batch;
    collector_reset_demand(o->collector);
    if (!o->sink)
        collector_add_listener(o->collector, &r->listener);
    if (!o->sink && o->channel)
        r->channel = stats_channel_new(o->channel);
    r->o.channel = NULL; /* borrowed for this function only */
    collector_set_eager(o->collector, !o->sink);
    if (o->sink) {
        spool_connect(o->spool, o->sink, &o->has);
    } else {
        spool_refuse(o->spool);
    }
    return r;
}

void report_free(struct report *r)
{
    if (!r)
        return;
    collector_remove_listener(&r->listener);
    collector_reset_demand(r->o.collector);
    spool_disconnect(r->o.spool);
    stats_channel_free(r->channel);
    free(r);
}

void report_on_ack(struct report *r, const json_t *message)
{
    struct msg_samples_ack m;
    struct error err = ERROR_INIT;

    if (msg_samples_ack_decode(message, &m, &err) < 0) {
        log_warn(NULL, "invalid message from the server: %s", err.msg);
    } else {
        spool_on_ack(r->o.spool, &m);
    }
}

void report_on_receipt(struct report *r, uint64_t number)
{
    if (r->o.sink)
        spool_on_receipt(r->o.spool, number);
}

void report_on_rate(struct report *r, const json_t *payload)
{
    struct msg_stats_rate m;
    struct error err = ERROR_INIT;

    if (msg_stats_rate_decode(payload, &m, &err) < 0) {
        log_warn(NULL, "invalid message from the server: %s", err.msg);
        return;
    }
    if (r->o.sink)
        collector_set_rate(r->o.collector, &m);
    msg_stats_rate_done(&m);
}
