#include "agent/update/self_stage.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_PROGRAM "/proc/self/exe"
#define CURRENT     "dockmon-agent"
#define PREVIOUS    "dockmon-agent.old"
#define NEW         "dockmon-agent.new"
#define COPY        "dockmon-agent.copy"
#define TRIES       "tries"
#define CHUNK       ((size_t)64 * 1024)

_Static_assert(SELF_SUM_SIZE == crypto_hash_sha256_BYTES * 2 + 1, "size of a sum in hex");

char *self_stage_path(const struct self_stage *s, const char *name)
{
    return xasprintf("%s/%s", s->dir, name);
}

void self_stage_init(struct self_stage *s, const char *dir)
{
    *s = (struct self_stage){.dir = xstrdup(dir), .lock = -1, .fd = -1};
}

void self_stage_done(struct self_stage *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    if (s->lock >= 0)
        (void)close(s->lock);
    free(s->dir);
    *s = (struct self_stage){.lock = -1, .fd = -1};
}

static int fail(const struct self_stage *s, const char *what, const char *name, struct error *err)
{
    int r = -errno;

    return error_set(err, r, "%s %s/%s: %s", what, s->dir, name, error_text(r));
}

int self_stage_lock(struct self_stage *s, struct error *err)
{
    _cleanup_free_ char *path = self_stage_path(s, "lock");
    int r = file_make_directory(s->dir);

    if (r < 0)
        return error_set(err, r, "create the directory %s: %s", s->dir, error_text(r));
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock < 0)
        return fail(s, "open", "lock", err);
    if (flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
        r = errno == EWOULDBLOCK
                ? error_set(err, -EBUSY, "another agent is being updated in %s", s->dir)
                : fail(s, "lock", "lock", err);
        (void)close(s->lock);
        s->lock = -1;
        return r;
    }
    return 0;
}

int self_stage_begin(struct self_stage *s, struct error *err)
{
    _cleanup_free_ char *path = self_stage_path(s, NEW);

    (void)unlink(path); /* left by an update that was cut */
    s->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0700);
    if (s->fd < 0)
        return fail(s, "create", NEW, err);
    s->size = 0;
    (void)crypto_hash_sha256_init(&s->sum);
    return 0;
}

int self_stage_write(struct self_stage *s, const void *data, size_t size, struct error *err)
{
    int r = file_write_all(s->fd, data, size);

    if (r < 0)
        return error_set(err, r, "write %s/%s: %s", s->dir, NEW, error_text(r));
    s->size += (int64_t)size;
    (void)crypto_hash_sha256_update(&s->sum, data, size);
    return 0;
}

static void write_sum(crypto_hash_sha256_state *state, char ret[SELF_SUM_SIZE])
{
    unsigned char hash[crypto_hash_sha256_BYTES];

    (void)crypto_hash_sha256_final(state, hash);
    (void)sodium_bin2hex(ret, SELF_SUM_SIZE, hash, sizeof(hash));
}

int self_stage_finish(struct self_stage *s, const char *sha256, struct error *err)
{
    char sum[SELF_SUM_SIZE];
    int fd = s->fd, r = 0;

    write_sum(&s->sum, sum);
    if (!str_eq(sum, sha256)) {
        return error_set(err, -EBADMSG,
                         "the downloaded program has the SHA-256 %s instead of %s: it is damaged, "
                         "or somebody has changed it",
                         sum, sha256);
    }
    s->fd = -1;
    if (fchmod(fd, 0755) < 0 || fsync(fd) < 0)
        r = fail(s, "store", NEW, err);
    if (close(fd) < 0 && r == 0)
        r = fail(s, "store", NEW, err);
    return r;
}

/* --- the new program takes the place of the present one --- */

static int copy_content(int from, int to)
{
    _cleanup_free_ char *chunk = xmalloc(CHUNK);
    ssize_t n;
    int r;

    while ((n = read(from, chunk, CHUNK)) > 0) {
        r = file_write_all(to, chunk, (size_t)n);
        if (r < 0)
            return r;
    }
    return n < 0 || fchmod(to, 0755) < 0 || fsync(to) < 0 ? -errno : 0;
}

static int copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out, r;

    if (in < 0)
        return -errno;
    out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0700);
    r = out < 0 ? -errno : copy_content(in, out);
    (void)close(in);
    if (out >= 0 && close(out) < 0 && r == 0)
        r = -errno;
    return r;
}

/* File systems without hard links get a copy; EXDEV comes from those that are layers of others. */
static int link_or_copy(const char *from, const char *to)
{
    (void)unlink(to);
    return link(from, to) == 0 ? 0 : copy_file(from, to);
}

/* Whether the running program is the one in the folder, and not the packaged one. */
static bool runs_current(const char *current)
{
    struct stat own, st;

    return stat(OWN_PROGRAM, &own) == 0 && stat(current, &st) == 0 && own.st_dev == st.st_dev &&
           own.st_ino == st.st_ino;
}

/*
 * The program to return to. It stays in place, too: until the new one is there, the launcher may
 * start either. Without it that is the packaged program, which needs no copy.
 */
static int keep_previous(const struct self_stage *s, struct error *err)
{
    _cleanup_free_ char *current = self_stage_path(s, CURRENT);
    _cleanup_free_ char *previous = self_stage_path(s, PREVIOUS);
    _cleanup_free_ char *copy = self_stage_path(s, COPY);
    int r;

    if (!runs_current(current)) {
        if ((unlink(current) < 0 && errno != ENOENT) || (unlink(previous) < 0 && errno != ENOENT))
            return fail(s, "remove", PREVIOUS, err);
        return 0;
    }
    r = link_or_copy(current, copy);
    if (r == 0 && rename(copy, previous) < 0)
        r = -errno;
    (void)unlink(copy); /* a rename to another link of the same file does nothing */
    if (r < 0) {
        return error_set(err, r, "keep the present program as %s: %s", previous, error_text(r));
    }
    return 0;
}

void self_stage_prove(const struct self_stage *s)
{
    _cleanup_free_ char *tries = self_stage_path(s, TRIES);

    if (unlink(tries) == 0) {
        (void)file_sync_directory_of(tries);
    } else if (errno != ENOENT) {
        log_error(LOG_FIELDS("path", tries), "cannot remove the counter of tries: %s",
                  error_text(-errno));
    }
}

int self_stage_install(struct self_stage *s, struct error *err)
{
    _cleanup_free_ char *tries = self_stage_path(s, TRIES);
    _cleanup_free_ char *staged = self_stage_path(s, NEW);
    _cleanup_free_ char *current = self_stage_path(s, CURRENT);
    int r = keep_previous(s, err);

    /* The counter comes first: a new program without it would count as proved. */
    if (r == 0)
        r = file_write_atomic(tries, "0", 1, 0600, err);
    if (r < 0)
        return r;
    if (rename(staged, current) < 0) {
        r = fail(s, "rename to", CURRENT, err);
        self_stage_prove(s);
        return r;
    }
    r = file_sync_directory_of(current);
    return r < 0 ? error_set(err, r, "sync %s: %s", s->dir, error_text(r)) : 0;
}

void self_stage_end(struct self_stage *s)
{
    _cleanup_free_ char *path = self_stage_path(s, NEW);

    if (s->fd >= 0)
        (void)close(s->fd);
    if (s->lock >= 0) {
        (void)unlink(path);
        (void)close(s->lock);
    }
    s->fd = s->lock = -1;
}

int self_stage_own_sum(char ret[SELF_SUM_SIZE], struct error *err)
{
    _cleanup_free_ char *chunk = xmalloc(CHUNK);
    crypto_hash_sha256_state state;
    int fd = open(OWN_PROGRAM, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : 0;
    ssize_t n;

    (void)crypto_hash_sha256_init(&state);
    while (r == 0 && (n = read(fd, chunk, CHUNK)) != 0) {
        if (n < 0) {
            r = -errno;
        } else {
            (void)crypto_hash_sha256_update(&state, (unsigned char *)chunk, (unsigned long long)n);
        }
    }
    if (fd >= 0)
        (void)close(fd);
    if (r < 0)
        return error_set(err, r, "read the running program: %s", error_text(r));
    write_sum(&state, ret);
    return 0;
}
