#include "server/web/files.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/map.h"
#include "base/str.h"
#include "server/web/bundle.h"

#include <ctype.h>
#include <errno.h>
#include <fts.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_PATH   "/index.html"
#define MIN_HASH_LEN 8
#define ETAG_BYTES   16
#define BASE_TAG     "<base href=\"/\""

/*
 * xterm.js makes style elements, hence 'unsafe-inline' for styles; docs/threat-model.md says what that
 * permits. The worker and the sockets of the UI are of the same origin.
 */
static const char content_policy[] =
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'";

struct web_files {
    struct map by_path; /* of struct web_file */
    size_t n_files, n_bytes;
};

static const struct {
    const char *suffix, *content_type;
} types[] = {
    {".html",        "text/html; charset=utf-8"      },
    {".js",          "text/javascript; charset=utf-8"},
    {".mjs",         "text/javascript; charset=utf-8"},
    {".css",         "text/css; charset=utf-8"       },
    {".json",        "application/json"              },
    {".map",         "application/json"              },
    {".webmanifest", "application/manifest+json"     },
    {".svg",         "image/svg+xml"                 },
    {".png",         "image/png"                     },
    {".ico",         "image/x-icon"                  },
    {".woff2",       "font/woff2"                    },
    {".txt",         "text/plain; charset=utf-8"     },
};

static const char *find_content_type(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_ends_with(path, types[i].suffix))
            return types[i].content_type;
    }
    return "application/octet-stream";
}

/* Vite names a file NAME-HASH.EXT, where the hash has at least eight letters, digits, '-' or '_',
 * with at least one digit. */
static bool has_hash(const char *path)
{
    const char *name = strrchr(path, '/') + 1, *end = strchr(name, '.'), *dash = strchr(name, '-');
    bool has_digit = false;

    if (!end || !dash || dash > end || end - dash - 1 < MIN_HASH_LEN)
        return false;
    for (const char *p = end - MIN_HASH_LEN; p < end; p++) {
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
            return false;
        has_digit = has_digit || isdigit((unsigned char)*p);
    }
    return has_digit;
}

/* The tag is a hash of the content, so that two servers of one release send the same tag. */
static void set_etag(struct web_body *b)
{
    unsigned char hash[ETAG_BYTES];
    char hex[2 * ETAG_BYTES + 1];

    (void)crypto_generichash(hash, sizeof(hash), (const unsigned char *)b->data, b->size, NULL, 0);
    (void)sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    (void)snprintf(b->etag, sizeof(b->etag), "\"%s\"", hex);
}

static void file_free(struct web_file *f)
{
    free(f->path);
    free(f->plain.owned);
    free(f->gzip.owned);
    free(f);
}

void web_files_free(struct web_files *w)
{
    if (!w)
        return;
    map_foreach(&w->by_path, e)
        file_free(e->value);
    map_done(&w->by_path);
    free(w);
}

static struct web_file *get_file(struct web_files *w, const char *path)
{
    struct web_file *f = map_find(&w->by_path, path);

    if (!f) {
        f = xcalloc(1, sizeof(*f));
        f->path = xstrdup(path);
        f->content_type = find_content_type(path);
        f->is_immutable = has_hash(path);
        (void)map_put(&w->by_path, path, f);
    }
    return f;
}

/* Takes ownership of the body. */
static void add_body(struct web_files *w, const char *path, struct web_body body)
{
    bool is_gzip = str_ends_with(path, ".gz");
    _cleanup_free_ char *name = xstrndup(path, strlen(path) - (is_gzip ? strlen(".gz") : 0));
    struct web_file *f = get_file(w, name);

    set_etag(&body);
    *(is_gzip ? &f->gzip : &f->plain) = body;
}

static int add_file(struct web_files *w, const char *file, const char *path, struct error *err)
{
    struct web_body body = {0};
    int r;

    if (++w->n_files > WEB_FILES_MAX)
        return error_set(err, -EMSGSIZE, "the directory has more than %d files", WEB_FILES_MAX);
    r = file_read(file, WEB_FILES_MAX_BYTES - w->n_bytes, &body.owned, &body.size, err);
    if (r == -EMSGSIZE) {
        return error_set(err, r, "the files exceed %zu MiB in total", WEB_FILES_MAX_BYTES >> 20);
    }
    if (r < 0)
        return r;
    w->n_bytes += body.size;
    body.data = body.owned;
    add_body(w, path, body);
    return 0;
}

static int add_tree(struct web_files *w, const char *dir, struct error *err)
{
    char *roots[] = {xstrdup(dir), NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    size_t root_len = strlen(dir);
    FTSENT *e;
    int r = 0;

    free(roots[0]);
    if (!tree)
        return error_set(err, -errno, "%s", error_text(-errno));
    while (r == 0 && (e = fts_read(tree))) {
        switch (e->fts_info) {
        case FTS_F: r = add_file(w, e->fts_path, e->fts_path + root_len, err); break;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
            r = error_set(err, -e->fts_errno, "%s: %s", e->fts_path, error_text(-e->fts_errno));
            break;
        default: break; /* directories, and links and devices, which are not served */
        }
    }
    (void)fts_close(tree);
    return r;
}

/* Drops precompressed files without their original, which clients without gzip could not read. */
static void drop_orphans(struct web_files *w)
{
    struct map kept = {0};

    map_foreach(&w->by_path, e) {
        struct web_file *f = e->value;

        if (f->plain.data) {
            (void)map_put(&kept, f->path, f);
        } else {
            file_free(f);
        }
    }
    map_done(&w->by_path);
    w->by_path = kept;
}

int web_files_load(struct web_files **ret, const char *dir, struct error *err)
{
    _cleanup_(web_files_freep) struct web_files *w = xcalloc(1, sizeof(*w));
    _cleanup_free_ char *root = xstrdup(dir);
    size_t n = strlen(root);
    int r;

    while (n > 1 && root[n - 1] == '/')
        root[--n] = '\0';
    r = add_tree(w, root, err);
    if (r < 0)
        return error_wrap(err, r, "read the web UI from %s", dir);
    drop_orphans(w);
    if (!map_find(&w->by_path, INDEX_PATH))
        return error_set(err, -ENOENT, "read the web UI from %s: index.html is missing", dir);
    *ret = TAKE_PTR(w);
    return 0;
}

void web_files_embedded(struct web_files **ret)
{
    struct web_files *w;

    if (!web_bundle_files[0].path)
        return;
    w = xcalloc(1, sizeof(*w));
    for (const struct web_bundle_file *b = web_bundle_files; b->path; b++) {
        add_body(w, b->path,
                 (struct web_body){.data = web_bundle_data + b->offset, .size = b->size});
    }
    *ret = w;
}

void web_files_set_base(struct web_files *w, const char *base_path)
{
    struct web_file *f = map_find(&w->by_path, INDEX_PATH);
    const char *tag = memmem(f->plain.data, f->plain.size, BASE_TAG, strlen(BASE_TAG));
    size_t head = tag ? (size_t)(tag - f->plain.data) : 0;
    struct web_body body = {0};

    if (!base_path || !tag)
        return;
    body.owned = xasprintf("%.*s<base href=\"%s/\"%.*s", (int)head, f->plain.data, base_path,
                           (int)(f->plain.size - head - strlen(BASE_TAG)), tag + strlen(BASE_TAG));
    body.data = body.owned;
    body.size = strlen(body.owned);
    set_etag(&body);
    free(f->plain.owned);
    free(f->gzip.owned);
    f->plain = body;
    f->gzip = (struct web_body){0};
}

/* Returns whether a browser requests a page at a path that names no file. */
static bool is_page(const char *path, const char *accept)
{
    return accept && strstr(accept, "text/html") && !strchr(strrchr(path, '/'), '.') &&
           !str_starts_with(path, "/api/") && !str_starts_with(path, "/ws/");
}

const struct web_file *web_files_find(const struct web_files *w,
                                      const char *path,
                                      const char *accept)
{
    const struct web_file *f;

    if (path[0] != '/')
        return NULL;
    f = map_find(&w->by_path, str_eq(path, "/") ? INDEX_PATH : path);
    return f || !is_page(path, accept) ? f : map_find(&w->by_path, INDEX_PATH);
}

/* RFC 9110, 13.1.2: a list of tags, or "*"; tags are compared weakly. */
static bool is_known_to_client(const struct http_request *r, const char *etag)
{
    _cleanup_free_ char *tags = http_request_list(r, "if-none-match");

    return tags && (str_eq(tags, "*") || strstr(tags, etag));
}

void web_file_respond(const struct web_file *f, struct http_server *s, const struct http_request *r)
{
    bool is_gzip = f->gzip.data && http_request_accepts_gzip(r);
    const struct web_body *body = is_gzip ? &f->gzip : &f->plain;
    bool is_known = is_known_to_client(r, body->etag);
    const char *headers[] = {
        "ETag",
        body->etag,
        "Cache-Control",
        f->is_immutable ? "public, max-age=31536000, immutable" : "no-cache",
        "Vary",
        "Accept-Encoding",
        "Content-Security-Policy",
        content_policy,
        "Referrer-Policy",
        "same-origin",
        is_gzip ? "Content-Encoding" : NULL,
        "gzip",
        NULL,
    };

    (void)http_respond(s, r->id,
                       &(struct http_response){
                           .status = is_known ? 304 : 200,
                           .content_type = f->content_type,
                           .body = is_known ? NULL : body->data,
                           .body_size = is_known ? 0 : body->size,
                           .headers = headers,
                       });
}
