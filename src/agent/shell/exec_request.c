#include "agent/shell/exec_request.h"
#include "base/str.h"
#include "proto/json_text.h"

static void add_strings(json_t *array, const struct strings *words)
{
    for (size_t i = 0; i < words->n; i++)
        (void)json_array_append_new(array, json_text_str(words->items[i]));
}

static json_t *make_env(const struct msg_shell_session *start, const char *mark)
{
    json_t *env = json_array();

    if (mark)
        (void)json_array_append_new(env, json_text_str(mark));
    if (!start->is_plain)
        (void)json_array_append_new(env, json_text_str("TERM=xterm-256color"));
    add_strings(env, &start->env);
    return env;
}

static json_t *make_command(const struct msg_shell_session *start)
{
    json_t *cmd;

    if (start->cmd.n == 0) {
        return json_pack("[s, s, s]", "/bin/sh", "-c",
                         "command -v bash >/dev/null 2>&1 && exec bash; exec sh");
    }
    cmd = json_array();
    add_strings(cmd, &start->cmd);
    return cmd;
}

char *exec_request_write(const struct msg_shell_session *start, const char *mark)
{
    int is_attached = !start->is_detached;
    json_auto_t *request = json_pack("{s:b, s:b, s:b, s:b, s:o, s:o}", "AttachStdin", is_attached,
                                     "AttachStdout", is_attached, "AttachStderr", is_attached,
                                     "Tty", !start->is_plain, "Env", make_env(start, mark), "Cmd",
                                     make_command(start));

    if (!str_is_empty(start->user))
        json_text_set(request, "User", json_text_str(start->user));
    if (!str_is_empty(start->workdir))
        json_text_set(request, "WorkingDir", json_text_str(start->workdir));
    return json_text_write(request, NULL);
}
