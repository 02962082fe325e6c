/*
 * Simulates agents that connect to a running server, in one process; `fleet --help` lists the
 * options. Prints a line of counters to stdout every second. SIGUSR1 drops all connections at once;
 * the members connect again within --storm-over.
 */

#include "member.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/options.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define PROGRESS_MS  1000
#define EVENTS_MS    10 /* interval at which due events and samples are sent */
#define MAX_STATE    ((size_t)16 << 20)
#define OPERATION_MS 100

struct config {
    char *url, *token, *prefix, *state;
    uint64_t n_agents, n_containers, n_seconds, rate, n_events, storm_over_ms;
    uint64_t heartbeat_ms, reply_ms, n_samples;
    bool is_insecure, wants_help;
};

#define OPT(member) offsetof(struct config, member)

/* clang-format off: one option per line, in columns */
static const struct option_spec specs[] = {
    {"url",        NULL, OPTION_STRING,   OPT(url),           0, "ws://127.0.0.1:8001", 0, 1000,
     "WS-URL of the server"                                                                                                   },
    {"token",      NULL, OPTION_STRING,   OPT(token),         0, "none",                0, 255,
     "registration token of many uses"                                                                                        },
    {"prefix",     NULL, OPTION_STRING,   OPT(prefix),        0, "sim",                 0, 40,
     "how host names and engine ids begin"                                                                                    },
    {"state",      NULL, OPTION_STRING,   OPT(state),         0, NULL,                  0, 4000,
     "FILE that keeps permanent tokens from run to run"                                                                       },
    {"agents",     NULL, OPTION_U64,      OPT(n_agents),      0, "100",                 1, 100000,  "how many"                },
    {"containers", NULL, OPTION_U64,      OPT(n_containers),  0, "5",                   0, 5000,    "of each agent"           },
    {"rate",       NULL, OPTION_U64,      OPT(rate),          0, "1000",                1, 1000000,
     "connections begun per second at the start"                                                                              },
    {"events",     NULL, OPTION_U64,      OPT(n_events),      0, "0",                   0, 1000000,
     "container events per second, all agents together"                                                                       },
    {"samples",    NULL, OPTION_U64,      OPT(n_samples),     0, "0",                   0, 100,
     "batches of samples per second of each agent, of all its containers"                                                     },
    {"heartbeat",  NULL, OPTION_DURATION, OPT(heartbeat_ms),  0, "0s",                  0, 3600000,
     "between heartbeat messages; 0: WebSocket pings alone"                                                                   },
    {"delay",      NULL, OPTION_DURATION, OPT(reply_ms),      0, "0s",                  0, 3600000,
     "how long an operation takes"                                                                                            },
    {"storm-over", NULL, OPTION_DURATION, OPT(storm_over_ms), 0, "10s",                 0, 3600000,
     "within which all dial again after SIGUSR1"                                                                              },
    {"seconds",    NULL, OPTION_U64,      OPT(n_seconds),     0, "60",                  1, 86400,   "until it ends"           },
    {"insecure",   NULL, OPTION_BOOL,     OPT(is_insecure),   0, "false",               0, 0,       "accept any certificate"  },
    {"help",       NULL, OPTION_BOOL,     OPT(wants_help),    0, "false",               0, 0,       "print this text and exit"},
};
/* clang-format on */

struct simulation {
    struct config config;
    struct fleet fleet;
    struct member *members;
    struct loop_timer progress, events, samples, end;
    uint64_t started_ms, stormed_ms, online_ms; /* online_ms: when all were online; 0: not yet */
    uint64_t n_due;                             /* events that should have been sent so far */
    uint64_t next_event, next_batch;
};

static double seconds_since(uint64_t ms)
{
    return (double)(time_monotonic_ms() - ms) / 1000.0;
}

static void on_progress(struct loop_timer *t)
{
    struct simulation *s = CONTAINER_OF(t, struct simulation, progress);
    const struct fleet *f = &s->fleet;

    if (!s->online_ms && f->n_in_state[MEMBER_ONLINE] == s->config.n_agents) {
        s->online_ms = time_monotonic_ms();
        printf("settled seconds=%.1f\n",
               seconds_since(s->stormed_ms ? s->stormed_ms : s->started_ms));
    }
    if (time_monotonic_ms() / PROGRESS_MS != (time_monotonic_ms() - OPERATION_MS) / PROGRESS_MS) {
        printf("t=%.1f online=%" PRIu64 " joining=%" PRIu64 " dialling=%" PRIu64 " lost=%" PRIu64
               " refused=%" PRIu64 " commands=%" PRIu64 " events=%" PRIu64 " batches=%" PRIu64
               " unsent=%" PRIu64 " acked=%" PRIu64 "\n",
               seconds_since(s->started_ms), f->n_in_state[MEMBER_ONLINE],
               f->n_in_state[MEMBER_JOINING], f->n_in_state[MEMBER_DIALLING], f->n_lost,
               f->n_refused, f->n_commands, f->n_events, f->n_batches, f->n_unsent, f->n_acked);
    }
    (void)fflush(stdout);
    loop_timer_start(f->loop, t, OPERATION_MS, on_progress);
}

static void on_events(struct loop_timer *t)
{
    struct simulation *s = CONTAINER_OF(t, struct simulation, events);
    const uint64_t n = s->config.n_agents;

    loop_timer_start(s->fleet.loop, t, EVENTS_MS, on_events);
    if (!s->online_ms)
        return;
    s->n_due = (time_monotonic_ms() - s->online_ms) * s->config.n_events / 1000;
    while (s->next_event < s->n_due) {
        uint64_t i = s->next_event++;

        /* First a container of every member, then the next container of each. */
        (void)member_report_event(&s->members[i % n], i / n);
    }
}

/* Spreads the agents evenly over the second: real agents do not measure at the same moment. */
static void on_samples(struct loop_timer *t)
{
    struct simulation *s = CONTAINER_OF(t, struct simulation, samples);
    const uint64_t n = s->config.n_agents;
    uint64_t n_due;

    loop_timer_start(s->fleet.loop, t, EVENTS_MS, on_samples);
    if (!s->online_ms)
        return;
    n_due = (time_monotonic_ms() - s->online_ms) * n * s->config.n_samples / 1000;
    for (; s->next_batch < n_due; s->next_batch++)
        (void)member_report_samples(&s->members[s->next_batch % n]);
}

static void storm(struct simulation *s)
{
    s->stormed_ms = time_monotonic_ms();
    s->online_ms = 0;
    s->next_event = 0;
    s->next_batch = 0;
    for (uint64_t i = 0; i < s->config.n_agents; i++) {
        member_drop(&s->members[i]);
        member_dial_after(&s->members[i], random_below(s->config.storm_over_ms + 1));
    }
    printf("storm\n");
}

static void on_signal(void *owner, int signal)
{
    struct simulation *s = owner;

    if (signal == SIGUSR1) {
        storm(s);
    } else {
        loop_stop(s->fleet.loop);
    }
}

static void on_end(struct loop_timer *t)
{
    loop_stop(t->loop);
}

static void read_state(struct simulation *s)
{
    _cleanup_free_ char *text = NULL;
    char *rest;
    struct error err = ERROR_INIT;

    if (!s->config.state || file_read(s->config.state, MAX_STATE, &text, NULL, &err) < 0)
        return; /* the first run */
    rest = text;
    for (uint64_t i = 0; rest && i < s->config.n_agents; i++) {
        const char *line = strsep(&rest, "\n");

        if (strlen(line) < MEMBER_TOKEN_SIZE)
            str_copy(s->members[i].token, sizeof(s->members[i].token), line);
    }
}

static void write_state(const struct simulation *s)
{
    struct buf text = BUF_INIT(MAX_STATE);
    struct error err = ERROR_INIT;
    int r = 0;

    if (!s->config.state)
        return;
    for (uint64_t i = 0; r == 0 && i < s->config.n_agents; i++)
        r = buf_printf(&text, "%s\n", s->members[i].token);
    if (r == 0 && file_write_atomic(s->config.state, text.data, text.size, 0600, &err) < 0)
        (void)fprintf(stderr, "%s\n", err.msg);
    buf_done(&text);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* too few show as lost connections */
    }
}

static int run(struct simulation *s)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
    const struct config *c = &s->config;
    struct error err = ERROR_INIT;

    raise_descriptor_limit();
    if (loop_new(&s->fleet.loop, &(struct loop_options){0}, &err) < 0 ||
        loop_on_signals(s->fleet.loop, signals, ARRAY_LEN(signals), on_signal, s) < 0)
        return 1;
    s->members = xcalloc(c->n_agents, sizeof(*s->members));
    for (uint64_t i = 0; i < c->n_agents; i++)
        member_init(&s->members[i], &s->fleet, (uint32_t)i);
    read_state(s);
    s->started_ms = time_monotonic_ms();
    for (uint64_t i = 0; i < c->n_agents; i++)
        member_dial_after(&s->members[i], i * 1000 / c->rate);
    loop_timer_start(s->fleet.loop, &s->progress, 0, on_progress);
    loop_timer_start(s->fleet.loop, &s->end, c->n_seconds * 1000, on_end);
    if (c->n_events)
        loop_timer_start(s->fleet.loop, &s->events, EVENTS_MS, on_events);
    if (c->n_samples)
        loop_timer_start(s->fleet.loop, &s->samples, EVENTS_MS, on_samples);
    loop_run(s->fleet.loop);
    write_state(s);
    return 0; /* the end of the process closes thousands of sockets and frees the memory */
}

int main(int argc, char **argv)
{
    static struct simulation s;
    struct config *c = &s.config;
    struct buf text = BUF_INIT((size_t)64 * 1024);
    const struct option_source source = {
        .argc = argc, .argv = argv, .env = (const char *const[]){NULL}};
    int first;

    if (options_parse(specs, ARRAY_LEN(specs), &source, c, &first, &text) < 0 || first < argc) {
        (void)fprintf(stderr, "%s%s", buf_str(&text), first < argc ? "unexpected argument\n" : "");
        return 2;
    }
    if (c->wants_help) {
        options_help(specs, ARRAY_LEN(specs), &text);
        printf("Simulates agents that connect to a running server.\n\n%s", buf_str(&text));
        return 0;
    }
    s.fleet.url = xasprintf("%s/api/agent/ws", c->url);
    s.fleet.registration_token = c->token;
    s.fleet.prefix = c->prefix;
    s.fleet.is_insecure = c->is_insecure;
    s.fleet.n_containers = c->n_containers;
    s.fleet.heartbeat_ms = c->heartbeat_ms;
    s.fleet.reply_ms = c->reply_ms;
    s.fleet.has_samples = c->n_samples > 0;
    s.fleet.epoch = (uint64_t)time_utc_ms();
    return run(&s);
}
