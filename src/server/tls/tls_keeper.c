#include "server/tls/tls_keeper.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "net/certificate.h"
#include "server/tls/host_names.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define CHECK_INTERVAL_MS (UINT64_C(6) * 3600 * 1000)
#define PEM_MAX           ((size_t)64 * 1024)

struct tls_keeper {
    struct tls_keeper_options o;
    char *cert, *key; /* paths */
    char *folder;     /* of the self-signed certificate; NULL: files of the configuration */
    struct host_names wanted;
    struct ssl_ctx_st *ctx;
    struct certificate_info info;
    struct loop_timer timer;
};

/* The self-signed certificate */

static int64_t count_days_left(const struct tls_keeper *k, const struct certificate_info *info)
{
    return (info->not_after_s * 1000 - k->o.utc_ms()) / DAY_MS;
}

static const char *find_renewal_reason(const struct tls_keeper *k,
                                       const struct certificate_info *info)
{
    if (!info->fingerprint[0])
        return "there was none";
    if (count_days_left(k, info) < TLS_KEEPER_LEAST_DAYS)
        return "the previous one expires soon";
    for (size_t i = 0; i < k->wanted.n; i++) {
        bool has = false;

        for (size_t j = 0; j < info->n_names; j++)
            has |= str_eq(info->names[j], k->wanted.items[i]);
        if (!has)
            return "the previous one lacks a name";
    }
    return NULL;
}

static int read_key(const struct tls_keeper *k, char **ret, struct error *err)
{
    size_t size;
    int r = file_read(k->key, PEM_MAX, ret, &size, err);

    return r == -ENOENT ? 0 : r;
}

/* Names of the old certificate are kept, so that a renewal does not block the loop with a DNS
 * query. */
static void collect_names(const struct tls_keeper *k,
                          const struct certificate_info *old,
                          struct host_names *ret)
{
    host_names_collect(ret);
    for (size_t i = 0; i < k->wanted.n; i++)
        host_names_add(ret, k->wanted.items[i]);
    for (size_t i = 0; i < old->n_names; i++)
        host_names_add(ret, old->names[i]);
    if (!old->n_names)
        host_names_collect_dns(ret);
}

static int write_new(const struct tls_keeper *k,
                     const struct certificate_info *old,
                     struct error *err)
{
    _cleanup_(host_names_done) struct host_names names = {0};
    _cleanup_(buf_done) struct buf cert = BUF_INIT(PEM_MAX), key = BUF_INIT(PEM_MAX);
    _cleanup_free_ char *old_key = NULL;
    int r;

    if (mkdir(k->folder, 0700) < 0 && errno != EEXIST)
        return error_set(err, -errno, "%s: %s", k->folder, error_text(-errno));
    r = read_key(k, &old_key, err);
    if (r < 0)
        return r;
    collect_names(k, old, &names);
    r = certificate_make(
        &(struct certificate_spec){
            .names = (const char *const *)names.items,
            .n_names = names.n,
            .key = old_key,
            .n_days = TLS_KEEPER_DAYS - 1,
        },
        &cert, &key, err);
    if (r == 0 && !old_key)
        r = file_write_atomic(k->key, key.data, key.size, 0600, err);
    if (r == 0)
        r = file_write_atomic(k->cert, cert.data, cert.size, 0644, err);
    if (key.data)
        explicit_bzero(key.data, key.size);
    if (old_key)
        explicit_bzero(old_key, strlen(old_key));
    return r;
}

static int ensure_own(const struct tls_keeper *k, struct error *err)
{
    _cleanup_(certificate_info_done) struct certificate_info old = {0};
    const char *why;
    int r;

    r = access(k->cert, F_OK) < 0 ? 0 : certificate_read(k->cert, &old, err);
    if (r < 0)
        return r;
    why = find_renewal_reason(k, &old);
    if (!why)
        return 0;
    r = write_new(k, &old, err);
    if (r < 0)
        return error_wrap(err, r, "create a certificate");
    log_info(LOG_FIELDS("path", k->cert, "why", why), "created a self-signed certificate");
    return 0;
}

/* Certificates of both kinds */

static int load(struct tls_keeper *k, struct error *err)
{
    _cleanup_(tls_server_context_freep) struct ssl_ctx_st *ctx = NULL;
    struct certificate_info info = {0};
    int r;

    r = k->folder ? ensure_own(k, err) : 0;
    if (r == 0)
        r = tls_server_context_new(&ctx, k->cert, k->key, err);
    if (r == 0)
        r = certificate_read(k->cert, &info, err);
    if (r < 0)
        return r;
    tls_server_context_free(k->ctx);
    k->ctx = TAKE_PTR(ctx);
    certificate_info_done(&k->info);
    k->info = info;
    if (count_days_left(k, &info) < 0) {
        log_warn(LOG_FIELDS("path", k->cert), "the certificate has expired");
    } else if (count_days_left(k, &info) < TLS_KEEPER_LEAST_DAYS) {
        log_warn(LOG_FIELDS("path", k->cert), "the certificate expires in %d days",
                 (int)count_days_left(k, &info));
    }
    return 0;
}

static void on_timer(struct loop_timer *t)
{
    struct tls_keeper *k = CONTAINER_OF(t, struct tls_keeper, timer);
    struct error err = ERROR_INIT;

    loop_timer_start(k->o.loop, t, CHECK_INTERVAL_MS, on_timer);
    if (count_days_left(k, &k->info) >= TLS_KEEPER_LEAST_DAYS)
        return;
    /* Files of the configuration may have been replaced; otherwise load() logs again that they
     * expire. */
    if (tls_keeper_reload(k, &err) < 0)
        log_error(LOG_FIELDS("path", k->cert), "could not renew the certificate: %s", err.msg);
}

static void set_paths(struct tls_keeper *k, const struct tls_keeper_files *files)
{
    if (files->cert_file) {
        k->cert = xstrdup(files->cert_file);
        k->key = xstrdup(files->key_file);
    } else {
        k->folder = xasprintf("%s/tls", files->data_dir);
        k->cert = xasprintf("%s/cert.pem", k->folder);
        k->key = xasprintf("%s/key.pem", k->folder);
    }
}

static void split_names(struct host_names *ret, const char *text)
{
    _cleanup_free_ char *copy = xstrdup(text);
    char *rest = copy;

    while (rest)
        host_names_add(ret, str_trim(strsep(&rest, ",")));
}

int tls_keeper_open(struct tls_keeper **ret, const struct tls_keeper_options *o, struct error *err)
{
    _cleanup_(tls_keeper_closep) struct tls_keeper *k = xcalloc(1, sizeof(*k));
    int r;

    k->o = *o;
    if (!k->o.utc_ms)
        k->o.utc_ms = time_utc_ms;
    set_paths(k, &o->files);
    split_names(&k->wanted, o->files.names);
    r = load(k, err);
    if (r < 0)
        return r;
    loop_timer_start(o->loop, &k->timer, CHECK_INTERVAL_MS, on_timer);
    *ret = TAKE_PTR(k);
    return 0;
}

void tls_keeper_close(struct tls_keeper *k)
{
    if (!k)
        return;
    loop_timer_stop(&k->timer);
    tls_server_context_free(k->ctx);
    certificate_info_done(&k->info);
    host_names_done(&k->wanted);
    free(k->cert);
    free(k->key);
    free(k->folder);
    free(k);
}

struct ssl_ctx_st *tls_keeper_context(const struct tls_keeper *k)
{
    return k->ctx;
}

const char *tls_keeper_fingerprint(const struct tls_keeper *k)
{
    return k->info.fingerprint;
}

bool tls_keeper_has_name(const struct tls_keeper *k, const char *name)
{
    return certificate_info_has_name(&k->info, name);
}

int tls_keeper_reload(struct tls_keeper *k, struct error *err)
{
    int r = load(k, err);

    if (r == 0)
        k->o.on_change(k->o.owner);
    return r;
}

int tls_keeper_find_fingerprint(const struct tls_keeper_files *files, char **ret, struct error *err)
{
    _cleanup_(tls_keeper_closep) struct tls_keeper *k = xcalloc(1, sizeof(*k));
    int r;

    set_paths(k, files);
    if (access(k->cert, R_OK) < 0) {
        r = -errno;
        return error_set(err, r, "%s: %s%s", k->cert, error_text(r),
                         r == -ENOENT && k->folder
                             ? "; it is created when the server first starts with TLS"
                             : "");
    }
    r = certificate_read(k->cert, &k->info, err);
    if (r == 0)
        *ret = xstrdup(k->info.fingerprint);
    return r;
}
