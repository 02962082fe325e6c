#include "cli/common/prune_question.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/common/member.h"
#include "cli/common/prompt.h"
#include "cli/common/text.h"

#include <errno.h>
#include <strings.h>

#define MAX_QUESTION 65536
#define MAX_HOSTS    20 /* in the question */
#define MAX_NAMES    20 /* of one host */

static void add_names(struct buf *b, const json_t *names)
{
    size_t n = json_array_size(names);

    if (json_is_array(names) && n == 0)
        (void)buf_append_str(b, ": nothing");
    for (size_t i = 0; i < n && i < MAX_NAMES; i++) {
        _cleanup_free_ char *name = text_escape_str(json_string_value(json_array_get(names, i)));

        (void)buf_printf(b, "%s%s", i ? "\n    " : ":\n    ", name);
    }
    if (n > MAX_NAMES)
        (void)buf_printf(b, "\n    and %zu more", n - MAX_NAMES);
}

/* To be freed. */
static char *make_question(const char *what, const json_t *previews)
{
    struct buf b = BUF_INIT(MAX_QUESTION);
    size_t n = json_array_size(previews);

    (void)buf_printf(&b, "WARNING! This will remove %s:\n", what);
    for (size_t i = 0; i < n && i < MAX_HOSTS; i++) {
        const json_t *preview = json_array_get(previews, i);
        _cleanup_free_ char *host = text_escape_str(member_text(preview, "host"));

        (void)buf_printf(&b, "  on %s", host);
        add_names(&b, json_object_get(preview, "names"));
        (void)buf_append_char(&b, '\n');
    }
    if (n > MAX_HOSTS)
        (void)buf_printf(&b, "  and on %zu more hosts\n", n - MAX_HOSTS);
    (void)buf_append_str(&b, "Are you sure you want to continue? [y/N] ");
    return buf_take(&b);
}

int prune_ask(const char *what, const json_t *previews, struct error *err)
{
    _cleanup_free_ char *question = make_question(what, previews);
    _cleanup_free_ char *answer = NULL;
    int r = prompt_line(question, false, &answer, err);

    if (r == -ENOTTY) {
        return error_set(err, r,
                         "there is no terminal to ask on; use --force to remove without asking");
    }
    if (r < 0)
        return r;
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0 ? 0 : 1;
}
