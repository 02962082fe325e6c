#include "server/fleet/condition.h"
#include "base/macros.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <string.h>

#define MAX_CODE_TEXT 12 /* bytes */

static const struct {
    const char *text;
    int health;
} healths[] = {
    {"healthy",   1                },
    {"unhealthy", 0                },
    {"starting",  CONDITION_UNKNOWN},
};

static void read_code(const char *text, size_t size, int64_t *ret)
{
    char digits[MAX_CODE_TEXT];

    if (size >= sizeof(digits))
        return;
    memcpy(digits, text, size);
    digits[size] = '\0';
    (void)parse_i64(digits, ret); /* keeps the old value when it is no number */
}

/* "Exited (137) 2 hours ago", "Restarting (1) 3 seconds ago" */
static void read_exit_code(const char *status, int64_t *ret)
{
    static const char *const words[] = {"Exited (", "Restarting ("};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_starts_with(status, words[i])) {
            status += strlen(words[i]);
            read_code(status, strcspn(status, ")"), ret);
        }
    }
}

/* "Up 5 minutes (healthy)", "Up 5 seconds (health: starting)" */
static void read_health(const char *status, int *ret)
{
    const char *at = strrchr(status, '(');

    if (!at)
        return;
    at += str_starts_with(at, "(health: ") ? strlen("(health: ") : 1;
    for (size_t i = 0; i < ARRAY_LEN(healths); i++) {
        size_t n = strlen(healths[i].text);

        if (strncmp(at, healths[i].text, n) == 0 && at[n] == ')')
            *ret = healths[i].health;
    }
}

static bool is_up(const char *engine_state)
{
    return str_eq(engine_state, "running") || str_eq(engine_state, "paused");
}

void condition_read(struct fleet_condition *ret,
                    const struct msg_container *m,
                    const struct fleet_condition *old)
{
    static const struct fleet_condition unknown = {CONDITION_UNKNOWN, CONDITION_UNKNOWN,
                                                   CONDITION_UNKNOWN};
    const char *status = m->status ? m->status : "";

    *ret = old ? *old : unknown;
    read_exit_code(status, &ret->exit_code);
    if (is_up(m->state)) {
        read_health(status, &ret->health); /* a paused one, and Podman, say nothing about it */
    } else {
        ret->health = CONDITION_UNKNOWN;
    }
    if (json_is_boolean(m->oom_killed))
        ret->oom_killed = json_is_true(m->oom_killed);
}

static const char *get_attribute(const struct msg_container_event *m, const char *name)
{
    return m->attributes ? json_text_get(m->attributes, name) : NULL;
}

static void note_health(struct fleet_condition *c, const char *health)
{
    for (size_t i = 0; i < ARRAY_LEN(healths); i++) {
        if (str_eq(health, healths[i].text))
            c->health = healths[i].health;
    }
}

void condition_note_event(struct fleet_condition *c, const struct msg_container_event *m)
{
    const char *code = get_attribute(m, "exitCode");

    if (str_eq(m->action, "start")) {
        c->oom_killed = 0;
        c->health = CONDITION_UNKNOWN;
    } else if (str_eq(m->action, "oom")) {
        c->oom_killed = 1;
    } else if (str_eq(m->action, "die") && code) {
        read_code(code, strlen(code), &c->exit_code);
    } else if (str_starts_with(m->action, "health_status: ")) {
        note_health(c, m->action + strlen("health_status: "));
    } else if (str_eq(m->action, "health_status")) {
        note_health(c, get_attribute(m, "health_status"));
    }
}
