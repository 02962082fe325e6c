#include "server/session/session_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/samples.h"
#include "server/session/host_sum.h"
#include "server/session/sample_apply.h"

#define MISSED         3
#define INTERVAL_MS    10000 /* the default of agents */
#define ACK_MS         5000  /* batches arrive every second; not each needs an answer */
#define MAX_TIME_MS    INT64_C(1000000000000000)
#define CLOCK_SLACK_MS INT64_C(60000) /* the delay that a slow link may cause */

/* Limits of one host, several times what an agent with 5,000 containers needs. */
#define SAMPLES_PER_SECOND (UINT64_C(4) << 20) /* bytes */
#define SAMPLES_BURST_MS   10000               /* that many may come at once */
#define SAMPLES_PER_DAY    (UINT64_C(16) << 30)
#define EPOCH_MS           60000

static void send_ack(struct session *se, const struct msg_samples_ack *ack)
{
    if (session_send(se, msg_samples_ack_encode(ack)) < 0)
        log_debug(LOG_FIELDS("agent", se->agent_id), "could not acknowledge samples");
}

/* Without a history a batch is acknowledged on arrival; with one, on_written() does it. */
static void acknowledge(struct session *se, const struct samples *s)
{
    uint64_t now_ms = time_monotonic_ms();

    if (se->owner->o.history || (se->acked_ms > 0 && now_ms - se->acked_ms < ACK_MS))
        return;
    se->acked_ms = now_ms;
    send_ack(se, &(struct msg_samples_ack){.epoch = s->epoch, .seq = s->seq});
}

void sessions_acknowledge(struct sessions *s,
                          const char *host_id,
                          const struct msg_samples_ack *ack)
{
    const struct fleet_host *h = fleet_find_host(s->o.fleet, host_id);
    const struct agent_record *record = h ? map_find(&s->records, h->agent.id) : NULL;

    if (record && record->session && record->session->state == SESSION_ACTIVE &&
        record->session->can_samples)
        send_ack(record->session, ack);
}

void sessions_resend_samples(struct sessions *s, const char *host_id)
{
    const struct fleet_host *h = fleet_find_host(s->o.fleet, host_id);
    struct agent_record *record = h ? map_find(&s->records, h->agent.id) : NULL;

    if (!record)
        return;
    memset(record->received, 0,
           sizeof(record->received)); /* the resent batches are no duplicates */
    if (record->session && record->session->state == SESSION_ACTIVE && record->session->can_samples)
        session_close(record->session, WS_CLOSE_TRY_AGAIN, "Samples must be sent again");
}

static void on_written(struct history_listener *l,
                       const char *host_id,
                       const struct history_position *at)
{
    sessions_acknowledge(CONTAINER_OF(l, struct sessions, history), host_id,
                         &(struct msg_samples_ack){at->epoch, at->seq});
}

static void on_lost(struct history_listener *l, const char *host_id)
{
    sessions_resend_samples(CONTAINER_OF(l, struct sessions, history), host_id);
}

static void on_started(struct history_listener *l, const struct history *h)
{
    (void)h;
    sessions_release(CONTAINER_OF(l, struct sessions, history));
}

void sessions_attach_history(struct sessions *s)
{
    s->history = (struct history_listener){
        .on_written = on_written, .on_lost = on_lost, .on_started = on_started};
    history_add_listener(s->o.history, &s->history);
    sessions_hold(s); /* positions are known once the files are read */
}

static struct msg_samples_ack *find_epoch(struct agent_record *record, uint64_t epoch)
{
    for (size_t i = 0; i < RECEIVED_EPOCHS; i++) {
        if (record->received[i].epoch == epoch && epoch > 0)
            return &record->received[i];
    }
    return NULL;
}

static void add_epoch(struct agent_record *record, const struct msg_samples_ack *at)
{
    memmove(record->received + 1, record->received,
            (RECEIVED_EPOCHS - 1) * sizeof(record->received[0]));
    record->received[0] = *at;
}

void session_expect_samples(const struct session *se, struct agent_record *record)
{
    const struct history *history = se->owner->o.history;
    struct history_position kept;

    if (history && history_position(history, se->host_id, &kept) && !find_epoch(record, kept.epoch))
        add_epoch(record, &(struct msg_samples_ack){kept.epoch, kept.seq});
}

/* Records the batch as received. False: it is a duplicate. */
static bool note_batch(struct session *se, const struct samples *s)
{
    struct agent_record *record = map_find(&se->owner->records, se->agent_id);
    struct msg_samples_ack *last = record ? find_epoch(record, s->epoch) : NULL;

    if (last && s->seq <= last->seq)
        return false;
    if (last) {
        last->seq = s->seq;
    } else if (record) {
        add_epoch(record, &(struct msg_samples_ack){s->epoch, s->seq});
    }
    return true;
}

void session_note_clock(struct session *se, const json_t *message)
{
    const char *text = json_text_get(message, "timestamp");
    int64_t now_ms = time_utc_ms(), ns;

    if (!text || time_parse_ns(text, &ns) < 0)
        return;
    se->clock_offset_ms = now_ms - ns / 1000000;
    if (llabs(se->clock_offset_ms) <= CLOCK_SLACK_MS)
        se->clock_offset_ms = 0;
}

/*
 * Batches that are not late are sent without delay: after one that was in step with our clock the
 * next one is, too, unless the agent's clock or ours has jumped.
 */
static void follow_clock(struct session *se, int64_t off_ms)
{
    bool was_in_step = se->is_in_step;

    se->is_in_step = llabs(off_ms - se->clock_offset_ms) <= CLOCK_SLACK_MS;
    if (llabs(off_ms) <= CLOCK_SLACK_MS) {
        se->clock_offset_ms = 0; /* the agent's clock is right, or has been corrected */
    } else if (was_in_step && !se->is_in_step) {
        log_info(LOG_FIELDS("host", se->host_id),
                 "clock jumped: the agent's clock is %lld s behind the server's now",
                 (long long)(off_ms / 1000));
        se->clock_offset_ms = off_ms;
    } else {
        return;
    }
    se->is_in_step = true;
}

/*
 * Returns the offset of the agent's clock at the time a late batch was measured. One offset is
 * used as long as it is within the slack, so that message delays do not shift batches against
 * each other.
 */
static int64_t update_late_offset(struct session *se, const struct samples *s)
{
    int64_t offset = time_utc_ms() - s->age_ms - s->at_ms;

    if (llabs(offset - se->late_offset_ms) > CLOCK_SLACK_MS)
        se->late_offset_ms = llabs(offset) > CLOCK_SLACK_MS ? offset : 0;
    return se->late_offset_ms;
}

/* Returns the time of a batch by our clock. */
static int64_t convert_time(struct session *se, const struct samples *s)
{
    if (s->at_ms < 0 || s->at_ms > MAX_TIME_MS)
        return s->at_ms; /* not a time of a clock */
    if (s->is_late && s->has_age && s->age_ms <= MAX_TIME_MS)
        return s->at_ms + update_late_offset(se, s);
    if (!s->is_late)
        follow_clock(se, time_utc_ms() - s->at_ms);
    return s->at_ms + se->clock_offset_ms;
}

static void drop_samples(struct samples *s)
{
    s->n_containers = 0;
    s->has_host = false;
}

/* A new epoch may begin at any time again, but not more often than an agent restarts. */
static bool is_late_in_order(struct agent_record *record, const struct samples *s)
{
    uint64_t now_ms = time_monotonic_ms();

    if (record->late_epoch != s->epoch &&
        (record->late_epoch == 0 || now_ms - record->late_since_ms >= EPOCH_MS)) {
        record->late_epoch = s->epoch;
        record->late_since_ms = now_ms;
        record->late_at_ms = 0;
    }
    if (s->at_ms >= record->late_at_ms - CLOCK_SLACK_MS) {
        if (s->at_ms > record->late_at_ms && s->at_ms <= time_utc_ms())
            record->late_at_ms = s->at_ms;
        return true;
    }
    return false;
}

/*
 * The times of a clock that was never in step with ours are not corrected. It may be set back, but
 * not more often than an agent restarts.
 */
static bool is_stray_in_order(struct agent_record *record, const struct samples *s)
{
    uint64_t now_ms = time_monotonic_ms();

    if (s->at_ms < record->stray_at_ms - CLOCK_SLACK_MS) {
        if (record->stray_since_ms > 0 && now_ms - record->stray_since_ms < EPOCH_MS)
            return false;
        record->stray_since_ms = now_ms;
        record->stray_at_ms = s->at_ms;
    }
    if (s->at_ms > record->stray_at_ms)
        record->stray_at_ms = s->at_ms;
    return true;
}

/*
 * An agent sends what it has kept in the order in which it was measured, and other batches at once.
 * Batches whose time goes back would make the history rewrite its files again and again, at the
 * expense of other hosts. Their samples are dropped; the batch is acknowledged all the same.
 */
static void check_order(struct session *se, struct samples *s)
{
    struct agent_record *record = map_find(&se->owner->records, se->agent_id);

    if (!record || (s->is_late ? is_late_in_order(record, s)
                               : llabs(time_utc_ms() - s->at_ms) <= CLOCK_SLACK_MS ||
                                     is_stray_in_order(record, s)))
        return;
    if (record->n_unordered++ == 0) {
        log_warn(LOG_FIELDS("host", se->host_id), "%ssamples dropped: their time goes back",
                 s->is_late ? "late " : "");
    }
    drop_samples(s);
}

/*
 * Counts the bytes of a batch. An agent sends 1 MiB of late batches ahead of what is stored, so that
 * SAMPLES_PER_SECOND is never exceeded for long; the session ends then, and nothing is lost because
 * the batch is not acknowledged. Returns false if the batch must not be read.
 */
static bool check_volume(struct session *se, size_t size)
{
    struct agent_record *record = map_find(&se->owner->records, se->agent_id);
    uint64_t now_ms = time_monotonic_ms();

    if (!record)
        return true;
    if (record->samples_paid_ms < now_ms)
        record->samples_paid_ms = now_ms;
    record->samples_paid_ms += (uint64_t)size * 1000 / SAMPLES_PER_SECOND;
    if (record->samples_paid_ms <= now_ms + SAMPLES_BURST_MS)
        return true;
    session_close(se, WS_CLOSE_TRY_AGAIN, "Samples come too fast");
    return false;
}

/* Drops what exceeds the bytes of a day, which bounds the disk that one host uses. */
static void check_day(struct session *se, struct samples *s, size_t size)
{
    struct agent_record *record = map_find(&se->owner->records, se->agent_id);
    int64_t day = time_utc_ms() / DAY_MS;

    if (!record)
        return;
    if (record->samples_day != day) {
        record->samples_day = day;
        record->samples_of_day = 0;
    }
    if (record->samples_of_day > SAMPLES_PER_DAY) {
        drop_samples(s);
        return;
    }
    record->samples_of_day += size;
    if (record->samples_of_day > SAMPLES_PER_DAY) {
        log_warn(LOG_FIELDS("host", se->host_id),
                 "samples dropped until the end of the day (UTC): the host has sent %llu GiB",
                 (unsigned long long)(SAMPLES_PER_DAY >> 30));
    }
}

/* Agents of ours measure the host seldom while only containers are watched. */
static uint64_t after_batches_ms(const struct fleet_host *h)
{
    int64_t interval_ms = h->sample.is_derived ? 0 : h->sample.interval_ms;

    return (uint64_t)(interval_ms > INTERVAL_MS ? interval_ms : INTERVAL_MS) * MISSED;
}

static void take_samples(struct session *se, struct fleet_host *h, struct samples *s, size_t size)
{
    check_day(se, s, size);
    sample_apply_batch(h, s);
    s->at_ms = convert_time(se, s);
    check_order(se, s);
    fleet_notify_samples(se->owner->o.fleet, h, s);
    if (!s->is_late && s->n_containers > 0)
        host_sum_update(se->owner->o.fleet, h, after_batches_ms(h));
}

void session_on_samples(struct session *se, const void *data, size_t size)
{
    struct fleet_host *h = session_host(se);
    struct error err = ERROR_INIT;
    struct samples s;

    if (!h || !check_volume(se, size))
        return;
    if (samples_decode(data, size, &s, &err) < 0) {
        session_complain(se, err.msg, NULL);
        return;
    }
    if (note_batch(se, &s))
        take_samples(se, h, &s, size);
    acknowledge(se, &s);
    samples_done(&s);
}

int sessions_stats_rate(struct sessions *s, const char *agent_id, const struct msg_stats_rate *rate)
{
    struct agent_record *record = map_find(&s->records, agent_id);

    if (!record || !record->session || record->session->state != SESSION_ACTIVE)
        return -ENOTCONN;
    if (!record->session->can_samples)
        return -EOPNOTSUPP;
    return session_send(record->session, msg_stats_rate_encode(rate));
}
