#include "agent/engine/events.h"
#include "agent/engine/dead_socket.h"
#include "agent/engine/health_watch.h"
#include "agent/update/probe.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "net/backoff.h"
#include "proto/notice.h"

#include <assert.h>
#include <string.h>

#define MAX_HISTORY       1024
#define MAX_HISTORY_BYTES ((size_t)4 << 20)
#define MAX_LINE          ((size_t)1 << 20)
#define MAX_SHOWN_NAME    64 /* bytes of an attribute's name in the log */
#define PROBE_TIMEOUT_MS  10000
#define CHECK_MS          15000
#define CLOCK_SLACK_MS    2000
#define GAP_MS            1000  /* between two gaps because of lost events */
#define OPEN_MS           10000 /* for the head of the stream */
#define REFUSED_MS        30000 /* between lists while the stream is refused */
#define STABLE_MS         10000 /* a stream that lived this long resets the backoff */

enum events_state {
    EVENTS_IDLE,    /* not started */
    EVENTS_WAITING, /* until the next attempt */
    EVENTS_PROBING, /* asking whether the engine answers */
    EVENTS_OPENING, /* the stream was asked for */
    EVENTS_LIVE,    /* the stream is open: the head of its answer said so */
};

struct entry {
    struct event event;
    size_t size; /* of its text, for MAX_HISTORY_BYTES */
};

struct events {
    struct engine *engine;
    struct facts *facts;
    struct event_log *log; /* NULL: none */
    enum events_state state;
    struct engine_call *call;
    struct loop_timer timer;
    struct backoff backoff;
    struct buf line;
    bool is_line_too_long;
    bool is_failing; /* the last failure was logged */
    /* In EVENTS_LIVE: an idle stream does not show a hanging engine. */
    struct loop_timer check_timer;
    struct engine_call *check;
    struct loop_timer gap_timer; /* runs after a gap because of a lost event */
    bool is_gap_due;             /* another event was lost since then */
    char *trouble;               /* NULL: the engine answers */
    uint64_t opened_at_ms;
    uint64_t heard_at_ms; /* time of the last answer, on the monotonic clock */
    int64_t covered_since;
    int64_t last_ns; /* time of the newest event, or when the stream was first opened */
    struct entry history[MAX_HISTORY]; /* entry of sequence number s is at s % MAX_HISTORY */
    uint64_t first, end;
    size_t history_bytes;
    uint64_t sent;
    struct health_watch health;
    struct listeners listeners;
};

static const char *const state_names[] = {
    [EVENTS_IDLE] = "idle",       [EVENTS_WAITING] = "waiting", [EVENTS_PROBING] = "probing",
    [EVENTS_OPENING] = "opening", [EVENTS_LIVE] = "live",
};

static void events_set_state(struct events *ev, enum events_state state)
{
    assert(state != EVENTS_IDLE);
    if (state == ev->state)
        return; /* an attempt failed at once */
    log_debug(NULL, "event stream: %s -> %s", state_names[ev->state], state_names[state]);
    ev->state = state;
}

bool events_is_noise(const struct event *e)
{
    static const char *const prefixes[] = {"exec_", "top", "resize", "archive-path",
                                           "extract-to-dir"};
    static const char *const podman[] = {"exec", "init", "sync", "mount", "unmount"};

    if (*event_attribute(e, PROBE_LABEL))
        return true; /* never started, and gone in a moment: see update/probe.h */
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (str_starts_with(e->action, prefixes[i]))
            return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(podman); i++) {
        if (str_eq(e->action, podman[i]))
            return true;
    }
    return false;
}

static struct entry *entry_at(const struct events *ev, uint64_t seq)
{
    return (struct entry *)(uintptr_t)&ev->history[seq % MAX_HISTORY];
}

static void drop_first(struct events *ev)
{
    struct entry *entry = entry_at(ev, ev->first);

    ev->covered_since = entry->event.time_ns + 1;
    ev->history_bytes -= entry->size;
    engine_event_done(&entry->event);
    entry->size = 0;
    ev->first++;
    if (ev->sent < ev->first)
        ev->sent = ev->first;
}

/* A re-opened stream repeats the events of the requested time itself. */
static bool is_known(const struct events *ev, const struct event *e)
{
    for (uint64_t seq = ev->end; seq > ev->first; seq--) {
        const struct event *old = &entry_at(ev, seq - 1)->event;

        if (old->time_ns == e->time_ns && str_eq(old->id, e->id) && str_eq(old->action, e->action))
            return true;
    }
    return false;
}

static void append_event(struct events *ev, struct event *e, size_t size)
{
    while (ev->first < ev->end &&
           (ev->end - ev->first == MAX_HISTORY || ev->history_bytes + size > MAX_HISTORY_BYTES))
        drop_first(ev);
    *entry_at(ev, ev->end) = (struct entry){.event = *e, .size = size};
    *e = (struct event){0};
    ev->end++;
    ev->history_bytes += size;
}

/* Only the first cut event of a container that is in memory is logged. */
static void warn_of_cut(const struct events *ev, const struct event *e)
{
    if (!e->cut)
        return;
    for (uint64_t seq = ev->first; seq < ev->end; seq++) {
        const struct event *old = &entry_at(ev, seq)->event;

        if (old->cut && str_eq(old->id, e->id))
            return;
    }
    log_warn(LOG_FIELDS("container", e->id), "events are cut: the attribute %.*s is too long",
             STR_CUT(e->cut, MAX_SHOWN_NAME));
}

/* Reads state that is derived from events again, because some may have been missed. */
static void report_gap(struct events *ev)
{
    facts_clear(ev->facts);
    listeners_emit(&ev->listeners, struct events_listener, on_gap, ev);
}

static void report_loss(struct events *ev);

static void on_gap_timer(struct loop_timer *t)
{
    struct events *ev = CONTAINER_OF(t, struct events, gap_timer);

    if (ev->is_gap_due)
        report_loss(ev);
}

/* Each gap reads all containers again, so an engine that sends many unusable events gets few. */
static void report_loss(struct events *ev)
{
    ev->is_gap_due = loop_timer_is_running(&ev->gap_timer);
    if (ev->is_gap_due)
        return;
    loop_timer_start(engine_loop(ev->engine), &ev->gap_timer, GAP_MS, on_gap_timer);
    report_gap(ev);
}

static void on_line(struct events *ev, const char *text, size_t size)
{
    struct event e;
    struct error err = ERROR_INIT;
    int r = event_decode(text, size, &e, &err);

    if (r < 0) {
        log_warn(NULL, "an event of the engine is lost, all containers are read again: %s",
                 err.msg);
        report_loss(ev);
        return;
    }
    if (e.time_ns > ev->last_ns)
        ev->last_ns = e.time_ns;
    facts_on_event(ev->facts, e.type, e.action, e.id);
    if (str_eq(e.type, "container") && str_is_hex(e.id, 64) && !events_is_noise(&e) &&
        !is_known(ev, &e) && health_watch_is_change(&ev->health, &e)) {
        if (ev->log)
            event_log_add(ev->log, &e, text, size);
        warn_of_cut(ev, &e);
        append_event(ev, &e, size);
        listeners_emit(&ev->listeners, struct events_listener, on_event,
                       &entry_at(ev, ev->end - 1)->event);
    }
    engine_event_done(&e);
}

/* Handles a line of which only the first MAX_LINE bytes are known. */
static void on_long_line(struct events *ev)
{
    _cleanup_free_ char *text = event_complete(buf_str(&ev->line), ev->line.size,
                                               time_utc_ms() * 1000000);
    struct event e;

    if (text && event_decode(text, strlen(text), &e, NULL) == 0) {
        log_warn(LOG_FIELDS("container", e.id),
                 "event %s is longer than %zu bytes: its attributes are left out", e.action,
                 MAX_LINE);
        engine_event_done(&e);
        on_line(ev, text, strlen(text));
    } else {
        log_warn(NULL, "an event of the engine is longer than %zu bytes and is lost", MAX_LINE);
    }
    report_loss(ev);
}

static void on_stream_data(void *owner, const void *data, size_t size)
{
    struct events *ev = owner;
    const char *p = data;

    ev->heard_at_ms = time_monotonic_ms();

    while (size > 0) {
        const char *newline = memchr(p, '\n', size);
        size_t n = newline ? (size_t)(newline - p) : size;

        if (ev->line.size + n > MAX_LINE) {
            ev->is_line_too_long = true;
            (void)buf_append(&ev->line, p, MAX_LINE - ev->line.size); /* it fits */
        } else {
            (void)buf_append(&ev->line, p, n);
        }
        if (newline) {
            if (ev->is_line_too_long) {
                on_long_line(ev);
            } else if (ev->line.size > 0) {
                on_line(ev, buf_str(&ev->line), ev->line.size);
            }
            ev->is_line_too_long = false;
            buf_clear(&ev->line);
            n++;
        }
        p += n;
        size -= n;
    }
}

static int ask(const struct events *ev, struct engine_call **ret, engine_done_fn done)
{
    return engine_call_start(ret, ev->engine,
                             &(struct engine_request){
                                 .path = "/_ping",
                                 .timeout_ms = PROBE_TIMEOUT_MS,
                                 .done = done,
                                 .owner = (void *)(uintptr_t)ev,
                             },
                             NULL);
}

static void probe(struct events *ev);

static void on_retry(struct loop_timer *t)
{
    probe(CONTAINER_OF(t, struct events, timer));
}

static void stop_checks(struct events *ev)
{
    loop_timer_stop(&ev->check_timer);
    engine_call_cancel(TAKE_PTR(ev->check));
}

/* `what` happened to the engine, and why; NULL: nothing. Returns whether that has changed. */
static bool set_trouble(struct events *ev, const char *what, const char *why)
{
    char *trouble = what ? xasprintf("%s: %s", what, why) : NULL;
    bool has_changed = !str_eq(ev->trouble, trouble);

    free(ev->trouble);
    ev->trouble = trouble;
    if (has_changed)
        listeners_emit(&ev->listeners, struct events_listener, on_trouble, ev);
    return has_changed;
}

static void retry_after(struct events *ev, const char *why, uint64_t delay_ms)
{
    if (!ev->is_failing)
        log_warn(NULL, "no event stream from the engine: %s", why);
    ev->is_failing = true;
    stop_checks(ev);
    events_set_state(ev, EVENTS_WAITING);
    loop_timer_start(engine_loop(ev->engine), &ev->timer, delay_ms, on_retry);
}

static void retry_later(struct events *ev, const char *why)
{
    retry_after(ev, why, backoff_next(&ev->backoff));
}

/*
 * A socket proxy may allow the lists, but not the events. Then changes are found by reading the
 * lists now and then, and the host shows why it is slow.
 */
static void poll_instead(struct events *ev, const char *why)
{
    set_trouble(ev, "the engine's events are refused, so changes show after up to 30 s", why);
    retry_after(ev, why, REFUSED_MS);
    report_gap(ev);
}

static void on_stream_end(void *owner, const struct engine_reply *reply)
{
    struct events *ev = owner;

    ev->call = NULL;
    loop_timer_stop(&ev->timer);
    if (ev->state == EVENTS_OPENING && reply->status >= 400) {
        poll_instead(ev, reply->message);
        return;
    }
    facts_clear(ev->facts);
    if (time_monotonic_ms() - ev->opened_at_ms > STABLE_MS)
        backoff_reset(&ev->backoff);
    retry_later(ev, reply->code < 0 ? reply->message : "stream ended");
}

static void on_check(void *owner, const struct engine_reply *reply);

static void on_check_due(struct loop_timer *t)
{
    struct events *ev = CONTAINER_OF(t, struct events, check_timer);

    if (ask(ev, &ev->check, on_check) < 0)
        loop_timer_start(engine_loop(ev->engine), &ev->check_timer, CHECK_MS, on_check_due);
}

/* An engine that does not answer sends no events either: reopen the stream once it is back. */
static void on_check(void *owner, const struct engine_reply *reply)
{
    struct events *ev = owner;

    ev->check = NULL;
    if (reply->code == 0) {
        ev->heard_at_ms = time_monotonic_ms();
        loop_timer_start(engine_loop(ev->engine), &ev->check_timer, CHECK_MS, on_check_due);
        return;
    }
    engine_call_cancel(TAKE_PTR(ev->call));
    facts_clear(ev->facts);
    set_trouble(ev, NOTICE_NO_ANSWER, reply->message);
    retry_later(ev, reply->message);
}

/* The stream repeats events from last_ns on, so state that is read from now on is not older than
 * the events that follow. But the engine keeps only its newest 256 events, and none from before its
 * restart. */
static void on_stream_open(void *owner)
{
    struct events *ev = owner;

    loop_timer_stop(&ev->timer);
    events_set_state(ev, EVENTS_LIVE);
    set_trouble(ev, NULL, NULL);
    if (ev->is_failing)
        log_info(NULL, "event stream of the engine is open again");
    ev->is_failing = false;
    ev->opened_at_ms = time_monotonic_ms();
    loop_timer_start(engine_loop(ev->engine), &ev->check_timer, CHECK_MS, on_check_due);
    report_gap(ev);
}

static void on_open_late(struct loop_timer *t)
{
    struct events *ev = CONTAINER_OF(t, struct events, timer);

    engine_call_cancel(TAKE_PTR(ev->call));
    set_trouble(ev, NOTICE_NO_ANSWER, "no answer to the request for its events");
    retry_later(ev, "no answer in time");
}

/*
 * Returns the time since which events may be missing: normally that of the newest event. After the
 * clock was set back that time is in the future; then it is the time of the engine's last answer.
 */
static int64_t missing_since(const struct events *ev)
{
    int64_t now_ms = time_utc_ms();
    int64_t silent_ms = (int64_t)(time_monotonic_ms() - ev->heard_at_ms) + CLOCK_SLACK_MS;

    return ev->last_ns > now_ms * 1000000 ? (now_ms - silent_ms) * 1000000 : ev->last_ns;
}

static void open_stream(struct events *ev)
{
    /* {"type":["container","image"]} */
    static const char filters[] = "%7B%22type%22%3A%5B%22container%22%2C%22image%22%5D%7D";
    int64_t since = missing_since(ev);
    _cleanup_free_ char *path = xasprintf("/events?since=%lld.%09lld&filters=%s",
                                          (long long)(since / 1000000000),
                                          (long long)(since % 1000000000), filters);
    struct error err = ERROR_INIT;
    int r;

    buf_clear(&ev->line);
    ev->is_line_too_long = false;
    r = engine_call_start(&ev->call, ev->engine,
                          &(struct engine_request){
                              .path = path,
                              .on_data = on_stream_data,
                              .on_open = on_stream_open,
                              .done = on_stream_end,
                              .owner = ev,
                          },
                          &err);
    if (r < 0) {
        retry_later(ev, err.msg);
        return;
    }
    events_set_state(ev, EVENTS_OPENING);
    loop_timer_start(engine_loop(ev->engine), &ev->timer, OPEN_MS, on_open_late);
}

static void on_probe(void *owner, const struct engine_reply *reply)
{
    struct events *ev = owner;

    ev->call = NULL;
    if (reply->code < 0) {
        const char *advice = dead_socket_advice(engine_address(ev->engine), reply->code);
        _cleanup_free_ char *why = xasprintf("%s%s%s", reply->message, advice ? "; " : "",
                                             advice ? advice : "");

        /* The end of its stream was logged before. */
        if (set_trouble(ev, NOTICE_NO_ANSWER, why) && advice && ev->is_failing)
            log_warn(NULL, NOTICE_NO_ANSWER ": %s", why);
        retry_later(ev, why);
    } else {
        open_stream(ev);
    }
}

static void probe(struct events *ev)
{
    int r = ask(ev, &ev->call, on_probe);

    if (r < 0) {
        set_trouble(ev, NOTICE_NO_ANSWER, error_text(r));
        retry_later(ev, error_text(r));
    } else {
        events_set_state(ev, EVENTS_PROBING);
    }
}

struct events *events_new(struct engine *engine, struct facts *facts)
{
    struct events *ev = xcalloc(1, sizeof(*ev));

    ev->engine = engine;
    ev->facts = facts;
    buf_init(&ev->line, MAX_LINE);
    backoff_init(&ev->backoff, 500, 15000);
    return ev;
}

void events_free(struct events *ev)
{
    if (!ev)
        return;
    loop_timer_stop(&ev->timer);
    loop_timer_stop(&ev->gap_timer);
    stop_checks(ev);
    engine_call_cancel(ev->call);
    listeners_done(&ev->listeners);
    free(ev->trouble);
    while (ev->first < ev->end)
        drop_first(ev);
    buf_done(&ev->line);
    health_watch_done(&ev->health);
    free(ev);
}

void events_start(struct events *ev)
{
    assert(ev->state == EVENTS_IDLE);
    ev->last_ns = time_utc_ms() * 1000000;
    ev->covered_since = ev->last_ns;
    ev->heard_at_ms = time_monotonic_ms();
    probe(ev);
}

void events_set_log(struct events *ev, struct event_log *log)
{
    ev->log = log;
}

struct event_log *events_log(const struct events *ev)
{
    return ev->log;
}

void events_add_listener(struct events *ev, struct events_listener *l)
{
    listeners_add(&ev->listeners, &l->base);
}

void events_remove_listener(struct events_listener *l)
{
    listeners_remove(&l->base);
}

uint64_t events_first(const struct events *ev)
{
    return ev->first;
}

uint64_t events_end(const struct events *ev)
{
    return ev->end;
}

const struct event *events_get(const struct events *ev, uint64_t seq)
{
    return seq >= ev->first && seq < ev->end ? &entry_at(ev, seq)->event : NULL;
}

uint64_t events_seek(const struct events *ev, int64_t time_ns)
{
    uint64_t seq = ev->first;

    while (seq < ev->end && entry_at(ev, seq)->event.time_ns < time_ns)
        seq++;
    return seq;
}

uint64_t events_sent(const struct events *ev)
{
    return ev->sent;
}

void events_set_sent(struct events *ev, uint64_t seq)
{
    assert(seq <= ev->end);
    if (seq > ev->sent)
        ev->sent = seq;
}

int64_t events_covered_since(const struct events *ev)
{
    return ev->covered_since;
}

bool events_is_live(const struct events *ev)
{
    return ev->state == EVENTS_LIVE;
}

const char *events_trouble(const struct events *ev)
{
    return ev->trouble;
}
