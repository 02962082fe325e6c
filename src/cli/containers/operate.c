/*
 * start, stop, restart, kill, pause, unpause: one POST for each container, or a bulk job. Name and
 * arguments of the operation are those of proto/operation.h.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/output.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/containers/bulk.h"
#include "cli/containers/containers.h"
#include "cli/containers/start_attached.h"

#include <stdlib.h>

#define USAGE "CONTAINER [CONTAINER...]"

struct stop_options {
    const char *time;         /* stop, restart */
    const char *signal;       /* kill */
    bool attach, interactive; /* start */
};

static const struct flag stop_flags[] = {
    {"time", 't', FLAG_STRING, offsetof(struct stop_options, time), "SECONDS",
     "wait this long before killing the process (default 10)"},
};

static const struct flag start_flags[] = {
    {"attach",      'a', FLAG_BOOL, offsetof(struct stop_options, attach),      NULL,
     "print the output until the container stops, and exit with its exit code"},
    {"interactive", 'i', FLAG_BOOL, offsetof(struct stop_options, interactive), NULL,
     "not possible: the input of a container cannot be reached"               },
};

static const struct flag kill_flags[] = {
    {"signal", 's', FLAG_STRING, offsetof(struct stop_options, signal), "SIGNAL",
     "signal to send: a name or a number (default KILL)"},
};

struct operate {
    const struct operation_spec *spec;
    const char *time;   /* --time, or NULL */
    const char *signal; /* --signal, or NULL */
};

static void fill_request(void *owner, const json_t *container, struct client_request *r)
{
    const struct operate *o = owner;
    const char *value = o->time ? o->time : o->signal;
    const char *name = o->time ? "?timeout=" : "?signal=";
    _cleanup_free_ char *encoded = text_url_encode(value ? value : "");
    _cleanup_free_ char *tail = xasprintf("/%s%s%s", o->spec->name, value ? name : "", encoded);

    r->method = "POST";
    r->path = container_path(container, tail);
}

static json_t *make_bulk_options(const struct operate *o)
{
    json_t *options = json_object();
    uint64_t seconds = 0;

    if (o->time && parse_u64(o->time, OPERATION_MAX_STOP_S, &seconds) == 0)
        (void)json_object_set_new(options, "timeout", json_integer((json_int_t)seconds));
    return options;
}

/* `start` with -a or -i. */
static int run_attached(const struct stop_options *o, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;

    if (o->interactive) {
        output_error("start -i is not possible: DockMon cannot reach the input of a container; "
                     "start -a prints its output, and `dockmon exec -it` runs a shell in it");
        return EXIT_FAILURE;
    }
    if (words->n > 1) {
        output_error("you cannot start and attach multiple containers at once");
        return EXIT_FAILURE;
    }
    c = client_open_configured();
    return c ? start_attached(c, words->items[0]) : EXIT_FAILURE;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    struct operate o = {.spec = operation_spec(verb->operation)};
    struct error err = ERROR_INIT;
    uint64_t seconds;

    if (o.spec->arguments & TAKES_TIMEOUT)
        o.time = ((const struct stop_options *)options)->time;
    if (o.spec->arguments & TAKES_SIGNAL)
        o.signal = ((const struct stop_options *)options)->signal;
    if (o.time && args_read_number("time", o.time, 0, OPERATION_MAX_STOP_S, &seconds, &err) < 0) {
        output_error("%s", err.msg);
        return EXIT_USAGE;
    }
    if (verb->operation == OPERATION_START) {
        const struct stop_options *start = options;

        if (start->attach || start->interactive)
            return run_attached(start, words);
    }
    c = client_open_configured();
    if (!c)
        return 1;
    if (!o.signal && words->n >= BULK_MIN && words->n <= BULK_MAX)
        return bulk_run(c, o.spec->name, make_bulk_options(&o), words);
    return containers_each(c, words, &(struct containers_batch){.fill = fill_request, .owner = &o});
}

/* clang-format off: one verb per block */
#define OPERATE(verb_name, id, state, text, sample, ...)                               \
    const struct verb verb_##verb_name = {.name = #verb_name,                          \
                                          .operation = (id),                           \
                                          .summary = (text),                           \
                                          .examples = (sample),                        \
                                          .words = (state),                            \
                                          .min_words = 1,                              \
                                          .options_size = sizeof(struct stop_options), \
                                          .run = run,                                  \
                                          __VA_ARGS__}
/* clang-format on */

#define PLAIN .usage = USAGE
#define TIMED .usage = "[OPTIONS] " USAGE, VERB_FLAGS(stop_flags)

OPERATE(start,
        OPERATION_START,
        WORDS_STOPPED,
        "Start stopped containers",
        "  dockmon start web\n  dockmon start prod-1/web prod-2/web\n  dockmon start -a job\n",
        .usage = "[OPTIONS] " USAGE,
        VERB_FLAGS(start_flags));
OPERATE(stop,
        OPERATION_STOP,
        WORDS_ALIVE,
        "Stop running containers",
        "  dockmon stop -t 30 db\n",
        TIMED);
OPERATE(restart,
        OPERATION_RESTART,
        WORDS_CONTAINERS,
        "Restart containers",
        "  dockmon restart prod-1/web\n",
        TIMED);
OPERATE(kill,
        OPERATION_KILL,
        WORDS_ALIVE,
        "Send a signal to running containers (SIGKILL by default)",
        "  dockmon kill web\n  dockmon kill -s HUP proxy\n",
        .usage = "[OPTIONS] " USAGE,
        VERB_FLAGS(kill_flags));
OPERATE(pause,
        OPERATION_PAUSE,
        WORDS_RUNNING,
        "Pause all processes in containers",
        "  dockmon pause batch\n",
        PLAIN);
OPERATE(unpause,
        OPERATION_UNPAUSE,
        WORDS_PAUSED,
        "Resume paused containers",
        "  dockmon unpause batch\n",
        PLAIN);
