#include "agent/update/submounts.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/file.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <inttypes.h>
#include <string.h>

#define MAX_MOUNTINFO ((size_t)1 << 20)
#define MAX_CGROUP    ((size_t)64 << 10)
#define MAX_PATHS     256
#define MAX_PATH      4096

static bool is_read_only_bind(const json_t *mount)
{
    return str_eq(json_text_get(mount, "Type"), "bind") &&
           json_is_false(json_object_get(mount, "RW"));
}

static bool has_read_only_bind(const json_t *inspect)
{
    const json_t *mounts = json_object_get(inspect, "Mounts"), *mount;
    size_t i;

    json_array_foreach(mounts, i, mount)
    {
        if (is_read_only_bind(mount))
            return true;
    }
    return false;
}

static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    while (n > 0 && dir[n - 1] == '/')
        n--;
    return strncmp(path, dir, n) == 0 && path[n] == '/' && path[n + 1] != '\0';
}

/* A mount that the container was created with is no part of a bind that it lies below. */
static bool is_own_mount(const json_t *inspect, const char *path)
{
    const json_t *mounts = json_object_get(inspect, "Mounts"), *mount;
    const json_t *tmpfs = json_object_get(json_object_get(inspect, "HostConfig"), "Tmpfs");
    size_t i;

    json_array_foreach(mounts, i, mount)
    {
        if (str_eq(json_text_get(mount, "Destination"), path))
            return true;
    }
    return json_object_get(tmpfs, path);
}

static bool is_below_read_only_bind(const json_t *inspect, const char *path)
{
    const json_t *mounts = json_object_get(inspect, "Mounts"), *mount;
    size_t i;

    json_array_foreach(mounts, i, mount)
    {
        const char *destination = json_text_get(mount, "Destination");

        if (destination && is_read_only_bind(mount) && is_below(path, destination))
            return true;
    }
    return false;
}

/* The octal escapes of the kernel: blank, tab, newline and backslash. */
static void unescape(char *s)
{
    char *to = s;

    while (*s) {
        if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
            *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 4;
        } else {
            *to++ = *s++;
        }
    }
    *to = '\0';
}

/* "ID PARENT MAJOR:MINOR ROOT PATH OPTIONS ...": the path and the options, in place. */
static bool split_line(char *line, char **ret_path, const char **ret_options)
{
    char *save = NULL, *word = strtok_r(line, " ", &save);

    for (int i = 0; i < 4 && word; i++)
        word = strtok_r(NULL, " ", &save);
    *ret_path = word;
    *ret_options = word ? strtok_r(NULL, " ", &save) : NULL;
    if (!*ret_options)
        return false;
    unescape(*ret_path);
    return strlen(*ret_path) < MAX_PATH;
}

static bool is_writable(const char *options)
{
    return str_eq(options, "rw") || str_starts_with(options, "rw,");
}

json_t *submounts_parse(const json_t *inspect, const char *mountinfo)
{
    _cleanup_free_ char *text = xstrdup(mountinfo);
    json_t *paths = json_array();
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *options;
        char *path;

        if (!split_line(line, &path, &options) || !is_writable(options) ||
            !is_below_read_only_bind(inspect, path) || is_own_mount(inspect, path) ||
            json_array_size(paths) == MAX_PATHS)
            continue;
        if (json_array_append_new(paths, json_text_string(path, strlen(path))) < 0)
            abort(); /* out of memory */
    }
    return paths;
}

/* The agent may be in another PID namespace, where the number is that of another process. */
static bool is_process_of(const char *root, json_int_t pid, const char *id)
{
    _cleanup_free_ char *path = xasprintf("%s/proc/%" PRId64 "/cgroup", root, (int64_t)pid);
    _cleanup_free_ char *text = NULL;
    size_t size;

    return id && str_is_hex(id, CONTAINER_ID_LEN) &&
           file_read(path, MAX_CGROUP, &text, &size, NULL) == 0 && strstr(text, id);
}

json_t *submounts_read(const json_t *inspect, const char *root)
{
    json_int_t pid = json_integer_value(json_object_get(json_object_get(inspect, "State"), "Pid"));
    _cleanup_free_ char *path = NULL, *text = NULL;
    size_t size;

    if (!has_read_only_bind(inspect))
        return json_array();
    if (pid <= 0 || !is_process_of(root, pid, json_text_get(inspect, "Id")))
        return NULL;
    path = xasprintf("%s/proc/%" PRId64 "/mountinfo", root, (int64_t)pid);
    if (file_read(path, MAX_MOUNTINFO, &text, &size, NULL) < 0)
        return NULL;
    return submounts_parse(inspect, text);
}
