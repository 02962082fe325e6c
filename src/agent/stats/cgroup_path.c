#include "agent/stats/cgroup_path.h"

#include "agent/stats/parse.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PROC_SIZE       ((size_t)64 * 1024)
#define SEARCH_DEPTH    7
#define SEARCH_FOLDERS  8000  /* maximum of directories per search */
#define SEARCH_PAUSE_MS 30000 /* after a search that found nothing */

/* The directory of a container, relative to that of a controller: `before` id `after`. */
struct place {
    char *before, *after;
};

/* The usual places. The place that was found last is tried before them. */
static const struct place usual[] = {
    {(char *)(uintptr_t) "/docker/",               (char *)(uintptr_t) ""      },
    {(char *)(uintptr_t) "/system.slice/docker-",  (char *)(uintptr_t) ".scope"},
    {(char *)(uintptr_t) "/machine.slice/libpod-", (char *)(uintptr_t) ".scope"},
    {(char *)(uintptr_t) "/libpod_parent/libpod-", (char *)(uintptr_t) ""      },
};

struct cgroup_places {
    const struct cgroup_version *version;
    char *proc;                      /* "/proc" */
    char *bases[CGROUP_CONTROLLERS]; /* mount points; NULL: there is no such controller */
    struct place last;               /* all NULL: nothing was found yet */
    uint64_t search_after_ms;
};

struct cgroup_places *cgroup_places_new(const struct cgroup_version *version, const char *root)
{
    struct cgroup_places *places = xcalloc(1, sizeof(*places));

    places->version = version;
    places->proc = xasprintf("%s/proc", root);
    for (size_t i = 0; i < version->n_controllers; i++) {
        const struct cgroup_controller *c = &version->controllers[i];

        for (size_t k = 0; k < ARRAY_LEN(c->dirs) && c->dirs[k] && !places->bases[i]; k++) {
            _cleanup_free_ char *path = xasprintf("%s/sys/fs/cgroup%s%s", root,
                                                  *c->dirs[k] ? "/" : "", c->dirs[k]);

            if (access(path, F_OK) == 0)
                places->bases[i] = TAKE_PTR(path);
        }
    }
    return places;
}

static void free_place(struct place *place)
{
    free(place->before);
    free(place->after);
    *place = (struct place){0};
}

void cgroup_places_free(struct cgroup_places *places)
{
    if (!places)
        return;
    free_place(&places->last);
    for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
        free(places->bases[i]);
    free(places->proc);
    free(places);
}

static void remember(struct cgroup_places *places, const char *relative, const char *id)
{
    const char *at = strstr(relative, id);

    if (!at)
        return;
    free_place(&places->last);
    places->last.before = xstrndup(relative, (size_t)(at - relative));
    places->last.after = xstrdup(at + strlen(id));
}

/* The path of `relative` below the controller's directory, or NULL if it does not exist. */
static char *try_path(const struct cgroup_places *places, size_t controller, const char *relative)
{
    _cleanup_free_ char *path = NULL;

    if (!places->bases[controller])
        return NULL;
    path = xasprintf("%s%s", places->bases[controller], relative);
    return access(path, F_OK) == 0 ? TAKE_PTR(path) : NULL;
}

static char *try_place(const struct cgroup_places *places,
                       size_t controller,
                       const struct place *place,
                       const char *id)
{
    _cleanup_free_ char *relative = NULL;

    if (!place->before)
        return NULL;
    relative = xasprintf("%s%s%s", place->before, id, place->after);
    return try_path(places, controller, relative);
}

static char *try_usual(const struct cgroup_places *places, size_t controller, const char *id)
{
    char *path = try_place(places, controller, &places->last, id);

    for (size_t i = 0; !path && i < ARRAY_LEN(usual); i++)
        path = try_place(places, controller, &usual[i], id);
    return path;
}

/*
 * The path in /proc/PID/cgroup, up to the directory that is named after the id: a program in the
 * container may have moved itself further down. NULL if the path does not contain the id, as it
 * belongs to another process then.
 */
static char *find_relative(const char *text, const char *controller, const char *id)
{
    size_t size = 0;
    const char *path = stats_cgroup_path(text, controller, &size);
    const char *at;
    _cleanup_free_ char *copy = NULL;

    if (!path)
        return NULL;
    copy = xstrndup(path, size);
    at = strstr(copy, id);
    if (!at)
        return NULL;
    copy[(size_t)(at - copy) + strcspn(at, "/")] = '\0';
    return TAKE_PTR(copy);
}

static char *find_by_proc(struct cgroup_places *places,
                          size_t controller,
                          const char *text,
                          const char *id)
{
    _cleanup_free_ char *relative = find_relative(
        text, places->version->controllers[controller].name, id);
    char *path;

    /*
     * "/../x" is relative to the root of our own namespace, which may not be the root of our mount.
     */
    if (!relative || str_starts_with(relative, "/.."))
        return NULL;
    path = try_path(places, controller, relative);
    if (path)
        remember(places, relative, id);
    return path;
}

/* A depth-first search, which does not follow links. */
struct search {
    const char *id;
    size_t n_folders;
    char found[4096];
};

static bool is_folder(const char *path, const struct dirent *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/*
 * Podman and CRI-O run a monitor beside each container, in a directory that contains its id, too.
 */
static bool is_container_folder(const char *name, const char *id)
{
    const char *at = strstr(name, id), *monitor = strstr(name, "conmon-");

    return at && (!monitor || monitor > at);
}

static bool search_folder(struct search *s,
                          const char *path,
                          size_t depth) // NOLINT(misc-no-recursion)
{
    DIR *dir = opendir(path);
    const struct dirent *e;
    bool is_found = false;

    if (!dir)
        return false;
    while (!is_found && s->n_folders < SEARCH_FOLDERS &&
           (e = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        char below[sizeof(s->found)];
        int n = snprintf(below, sizeof(below), "%s/%s", path, e->d_name);

        if (e->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof(below) || !is_folder(below, e))
            continue;
        s->n_folders++;
        is_found = is_container_folder(e->d_name, s->id);
        if (is_found) {
            str_copy(s->found, sizeof(s->found), below);
        } else if (depth > 1) {
            is_found = search_folder(s, below, depth - 1);
        }
    }
    (void)closedir(dir);
    return is_found;
}

static char *search(struct cgroup_places *places, size_t controller, const char *id)
{
    const char *base = places->bases[controller];
    struct search s = {.id = id};

    if (!base || time_monotonic_ms() < places->search_after_ms)
        return NULL;
    if (!search_folder(&s, base, SEARCH_DEPTH)) {
        places->search_after_ms = time_monotonic_ms() + SEARCH_PAUSE_MS;
        return NULL;
    }
    remember(places, s.found + strlen(base), id);
    return xstrdup(s.found);
}

/* crun puts Podman's containers, and their limits, into a directory below the one with the id. */
static char *take_inner(char *dir)
{
    _cleanup_free_ char *outer = dir, *inner = NULL;
    const char *name = dir ? strrchr(dir, '/') : NULL;

    if (!name || !str_starts_with(name, "/libpod-"))
        return TAKE_PTR(outer);
    inner = xasprintf("%s/container", outer);
    return access(inner, F_OK) == 0 ? TAKE_PTR(inner) : TAKE_PTR(outer);
}

bool cgroup_places_has_process(const struct cgroup_places *places, int64_t pid, const char *id)
{
    _cleanup_free_ char *file = xasprintf("%s/%" PRId64 "/cgroup", places->proc, pid);
    _cleanup_free_ char *text = NULL;

    return pid > 0 && file_read(file, PROC_SIZE, &text, NULL, NULL) == 0 && strstr(text, id);
}

int cgroup_places_find(struct cgroup_places *places,
                       int64_t pid,
                       const char *id,
                       char *dirs[CGROUP_CONTROLLERS],
                       struct error *err)
{
    _cleanup_free_ char *file = xasprintf("%s/%" PRId64 "/cgroup", places->proc, pid);
    _cleanup_free_ char *text = NULL;
    size_t n_found = 0;

    if (pid <= 0 || file_read(file, PROC_SIZE, &text, NULL, NULL) < 0)
        text = xstrdup("");
    for (size_t i = 0; i < places->version->n_controllers; i++) {
        dirs[i] = find_by_proc(places, i, text, id);
        if (!dirs[i])
            dirs[i] = try_usual(places, i, id);
        if (!dirs[i] && n_found == 0)
            dirs[i] = search(places, i, id);
        dirs[i] = take_inner(dirs[i]);
        n_found += dirs[i] != NULL;
    }
    if (n_found == 0) {
        return error_set(
            err, -ENOENT,
            "no cgroup of the container was found below %s: the engine may be on another "
            "machine, or /sys/fs/cgroup is not the host's",
            places->bases[0] ? places->bases[0] : "/sys/fs/cgroup");
    }
    return 0;
}
