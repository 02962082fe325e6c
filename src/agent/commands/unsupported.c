#include "agent/commands/unsupported.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/envelope.h"
#include "proto/json_text.h"

#define WHO "this agent is dockmon-agent " DOCKMON_VERSION

#define NO_STACKS WHO ", which does not manage stacks: run `docker compose` on the host"
#define NO_SELF_UPDATE                                                                            \
    WHO ", which installs only programs that are signed for it: update its package or its image " \
        "on the host"

static json_t *refusal(const char *why)
{
    json_t *fields = json_object();

    json_text_set(fields, "success", json_false());
    json_text_set(fields, "error", json_text_str(why));
    return fields;
}

/* Copies a member of the request, so that the server recognises the refusal. */
static void copy_member(json_t *fields, const struct msg_command *m, const char *key)
{
    const char *text = json_text_get(m->payload, key);

    if (text)
        json_text_set(fields, key, json_text_str(text));
}

static void send_event(const struct sender *sender, const char *name, json_t *payload)
{
    int r = sender_send(sender, envelope_event(name, payload, time_utc_ms()));

    if (r < 0)
        log_warn(LOG_FIELDS("event", name), "could not send an event: %s", error_text(r));
}

static void answer_scan(const struct sender *sender, const struct msg_command *m)
{
    json_t *fields = refusal(NO_STACKS);

    json_text_set(fields, "compose_files", json_array());
    sender_reply(sender, (struct reply_to){m->kind, m->id}, fields);
}

static void answer_read(const struct sender *sender, const struct msg_command *m)
{
    json_t *fields = refusal(NO_STACKS);

    copy_member(fields, m, "path");
    sender_reply(sender, (struct reply_to){m->kind, m->id}, fields);
}

static void answer_deploy(const struct sender *sender, const struct msg_command *m)
{
    const char *action = json_text_get(m->payload, "action");
    json_t *fields = json_object();
    json_t *end = refusal(NO_STACKS);

    json_text_set(fields, "status", json_text_str("deployment_started"));
    sender_reply(sender, (struct reply_to){m->kind, m->id}, fields);

    copy_member(end, m, "deployment_id");
    json_text_set(end, "action", json_text_str(str_is_empty(action) ? "up" : action));
    send_event(sender, "deploy_complete", end);
}

static void answer_self_update(const struct sender *sender, const struct msg_command *m)
{
    json_t *fields = refusal(NO_SELF_UPDATE);
    json_t *end = json_object();

    json_text_set(fields, "status", json_text_str("refused"));
    sender_reply(sender, (struct reply_to){m->kind, m->id}, fields);

    json_text_set(end, "stage", json_text_str("failed"));
    json_text_set(end, "message", json_text_str(NO_SELF_UPDATE));
    json_text_set(end, "error", json_text_str(NO_SELF_UPDATE));
    send_event(sender, "selfupdate_progress", end);
}

static const struct {
    const char *command;
    void (*answer)(const struct sender *sender, const struct msg_command *m);
} rows[] = {
    {"deploy_compose",    answer_deploy     },
    {"read_compose_file", answer_read       },
    {"scan_compose_dirs", answer_scan       },
    {"self_update",       answer_self_update},
};

bool unsupported_answer(const struct sender *sender, const struct msg_command *m)
{
    /* A self-update by a server of ours has a signed description. */
    bool is_ours = json_object_get(m->payload, "description") != NULL;

    for (size_t i = 0; m->kind == COMMAND_KIND_COMMAND && i < ARRAY_LEN(rows); i++) {
        if (!str_eq(m->name, rows[i].command) || (rows[i].answer == answer_self_update && is_ours))
            continue;
        log_info(LOG_FIELDS("id", m->id, "command", m->name),
                 "refused: stacks and unsigned updates of the agent are not supported");
        rows[i].answer(sender, m);
        return true;
    }
    return false;
}

bool unsupported_is_health_check(const char *type)
{
    return str_starts_with(type, "health_check_config");
}
