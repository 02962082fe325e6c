#include "daemon/own_container.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <string.h>

#define MAX_PROC_FILE ((size_t)1024 * 1024)
#define ID_LENGTH     64
#define SHORT_LENGTH  12
#define MAX_FIELDS    5 /* of a mountinfo line: id, parent, device, root, mount point */

struct word {
    const char *text;
    size_t size;
};

static bool word_eq(struct word w, const char *s)
{
    return w.size == strlen(s) && memcmp(w.text, s, w.size) == 0;
}

static bool word_ends_with(struct word w, const char *suffix)
{
    size_t n = strlen(suffix);

    return w.size >= n && memcmp(w.text + w.size - n, suffix, n) == 0;
}

static bool word_is_hex(struct word w, size_t length)
{
    char text[OWN_CONTAINER_SIZE];

    if (w.size != length)
        return false;
    memcpy(text, w.text, length);
    text[length] = '\0';
    return str_is_hex(text, length);
}

static void copy_word(struct word w, char ret[OWN_CONTAINER_SIZE])
{
    memcpy(ret, w.text, w.size);
    ret[w.size] = '\0';
}

/* Removes the word before the next `sep` from the front of *rest; false: *rest is empty. */
static bool next_word(struct word *rest, char sep, struct word *ret)
{
    const char *end;

    if (rest->size == 0)
        return false;
    end = memchr(rest->text, sep, rest->size);
    *ret = (struct word){rest->text, end ? (size_t)(end - rest->text) : rest->size};
    rest->text += ret->size + (end ? 1 : 0);
    rest->size -= ret->size + (end ? 1 : 0);
    return true;
}

static bool is_engine_mount(struct word mount_point)
{
    return word_eq(mount_point, "/etc/hostname") || word_eq(mount_point, "/etc/hosts") ||
           word_eq(mount_point, "/etc/resolv.conf");
}

/* ".../containers/<id>/hostname", ".../overlay-containers/<id>/userdata/resolv.conf" */
static bool find_id_in_root(struct word root, char ret[OWN_CONTAINER_SIZE])
{
    struct word part, before = {"", 0};

    while (next_word(&root, '/', &part)) {
        if (word_is_hex(part, ID_LENGTH) && word_ends_with(before, "containers")) {
            copy_word(part, ret);
            return true;
        }
        before = part;
    }
    return false;
}

bool own_container_from_mountinfo(const char *text, char ret[OWN_CONTAINER_SIZE])
{
    struct word rest = {text, strlen(text)}, line;

    while (next_word(&rest, '\n', &line)) {
        struct word fields[MAX_FIELDS];
        size_t n = 0;

        while (n < MAX_FIELDS && next_word(&line, ' ', &fields[n]))
            n++;
        if (n == MAX_FIELDS && is_engine_mount(fields[4]) && find_id_in_root(fields[3], ret))
            return true;
    }
    return false;
}

/* "<id>", "docker-<id>.scope", "libpod-<id>.scope" */
static bool find_id_in_cgroup_part(struct word part, struct word *ret)
{
    static const char scope[] = ".scope";

    if (word_ends_with(part, scope))
        part.size -= strlen(scope);
    if (part.size < ID_LENGTH)
        return false;
    *ret = (struct word){part.text + part.size - ID_LENGTH, ID_LENGTH};
    return word_is_hex(*ret, ID_LENGTH) && (part.size == ID_LENGTH || ret->text[-1] == '-');
}

/* "5:cpu,cpuacct:/path" or "0::/path" -> "/path" */
static bool skip_fields(struct word *line, size_t n)
{
    struct word field;

    while (n > 0 && next_word(line, ':', &field))
        n--;
    return n == 0;
}

/* The innermost ID of a path counts: an engine may run inside a container of another one. */
bool own_container_from_cgroup(const char *text, char ret[OWN_CONTAINER_SIZE])
{
    struct word rest = {text, strlen(text)}, line;

    while (next_word(&rest, '\n', &line)) {
        struct word part, id, found = {NULL, 0};

        if (!skip_fields(&line, 2))
            continue;
        while (next_word(&line, '/', &part)) {
            if (find_id_in_cgroup_part(part, &id))
                found = id;
        }
        if (found.text) {
            copy_word(found, ret);
            return true;
        }
    }
    return false;
}

bool own_container_from_hostname(const char *hostname, char ret[OWN_CONTAINER_SIZE])
{
    if (!hostname || !(str_is_hex(hostname, SHORT_LENGTH) || str_is_hex(hostname, ID_LENGTH)))
        return false;
    str_copy(ret, OWN_CONTAINER_SIZE, hostname);
    return true;
}

static char *read_below(const char *root, const char *path)
{
    _cleanup_free_ char *full = xasprintf("%s%s", root, path);
    char *text = NULL;

    if (file_read(full, MAX_PROC_FILE, &text, NULL, NULL) < 0)
        return NULL;
    return text;
}

bool own_container_find(const char *root, const char *hostname, char ret[OWN_CONTAINER_SIZE])
{
    _cleanup_free_ char *mountinfo = read_below(root, "/proc/self/mountinfo");
    _cleanup_free_ char *cgroup = NULL;

    if (mountinfo && own_container_from_mountinfo(mountinfo, ret))
        return true;
    cgroup = read_below(root, "/proc/self/cgroup");
    if (cgroup && own_container_from_cgroup(cgroup, ret))
        return true;
    return own_container_from_hostname(hostname, ret);
}
