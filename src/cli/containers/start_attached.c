/*
 * start -a: starts one container and prints its output until it stops. The protocol attaches to no
 * process that runs already, so the output is that of the log: behind its last line before the
 * start, up to the end of the container.
 */

#include "cli/containers/start_attached.h"
#include "base/alloc.h"
#include "base/time.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/containers/containers.h"
#include "cli/containers/logs_follow.h"

#define NS_PER_US   1000
#define EXIT_STATUS 255 /* of a container: the rest is cut, as by a shell */

/*
 * The time behind the newest line of the log, in the clock of the host: *ret is to be freed, NULL
 * for an empty log. The server cuts the times to microseconds.
 */
static int find_end(struct client *c, const json_t *container, char **ret, struct error *err)
{
    json_auto_t *log = NULL;
    char text[TIME_TEXT_SIZE];
    int64_t ns;
    int r = client_get(c, container_path(container, "/logs?tail=1"), &log, err);

    *ret = NULL;
    if (r == 0 && time_parse_ns(member_text(log, "last_timestamp"), &ns) == 0)
        *ret = xstrdup(time_format_ns(ns + NS_PER_US, text));
    return r;
}

/* Returns the exit code of the container, or 1 if it cannot be known. */
static int read_exit_code(struct client *c, const json_t *container)
{
    json_auto_t *answer = NULL;
    struct error err = ERROR_INIT;

    if (client_get(c, container_path(container, "/inspect"), &answer, &err) < 0)
        return output_failure(member_text(container, "name"), err.msg);
    return (int)(member_integer(json_object_get(answer, "State"), "ExitCode") & EXIT_STATUS);
}

int start_attached(struct client *c, const char *word)
{
    _cleanup_free_ char *since = NULL;
    char *const no_prefix[] = {(char[]){""}};
    json_auto_t *list = NULL;
    const json_t *container = NULL;
    struct error err = ERROR_INIT;
    int r, exit_code;

    r = containers_fetch(c, &list, &err);
    if (r == 0)
        r = containers_find(c, list, word, &container, &err);
    if (r == 0)
        r = find_end(c, container, &since, &err);
    if (r == 0)
        r = client_send(c, "POST", container_path(container, "/start"), NULL, NULL, &err);
    if (r < 0)
        return output_failure(word, err.msg);
    exit_code = logs_follow(&(struct logs_follow){
        .client = c,
        .containers = &container,
        .prefixes = no_prefix,
        .n = 1,
        .tail = -1,
        .since = since,
        .until_exit = true,
    });
    return exit_code ? exit_code : read_exit_code(c, container);
}
