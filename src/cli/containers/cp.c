/*
 * cp: copies files between a container and this machine. The rules for paths are docker's
 * (copy_path.h); the engine of the host makes and reads the tar stream.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"
#include "cli/containers/copy_archive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE ((size_t)32 * 1024)

struct cp_options {
    bool archive, follow_link, quiet;
};

#define AT(m) offsetof(struct cp_options, m)

static const struct flag flags[] = {
    {"archive",     'a', FLAG_BOOL, AT(archive),     NULL, "into a container: keep the ids of owners"},
    {"follow-link", 'L', FLAG_BOOL, AT(follow_link), NULL, "follow a link that SRC_PATH is"          },
    {"quiet",       'q', FLAG_BOOL, AT(quiet),       NULL, "do not say what was copied"              },
};

/* A copy between a container and this machine. */
struct job {
    const struct cp_options *o;
    struct client *client;
    const json_t *container;
    const char *word;    /* the container as the user wrote it */
    char *inside;        /* the path in the container, absolute */
    const char *outside; /* the local path, or "-" */
    uint64_t n_bytes;
};

static char *describe_inside(const struct job *j)
{
    return xasprintf("%s:%s", j->word, j->inside);
}

static int open_stream(const struct job *j,
                       const char *action,
                       const char *path,
                       struct copy_stream **ret,
                       struct error *err)
{
    return copy_stream_open(ret, j->client,
                            &(struct copy_request){.container = j->container,
                                                   .action = action,
                                                   .path = path,
                                                   .keeps_owner = j->o->archive},
                            err);
}

/* The absolute path that the link at `path` leads to, to be freed. */
static char *follow(const char *path, const struct copy_stat *stat)
{
    _cleanup_free_ char *parent = copy_path_parent(path);
    _cleanup_free_ char *joined = stat->target[0] == '/' ? xstrdup(stat->target)
                                                         : xasprintf("%s/%s", parent, stat->target);

    return copy_path_clean(joined);
}

/* --- out of a container ----------------------------------------------------------------------- */

static int copy_to_stdout(struct copy_stream *s, struct error *err)
{
    const void *data;
    size_t size;
    int r;

    do {
        r = copy_stream_read(s, &data, &size, err);
        if (r < 0)
            return r;
        r = output_write(STDOUT_FILENO, data, size);
        if (r < 0)
            return error_set(err, r, "cannot write the output: %s", error_text(r));
    } while (size > 0);
    return 0;
}

static int plan_out(const struct job *j,
                    const struct copy_end *from,
                    struct copy_plan *ret,
                    struct error *err)
{
    struct stat st;
    bool exists = stat(j->outside, &st) == 0;
    bool is_relative = j->outside[0] != '/';
    _cleanup_free_ char *here = is_relative ? getcwd(NULL, 0) : NULL;
    _cleanup_free_ char *joined = is_relative ? xasprintf("%s/%s", here ? here : "", j->outside)
                                              : xstrdup(j->outside);
    _cleanup_free_ char *real = exists ? realpath(joined, NULL) : NULL;
    _cleanup_free_ char *clean = copy_path_clean(joined);
    const struct copy_end to = {
        .path = real ? real : clean, .exists = exists, .is_dir = exists && S_ISDIR(st.st_mode)};
    int r;

    if (exists && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, "%s is neither a file nor a directory", j->outside);
    r = copy_plan_make(from, &to, ret, err);
    if (r < 0)
        return r;
    if (stat(ret->dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
        r = error_set(err, -ENOENT, "directory %s does not exist", ret->dir);
        copy_plan_done(ret);
    }
    return r;
}

static int extract(struct job *j, const struct copy_end *from, const char *path, struct error *err)
{
    _cleanup_(copy_stream_freep) struct copy_stream *s = NULL;
    struct copy_plan plan = {0};
    int r = plan_out(j, from, &plan, err);

    if (r == 0)
        r = open_stream(j, "out", path, &s, err);
    if (r == 0)
        r = copy_extract(s, &plan, copy_path_names_content(path), &j->n_bytes, err);
    copy_plan_done(&plan);
    return r;
}

static int copy_out(struct job *j, struct error *err)
{
    _cleanup_(copy_stream_freep) struct copy_stream *s = NULL;
    _cleanup_(copy_stat_done) struct copy_stat stat = {0};
    _cleanup_free_ char *path = xstrdup(j->inside), *name = copy_path_name(path);
    struct copy_end from;
    int r = copy_stat_fetch(j->client, j->container, path, &stat, err);

    if (r == 0 && !stat.exists)
        r = error_set(err, -ENOENT, "could not find %s in container %s", path, j->word);
    if (r == 0 && j->o->follow_link && stat.is_link) {
        free(path);
        path = follow(j->inside, &stat);
        copy_stat_done(&stat);
        r = copy_stat_fetch(j->client, j->container, path, &stat, err);
    }
    if (r < 0)
        return r;
    if (str_eq(j->outside, "-")) {
        r = open_stream(j, "out", path, &s, err);
        return r < 0 ? r : copy_to_stdout(s, err);
    }
    from = (struct copy_end){.path = path, .name = name, .exists = true, .is_dir = stat.is_dir};
    return extract(j, &from, path, err);
}

/* --- into a container ------------------------------------------------------------------------- */

static int send_stdin(struct copy_stream *s, struct error *err)
{
    char room[READ_SIZE];

    for (;;) {
        int r = copy_stream_wait_input(s, STDIN_FILENO, err);
        ssize_t n = r < 0 ? 0 : read(STDIN_FILENO, room, sizeof(room));

        if (r < 0)
            return r;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return error_set(err, -errno, "cannot read standard input: %s", error_text(-errno));
        if (n == 0)
            return copy_stream_finish(s, err);
        if (n > 0)
            r = copy_stream_write(s, room, (size_t)n, err);
        if (r < 0)
            return r;
    }
}

static int send_local(
    struct job *j, const struct copy_end *to, bool is_dir, bool follows_link, struct error *err)
{
    _cleanup_(copy_stream_freep) struct copy_stream *s = NULL;
    const struct copy_end from = {.path = j->outside, .exists = true, .is_dir = is_dir};
    _cleanup_free_ char *absolute = realpath(j->outside, NULL);
    _cleanup_free_ char *name = absolute && str_eq(absolute, "/") ? xstrdup(".") : NULL;
    struct copy_plan plan = {0};
    int r = copy_plan_make(&from, to, &plan, err);

    if (r == 0)
        r = open_stream(j, "in", plan.dir, &s, err);
    if (r == 0) {
        r = copy_create(s, j->outside, name ? name : plan.name, follows_link, &j->n_bytes, err);
    }
    copy_plan_done(&plan);
    return r;
}

static int copy_in(struct job *j, struct error *err)
{
    _cleanup_(copy_stream_freep) struct copy_stream *s = NULL;
    _cleanup_(copy_stat_done) struct copy_stat stat = {0};
    _cleanup_free_ char *path = xstrdup(j->inside);
    bool is_stdin = str_eq(j->outside, "-");
    bool follows = j->o->follow_link || copy_path_names_dir(j->outside);
    struct stat st = {0};
    struct copy_end to;
    int r;

    if (!is_stdin && fstatat(AT_FDCWD, j->outside, &st, follows ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
        return error_set(err, -errno, "%s: %s", j->outside, error_text(-errno));
    r = copy_stat_fetch(j->client, j->container, path, &stat, err);
    if (r == 0 && stat.is_link) {
        free(path);
        path = follow(j->inside, &stat);
        copy_stat_done(&stat);
        r = copy_stat_fetch(j->client, j->container, path, &stat, err);
    }
    if (r < 0)
        return r;
    to = (struct copy_end){.path = path, .exists = stat.exists, .is_dir = stat.is_dir};
    if (!is_stdin)
        return send_local(j, &to, S_ISDIR(st.st_mode), follows, err);
    if (!stat.is_dir) {
        _cleanup_free_ char *shown = describe_inside(j);

        return error_set(err, -ENOTDIR, "destination %s must be a directory", shown);
    }
    r = open_stream(j, "in", path, &s, err);
    return r < 0 ? r : send_stdin(s, err);
}

/* --- the command line ------------------------------------------------------------------------- */

static void report(const struct job *j, bool is_out)
{
    _cleanup_free_ char *size = text_size((int64_t)j->n_bytes);
    _cleanup_free_ char *inside = describe_inside(j);

    if (!j->o->quiet && !str_eq(j->outside, "-"))
        output_note("Successfully copied %s to %s", size, is_out ? j->outside : inside);
}

static int run_job(struct job *j, bool is_out)
{
    _cleanup_(client_closep) struct client *c = client_open_configured();
    json_auto_t *list = NULL;
    struct error err = ERROR_INIT;
    int r;

    if (!c)
        return 1;
    j->client = c;
    r = containers_fetch(c, &list, &err);
    if (r == 0)
        r = containers_find(c, list, j->word, &j->container, &err);
    if (r == 0)
        r = is_out ? copy_out(j, &err) : copy_in(j, &err);
    if (r < 0)
        return output_failure(NULL, err.msg);
    report(j, is_out);
    return 0;
}

static int check_paths(const struct job *j, bool is_out, struct error *err)
{
    if (str_is_empty(j->outside))
        return error_set(err, -EINVAL, "a path is empty");
    if (!str_is_utf8(j->inside, strlen(j->inside)))
        return error_set(err, -EINVAL, "the path in the container is not UTF-8 and cannot be sent");
    if (is_out && str_eq(j->outside, "-") && isatty(STDOUT_FILENO))
        return error_set(err, -EINVAL, "standard output is a terminal; redirect the archive");
    return 0;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_free_ char *from = NULL, *from_path = NULL, *to = NULL, *to_path = NULL;
    bool is_out = copy_path_split_word(words->items[0], &from, &from_path);
    bool is_in = copy_path_split_word(words->items[1], &to, &to_path);
    struct job j = {.o = options};
    struct error err = ERROR_INIT;
    int exit_code;

    (void)verb;
    if (is_out == is_in) {
        output_error(is_out ? "copying between containers is not supported"
                            : "one of the two must be CONTAINER:PATH");
        return 1;
    }
    j.word = is_out ? from : to;
    j.outside = words->items[is_out ? 1 : 0];
    j.inside = copy_path_clean(is_out ? from_path : to_path);
    if (check_paths(&j, is_out, &err) < 0) {
        exit_code = output_failure(NULL, err.msg);
    } else {
        exit_code = run_job(&j, is_out);
    }
    free(j.inside);
    return exit_code;
}

const struct verb verb_cp = {
    .name = "cp",
    .operation = OPERATION_COPY,
    .usage = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-, or SRC_PATH|- CONTAINER:DEST_PATH",
    .summary = "Copy files between a container and this machine",
    .examples = "  dockmon cp prod-1/web:/etc/nginx/nginx.conf .\n  dockmon cp ./site/. web:/srv\n"
                "  dockmon cp web:/var/log - | tar -t\n",
    VERB_FLAGS(flags),
    .words = WORDS_CONTAINERS,
    .min_words = 2,
    .max_words = 2,
    .options_size = sizeof(struct cp_options),
    .run = run,
};
