#include "agent/inventory/event_feed.h"
#include "agent/engine/health_watch.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/container_event.h"
#include "proto/envelope.h"

#include <errno.h>
#include <string.h>

#define RETRY_MS           500
#define HISTORY_TIMEOUT_MS 15000
#define MAX_HISTORY_BODY   ((size_t)8 << 20)

struct event_feed {
    struct event_feed_options options;
    struct engine_call *history;  /* reads the engine's older events */
    struct event_log_place place; /* in the log, while is_reading_log */
    bool is_reading_log;
    struct loop_timer retry;
    uint64_t next;  /* sequence number in the history */
    uint64_t asked; /* the receipt that is awaited: that of all events before; 0: none */
};

static int send_event(const struct event_feed *feed, const struct event *e)
{
    char when[TIME_TEXT_SIZE];
    struct msg_container_event m = {
        .container_id = e->id,
        .container_name = (char *)(uintptr_t)event_attribute(e, "name"),
        .image = (char *)(uintptr_t)event_attribute(e, "image"),
        .action = e->action,
        .timestamp = when,
        .attributes = e->attributes,
        .time_nano = feed->options.is_replay ? e->time_ns : 0,
    };

    (void)time_format_s(time_div_floor(e->time_ns, NS_PER_MS),
                        when); /* as the Go agents write it */
    return sender_send(
        feed->options.sender,
        envelope_event("container_event", msg_container_event_encode(&m), time_utc_ms()));
}

static void on_retry(struct loop_timer *t)
{
    event_feed_pump(CONTAINER_OF(t, struct event_feed, retry));
}

static void retry_later(struct event_feed *feed)
{
    loop_timer_start(engine_loop(feed->options.engine), &feed->retry, RETRY_MS, on_retry);
}

/* Sends the events on disk that are not in memory. False: the queue is full, try again later. */
static bool send_log(struct event_feed *feed)
{
    struct event_log *log = events_log(feed->options.events);
    int64_t until_ns = events_covered_since(feed->options.events);
    struct event_log_place next = feed->place;
    struct event e;

    while (event_log_next(log, &next, feed->options.since_ns, &e)) {
        int r = e.time_ns < until_ns ? send_event(feed, &e) : 0;

        if (r == 0 && e.time_ns < until_ns)
            feed->options.since_ns = e.time_ns; /* read_history() starts here */
        engine_event_done(&e);
        if (r == -ENOBUFS)
            return false;
        if (r < 0)
            log_warn(NULL, "could not send an event of the log: %s", error_text(r));
        feed->place = next;
    }
    return true;
}

static void read_history(struct event_feed *feed);

/* One receipt at a time, so that many events do not cause as many pings. */
static void ask_receipt(struct event_feed *feed)
{
    const struct event_feed_options *o = &feed->options;

    if (o->is_replay || !o->ask_receipt) {
        events_set_sent(o->events, feed->next);
    } else if (!feed->asked && feed->next > events_sent(o->events) &&
               o->ask_receipt(o->owner, feed->next) == 0) {
        feed->asked = feed->next;
    }
}

void event_feed_on_receipt(struct event_feed *feed, uint64_t number)
{
    if (!feed->asked || number != feed->asked)
        return;
    feed->asked = 0;
    events_set_sent(feed->options.events, number);
    ask_receipt(feed);
}

static void send_history(struct event_feed *feed)
{
    struct events *events = feed->options.events;

    if (feed->next < events_first(events))
        feed->next = events_first(events);
    for (; feed->next < events_end(events); feed->next++) {
        int r = send_event(feed, events_get(events, feed->next));

        if (r == -ENOBUFS) {
            retry_later(feed);
            return;
        }
        if (r < 0)
            log_warn(NULL, "could not send an event: %s", error_text(r));
    }
}

void event_feed_pump(struct event_feed *feed)
{
    struct events *events = feed->options.events;

    if (feed->history || loop_timer_is_running(&feed->retry))
        return; /* their callbacks continue */
    if (feed->is_reading_log) {
        if (!send_log(feed)) {
            retry_later(feed);
            return;
        }
        feed->is_reading_log = false;
        /* The log ends before the history begins if the agent was not running in between. */
        if (feed->options.since_ns > 0 && feed->options.since_ns + 1 < events_covered_since(events))
            read_history(feed);
        if (feed->history)
            return;
    }
    send_history(feed);
    ask_receipt(feed);
}

/*
 * Sends the engine's answer, one event per line. The server drops those that the history has, too.
 */
static void send_lines(struct event_feed *feed, const char *p)
{
    struct health_watch health = {0};

    while (*p) {
        size_t n = strcspn(p, "\n");
        struct event e;

        if (n > 0 && event_decode(p, n, &e, NULL) == 0) {
            if (!events_is_noise(&e) && health_watch_is_change(&health, &e) &&
                send_event(feed, &e) < 0)
                log_warn(NULL, "could not send an event of the engine");
            engine_event_done(&e);
        }
        p += n;
        p += *p == '\n';
    }
    health_watch_done(&health);
}

static void on_history(void *owner, const struct engine_reply *reply)
{
    struct event_feed *feed = owner;

    feed->history = NULL;
    if (reply->code < 0) {
        log_warn(NULL, "could not read the events since the last session: %s", reply->message);
    } else {
        send_lines(feed, reply->body);
    }
    event_feed_pump(feed);
}

/* Asks the engine for the events between `since` and the begin of the history. */
static void read_history(struct event_feed *feed)
{
    static const char filters[] = "%7B%22type%22%3A%5B%22container%22%5D%7D";
    int64_t from = feed->options.since_ns, to = events_covered_since(feed->options.events);
    _cleanup_free_ char *path = xasprintf("/events?since=%lld.%09lld&until=%lld.%09lld&filters=%s",
                                          (long long)(from / NS_PER_S),
                                          (long long)(from % NS_PER_S), (long long)(to / NS_PER_S),
                                          (long long)(to % NS_PER_S), filters);
    struct error err = ERROR_INIT;
    int r;

    r = engine_call_start(&feed->history, feed->options.engine,
                          &(struct engine_request){.path = path,
                                                   .timeout_ms = HISTORY_TIMEOUT_MS,
                                                   .max_body = MAX_HISTORY_BODY,
                                                   .done = on_history,
                                                   .owner = feed},
                          &err);
    if (r < 0)
        log_warn(NULL, "could not read the events since the last session: %s", err.msg);
}

/*
 * A position in the future means that the clock was set back: then any event may be new to the
 * server. Returns 1, the oldest position, in this case.
 */
static int64_t limit_to_past(int64_t since_ns)
{
    return since_ns > time_utc_ms() * NS_PER_MS ? 1 : since_ns;
}

struct event_feed *event_feed_new(const struct event_feed_options *o)
{
    struct event_feed *feed = xcalloc(1, sizeof(*feed));
    struct event_log *log = events_log(o->events);

    feed->options = *o;
    o = &feed->options;
    feed->options.since_ns = limit_to_past(o->since_ns);
    feed->next = o->is_replay ? events_seek(o->events, o->since_ns) : events_sent(o->events);
    if (o->is_replay && o->since_ns > 0 && log)
        event_log_forget(log, o->since_ns);
    if (o->is_replay && o->since_ns < events_covered_since(o->events)) {
        /* A server without events gets the log and the history; the engine is not asked. */
        feed->is_reading_log = log != NULL;
        if (!log && o->since_ns > 0)
            read_history(feed);
    }
    event_feed_pump(feed);
    return feed;
}

void event_feed_free(struct event_feed *feed)
{
    if (!feed)
        return;
    loop_timer_stop(&feed->retry);
    engine_call_cancel(feed->history);
    free(feed);
}
