#include "cli/common/api_error.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "proto/error_code.h"

#include <stdbool.h>
#include <string.h>

/* DockMon's own server sends no codes: its status stands for one. */
static enum error_code find_code(int status, const json_t *body)
{
    enum error_code code = error_code_find(member_text(body, "code"));

    return code ? code : error_code_from_status(status);
}

int api_error_code(int status, const json_t *body)
{
    return error_code_errno(find_code(status, body));
}

static const char *choose_advice(enum error_code code, const char *path)
{
    const char *advice = error_code_advice(code);
    bool is_login = code == CODE_NOT_AUTHENTICATED && strstr(path, "/auth/login");

    return advice && !is_login ? advice : "";
}

/* A server writes {"detail": "..."}; a list of details, as FastAPI has it, is shown as it is. */
static char *read_detail(const json_t *body, int status)
{
    const json_t *detail = json_object_get(body, "detail");

    if (json_is_string(detail) && json_string_length(detail) > 0)
        return xstrdup(json_string_value(detail));
    if (detail && !json_is_string(detail))
        return json_dumps(detail, JSON_COMPACT | JSON_ENCODE_ANY);
    if (error_code_find(member_text(body, "code")))
        return xstrdup(error_code_sentence(find_code(status, body)));
    return xasprintf("the server answered with HTTP status %d", status);
}

char *api_error_text(int status, const json_t *body, const char *path)
{
    _cleanup_free_ char *detail = read_detail(body, status);

    const char *advice = choose_advice(find_code(status, body), path);

    return xasprintf("%s%s%s", detail, *advice ? "; " : "", advice);
}

char *api_error_item_text(const json_t *item)
{
    const char *error = member_text(item, "error");

    const char *advice = choose_advice(error_code_find(member_text(item, "code")), "");

    if (*error == '\0')
        error = member_text(item, "status");
    if (*error == '\0')
        return xstrdup("the server's answer does not say what happened");
    return xasprintf("%s%s%s", error, *advice ? "; " : "", advice);
}
