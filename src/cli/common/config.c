#include "cli/common/config.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/common/messages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILE 65536

static const struct key {
    const char *name;
    size_t offset;
    bool is_flag, is_secret;
} keys[] = {
    {"DOCKMON_URL",      offsetof(struct config, url),         false, false},
    {"DOCKMON_API_KEY",  offsetof(struct config, api_key),     false, true },
    {"DOCKMON_SESSION",  offsetof(struct config, session),     false, true },
    {"DOCKMON_PIN",      offsetof(struct config, pin),         false, false},
    {"DOCKMON_CA_FILE",  offsetof(struct config, ca_file),     false, false},
    {"DOCKMON_INSECURE", offsetof(struct config, is_insecure), true,  false},
};

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

static int read_file(struct config *c, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    char *rest;
    size_t size;
    int r;

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

/*
 * Credentials belong to the server that issued them: a different URL in the environment drops them.
 */
static int read_environment(struct config *c, config_env_fn env, struct error *err)
{
    _cleanup_free_ char *file_url = xstrdup(c->url);

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *value = env(keys[i].name);

        if (str_is_empty(value))
            continue;
        if (set_key(c, &keys[i], value, err) < 0)
            return error_wrap(err, -EINVAL, "%s", keys[i].name);
        if (i == 0 && !str_eq(file_url, c->url)) {
            free(TAKE_PTR(c->api_key));
            free(TAKE_PTR(c->session));
            free(TAKE_PTR(c->pin));
        }
    }
    return 0;
}

int config_load(struct config *ret, config_env_fn env, struct error *err)
{
    struct config c = {.path = find_path(env)};
    int r;

    r = read_file(&c, err);
    if (r == 0)
        r = read_environment(&c, env, err);
    if (r < 0) {
        config_done(&c);
        return r;
    }
    c.is_url_given = c.url != NULL;
    if (!c.url)
        c.url = xstrdup(CONFIG_DEFAULT_URL);
    *ret = c;
    return 0;
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

int config_set_url(struct config *c, const char *url, struct error *err)
{
    _cleanup_free_ char *full = NULL;
    char *authority;
    size_t size;

    full = strstr(url, "://") ? xstrdup(url) : xasprintf("http://%s", url);
    authority = strstr(full, "://") + 3;
    size = strlen(full);
    while (size > 0 && full[size - 1] == '/')
        full[--size] = '\0';

    if (!str_starts_with(full, "http://") && !str_starts_with(full, "https://"))
        return error_set(err, -EINVAL, "\"%s\": only http:// and https:// are supported", url);
    if (*authority == '\0' || strpbrk(authority, "/?#@ \t\r\n\"\\")) {
        return error_set(err, -EINVAL, "\"%s\" is not a server address; give http://HOST:PORT",
                         url);
    }

    free(c->url);
    c->url = TAKE_PTR(full);
    return 0;
}
