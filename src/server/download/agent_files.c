#include "server/download/agent_files.h"
#include "base/alloc.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSTALLED_DIR "../libexec/dockmon/agents"
#define CHUNK         ((size_t)256 * 1024)
#define MAX_NAME      64

struct agent_files {
    struct agent_file items[AGENT_FILES_MAX];
    size_t n;
};

void agent_files_close(struct agent_files *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++) {
        (void)close(f->items[i].fd);
        free(f->items[i].name);
    }
    free(f);
}

/* Names become a part of the installation script. */
static bool is_wanted(const char *name)
{
    return (str_starts_with(name, AGENT_FILE_PROGRAM) || str_starts_with(name, AGENT_FILE_IMAGE)) &&
           strlen(name) < MAX_NAME &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-")] == '\0';
}

static int compute_sum(struct agent_file *f, struct error *err)
{
    _cleanup_free_ unsigned char *chunk = xmalloc(CHUNK);
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    ssize_t n;

    (void)crypto_hash_sha256_init(&state);
    while ((n = pread(f->fd, chunk, CHUNK, (off_t)f->size)) > 0) {
        f->size += (uint64_t)n;
        if (f->size > AGENT_FILES_MAX_BYTES)
            return error_set(err, -EMSGSIZE, "%s: the file is too large", f->name);
        (void)crypto_hash_sha256_update(&state, chunk, (unsigned long long)n);
    }
    if (n < 0)
        return error_set(err, -errno, "%s: %s", f->name, error_text(-errno));
    (void)crypto_hash_sha256_final(&state, hash);
    (void)sodium_bin2hex(f->sha256, sizeof(f->sha256), hash, sizeof(hash));
    return 0;
}

static int add_file(struct agent_files *f, int dir, const char *name, struct error *err)
{
    struct agent_file *item = &f->items[f->n];
    struct stat st;

    if (f->n == AGENT_FILES_MAX)
        return error_set(err, -EMSGSIZE, "there are more than %d files", AGENT_FILES_MAX);
    *item = (struct agent_file){
        .fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (item->fd < 0 || fstat(item->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        int r = item->fd < 0 ? -errno : -EINVAL;

        if (item->fd >= 0)
            (void)close(item->fd);
        return error_set(err, r, "%s: %s", name,
                         r == -EINVAL ? "not a regular file" : error_text(r));
    }
    item->name = xstrdup(name);
    f->n++;
    return compute_sum(item, err);
}

static int add_files(struct agent_files *f, DIR *dir, struct error *err)
{
    const struct dirent *e;
    int r = 0;

    while (r == 0 && (e = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        if (is_wanted(e->d_name))
            r = add_file(f, dirfd(dir), e->d_name, err);
    }
    return r;
}

/* Returns the directory of an installation, to be freed, or NULL. */
static char *find_installed(void)
{
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    char *slash;

    if (n <= 0)
        return NULL;
    program[n] = '\0';
    slash = strrchr(program, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    return xasprintf("%s/" INSTALLED_DIR, program);
}

int agent_files_open(struct agent_files **ret, const char *dir, struct error *err)
{
    _cleanup_(agent_files_closep) struct agent_files *f = xcalloc(1, sizeof(*f));
    _cleanup_free_ char *path = dir ? xstrdup(dir) : find_installed();
    DIR *handle = path ? opendir(path) : NULL;
    int r = 0;

    if (!handle && dir) {
        r = -errno;
        return error_set(err, r, "read the agents to offer from %s: %s", dir, error_text(r));
    }
    if (handle) {
        r = add_files(f, handle, err);
        (void)closedir(handle);
    }
    if (r < 0)
        return error_wrap(err, r, "read the agents to offer from %s", path);
    *ret = TAKE_PTR(f);
    return 0;
}

const struct agent_file *agent_files_find(const struct agent_files *f,
                                          const char *prefix,
                                          const char *name)
{
    size_t n = strlen(prefix);

    for (size_t i = 0; i < f->n; i++) {
        if (str_starts_with(f->items[i].name, prefix) && str_eq(f->items[i].name + n, name))
            return &f->items[i];
    }
    return NULL;
}

const struct agent_file *agent_files_at(const struct agent_files *f, size_t n)
{
    return n < f->n ? &f->items[n] : NULL;
}

bool agent_files_have_programs(const struct agent_files *f)
{
    for (size_t i = 0; i < f->n; i++) {
        if (str_starts_with(f->items[i].name, AGENT_FILE_PROGRAM))
            return true;
    }
    return false;
}
