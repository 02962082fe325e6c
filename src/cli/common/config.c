#include "cli/common/config.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/prompt.h"
#include "net/address.h"
#include "net/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE 65536

static const struct key {
    const char *name;
    size_t offset;
    bool is_flag, is_secret;
} keys[] = {
    {"DOCKMON_URL",           offsetof(struct config, url),             false, false},
    {"DOCKMON_API_KEY",       offsetof(struct config, api_key),         false, true },
    {"DOCKMON_SESSION",       offsetof(struct config, session),         false, true },
    {"DOCKMON_PIN",           offsetof(struct config, pin),             false, false},
    {"DOCKMON_CA_FILE",       offsetof(struct config, ca_file),         false, false},
    {"DOCKMON_INSECURE",      offsetof(struct config, is_insecure),     true,  false},
    {"DOCKMON_INSECURE_HTTP", offsetof(struct config, is_http_allowed), true,  false},
};

#define KEY_URL 0 /* the key that the others belong to */

/* Fit for an HTTP header: a line end in a variable must not add a second header. */
static bool is_header_word(const char *value)
{
    for (; *value; value++) {
        if (*value <= ' ' || *value > '~')
            return false;
    }
    return true;
}

static int set_key(struct config *c, const struct key *k, const char *value, struct error *err)
{
    void *member = (char *)c + k->offset;

    if (str_eq(k->name, "DOCKMON_URL"))
        return config_set_url(c, value, err);
    if (k->is_secret && !is_header_word(value)) {
        return error_set(err, -EINVAL,
                         "it contains a blank, a line end or another character that no key has");
    }
    if (k->is_flag) {
        return parse_bool(value, member) < 0 ? error_set(err, -EINVAL, MSG_NOT_A_BOOL, value) : 0;
    }
    free(*(char **)member);
    *(char **)member = xstrdup(value);
    return 0;
}

static int read_line(struct config *c, char *line, struct error *err)
{
    char *key = str_trim(line);
    char *value = strchr(key, '=');

    if (*key == '\0' || *key == '#')
        return 0;
    if (!value)
        return error_set(err, -EINVAL, "expected lines of KEY=value");
    *value++ = '\0';
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (str_eq(keys[i].name, str_trim(key)) && *value)
            return set_key(c, &keys[i], str_trim(value), err);
    }
    return 0; /* unknown keys are ignored: a later version may have written them */
}

/* Refuses a file that another user could have written: it decides where credentials are sent. */
static int check_mode(struct config *c, struct error *err)
{
    struct stat st;

    if (stat(c->path, &st) < 0)
        return 0; /* reading it reports why */
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return error_set(err, -EPERM, "%s belongs to another user; delete it", c->path);
    if (st.st_mode & (S_IWGRP | S_IWOTH)) {
        return error_set(err, -EPERM,
                         "%s can be written by other users; check its content, then run "
                         "`chmod 600 %s`",
                         c->path, c->path);
    }
    c->is_exposed = st.st_mode & (S_IRGRP | S_IROTH);
    return 0;
}

static int read_file(struct config *c, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    char *rest;
    size_t size;
    int r;

    r = check_mode(c, err);
    if (r < 0)
        return r;
    r = file_read(c->path, MAX_FILE, &text, &size, err);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    rest = text;
    while (rest && r == 0) {
        char *line = strsep(&rest, "\n");

        r = read_line(c, line, err);
    }
    return r < 0 ? error_wrap(err, r, "%s", c->path) : 0;
}

static char *find_path(config_env_fn env)
{
    const char *folder = env("XDG_CONFIG_HOME");
    const char *home = env("HOME");

    if (!str_is_empty(folder))
        return xasprintf("%s/dockmon/config", folder);
    return xasprintf("%s/.config/dockmon/config", home ? home : "");
}

static int read_variable(struct config *c, size_t i, config_env_fn env, struct error *err)
{
    const char *value = env(keys[i].name);

    if (str_is_empty(value) || set_key(c, &keys[i], value, err) == 0)
        return 0;
    return error_wrap(err, -EINVAL, "%s", keys[i].name);
}

static int read_settings(struct config *c, config_env_fn env, struct error *err)
{
    int r = 0;

    for (size_t i = KEY_URL + 1; i < ARRAY_LEN(keys) && r == 0; i++)
        r = read_variable(c, i, env, err);
    return r;
}

int config_load(struct config *ret, config_env_fn env, struct error *err)
{
    struct config c = {.path = find_path(env)};
    int r;

    r = read_file(&c, err);
    c.is_url_given = c.url || !str_is_empty(env(keys[KEY_URL].name));
    if (!c.url)
        c.url = xstrdup(CONFIG_DEFAULT_URL);
    if (r == 0)
        r = read_variable(&c, KEY_URL, env, err);
    if (r == 0)
        r = read_settings(&c, env, err);
    if (r < 0) {
        config_done(&c);
        return r;
    }
    *ret = c;
    return 0;
}

int config_load_process(struct config *ret, struct error *err)
{
    int r = config_load(ret, secure_getenv, err);

    if (r == 0 && ret->is_exposed) {
        output_note("(other users can read %s, which holds your access to the server; run "
                    "`chmod 600 %s`)",
                    ret->path, ret->path);
    }
    return r;
}

static int make_folders(const char *path, struct error *err)
{
    _cleanup_free_ char *folder = xstrdup(path);

    for (char *p = strchr(folder + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
            return error_set(err, -errno, "%s: %s", folder, error_text(-errno));
        *p = '/';
    }
    return 0;
}

int config_save(const struct config *c, struct error *err)
{
    struct buf out = BUF_INIT(MAX_FILE);
    _cleanup_free_ char *text = NULL;
    int r;

    r = buf_append_str(
        &out, "# Written by `dockmon login`. Keep it secret: it gives access to the server.\n");
    for (size_t i = 0; i < ARRAY_LEN(keys) && r == 0; i++) {
        const void *member = (const char *)c + keys[i].offset;
        const char *value = keys[i].is_flag ? (*(const bool *)member ? "true" : NULL)
                                            : *(char *const *)member;

        if (!str_is_empty(value))
            r = buf_printf(&out, "%s=%s\n", keys[i].name, value);
    }
    text = buf_take(&out);
    if (r < 0)
        return error_set(err, r, "the configuration is too large");

    r = make_folders(c->path, err);
    return r < 0 ? r : file_write_atomic(c->path, text, strlen(text), 0600, err);
}

void config_done(struct config *c)
{
    free(TAKE_PTR(c->path));
    free(TAKE_PTR(c->url));
    free(TAKE_PTR(c->api_key));
    free(TAKE_PTR(c->session));
    free(TAKE_PTR(c->ca_file));
    free(TAKE_PTR(c->pin));
}

static const char *const schemes[] = {"http://", "https://"};

/* The authority and path of an address: after the scheme, if it has one that is supported. */
static const char *skip_scheme(const char *url)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
            return url + strlen(schemes[i]);
    }
    return strstr(url, "://") ? NULL : url;
}

static bool is_plain(const char *url)
{
    return str_starts_with(url, schemes[0]);
}

static bool is_on_loopback(const char *url)
{
    struct url parts = {0};
    bool is_loopback = url_parse(url, &parts, NULL) == 0 && address_is_loopback(parts.host);

    url_done(&parts);
    return is_loopback;
}

static char *complete_url(const char *url, const char *rest)
{
    _cleanup_free_ char *plain = xasprintf("%s%s", schemes[0], rest);
    bool wants_plain = rest == url ? is_on_loopback(plain)
                                   : strncasecmp(url, schemes[0], strlen(schemes[0])) == 0;
    char *full = wants_plain ? TAKE_PTR(plain) : xasprintf("%s%s", schemes[1], rest);
    size_t size = strlen(full);

    while (size > 0 && full[size - 1] == '/')
        full[--size] = '\0';
    return full;
}

static void drop_settings(struct config *c)
{
    prompt_free_secret(TAKE_PTR(c->api_key));
    prompt_free_secret(TAKE_PTR(c->session));
    free(TAKE_PTR(c->ca_file));
    free(TAKE_PTR(c->pin));
    c->is_insecure = false;
    c->is_http_allowed = false;
}

int config_set_url(struct config *c, const char *url, struct error *err)
{
    const char *rest = skip_scheme(url);
    _cleanup_free_ char *full = NULL;
    struct url parts = {0};

    if (!rest)
        return error_set(err, -EINVAL, "\"%s\": only http:// and https:// are supported", url);
    full = complete_url(url, rest);
    if (strpbrk(rest, "?#@ \t\r\n\"\\") || url_parse(full, &parts, NULL) < 0) {
        return error_set(err, -EINVAL, "\"%s\" is not a server address; give https://HOST:PORT",
                         url);
    }
    url_done(&parts);
    if (c->url && !str_eq(c->url, full))
        drop_settings(c);
    free(c->url);
    c->url = TAKE_PTR(full);
    return 0;
}

int config_choose_server(struct config *c, const char *url, config_env_fn env, struct error *err)
{
    _cleanup_free_ char *before = xstrdup(c->url);
    int r;

    r = config_set_url(c, url, err);
    if (r < 0 || str_eq(before, c->url) || !str_is_empty(env(keys[KEY_URL].name)))
        return r;
    return read_settings(c, env, err);
}

int config_check_transport(const struct config *c, struct error *err)
{
    if (!is_plain(c->url) || c->is_http_allowed || is_on_loopback(c->url))
        return 0;
    return error_set(err, -EPERM,
                     "%s is not encrypted, so nothing was sent: passwords and keys could be read "
                     "on the way; give an https:// address, or allow this with "
                     "`dockmon login --insecure-http` or DOCKMON_INSECURE_HTTP=true",
                     c->url);
}
