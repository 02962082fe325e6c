/*
 * update, rollback: replace a container by one of a newer or another image, and put the old one
 * back. The agent does it, so that an interrupted client changes nothing.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"
#include "cli/updates/update_batch.h"
#include "cli/updates/update_follow.h"
#include "cli/updates/update_limits.h"
#include "cli/updates/update_preview.h"

#include <errno.h>

#define MAX_SECONDS (UINT64_C(90) * 86400)

struct update_options {
    const char *image, *platform, *fingerprint, *time, *health, *keep;
    bool dry_run, wait, cancel, consent, ignore_lock, json;
    struct update_batch_options batch;
    struct update_limits limits;
};

#define AT(m) offsetof(struct update_options, m)

static const struct flag flags[] = {
    {"image",              0,   FLAG_STRING, AT(image),                     "IMAGE",
     "the new image (default: what the present reference names now)"                                                                      },
    {"dry-run",            0,   FLAG_BOOL,   AT(dry_run),                   NULL,           "show what would change, and change nothing"  },
    {"wait",               'w', FLAG_BOOL,   AT(wait),                      NULL,           "show the progress until the updates are over"},
    {"cancel",             0,   FLAG_BOOL,   AT(cancel),                    NULL,
     "cancel the update in progress, possible until the old container is stopped"                                                         },
    {"time",               't', FLAG_STRING, AT(time),                      "SECONDS",
     "wait this long for the old container to stop before killing it (default 30)"                                                        },
    {"health-timeout",     0,   FLAG_STRING, AT(health),                    "SECONDS",
     "how long the new container may take to become healthy (default 120)"                                                                },
    {"keep",               0,   FLAG_STRING, AT(keep),                      "SECONDS",
     "how long the old container is kept for a rollback (default 86400)"                                                                  },
    {"platform",           0,   FLAG_STRING, AT(platform),                  "OS/ARCH",      "platform of the new image"                   },
    {"fingerprint",        0,   FLAG_STRING, AT(fingerprint),               "HASH",
     "of a --dry-run: refuse if anything has changed since"                                                                               },
    {"ignore-lock",        0,   FLAG_BOOL,   AT(ignore_lock),               NULL,
     "update even if the container has locked its update, as during a backup"                                                             },
    {"consent",            0,   FLAG_BOOL,   AT(consent),                   NULL,
     "Podman: the present addresses may become static ones"                                                                               },
    {"rings",              0,   FLAG_STRING, AT(batch.rings),               "RINGS",
     "update in rings that stop at the first failure: canary, host, tag:A,B or sizes such as 1,10%,rest"                                  },
    {"parallel",           0,   FLAG_STRING, AT(batch.parallel),            "N",
     "with --rings: updates side by side (default 3)"                                                                                     },
    {"pause",              0,   FLAG_STRING, AT(batch.pause),               "SECONDS",      "with --rings: wait between two rings"        },
    {"json",               0,   FLAG_BOOL,   AT(json),                      NULL,           "with --dry-run: print a JSON array"          },
    {"memory",             'm', FLAG_STRING, AT(limits.memory),             "BYTES",        "limit of memory, such as 512m"               },
    {"memory-reservation", 0,   FLAG_STRING, AT(limits.memory_reservation), "BYTES",
     "soft limit of memory"                                                                                                               },
    {"memory-swap",        0,   FLAG_STRING, AT(limits.memory_swap),        "BYTES",
     "limit of memory and swap together, -1 for none"                                                                                     },
    {"cpus",               0,   FLAG_STRING, AT(limits.cpus),               "NUMBER",       "how many CPUs, such as 1.5"                  },
    {"cpu-shares",         'c', FLAG_STRING, AT(limits.cpu_shares),         "WEIGHT",
     "weight among containers that want the CPU (default 1024)"                                                                           },
    {"cpu-period",         0,   FLAG_STRING, AT(limits.cpu_period),         "MICROSECONDS", "period of --cpu-quota"                       },
    {"cpu-quota",          0,   FLAG_STRING, AT(limits.cpu_quota),          "MICROSECONDS", "CPU time in each period"                     },
    {"cpuset-cpus",        0,   FLAG_STRING, AT(limits.cpuset_cpus),        "LIST",
     "CPUs that may be used, such as 0-3,7"                                                                                               },
    {"cpuset-mems",        0,   FLAG_STRING, AT(limits.cpuset_mems),        "LIST",
     "memory nodes that may be used"                                                                                                      },
    {"pids-limit",         0,   FLAG_STRING, AT(limits.pids_limit),         "NUMBER",
     "limit of processes, -1 for none"                                                                                                    },
    {"blkio-weight",       0,   FLAG_STRING, AT(limits.blkio_weight),       "WEIGHT",
     "weight of block I/O, 10 to 1000"                                                                                                    },
    {"restart",            0,   FLAG_STRING, AT(limits.restart),            "POLICY",
     "no, always, unless-stopped, on-failure or on-failure:COUNT"                                                                         },
};

/* --- the request --- */

/* Adds a number of seconds to the body. */
static int add_seconds(
    json_t *body, const char *member, const char *flag, const char *value, struct error *err)
{
    uint64_t seconds = 0;
    int r = value ? args_read_number(flag, value, 1, MAX_SECONDS, &seconds, err) : 0;

    if (value && r == 0)
        (void)json_object_set_new(body, member, json_integer((json_int_t)seconds));
    return r;
}

static void add_text(json_t *body, const char *member, const char *value)
{
    if (value)
        (void)json_object_set_new(body, member, json_string(value));
}

static int make_body(const struct update_options *o, json_t *body, struct error *err)
{
    int r = add_seconds(body, "stop_timeout", "time", o->time, err);

    if (r == 0)
        r = add_seconds(body, "health_timeout", "health-timeout", o->health, err);
    if (r == 0)
        r = add_seconds(body, "keep_s", "keep", o->keep, err);
    add_text(body, "image", o->image);
    add_text(body, "platform", o->platform);
    add_text(body, "fingerprint", o->fingerprint);
    if (o->consent)
        (void)json_object_set_new(body, "has_consent", json_true());
    if (o->ignore_lock)
        (void)json_object_set_new(body, "ignore_lock", json_true());
    return r;
}

/* Limits change in place: there is no other container, and nothing of an update. */
static int check_limits(const struct update_options *o, struct error *err)
{
    const char *limit = update_limits_first(&o->limits);
    const struct {
        bool is_set;
        const char *flag;
    } others[] = {
        {o->image != NULL,       "image"         },
        {o->dry_run,             "dry-run"       },
        {o->wait,                "wait"          },
        {o->cancel,              "cancel"        },
        {o->time != NULL,        "time"          },
        {o->health != NULL,      "health-timeout"},
        {o->keep != NULL,        "keep"          },
        {o->platform != NULL,    "platform"      },
        {o->fingerprint != NULL, "fingerprint"   },
        {o->ignore_lock,         "ignore-lock"   },
        {o->consent,             "consent"       },
        {o->batch.rings != NULL, "rings"         },
    };

    for (size_t i = 0; limit && i < ARRAY_LEN(others); i++) {
        if (others[i].is_set) {
            return error_set(err, -EINVAL,
                             "--%s changes the container in place, and --%s is about another "
                             "image: use two commands",
                             limit, others[i].flag);
        }
    }
    return 0;
}

static int check_pairs(const struct update_options *o, struct error *err)
{
    bool has_rings = o->batch.rings != NULL;
    const struct {
        bool are_set;
        const char *a, *b;
    } pairs[] = {
        {o->dry_run && o->wait,       "dry-run", "wait"       },
        {o->cancel && o->dry_run,     "cancel",  "dry-run"    },
        {o->cancel && o->wait,        "cancel",  "wait"       },
        {o->cancel && o->image,       "cancel",  "image"      },
        {has_rings && o->dry_run,     "rings",   "dry-run"    },
        {has_rings && o->cancel,      "rings",   "cancel"     },
        {has_rings && o->fingerprint, "rings",   "fingerprint"},
    };

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        if (pairs[i].are_set)
            return error_set(err, -EINVAL, MSG_EXCLUSIVE, pairs[i].a, pairs[i].b);
    }
    return 0;
}

static int check_options(const struct update_options *o,
                         const struct args_list *words,
                         struct error *err)
{
    int r = check_limits(o, err);

    if (r == 0)
        r = update_batch_check(&o->batch, err);
    if (r == 0)
        r = check_pairs(o, err);
    if (r < 0)
        return r;
    if (o->json && !o->dry_run)
        return error_set(err, -EINVAL, "--json needs --dry-run");
    if (o->fingerprint && words->n > 1) {
        return error_set(err, -EINVAL,
                         "--fingerprint is that of one container; name only this one");
    }
    return 0;
}

struct session {
    const struct update_options *o;
    json_t *body;
    json_t *previews; /* for --json */
    struct update_follow follow;
    int exit_code;
};

static void fill_request(void *owner, const json_t *container, struct client_request *r)
{
    const struct session *s = owner;

    r->method = s->o->cancel ? "DELETE" : "POST";
    r->path = container_path(container, s->o->cancel    ? "/update"
                                        : s->o->dry_run ? "/update/preview"
                                                        : "/execute-update?wait=false");
    r->body = s->o->cancel ? NULL : json_incref(s->body);
}

static void show_preview(void *owner, const char *word, const struct client_request *r)
{
    struct session *s = owner;

    if (s->o->json) {
        (void)json_array_append(s->previews, r->json);
        if (json_is_object(json_object_get(r->json, "refused")))
            s->exit_code = 1;
    } else if (update_preview_print(word, s->o->image, r->json)) {
        s->exit_code = 1;
    }
}

static void show_started(void *owner, const char *word, const struct client_request *r)
{
    struct session *s = owner;
    struct update_follow *f = &s->follow;
    const char *id = member_text(r->json, "update_id");

    f->watches[f->n++] = (struct update_watch){.word = xstrdup(word), .update_id = xstrdup(id)};
    if (!s->o->wait)
        output_line("%s %s", word, id);
}

/* Starts the updates, and follows them with --wait. */
static int start_updates(struct client *c, const struct args_list *words, struct session *s)
{
    struct update_follow *f = &s->follow;
    struct error err = ERROR_INIT;
    int exit_code = 1;

    f->watches = xcalloc(words->n, sizeof(*f->watches));
    if (s->o->wait && update_follow_start(f, c, &err) < 0) {
        output_error("%s", err.msg);
    } else {
        exit_code = containers_each(
            c, words,
            &(struct containers_batch){.fill = fill_request, .show = show_started, .owner = s});
        if (s->o->wait && f->n > 0) {
            int followed = update_follow_run(f);

            exit_code = followed ? followed : exit_code;
        }
    }
    for (size_t i = 0; i < f->n; i++)
        update_watch_done(&f->watches[i]);
    free(f->watches);
    return exit_code;
}

static int run_request(struct client *c, const struct args_list *words, struct session *s)
{
    json_auto_t *previews = json_array();
    struct containers_batch batch = {.fill = fill_request, .owner = s};
    int exit_code;

    if (!s->o->dry_run && !s->o->cancel)
        return start_updates(c, words, s);
    s->previews = previews;
    batch.show = s->o->dry_run ? show_preview : NULL;
    exit_code = containers_each(c, words, &batch);
    if (s->o->json)
        output_json(previews);
    return s->exit_code ? s->exit_code : exit_code;
}

static int run_update(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    json_auto_t *body = json_object(), *limits = NULL;
    const struct update_options *o = options;
    struct session s = {.o = o, .body = body};
    struct error err = ERROR_INIT;

    (void)verb;
    if (check_options(o, words, &err) < 0 || make_body(o, body, &err) < 0 ||
        update_limits_body(&o->limits, &limits, &err) < 0) {
        output_error("%s", err.msg);
        return EXIT_USAGE;
    }
    c = client_open_configured();
    if (!c)
        return 1;
    if (limits)
        return update_limits_run(c, words, limits);
    if (o->batch.rings) {
        struct update_batch_options batch = o->batch;

        batch.wait = o->wait;
        return update_batch_run(c, words, &batch, body);
    }
    return run_request(c, words, &s);
}

const struct verb verb_update = {
    .name = "update",
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .operation = OPERATION_SET_LIMITS,
    .summary = "Replace containers by ones of another image, or change their limits",
    .examples = "  dockmon update --dry-run prod-1/web\n"
                "  dockmon update --wait prod-1/web\n"
                "  dockmon update --image nginx:1.28 prod-1/web prod-2/web\n"
                "  dockmon update --cancel prod-1/web\n"
                "  dockmon update --rings canary --wait prod-1/web prod-2/web prod-3/web\n"
                "  dockmon update --memory 512m --restart always prod-1/web\n",
    VERB_FLAGS(flags),
    .words = WORDS_CONTAINERS,
    .min_words = 1,
    .options_size = sizeof(struct update_options),
    .run = run_update,
};

/* --- rollback --- */

static void fill_rollback(void *owner, const json_t *container, struct client_request *r)
{
    (void)owner;
    r->method = "POST";
    r->path = container_path(container, "/update/rollback");
}

static void show_rollback(void *owner, const char *word, const struct client_request *r)
{
    int *exit_code = owner;
    const char *why = member_text(r->json, "message");

    if (str_eq(member_text(r->json, "status"), "success")) {
        output_line("%s", word);
    } else {
        *exit_code = output_failure(word, *why ? why : "the rollback was not completed");
    }
}

static int run_rollback(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    int failed = 0, exit_code;

    (void)verb;
    (void)options;
    if (!c)
        return 1;
    exit_code = containers_each(
        c, words,
        &(struct containers_batch){.fill = fill_rollback, .show = show_rollback, .owner = &failed});
    return failed ? failed : exit_code;
}

const struct verb verb_rollback = {
    .name = "rollback",
    .usage = "CONTAINER [CONTAINER...]",
    .summary = "Start the containers from before an update again, in place of the new ones",
    .examples = "  dockmon rollback prod-1/web\n",
    .words = WORDS_CONTAINERS,
    .min_words = 1,
    .run = run_rollback,
};
