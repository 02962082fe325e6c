#include "net/proxy.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/str.h"
#include "net/no_proxy.h"
#include "net/url.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define SEPARATOR "://"
#define HTTPS     "HTTPS_PROXY"
#define HTTP      "HTTP_PROXY"

static const char *read_either(char *(*get)(const char *name), const char *upper, const char *lower)
{
    const char *value = get(upper);

    return str_is_empty(value) ? get(lower) : value;
}

struct proxy_settings proxy_settings_read(char *(*get)(const char *name))
{
    return (struct proxy_settings){
        .https = read_either(get, HTTPS, "https_proxy"),
        .http = read_either(get, HTTP, "http_proxy"),
        .none = read_either(get, "NO_PROXY", "no_proxy"),
    };
}

static void wipe(char *text)
{
    if (!text)
        return;
    explicit_bzero(text, strlen(text));
    free(text);
}

/* "USER" or "USER:PASSWORD", percent-encoded. */
static int parse_credentials(const char *text, size_t size, char **ret)
{
    const char *colon = memchr(text, ':', size);
    size_t user_size = colon ? (size_t)(colon - text) : size;
    char *user = NULL, *password = NULL, *both = NULL;
    int r;

    r = url_decode(text, user_size, false, &user);
    if (r == 0 && colon)
        r = url_decode(colon + 1, size - user_size - 1, false, &password);
    /* A colon in the user would end it: RFC 7617, section 2. */
    if (r == 0 && (strchr(user, ':') || strlen(user) > PROXY_CREDENTIALS_MAX ||
                   (password && strlen(password) > PROXY_CREDENTIALS_MAX)))
        r = -EINVAL;
    if (r == 0) {
        both = xasprintf("%s:%s", user, password ? password : "");
        *ret = base64_encode(both, strlen(both));
    }
    wipe(user);
    wipe(password);
    wipe(both);
    return r;
}

static int parse_proxy(const char *text, struct proxy *p)
{
    const char *separator = strstr(text, SEPARATOR);
    const char *rest = separator ? separator + strlen(SEPARATOR) : text;
    size_t scheme = separator ? (size_t)(separator - text) : 0;
    bool is_tls = scheme == strlen("https") && strncasecmp(text, "https", scheme) == 0;
    _cleanup_free_ char *address = NULL;
    const char *at = strrchr(rest, '@');

    if (separator && !is_tls &&
        (scheme != strlen("http") || strncasecmp(text, "http", scheme) != 0))
        return -EINVAL;
    address = xasprintf("%s://%s", is_tls ? "https" : "http", at ? at + 1 : rest);
    if (address_parse(&p->address, address, NULL) < 0)
        return -EINVAL;
    return at ? parse_credentials(rest, (size_t)(at - rest), &p->credentials) : 0;
}

int proxy_find(const struct proxy_settings *s,
               const struct address *to,
               struct proxy *ret,
               struct error *err)
{
    const char *value;
    struct proxy p = {.variable = to->is_tls ? HTTPS : HTTP};

    if (!s)
        return 0;
    value = to->is_tls ? s->https : s->http;
    if (str_is_empty(value) || to->is_unix || address_is_loopback(to->host) ||
        no_proxy_matches(s->none, to))
        return 0;
    if (parse_proxy(value, &p) < 0) {
        return error_set(err, -EINVAL,
                         "%s: expected http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ "
                         "before the host if the proxy asks for them, percent-encoded",
                         p.variable);
    }
    *ret = p;
    return 1;
}

void proxy_done(struct proxy *p)
{
    wipe(TAKE_PTR(p->credentials));
}
