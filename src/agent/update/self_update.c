#include "agent/update/self_update.h"
#include "agent/config/release_pin.h"
#include "agent/config/token.h"
#include "agent/update/self_fetch.h"
#include "agent/update/self_stage.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/state.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/error_code.h"
#include "proto/json_text.h"
#include "proto/release.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORD     "self-update.json"
#define UNDONE     "undone" /* the launcher's reason */
#define MAX_RECORD ((size_t)16 * 1024)
#define MAX_UNDONE ((size_t)1024)
#define STEP_BYTES (INT64_C(1) << 20) /* between two reports of the download */

#define NO_LAUNCHER                                                                               \
    "this agent was not started by dockmon-agent-launch, which would undo an update that fails: " \
    "update its package, or run the installation script of the server again"
#define IN_CONTAINER \
    "this agent runs in a container: pull its new image and create the container again"

enum self_state { SELF_IDLE, SELF_FETCHING, SELF_LEAVING, SELF_TRIAL };

struct self_update {
    struct self_update_options o;
    enum self_state state;
    struct self_stage stage;
    char *record_path, *undone_path; /* NULL: there is no launcher */
    char *token;                     /* NULL: not known yet */
    bool has_record;
    struct self_update_record record;
    int64_t reported; /* bytes */
    struct self_fetch *fetch;
    struct loop_timer timer; /* of a trial; or the next step of the update */
    struct listeners listeners;
};

static const struct state_row states[] = {
    STATE_ROW(SELF_IDLE, "idle", STATE_TO(SELF_FETCHING) | STATE_TO(SELF_TRIAL)),
    STATE_ROW(SELF_FETCHING, "fetching", STATE_TO(SELF_IDLE) | STATE_TO(SELF_LEAVING)),
    STATE_ROW(SELF_LEAVING, "leaving", 0),
    STATE_ROW(SELF_TRIAL, "trial", STATE_TO(SELF_IDLE) | STATE_TO(SELF_LEAVING)),
};

static const struct state_machine machine = STATE_MACHINE("self-update", states);

static void set_state(struct self_update *su, enum self_state state)
{
    state_check(&machine, NULL, su->state, state);
    loop_timer_stop(&su->timer);
    su->state = state;
}

struct self_update *self_update_new(const struct self_update_options *o)
{
    struct self_update *su = xcalloc(1, sizeof(*su));

    su->o = *o;
    su->o.launch_dir = NULL;
    self_stage_init(&su->stage, o->launch_dir ? o->launch_dir : "");
    if (o->launch_dir) {
        su->record_path = self_stage_path(&su->stage, RECORD);
        su->undone_path = self_stage_path(&su->stage, UNDONE);
    }
    return su;
}

void self_update_free(struct self_update *su)
{
    if (!su)
        return;
    loop_timer_stop(&su->timer);
    self_fetch_cancel(su->fetch);
    listeners_done(&su->listeners);
    self_stage_done(&su->stage);
    self_update_record_done(&su->record);
    token_free(su->token);
    free(su->record_path);
    free(su->undone_path);
    free(su);
}

void self_update_add_listener(struct self_update *su, struct self_update_listener *l)
{
    listeners_add(&su->listeners, &l->base);
}

void self_update_remove_listener(struct self_update_listener *l)
{
    listeners_remove(&l->base);
}

const struct self_update_record *self_update_record(const struct self_update *su)
{
    return su->has_record ? &su->record : NULL;
}

void self_update_set_token(struct self_update *su, const char *token)
{
    token_free(su->token);
    su->token = token ? xstrdup(token) : NULL;
}

/* --- the record --- */

static int store(const struct self_update *su, struct error *err)
{
    json_auto_t *v = self_update_record_encode(&su->record);
    size_t size;
    _cleanup_free_ char *text = json_text_write(v, &size);

    return file_write_atomic(su->record_path, text, size, 0600, err);
}

static void store_or_log(const struct self_update *su)
{
    struct error err = ERROR_INIT;

    if (store(su, &err) < 0)
        log_error(LOG_FIELDS("path", su->record_path), "the self-update: %s", err.msg);
}

static void set_text(char **member, const char *text)
{
    free(*member);
    *member = xstrdup(text);
}

static void notify(struct self_update *su)
{
    listeners_emit(&su->listeners, struct self_update_listener, on_change, &su->record);
}

static void set_stage(struct self_update *su, const char *stage)
{
    set_text(&su->record.stage, stage);
    log_info(LOG_FIELDS("version", su->record.version, "stage", stage), "self-update");
}

static void end_record(struct self_update *su, const char *state, const char *why)
{
    set_text(&su->record.state, state);
    if (why)
        set_text(&su->record.error, why);
    su->record.ended_at = time_utc_ms();
    store_or_log(su);
    if (why) {
        log_error(LOG_FIELDS("version", su->record.version, "stage", su->record.stage),
                  "the self-update has failed: %s", why);
    } else {
        log_info(LOG_FIELDS("version", su->record.version), "the self-update is complete");
    }
}

static int load(struct self_update *su, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    json_auto_t *v = NULL;
    size_t size;
    int r = file_read(su->record_path, MAX_RECORD, &text, &size, err);

    if (r < 0)
        return r;
    v = json_text_parse(text, size, 0, err);
    if (!v)
        return -EBADMSG;
    r = self_update_record_decode(v, &su->record, err);
    su->has_record = r == 0;
    return r;
}

/* --- an update of an earlier process --- */

static void on_trial_over(struct loop_timer *t)
{
    struct self_update *su = CONTAINER_OF(t, struct self_update, timer);

    if (str_is_empty(su->record.error)) {
        set_text(&su->record.error, "the engine or the server did not answer");
        store_or_log(su);
    }
    log_error(LOG_FIELDS("version", su->record.version),
              "this new version was not accepted by the server in time, so it ends: %s",
              su->record.error);
    set_state(su, SELF_LEAVING);
    su->o.leave(su->o.owner, true);
}

static void begin_trial(struct self_update *su)
{
    set_state(su, SELF_TRIAL);
    set_stage(su, "trial");
    free(TAKE_PTR(su->record.error)); /* of the try before */
    store_or_log(su);
    loop_timer_start(su->o.loop, &su->timer, su->o.config->self_update_timeout_ms, on_trial_over);
}

/* Returns why the program before the update runs, to be freed. */
static char *explain_return(const struct self_update *su)
{
    const struct self_update_record *r = &su->record;
    _cleanup_free_ char *undone = NULL;
    size_t size;

    if (file_read(su->undone_path, MAX_UNDONE, &undone, &size, NULL) == 0) {
        return xasprintf("version %s was undone: %s%s%s", r->version, str_trim(undone),
                         r->error ? "; at its last try: " : "", r->error ? r->error : "");
    }
    if (str_eq(r->stage, "trial"))
        return xasprintf("version %s was undone without a reason", r->version);
    return xasprintf("the agent ended at the stage %s; nothing was changed", r->stage);
}

void self_update_start(struct self_update *su)
{
    struct error err = ERROR_INIT;
    char sum[SELF_SUM_SIZE];
    int r = su->record_path ? load(su, &err) : -ENOENT;

    if (r == -ENOENT)
        return;
    if (r < 0) {
        log_warn(LOG_FIELDS("path", su->record_path), "the last self-update is forgotten: %s",
                 err.msg);
        (void)unlink(su->record_path);
        return;
    }
    if (!str_eq(su->record.state, SELF_UPDATE_RUNNING))
        return;
    r = self_stage_own_sum(sum, &err);
    if (r < 0) {
        end_record(su, SELF_UPDATE_FAILED, err.msg);
    } else if (str_eq(sum, su->record.sha256)) {
        begin_trial(su);
    } else {
        _cleanup_free_ char *why = explain_return(su);

        end_record(su, SELF_UPDATE_FAILED, why);
    }
}

void self_update_on_accepted(struct self_update *su, const char *token)
{
    self_update_set_token(su, token);
    if (!su->record_path)
        return;
    self_stage_prove(&su->stage);
    if (su->state != SELF_TRIAL)
        return;
    set_state(su, SELF_IDLE);
    free(TAKE_PTR(su->record.error));
    end_record(su, SELF_UPDATE_DONE, NULL);
}

void self_update_note_trouble(struct self_update *su, const char *text)
{
    if (su->state != SELF_TRIAL || str_is_empty(text) || str_eq(su->record.error, text))
        return;
    set_text(&su->record.error, text);
    store_or_log(su);
}

/* --- an update of this process --- */

static void fail(struct self_update *su, const char *why)
{
    set_state(su, SELF_IDLE);
    self_stage_end(&su->stage);
    end_record(su, SELF_UPDATE_FAILED, why);
    notify(su);
}

static void on_leave(struct loop_timer *t)
{
    struct self_update *su = CONTAINER_OF(t, struct self_update, timer);

    su->o.leave(su->o.owner, false);
}

static int install(struct self_update *su, struct error *err)
{
    int r;

    set_stage(su, "install");
    notify(su);
    r = self_stage_finish(&su->stage, su->record.sha256, err);
    if (r < 0)
        return r;
    /* From here on the new program may be started. */
    set_stage(su, "restart");
    r = store(su, err);
    return r < 0 ? r : self_stage_install(&su->stage, err);
}

static void on_fetched(void *owner, const struct error *why)
{
    struct self_update *su = owner;
    struct error err = ERROR_INIT;

    su->fetch = NULL;
    su->record.received = su->stage.size;
    if (why || install(su, &err) < 0) {
        fail(su, why ? why->msg : err.msg);
        return;
    }
    set_state(su, SELF_LEAVING);
    notify(su);
    loop_timer_start(su->o.loop, &su->timer, 0, on_leave);
}

static int on_data(void *owner, const void *data, size_t size, struct error *err)
{
    struct self_update *su = owner;
    int r = self_stage_write(&su->stage, data, size, err);

    if (r < 0)
        return r;
    su->record.received = su->stage.size;
    if (su->record.received - su->reported >= STEP_BYTES) {
        su->reported = su->record.received;
        notify(su);
    }
    return 0;
}

static int refuse(struct error *err, const char *text)
{
    return error_code_set(err, CODE_UPDATE_REFUSED, "%s", text);
}

static int check_version(const struct release *r, bool allow_older, struct error *err)
{
    if (release_compare(DOCKMON_VERSION, r->minimum) < 0) {
        return error_code_set(err, CODE_UPDATE_REFUSED,
                              "version %s replaces version %s or later, and this is %s: update to "
                              "a version between first",
                              r->version, r->minimum, DOCKMON_VERSION);
    }
    if (release_compare(r->version, DOCKMON_VERSION) < 0 && !allow_older) {
        return error_code_set(err, CODE_UPDATE_REFUSED,
                              "version %s is older than this one, %s: an older version is "
                              "installed only when that is asked for",
                              r->version, DOCKMON_VERSION);
    }
    return 0;
}

/* The keys that may sign a program for this agent. */
static int load_keys(const struct self_update *su, struct release_keys *ret, struct error *err)
{
    _cleanup_free_ char *pin = NULL;
    int r = release_pin_load(su->o.config->release_pin_path, &pin, err);

    if (r < 0 && r != -ENOENT)
        return r;
    if (pin)
        (void)release_keys_add(ret, pin); /* checked by release_pin_load() */
    release_keys_add_built_in(ret);
    return 0;
}

static int check_description(const struct self_update *su,
                             const struct self_update_args *args,
                             struct release *ret,
                             struct error *err)
{
    struct release_keys keys = {0};
    struct error why = ERROR_INIT;
    char sum[SELF_SUM_SIZE];

    if (load_keys(su, &keys, &why) < 0 || release_verify(args->description, &keys, ret, &why) < 0 ||
        self_stage_own_sum(sum, &why) < 0)
        return refuse(err, why.msg);
    if (!str_eq(ret->platform, release_platform())) {
        return error_code_set(err, CODE_UPDATE_REFUSED, "the program is for %s, and this is %s",
                              ret->platform, release_platform());
    }
    if (str_eq(sum, ret->sha256)) {
        return error_code_set(err, CODE_UPDATE_REFUSED,
                              "this agent is that program already: version %s", ret->version);
    }
    return check_version(ret, args->allow_older, err);
}

static void fill_record(struct self_update *su,
                        const struct self_update_args *args,
                        const struct release *r)
{
    self_update_record_done(&su->record);
    su->record = (struct self_update_record){
        .update_id = xstrdup(args->update_id),
        .version = xstrdup(r->version),
        .from_version = xstrdup(DOCKMON_VERSION),
        .sha256 = xstrdup(r->sha256),
        .state = xstrdup(SELF_UPDATE_RUNNING),
        .stage = xstrdup("download"),
        .size = args->size,
        .started_at = time_utc_ms(),
    };
    su->has_record = true;
    su->reported = 0;
}

static int begin_fetch(struct self_update *su,
                       const struct self_update_args *args,
                       struct error *err)
{
    int r = store(su, err);

    if (r == 0)
        r = self_stage_begin(&su->stage, err);
    if (r < 0)
        return r;
    return self_fetch_start(&su->fetch,
                            &(struct self_fetch_options){
                                .loop = su->o.loop,
                                .config = su->o.config,
                                .url = args->url,
                                .path = args->path,
                                .token = su->token,
                                .size = args->size,
                                .on_data = on_data,
                                .done = on_fetched,
                                .owner = su,
                            },
                            err);
}

int self_update_begin(struct self_update *su,
                      const struct self_update_args *args,
                      struct error *err)
{
    struct error why = ERROR_INIT;
    struct release release;
    int r;

    if (!su->record_path)
        return refuse(err, str_is_empty(su->o.own_container) ? NO_LAUNCHER : IN_CONTAINER);
    if (su->state != SELF_IDLE) {
        return error_code_set(err, CODE_UPDATE_IN_PROGRESS,
                              "a self-update to version %s is in progress: %s", su->record.version,
                              su->record.update_id);
    }
    r = check_description(su, args, &release, err);
    if (r < 0)
        return r;
    if (self_stage_lock(&su->stage, &why) < 0)
        return refuse(err, why.msg);
    (void)unlink(su->undone_path); /* of an earlier update */
    fill_record(su, args, &release);
    set_state(su, SELF_FETCHING);
    r = begin_fetch(su, args, &why);
    if (r < 0) {
        fail(su, why.msg);
        return refuse(err, why.msg);
    }
    log_info(
        LOG_FIELDS("version", release.version, "from", DOCKMON_VERSION, "update", args->update_id),
        "self-update begins");
    notify(su);
    return 0;
}
