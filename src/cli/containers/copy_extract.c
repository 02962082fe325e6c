#include "cli/containers/copy_archive.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/common/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PATH  ((size_t)64 * 1024)
#define PERM_MASK 01777 /* no setuid, no setgid: the container chooses them */
#define HOW_TO_WRITE                                                                 \
    (ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS | \
     ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS)

struct extraction {
    struct copy_stream *stream;
    struct error *err; /* of the stream */
    const char *name;  /* of what is copied; NULL: its content */
    bool is_content;   /* names have no first part that `name` replaces */
    struct archive *in, *out;
    uint64_t n_bytes;
};

static int refuse(struct error *err, const char *name, const char *why)
{
    _cleanup_free_ char *shown = text_escape_str(name);

    return error_set(err, -EPERM, "refused to extract %s: %s", shown, why);
}

static la_ssize_t on_read(struct archive *a, void *owner, const void **ret)
{
    struct extraction *x = owner;
    size_t size = 0;

    if (copy_stream_read(x->stream, ret, &size, x->err) < 0) {
        archive_set_error(a, EIO, "%s", x->err->msg);
        return -1;
    }
    return (la_ssize_t)size;
}

/*
 * The path below the destination for a name of the archive, to be freed; "" for the destination
 * itself. NULL with the reason in *ret_why.
 */
static char *make_path(const struct extraction *x, const char *name, const char **ret_why)
{
    struct buf b = BUF_INIT(MAX_PATH);
    bool is_first = true;
    int r = 0;

    *ret_why = name[0] == '/' ? "its name is absolute" : NULL;
    if (x->name && x->is_content)
        r = buf_append_str(&b, x->name);
    while (*name && r == 0 && !*ret_why) {
        size_t n = strcspn(name, "/");
        const char *part = name;

        name += n + (name[n] == '/');
        if (n == 0 || (n == 1 && part[0] == '.'))
            continue;
        if (n == 2 && memcmp(part, "..", 2) == 0) {
            *ret_why = "its name contains \"..\"";
        } else if (is_first && !x->is_content) {
            r = buf_append_str(&b, x->name);
        } else {
            r = buf_printf(&b, "%s%.*s", b.size > 0 ? "/" : "", (int)n, part);
        }
        is_first = false;
    }
    if (r < 0)
        *ret_why = "its name is too long";
    if (*ret_why) {
        buf_done(&b);
        return NULL;
    }
    return buf_take(&b);
}

/* Whether a relative target leads out of the destination from the folder of `path`. */
static bool leads_out(const char *path, const char *target)
{
    long depth = 0;

    if (target[0] == '/')
        return false; /* it is nothing of ours, and is never followed */
    for (const char *s = strchr(path, '/'); s; s = strchr(s + 1, '/'))
        depth++;
    while (*target && depth >= 0) {
        size_t n = strcspn(target, "/");

        if (n == 2 && memcmp(target, "..", 2) == 0) {
            depth--;
        } else if (n > 0 && !(n == 1 && *target == '.')) {
            depth++;
        }
        target += n + (target[n] == '/');
    }
    return depth < 0;
}

/* Whether a folder on the way to a path is a link. */
static bool passes_link(const char *path)
{
    _cleanup_free_ char *way = xstrdup(path);

    for (char *slash = strchr(way, '/'); slash; slash = strchr(slash + 1, '/')) {
        struct stat st;

        *slash = '\0';
        if (lstat(way, &st) == 0 && S_ISLNK(st.st_mode))
            return true;
        *slash = '/';
    }
    return false;
}

/* As docker: neither replaces a folder by something else, nor the reverse. */
static const char *find_clash(const char *path, bool is_dir)
{
    struct stat st;

    if (lstat(path, &st) < 0 || S_ISDIR(st.st_mode) == is_dir)
        return NULL;
    return is_dir ? "there is a file of this name" : "there is a folder of this name";
}

/* Names in pax headers are UTF-8, whatever the locale is. */
static const char *choose_name(const char *raw, const char *utf8)
{
    return raw ? raw : utf8;
}

/* Makes the target of a hard link one of ours. Returns what is wrong with it, or NULL. */
static const char *adopt_hard_link(const struct extraction *x,
                                   struct archive_entry *e,
                                   const char *target)
{
    const char *why;
    _cleanup_free_ char *path = make_path(x, target, &why);
    struct stat st;

    if (!path || !*path || passes_link(path))
        return "it is a hard link to a place outside the destination";
    if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return "it is a hard link to something that is no file of the archive";
    archive_entry_set_hardlink(e, path);
    archive_entry_unset_size(e);
    return NULL;
}

static const char *find_fault(const struct extraction *x, struct archive_entry *e, const char *path)
{
    const char *hard = choose_name(archive_entry_hardlink(e), archive_entry_hardlink_utf8(e));
    const char *soft = choose_name(archive_entry_symlink(e), archive_entry_symlink_utf8(e));
    mode_t type = archive_entry_filetype(e);

    if (hard)
        return adopt_hard_link(x, e, hard);
    if (type == AE_IFLNK) {
        if (!soft || leads_out(path, soft))
            return "it is a link to a place outside the destination";
        archive_entry_set_symlink(e, soft);
    } else if (type != AE_IFREG && type != AE_IFDIR) {
        return "it is a device, a FIFO or a socket";
    }
    return find_clash(path, type == AE_IFDIR);
}

static int copy_data(struct extraction *x)
{
    const void *data;
    size_t size;
    la_int64_t offset;
    int r;

    while ((r = archive_read_data_block(x->in, &data, &size, &offset)) == ARCHIVE_OK) {
        if (archive_write_data_block(x->out, data, size, offset) < ARCHIVE_OK) {
            archive_copy_error(x->in, x->out);
            return ARCHIVE_FATAL;
        }
        x->n_bytes += size;
    }
    return r == ARCHIVE_EOF ? ARCHIVE_OK : r;
}

static int write_entry(struct extraction *x, struct archive_entry *e, struct error *err)
{
    const char *path = archive_entry_pathname(e);
    bool has_data = !archive_entry_hardlink(e) && archive_entry_filetype(e) == AE_IFREG;
    int r = archive_write_header(x->out, e);

    if (r < ARCHIVE_WARN)
        return refuse(err, path, archive_error_string(x->out));
    if (has_data && copy_data(x) < ARCHIVE_WARN)
        return error_set(err, -EIO, "%s", archive_error_string(x->in));
    if (archive_write_finish_entry(x->out) < ARCHIVE_WARN)
        return refuse(err, path, archive_error_string(x->out));
    return 0;
}

static int extract_entry(struct extraction *x, struct archive_entry *e, struct error *err)
{
    const char *name = choose_name(archive_entry_pathname(e), archive_entry_pathname_utf8(e));
    _cleanup_free_ char *path = NULL;
    const char *why;

    if (!name)
        return error_set(err, -EPROTO, "the archive has a name that cannot be read");
    path = make_path(x, name, &why);
    if (!path)
        return refuse(err, name, why);
    if (!*path)
        return 0; /* the destination, which exists */
    why = passes_link(path) ? "its way passes a link" : find_fault(x, e, path);
    if (why)
        return refuse(err, name, why);
    archive_entry_set_pathname(e, path);
    archive_entry_set_perm(e, archive_entry_perm(e) & PERM_MASK);
    return write_entry(x, e, err);
}

static int extract_all(struct extraction *x, struct error *err)
{
    struct archive_entry *e;
    int r;

    while ((r = archive_read_next_header(x->in, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
        r = extract_entry(x, e, err);
        if (r < 0)
            return r;
    }
    if (r != ARCHIVE_EOF)
        return error_set(err, -EIO, "%s", archive_error_string(x->in));
    if (archive_write_close(x->out) < ARCHIVE_WARN)
        return error_set(err, -EIO, "%s", archive_error_string(x->out));
    return 0;
}

/* The end of the archive is not that of the stream, which may still fail. */
static int drain(struct copy_stream *s, struct error *err)
{
    const void *data;
    size_t size;
    int r;

    do {
        r = copy_stream_read(s, &data, &size, err);
    } while (r == 0 && size > 0);
    return r;
}

int copy_extract(struct copy_stream *s,
                 const struct copy_plan *plan,
                 bool is_content,
                 uint64_t *ret,
                 struct error *err)
{
    struct error of_stream = ERROR_INIT;
    struct extraction x = {.stream = s,
                           .err = &of_stream,
                           .name = str_eq(plan->name, ".") ? NULL : plan->name,
                           .is_content = is_content};
    int r = 0;

    if (!x.name)
        x.is_content = true;
    if (chdir(plan->dir) < 0)
        return error_set(err, -errno, "%s: %s", plan->dir, error_text(-errno));
    x.in = archive_read_new();
    x.out = archive_write_disk_new();
    if (!x.in || !x.out)
        abort(); /* out of memory */
    if (archive_read_support_format_tar(x.in) < ARCHIVE_WARN ||
        archive_write_disk_set_options(x.out, HOW_TO_WRITE) < ARCHIVE_WARN ||
        archive_read_open(x.in, &x, NULL, on_read, NULL) < ARCHIVE_WARN)
        r = error_set(err, -EIO, "%s", archive_error_string(x.in));
    if (r == 0)
        r = extract_all(&x, err);
    if (r == 0)
        r = drain(s, err);
    archive_read_free(x.in);
    archive_write_free(x.out);
    *ret = x.n_bytes;
    return r;
}
