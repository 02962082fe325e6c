#include "agent/engine/exec_killer.h"
#include "agent/engine/process_mark.h"
#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/random.h"
#include "base/state.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK_MS      300 /* between two checks of the process */
#define MAX_CHECKS    10
#define CALL_MS       10000
#define SWEEP_KILL_MS 1000
#define PREFIX_SIZE   64

/*
 * Uses builtins only, because a container may have little more than a shell. The environment of the
 * script does not carry the mark.
 */
static const char script[] =
    "for d in /proc/[0-9]*; do\n"
    "  while IFS= read -r line || [ -n \"$line\" ]; do\n"
    "    case $line in *\"$1\"*) kill -s \"$2\" \"${d#/proc/}\"; break;; esac\n"
    "  done < \"$d/environ\"\n"
    "done 2>/dev/null; exit 0";

enum task_state {
    TASK_CHECKING,
    TASK_WAITING,
    TASK_CREATING,
    TASK_STARTING,
};

/* One process that is being ended. Freed when it has ended, or when no further attempt is made. */
struct task {
    struct exec_killer *owner;
    struct list link;
    enum task_state state;
    char *container, *exec_id, *user;
    char mark[EXEC_MARK_SIZE];
    unsigned n_checks;
    bool has_signalled; /* SIGHUP was sent: SIGKILL is next */
    struct engine_call *call;
    struct loop_timer timer;
};

static const struct state_row task_rows[] = {
    STATE_ROW(TASK_CHECKING, "checking", STATE_TO(TASK_WAITING) | STATE_TO(TASK_CREATING)),
    STATE_ROW(TASK_WAITING, "waiting", STATE_TO(TASK_CHECKING)),
    STATE_ROW(TASK_CREATING, "creating", STATE_TO(TASK_STARTING)),
    STATE_ROW(TASK_STARTING, "starting", STATE_TO(TASK_WAITING)),
};
static const struct state_machine task_machine = STATE_MACHINE("exec killer", task_rows);

struct exec_killer {
    struct engine *engine;
    char *home;
    char prefix[PREFIX_SIZE]; /* of all marks; "" until it is needed */
    struct list tasks;
    size_t n_tasks;
    struct loop_timer sweep_timer;
    struct completion drained;
};

struct exec_killer *exec_killer_new(struct engine *engine, const char *home)
{
    struct exec_killer *k = xcalloc(1, sizeof(*k));

    k->engine = engine;
    k->home = xstrdup(home);
    list_init(&k->tasks);
    return k;
}

/*
 * Device and inode distinguish this agent from all others of the machine, and are the same in its
 * next run.
 */
static const char *get_prefix(struct exec_killer *k)
{
    struct stat st = {0};

    if (k->prefix[0])
        return k->prefix;
    if (stat(k->home, &st) < 0)
        log_debug(LOG_FIELDS("path", k->home), "%s", error_text(-errno));
    (void)snprintf(k->prefix, sizeof(k->prefix), EXEC_MARK_NAME "=%jx-%jx.", (uintmax_t)st.st_dev,
                   (uintmax_t)st.st_ino);
    return k->prefix;
}

static void task_free(struct task *t)
{
    engine_call_cancel(t->call);
    loop_timer_stop(&t->timer);
    list_unlink(&t->link);
    t->owner->n_tasks--;
    free(t->container);
    free(t->exec_id);
    free(t->user);
    free(t);
}

void exec_killer_free(struct exec_killer *k)
{
    if (!k)
        return;
    loop_timer_stop(&k->sweep_timer);
    completion_done(&k->drained);
    while (!list_empty(&k->tasks))
        task_free(CONTAINER_OF(list_take_first(&k->tasks), struct task, link));
    free(k->home);
    free(k);
}

void exec_killer_make_mark(struct exec_killer *k, char ret[EXEC_MARK_SIZE])
{
    _cleanup_free_ char *random = random_token(12);

    (void)snprintf(ret, EXEC_MARK_SIZE, "%s%s", get_prefix(k), random);
}

static void on_sweep_timer(struct loop_timer *t)
{
    const struct exec_killer *k = CONTAINER_OF(t, struct exec_killer, sweep_timer);

    (void)process_mark_signal(k->prefix, SIGKILL);
}

void exec_killer_sweep(struct exec_killer *k)
{
    unsigned n = process_mark_signal(get_prefix(k), SIGHUP);

    if (!n)
        return;
    log_warn(NULL,
             "found processes of an earlier run of this agent in containers: ending %u of them", n);
    loop_timer_start(engine_loop(k->engine), &k->sweep_timer, SWEEP_KILL_MS, on_sweep_timer);
}

/* --- one process ------------------------------------------------------------------------------ */

static void check_drained(struct exec_killer *k);
static void check(struct task *t);

static void set_state(struct task *t, enum task_state state)
{
    state_check(&task_machine, t->exec_id, t->state, state);
    t->state = state;
}

/* Frees t. */
static void finish(struct task *t)
{
    struct exec_killer *k = t->owner;

    task_free(t);
    check_drained(k);
}

static void give_up(struct task *t, const char *why)
{
    log_warn(LOG_FIELDS("container", t->container, "exec", t->exec_id),
             "could not end a process in a container: %s", why);
    finish(t);
}

static void on_wait_over(struct loop_timer *timer)
{
    check(CONTAINER_OF(timer, struct task, timer));
}

static void wait_and_check(struct task *t)
{
    set_state(t, TASK_WAITING);
    loop_timer_start(engine_loop(t->owner->engine), &t->timer, CHECK_MS, on_wait_over);
}

/* May free t. */
static void start_call(struct task *t, const struct engine_request *request)
{
    struct engine_request q = *request;
    struct error err = ERROR_INIT;

    q.timeout_ms = CALL_MS;
    q.owner = t;
    if (engine_call_start(&t->call, t->owner->engine, &q, &err) < 0)
        give_up(t, err.msg);
}

static void on_started(void *owner, const struct engine_reply *reply)
{
    struct task *t = owner;

    t->call = NULL;
    if (reply->code < 0) {
        give_up(t, reply->message);
        return;
    }
    wait_and_check(t);
}

static void on_created(void *owner, const struct engine_reply *reply)
{
    struct task *t = owner;
    const char *id = json_string_value(json_object_get(reply->json, "Id"));
    _cleanup_free_ char *path = NULL;

    t->call = NULL;
    if (reply->code == -ENOENT) {
        finish(t); /* the container was removed, and every process in it */
        return;
    }
    if (reply->code < 0 || !str_is_hex(id, 64)) {
        give_up(t,
                reply->code < 0 ? reply->message : "docker engine created a process without an id");
        return;
    }
    path = xasprintf("/exec/%s/start", id);
    set_state(t, TASK_STARTING);
    start_call(
        t, &(struct engine_request){
               .method = "POST", .path = path, .body = "{\"Detach\":true}", .done = on_started});
}

static void signal_inside(struct task *t, const char *name)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s/exec", t->container);
    json_auto_t *body = json_pack(
        "{s:o*, s:[s, s, o, s, o, o]}", "User", t->user ? json_text_str(t->user) : NULL, "Cmd",
        "/bin/sh", "-c", json_text_str(script), "sh", json_text_str(t->mark), json_text_str(name));
    _cleanup_free_ char *text = json_dumps(body, JSON_COMPACT);

    set_state(t, TASK_CREATING);
    start_call(
        t,
        &(struct engine_request){
            .method = "POST", .path = path, .body = text, .wants_json = true, .done = on_created});
}

static void on_checked(void *owner, const struct engine_reply *reply)
{
    struct task *t = owner;
    bool is_kill = t->has_signalled;

    t->call = NULL;
    if (reply->code == -ENOENT) {
        finish(t);
        return;
    }
    if (reply->code < 0) {
        give_up(t, reply->message);
        return;
    }
    if (!json_is_true(json_object_get(reply->json, "Running"))) {
        /* It may not run yet: the request to start it may still be on its way. */
        bool has_run = t->has_signalled || json_integer_value(json_object_get(reply->json, "Pid"));

        if (has_run || t->n_checks > 2) {
            finish(t);
        } else {
            wait_and_check(t);
        }
        return;
    }
    if (t->n_checks > MAX_CHECKS) {
        give_up(t, "it is still running");
        return;
    }
    t->has_signalled = true;
    if (process_mark_signal(t->mark, is_kill ? SIGKILL : SIGHUP)) {
        wait_and_check(t);
    } else {
        signal_inside(t, is_kill ? "KILL" : "HUP");
    }
}

static void request_status(struct task *t)
{
    _cleanup_free_ char *path = xasprintf("/exec/%s/json", t->exec_id);

    t->n_checks++;
    start_call(t, &(struct engine_request){.path = path, .wants_json = true, .done = on_checked});
}

static void check(struct task *t)
{
    set_state(t, TASK_CHECKING);
    request_status(t);
}

void exec_killer_end(struct exec_killer *k, const struct exec_process *p)
{
    struct task *t = xcalloc(1, sizeof(*t));

    t->owner = k;
    t->container = xstrdup(p->container);
    t->exec_id = xstrdup(p->exec_id);
    t->user = xstrdup(p->user);
    str_copy(t->mark, sizeof(t->mark), p->mark);
    list_init(&t->link);
    list_append(&k->tasks, &t->link);
    k->n_tasks++;
    request_status(t);
}

size_t exec_killer_pending(const struct exec_killer *k)
{
    return k->n_tasks;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void check_drained(struct exec_killer *k)
{
    if (list_empty(&k->tasks))
        completion_signal(&k->drained, engine_loop(k->engine));
}

void exec_killer_drain(struct exec_killer *k, struct completion_wait *w, completion_fn fn)
{
    completion_await(&k->drained, w, fn);
    check_drained(k);
}
