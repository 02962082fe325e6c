#include "agent/shell/shells.h"
#include "agent/shell/copy.h"
#include "agent/shell/shell.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

#define MAX_ENDING 64 /* processes of shells that are closed */

static const struct channel_kind kind = {
    .name = "shell",
    .field = "shell",
    .event = "shell_data",
    .id_key = "session_id",
};

static const struct channel_kind copy_kind = {
    .name = "copy",
    .field = "copy",
    .event = "shell_data",
    .id_key = "session_id",
};

struct shells {
    struct shells_options o;
    struct channel_set set;
    struct channel_set copies;
};

struct shells *shells_new(const struct shells_options *o)
{
    struct shells *ss = xcalloc(1, sizeof(*ss));

    ss->o = *o;
    channel_set_init(&ss->set, &kind, &o->sender);
    channel_set_init(&ss->copies, &copy_kind, &o->sender);
    return ss;
}

void shells_free(struct shells *ss)
{
    struct channel *c;

    if (!ss)
        return;
    while ((c = channel_set_first(&ss->set)))
        shell_free(shell_of_channel(c));
    while ((c = channel_set_first(&ss->copies)))
        copy_free(copy_of_channel(c));
    channel_set_done(&ss->set);
    channel_set_done(&ss->copies);
    free(ss);
}

void shells_close(struct shells *ss)
{
    const struct msg_shell_session close = {.action = (char[]){"close"}};
    struct channel *c;

    ss->set.is_closing = true;
    while ((c = channel_set_first(&ss->set)))
        shell_on_message(shell_of_channel(c), &close);
    while ((c = channel_set_first(&ss->copies)))
        copy_stop(copy_of_channel(c));
}

/* Returns what is wrong with the request and sets its code, or NULL. */
static const char *find_fault(const struct shells *ss,
                              const struct msg_shell_session *m,
                              enum error_code *ret)
{
    *ret = CODE_AGENT_STOPPING;
    if (ss->set.is_closing)
        return "the agent is stopping";
    *ret = CODE_BUSY;
    if (ss->set.n >= SHELLS_MAX)
        return "too many shells are open on this host (16)";
    if (exec_killer_pending(ss->o.killer) >= MAX_ENDING)
        return "too many processes of closed shells are still being ended on this host (64)";
    *ret = CODE_INVALID_ARGUMENT;
    return channel_container_fault(m->container_id);
}

static void start(struct shells *ss, const struct msg_shell_session *m)
{
    enum error_code code;
    const char *fault = find_fault(ss, m, &code);
    _cleanup_free_ char *policy = NULL;

    if (!fault) {
        policy = guard_refuse(ss->o.guard, OPERATION_SHELL);
        fault = policy;
        code = CODE_POLICY_DENIED;
    }
    if (fault) {
        channel_set_refuse(&ss->set, m->session_id, NULL, code, fault);
        return;
    }
    log_info(LOG_FIELDS("shell", m->session_id, "container", m->container_id), "shell opened");
    shell_start(&(struct shell_options){ss->o.engine, ss->o.killer, ss->o.guard}, &ss->set, m);
}

static const char *find_copy_fault(const struct shells *ss,
                                   const struct msg_shell_session *m,
                                   enum error_code *ret)
{
    *ret = CODE_AGENT_STOPPING;
    if (ss->set.is_closing)
        return "the agent is stopping";
    *ret = CODE_BUSY;
    if (ss->copies.n >= COPIES_MAX)
        return "too many copies are running on this host (8)";
    *ret = CODE_INVALID_ARGUMENT;
    if (!copy_knows(m->copy))
        return "copy is neither stat, out nor in";
    if (str_is_empty(m->path) || m->path[0] != '/')
        return "path is not absolute";
    return channel_container_fault(m->container_id);
}

static void start_copy(struct shells *ss, const struct msg_shell_session *m)
{
    enum error_code code;
    const char *fault = find_copy_fault(ss, m, &code);
    _cleanup_free_ char *policy = fault ? NULL : guard_refuse(ss->o.guard, OPERATION_COPY);

    if (policy) {
        fault = policy;
        code = CODE_POLICY_DENIED;
    }
    if (fault) {
        channel_set_refuse(&ss->copies, m->session_id, NULL, code, fault);
        return;
    }
    log_info(LOG_FIELDS("copy", m->session_id, "container", m->container_id), "copy started: %s",
             m->copy);
    copy_start(&(struct copy_options){ss->o.engine, ss->o.guard}, &ss->copies, m);
}

void shells_on_message(struct shells *ss, const json_t *payload)
{
    struct msg_shell_session m;
    struct error err = ERROR_INIT;
    struct channel *c, *copy;

    if (msg_shell_session_decode(payload, &m, &err) < 0) {
        log_warn(NULL, "malformed message: %s", err.msg);
        return;
    }
    c = channel_set_find(&ss->set, m.session_id);
    copy = channel_set_find(&ss->copies, m.session_id);
    if (c) {
        shell_on_message(shell_of_channel(c), &m);
    } else if (copy) {
        copy_on_message(copy_of_channel(copy), &m);
    } else if (str_eq(m.action, "start") && m.copy) {
        start_copy(ss, &m);
    } else if (str_eq(m.action, "start")) {
        start(ss, &m);
    } else if (str_eq(m.action, "data")) {
        channel_set_refuse(&ss->set, m.session_id, NULL, CODE_NOT_FOUND, "there is no such shell");
    }
    msg_shell_session_done(&m);
}
