#include "cli/containers/copy_archive.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/output.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)32 * 1024) /* of a piece that is sent */
#define LAST_BLOCK 512
#define HOW_TO_READ \
    (ARCHIVE_READDISK_NO_XATTR | ARCHIVE_READDISK_NO_ACL | ARCHIVE_READDISK_NO_FFLAGS)

struct creation {
    struct copy_stream *stream;
    struct error *err; /* of the stream */
    struct archive *in, *out;
    size_t n_prefix; /* bytes of a path that `name` replaces */
    const char *name;
    uint64_t n_bytes;
};

static la_ssize_t on_write(struct archive *a, void *owner, const void *data, size_t size)
{
    struct creation *x = owner;

    if (copy_stream_write(x->stream, data, size, x->err) < 0) {
        archive_set_error(a, EIO, "%s", x->err->msg);
        return -1;
    }
    return (la_ssize_t)size;
}

static int fail(struct archive *a, struct error *err)
{
    return error_set(err, -EIO, "%s", archive_error_string(a));
}

/* A file that shrinks meanwhile is filled up with zeros. */
static int send_data(struct creation *x, struct error *err)
{
    const void *data;
    size_t size;
    la_int64_t offset, at = 0;
    static const char zeros[4096];
    int r;

    while ((r = archive_read_data_block(x->in, &data, &size, &offset)) == ARCHIVE_OK) {
        while (at < offset) { /* a hole */
            size_t n = offset - at < (la_int64_t)sizeof(zeros) ? (size_t)(offset - at)
                                                               : sizeof(zeros);

            if (archive_write_data(x->out, zeros, n) < 0)
                return fail(x->out, err);
            at += (la_int64_t)n;
        }
        if (archive_write_data(x->out, data, size) < 0)
            return fail(x->out, err);
        at += (la_int64_t)size;
        x->n_bytes += size;
    }
    return r == ARCHIVE_EOF ? 0 : fail(x->in, err);
}

static int send_entry(struct creation *x, struct archive_entry *e, struct error *err)
{
    const char *path = archive_entry_pathname(e);
    _cleanup_free_ char *name = NULL;
    int r;

    if (archive_entry_filetype(e) == AE_IFSOCK) {
        output_note("(%s is a socket and is left out)", path);
        return 0;
    }
    name = xasprintf("%s%s", x->name, path + x->n_prefix);
    archive_entry_set_pathname(e, name);
    archive_entry_set_hardlink(e, NULL);
    r = archive_write_header(x->out, e);
    if (r < ARCHIVE_WARN)
        return fail(x->out, err);
    return archive_entry_filetype(e) == AE_IFREG ? send_data(x, err) : 0;
}

static int send_all(struct creation *x, struct error *err)
{
    struct archive_entry *e = archive_entry_new();
    int r = 0, got;

    while (r == 0 &&
           ((got = archive_read_next_header2(x->in, e)) == ARCHIVE_OK || got == ARCHIVE_WARN)) {
        r = send_entry(x, e, err);
        if (r == 0 && archive_read_disk_can_descend(x->in) &&
            archive_read_disk_descend(x->in) < ARCHIVE_WARN)
            r = fail(x->in, err);
        archive_entry_clear(e);
    }
    archive_entry_free(e);
    if (r < 0)
        return r;
    if (got != ARCHIVE_EOF)
        return fail(x->in, err);
    return archive_write_close(x->out) < ARCHIVE_WARN ? fail(x->out, err) : 0;
}

/* Without slashes at the end, so that paths below continue with one. */
static char *strip(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return xstrndup(path, n);
}

int copy_create(struct copy_stream *s,
                const char *path,
                const char *name,
                bool follows_link,
                uint64_t *ret,
                struct error *err)
{
    _cleanup_free_ char *from = strip(path);
    struct error of_stream = ERROR_INIT;
    struct creation x = {.stream = s, .err = &of_stream, .n_prefix = strlen(from), .name = name};
    int r = 0;

    x.in = archive_read_disk_new();
    x.out = archive_write_new();
    if (!x.in || !x.out)
        abort(); /* out of memory */
    if (str_eq(from, "/"))
        x.n_prefix = 0;
    if (follows_link) {
        (void)archive_read_disk_set_symlink_hybrid(x.in);
    } else {
        (void)archive_read_disk_set_symlink_physical(x.in);
    }
    if (archive_read_disk_set_behavior(x.in, HOW_TO_READ) < ARCHIVE_WARN ||
        archive_read_disk_open(x.in, from) < ARCHIVE_WARN)
        r = fail(x.in, err);
    if (r == 0 && (archive_write_set_format_gnutar(x.out) < ARCHIVE_WARN ||
                   archive_write_set_bytes_per_block(x.out, BLOCK_SIZE) < ARCHIVE_WARN ||
                   archive_write_set_bytes_in_last_block(x.out, LAST_BLOCK) < ARCHIVE_WARN ||
                   archive_write_open(x.out, &x, NULL, on_write, NULL) < ARCHIVE_WARN))
        r = fail(x.out, err);
    if (r == 0)
        r = send_all(&x, err);
    archive_read_free(x.in);
    archive_write_free(x.out);
    *ret = x.n_bytes;
    return r < 0 ? r : copy_stream_finish(s, err);
}
