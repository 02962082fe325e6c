#include "server/registry/transfer.h"
#include "base/alloc.h"
#include "base/macros.h"
#include "base/str.h"
#include "net/local_address.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define MAX_REDIRECTS      5
#define CONNECT_TIMEOUT_MS 10000
#define MAX_HEADER         ((size_t)8 << 10) /* bytes of one value that is kept */

struct exchange {
    const struct transfer_options *o;
    struct transfer_reply *reply;
    bool is_too_large, is_refused, is_proxied;
};

int transfer_init(struct error *err)
{
    CURLcode r = curl_global_init(CURL_GLOBAL_DEFAULT);

    return r == CURLE_OK ? 0 : error_set(err, -EIO, "libcurl: %s", curl_easy_strerror(r));
}

static curl_socket_t on_socket(void *owner, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct exchange *x = owner;

    (void)purpose;
    if (!x->o->may_be_local && !x->is_proxied && local_address_is(&address->addr)) {
        x->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    return local_address_socket(address->family, address->socktype, address->protocol);
}

static size_t on_body(char *data, size_t size, size_t n, void *owner)
{
    struct exchange *x = owner;

    if (buf_append(&x->reply->body, data, size * n) == 0)
        return size * n;
    x->is_too_large = true;
    return 0;
}

static void clear_head(struct transfer_reply *r)
{
    free(TAKE_PTR(r->digest));
    free(TAKE_PTR(r->etag));
    free(TAKE_PTR(r->challenges));
    free(TAKE_PTR(r->link));
    free(TAKE_PTR(r->limit));
    free(TAKE_PTR(r->remaining));
    r->head_size = 0;
}

/* Keeps the value of a header; of several WWW-Authenticate each one. */
static void take_header(struct transfer_reply *r, const char *name, const char *value)
{
    const struct {
        const char *name;
        char **place;
    } headers[] = {
        {"docker-content-digest", &r->digest    },
        {"etag",                  &r->etag      },
        {"www-authenticate",      &r->challenges},
        {"link",                  &r->link      },
        {"ratelimit-limit",       &r->limit     },
        {"ratelimit-remaining",   &r->remaining },
    };

    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        char *old;

        if (strcasecmp(name, headers[i].name) != 0)
            continue;
        old = *headers[i].place;
        *headers[i].place = old && headers[i].place == &r->challenges
                                ? xasprintf("%s\n%s", old, value)
                                : xstrdup(value);
        free(old);
    }
}

static size_t on_header(char *data, size_t size, size_t n, void *owner)
{
    struct exchange *x = owner;
    _cleanup_free_ char *line = xstrndup(data, size * n);
    char *colon = strchr(line, ':');

    if (strncasecmp(line, "HTTP/", strlen("HTTP/")) == 0)
        clear_head(x->reply); /* of a redirect, or of a proxy */
    x->reply->head_size += size * n;
    if (x->reply->head_size > TRANSFER_MAX_HEAD) {
        x->is_too_large = true;
        return 0;
    }
    if (colon && size * n <= MAX_HEADER) {
        *colon = '\0';
        take_header(x->reply, line, str_trim(colon + 1));
    }
    return size * n;
}

static int on_progress(
    void *owner, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
    const struct exchange *x = owner;

    (void)dltotal;
    (void)dlnow;
    (void)ultotal;
    (void)ulnow;
    return x->o->is_cancelled && atomic_load(x->o->is_cancelled);
}

static struct curl_slist *append_header(struct curl_slist *list,
                                        const char *name,
                                        const char *value)
{
    _cleanup_free_ char *line = xasprintf("%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(list, line);

    return longer ? longer : list;
}

static struct curl_slist *make_headers(const struct transfer_options *o)
{
    struct curl_slist *list = NULL;

    if (o->accept)
        list = append_header(list, "Accept", o->accept);
    if (o->authorization)
        list = append_header(list, "Authorization", o->authorization);
    if (o->etag)
        list = append_header(list, "If-None-Match", o->etag);
    return list;
}

static void set_trust(CURL *curl, const struct transfer_options *o)
{
    if (o->accepts_any_certificate) {
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    } else if (o->ca_pem) {
        struct curl_blob blob = {
            .data = (void *)(uintptr_t)o->ca_pem,
            .len = strlen(o->ca_pem),
            .flags = CURL_BLOB_COPY,
        };

        (void)curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    }
}

static void set_options(CURL *curl, struct exchange *x, struct curl_slist *headers, char *text)
{
    const struct transfer_options *o = x->o;
    const char *schemes = o->may_be_plain ? "http,https" : "https";

    (void)curl_easy_setopt(curl, CURLOPT_URL, o->url);
    (void)curl_easy_setopt(curl, CURLOPT_NOBODY, (long)o->is_head);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "DockMon/" DOCKMON_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, schemes);
    (void)curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, schemes);
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); /* never waits for a lookup of a name */
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, x);
    set_trust(curl, o);
}

static int explain(const struct exchange *x, CURLcode code, const char *text, struct error *err)
{
    if (x->is_too_large || code == CURLE_FILESIZE_EXCEEDED)
        return error_set(err, -EMSGSIZE, "the answer is larger than allowed");
    if (x->is_refused) {
        return error_set(err, -EACCES,
                         "its address is of this machine or of the local link; add the registry by "
                         "its name to allow that");
    }
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return error_set(err, -ECANCELED, "cancelled");
    if (code == CURLE_UNSUPPORTED_PROTOCOL)
        return error_set(err, -EACCES, "it redirects to something else than HTTPS");
    return error_set(err, code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -ENOTCONN, "%s",
                     *text ? text : curl_easy_strerror(code));
}

static bool has_proxy(void)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy",
                                        "ALL_PROXY"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never changed */
        if (!str_is_empty(getenv(names[i])))
            return true;
    }
    return false;
}

int transfer_run(const struct transfer_options *o, struct transfer_reply *ret, struct error *err)
{
    struct exchange x = {.o = o, .reply = ret, .is_proxied = has_proxy()};
    char text[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers;
    curl_off_t retry_after = 0;
    long status = 0;
    CURLcode code;
    CURL *curl;

    *ret = (struct transfer_reply){.body = BUF_INIT(o->max_body)};
    curl = curl_easy_init();
    if (!curl)
        return error_set(err, -ENOMEM, "libcurl cannot be started");
    headers = make_headers(o);
    set_options(curl, &x, headers, text);
    code = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        return explain(&x, code, text, err);
    ret->status = (int)status;
    ret->retry_after_s = retry_after;
    return 0;
}

void transfer_done(struct transfer_reply *r)
{
    clear_head(r);
    buf_done(&r->body);
    *r = (struct transfer_reply){0};
}

char *transfer_escape(const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = xmalloc(strlen(text) * 3 + 1), *p = out;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (isalnum(c) || strchr("-._~", c)) {
            *p++ = (char)c;
        } else {
            *p++ = '%';
            *p++ = digits[c >> 4];
            *p++ = digits[c & 15];
        }
    }
    *p = '\0';
    return out;
}

static void make_lower(char *s)
{
    for (; *s; s++)
        *s = (char)tolower((unsigned char)*s);
}

char *transfer_host(const char *url)
{
    CURLU *u = curl_url();
    char *host = NULL, *copy = NULL;

    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        copy = xstrdup(host);
        make_lower(copy);
    }
    curl_free(host);
    curl_url_cleanup(u);
    return copy;
}
