#include "agent/update/plan_internal.h"
#include "base/str.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#include <ctype.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#define ANNOTATION       "io.podman.annotations."
#define DEFAULT_TIMEOUT  10 /* seconds; of the stop */
#define DEFAULT_INTERVAL 30000000000
#define DEFAULT_RETRIES  3

static int parse_number(const char *s)
{
    uint64_t number;

    return parse_u64(s, 64, &number) < 0 ? 0 : (int)number;
}

int plan_podman_signal(const char *s)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {
        {"HUP",   SIGHUP  },
        {"INT",   SIGINT  },
        {"QUIT",  SIGQUIT },
        {"KILL",  SIGKILL },
        {"USR1",  SIGUSR1 },
        {"USR2",  SIGUSR2 },
        {"ALRM",  SIGALRM },
        {"TERM",  SIGTERM },
        {"CONT",  SIGCONT },
        {"STOP",  SIGSTOP },
        {"WINCH", SIGWINCH},
        {"PWR",   SIGPWR  },
    };

    if (!s)
        return 0;
    if (isdigit((unsigned char)*s))
        return parse_number(s);
    if (strncasecmp(s, "SIG", 3) == 0)
        s += 3;
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (strcasecmp(signals[i].name, s) == 0)
            return signals[i].number;
    }
    if (strncasecmp(s, "RTMIN", 5) == 0)
        return SIGRTMIN + (s[5] == '+' ? parse_number(s + 6) : 0);
    return 0;
}

bool plan_podman_is_own_annotation(const char *key)
{
    return str_eq(key, "io.container.manager") || str_starts_with(key, ANNOTATION) ||
           str_eq(key, "org.opencontainers.image.stopSignal") ||
           str_starts_with(key, "org.systemd.property.");
}

static bool has_env(const json_t *container, const char *env)
{
    return plan_array_has(json_object_get(json_object_get(container, "Config"), "Env"), env);
}

/* Podman adds `container`, `HOME` and `HOSTNAME`, and shows them among the user's variables. */
bool plan_podman_is_own_env(const struct plan_source *s, const char *env)
{
    const json_t *config = json_object_get(s->container, "Config");
    const char *mode = json_text_get(json_object_get(s->container, "HostConfig"), "NetworkMode");

    if (str_eq(env, "container=podman") || str_eq(env, "container=oci"))
        return true;
    if (str_starts_with(env, "HOSTNAME=")) {
        return str_eq(env + strlen("HOSTNAME="), json_text_get(config, "Hostname")) ||
               str_eq(mode, "host");
    }
    if (str_starts_with(env, "HOME=")) {
        return str_eq(env, "HOME=/root") || str_eq(env, "HOME=/") ||
               str_starts_with(env, "HOME=/home/") || has_env(s->started, env);
    }
    return false;
}

static int apply_annotations(struct plan_work *w,
                             const struct plan_field *f,
                             const json_t *value,
                             json_t *to)
{
    json_t *kept, *item;
    const char *key;

    (void)w;
    kept = json_object();
    json_object_foreach(plan_mutable(plan_object(value)), key, item)
    {
        if (!plan_podman_is_own_annotation(key))
            plan_copy(kept, key, item);
    }
    if (json_object_size(kept) > 0) {
        json_text_set(to, f->name, kept);
    } else {
        json_decref(kept);
    }
    return 0;
}

/* Shows capabilities that the host lacks as dropped, for privileged containers. */
static int apply_cap_drop(struct plan_work *w,
                          const struct plan_field *f,
                          const json_t *value,
                          json_t *to)
{
    if (!plan_is_true(w->host, "Privileged"))
        plan_copy(to, f->name, value);
    return 0;
}

static int drop(struct plan_work *w, const struct plan_field *f, const json_t *value, json_t *to)
{
    (void)w;
    (void)f;
    (void)value;
    (void)to;
    return 0;
}

/* A body without the member gets a limit; 0 is "no limit". */
static int apply_pids(struct plan_work *w,
                      const struct plan_field *f,
                      const json_t *value,
                      json_t *to)
{
    const json_t *of_probe = json_object_get(w->probe_host, f->name);

    if (plan_is_empty(value) && plan_is_empty(of_probe))
        return 0;
    if (plan_is_empty(value)) {
        json_text_set(to, f->name, json_integer(0));
    } else if (!json_equal(value, of_probe)) {
        plan_copy(to, f->name, value);
    }
    return 0;
}

/* A started container shows the limits of the service, a created one does not. */
static int apply_ulimits(struct plan_work *w,
                         const struct plan_field *f,
                         const json_t *value,
                         json_t *to)
{
    const json_t *started = json_object_get(w->s->started, "HostConfig");
    json_t *kept = plan_default_subtract_ulimits(value, json_object_get(started, f->name));

    if (json_array_size(kept) > 0) {
        json_text_set(to, f->name, kept);
    } else {
        json_decref(kept);
    }
    return 0;
}

static int apply_pid_mode(struct plan_work *w,
                          const struct plan_field *f,
                          const json_t *value,
                          json_t *to)
{
    if (plan_is_empty(value) || json_equal(value, json_object_get(w->probe_host, f->name)))
        return 0;
    return plan_reference_mode(w, f, value, to);
}

static int apply_signal(struct plan_work *w,
                        const struct plan_field *f,
                        const json_t *value,
                        json_t *to)
{
    const json_t *old = json_object_get(w->image, f->name);
    int signal = plan_podman_signal(json_is_string(value) ? json_string_value(value) : NULL);
    int of_image = plan_podman_signal(json_is_string(old) ? json_string_value(old) : "TERM");

    if (signal != of_image || signal == 0) {
        plan_copy(to, f->name, value);
        return 0;
    }
    if (w->s->new_config)
        plan_follow(w, f->name, old, json_object_get(w->s->new_config, f->name));
    return 0;
}

static int apply_timeout(struct plan_work *w,
                         const struct plan_field *f,
                         const json_t *value,
                         json_t *to)
{
    (void)w;
    if (json_integer_value(value) != DEFAULT_TIMEOUT)
        plan_copy(to, f->name, value);
    return 0;
}

static void drop_default(json_t *check, const json_t *old, const char *name, json_int_t value)
{
    if (plan_is_empty(json_object_get(old, name)) &&
        json_integer_value(json_object_get(check, name)) == value)
        (void)json_object_del(check, name);
}

/* Podman fills in the intervals, and refuses a check without its command. */
static int apply_healthcheck(struct plan_work *w,
                             const struct plan_field *f,
                             const json_t *value,
                             json_t *to)
{
    const json_t *old = json_object_get(w->image, f->name);
    json_auto_t *check = json_deep_copy(plan_object(value));
    json_t *kept;
    int r;

    drop_default(check, old, "Interval", DEFAULT_INTERVAL);
    drop_default(check, old, "Timeout", DEFAULT_INTERVAL);
    drop_default(check, old, "Retries", DEFAULT_RETRIES);
    r = plan_image_healthcheck(w, f, check, to);
    kept = json_object_get(to, f->name);
    if (r == 0 && kept && !json_object_get(kept, "Test")) {
        plan_copy(kept, "Test", json_object_get(value, "Test"));
        plan_note(w, "healthcheck_completed",
                  "the health check keeps its present command, because Podman takes the other "
                  "settings only together with one");
    }
    return r;
}

static const struct plan_field host_rows[] = {
    {"Annotations",      'V', 43, 0, apply_annotations },
    {"CapDrop",          'C', 0,  0, apply_cap_drop    },
    {"MemorySwappiness", '-', 0,  0, drop              },
    {"PidsLimit",        'D', 0,  0, apply_pids        },
    {"Ulimits",          'D', 0,  0, apply_ulimits     },
    {"PidMode",          'D', 0,  0, apply_pid_mode    },
    {"UTSMode",          'D', 0,  0, plan_default_probe},
};
static const struct plan_field config_rows[] = {
    {"StopSignal",  'S', 0, 0, apply_signal     },
    {"StopTimeout", 'D', 0, 0, apply_timeout    },
    {"Healthcheck", 'S', 0, 0, apply_healthcheck},
};

const struct plan_field *plan_podman_find(enum plan_section section, const char *name)
{
    const struct plan_field *rows = section == PLAN_HOST ? host_rows : config_rows;
    size_t n = section == PLAN_HOST ? ARRAY_LEN(host_rows) : ARRAY_LEN(config_rows);

    if (section == PLAN_ENDPOINT)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

static bool is_infra(const char *name)
{
    return name && str_ends_with(name, "-infra");
}

static int check_pod(struct plan_work *w)
{
    const char *mode = json_text_get(w->host, "NetworkMode");
    const json_t *parent = NULL;
    const char *name;

    if (is_infra(w->name)) {
        return error_code_set(w->err, CODE_UPDATE_REFUSED,
                              "container %.*s holds the network of a pod and is not updated alone; "
                              "re-create the pod",
                              STR_CUT(w->name, 128));
    }
    if (mode && str_starts_with(mode, "container:"))
        parent = plan_reference_find(w->s, mode + strlen("container:"));
    name = json_text_get(parent, "Name");
    if (!is_infra(name))
        return 0;
    return error_code_set(w->err, CODE_UPDATE_REFUSED,
                          "container %.*s belongs to a pod, and Podman's Docker API cannot create "
                          "one there; re-create it with podman",
                          STR_CUT(w->name, 128));
}

int plan_podman_check(struct plan_work *w)
{
    const char *name;
    json_t *network;
    int r;

    r = check_pod(w);
    if (r < 0 || w->s->has_consent || plan_network_is_shared(w))
        return r;
    json_object_foreach(plan_mutable(w->networks), name, network)
    {
        if (plan_network_is_default(name) || str_eq(name, "host") || str_eq(name, "none"))
            continue;
        return error_code_set(
            w->err, CODE_CONSENT_REQUIRED,
            "container %.*s is on network %.*s, and Podman does not show whether its "
            "addresses are static; with consent, the present ones are kept as static ones",
            STR_CUT(w->name, 128), STR_CUT(name, 128));
    }
    return 0;
}

int plan_podman_finish(struct plan_work *w)
{
    const json_t *annotations = json_object_get(w->host, "Annotations");
    const char *userns = json_text_get(annotations, ANNOTATION "userns");
    const char *init = json_text_get(annotations, ANNOTATION "init");

    if (userns && plan_is_empty(json_object_get(w->body_host, "UsernsMode")))
        json_text_set(w->body_host, "UsernsMode", json_text_str(userns));
    if (init && strcasecmp(init, "true") == 0)
        json_text_set(w->body_host, "Init", json_true());
    plan_note(w, "podman_hides",
              "Podman does not show relabel options of volumes (:z), volume options of --mount, "
              "masked paths, and unlimited swap: they are not carried over");
    return 0;
}
