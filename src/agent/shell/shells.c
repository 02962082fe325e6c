#include "agent/shell/shells.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/envelope.h"
#include "proto/json_text.h"

#define MAX_ENDING 64 /* processes whose shells are gone */

struct shells {
    struct shells_options o;
    struct list list;
    size_t n;
    bool is_closing;
};

struct shells *shells_new(const struct shells_options *o)
{
    struct shells *ss = xcalloc(1, sizeof(*ss));

    ss->o = *o;
    list_init(&ss->list);
    return ss;
}

void shells_free(struct shells *ss)
{
    if (!ss)
        return;
    while (!list_empty(&ss->list))
        shell_free(shell_of_link(ss->list.next));
    free(ss);
}

void shells_close(struct shells *ss)
{
    const struct msg_shell_session close = {.action = (char[]){"close"}};

    ss->is_closing = true;
    while (!list_empty(&ss->list))
        shell_on_message(shell_of_link(ss->list.next), &close);
}

static void on_done(void *owner, struct shell *shell)
{
    struct shells *ss = owner;

    log_info(LOG_FIELDS("shell", shell_id(shell)), "shell closed");
    ss->n--;
    shell_free(shell);
}

static struct shell *find(const struct shells *ss, const char *id)
{
    for (struct list *l = ss->list.next; l != &ss->list; l = l->next) {
        struct shell *shell = shell_of_link(l);

        if (str_eq(shell_id(shell), id))
            return shell;
    }
    return NULL;
}

static void refuse(const struct shells *ss, const char *id, const char *why)
{
    json_t *fields = json_pack("{s:o}", "error", json_text_str(why));
    json_t *payload = envelope_part("session_id", id, "error", fields);

    log_warn(LOG_FIELDS("shell", id), "shell refused: %s", why);
    if (sender_send(&ss->o.sender, envelope_event("shell_data", payload, time_utc_ms())) < 0)
        log_debug(LOG_FIELDS("shell", id), "nobody could be told");
}

/* What is wrong with the request, or NULL. */
static const char *find_fault(const struct shells *ss, const struct msg_shell_session *m)
{
    if (ss->is_closing)
        return "the agent is stopping";
    if (ss->n >= SHELLS_MAX)
        return "too many shells are open on this host (16)";
    if (exec_killer_pending(ss->o.killer) >= MAX_ENDING)
        return "too many processes of closed shells are still being ended on this host (64)";
    if (str_is_empty(m->container_id))
        return "container_id is required";
    if (!str_is_container_ref(m->container_id))
        return "container_id is neither an id nor a name of a container";
    return NULL;
}

static void start(struct shells *ss, const struct msg_shell_session *m)
{
    const char *fault = find_fault(ss, m);
    _cleanup_free_ char *policy = NULL;
    struct shell *shell;

    if (!fault) {
        policy = guard_refuse(ss->o.guard, "shell");
        fault = policy;
    }
    if (fault) {
        refuse(ss, m->session_id, fault);
        return;
    }
    log_info(LOG_FIELDS("shell", m->session_id, "container", m->container_id), "shell opened");
    shell = shell_new(&(struct shell_options){.engine = ss->o.engine,
                                              .killer = ss->o.killer,
                                              .guard = ss->o.guard,
                                              .sender = &ss->o.sender,
                                              .done = on_done,
                                              .owner = ss},
                      m);
    list_append(&ss->list, shell_link(shell));
    ss->n++;
}

void shells_on_message(struct shells *ss, const json_t *payload)
{
    struct msg_shell_session m;
    struct error err = ERROR_INIT;
    struct shell *shell;

    if (msg_shell_session_decode(payload, &m, &err) < 0) {
        log_warn(NULL, "malformed message: %s", err.msg);
        return;
    }
    shell = find(ss, m.session_id);
    if (str_eq(m.action, "start") && !shell) {
        start(ss, &m);
    } else if (shell) {
        shell_on_message(shell, &m);
    } else if (str_eq(m.action, "data")) {
        refuse(ss, m.session_id, "there is no such shell");
    }
    msg_shell_session_done(&m);
}
