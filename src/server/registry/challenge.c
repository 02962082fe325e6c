#include "server/registry/challenge.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_LIFETIME_S 60
#define MAX_LIFETIME_S     86400
#define MAX_TOKEN_NODES    1000

/* Reads a value, in quotes or not, and returns the place behind it. */
static const char *read_value(const char *p, char **ret)
{
    char *out = xmalloc(strlen(p) + 1), *o = out;

    if (*p == '"') {
        for (p++; *p && *p != '"'; p++) {
            if (*p == '\\' && p[1])
                p++;
            *o++ = *p;
        }
        p += *p == '"';
    } else {
        while (*p && *p != ',' && *p != ' ')
            *o++ = *p++;
    }
    *o = '\0';
    *ret = out;
    return p;
}

/* Takes the value if the parameter has this name, and none before it had; returns what is left. */
static char *keep_value(char **ret, const char *wanted, const char *name, size_t size, char *value)
{
    if (!value || *ret || size != strlen(wanted) || strncasecmp(name, wanted, size) != 0)
        return value;
    *ret = value;
    return NULL;
}

static void take_parameter(struct challenge *c, const char *name, size_t size, char *value)
{
    value = keep_value(&c->realm, "realm", name, size, value);
    value = keep_value(&c->service, "service", name, size, value);
    value = keep_value(&c->scope, "scope", name, size, value);
    free(value);
}

static void read_parameters(const char *p, struct challenge *c)
{
    for (;;) {
        const char *name;
        size_t size;
        char *value;

        p += strspn(p, " ,\t");
        name = p;
        while (isalnum((unsigned char)*p) || *p == '_' || *p == '-')
            p++;
        size = (size_t)(p - name);
        if (size == 0 || *p != '=')
            return;
        p = read_value(p + 1, &value);
        take_parameter(c, name, size, value);
    }
}

void challenge_parse(const char *lines, struct challenge *ret)
{
    *ret = (struct challenge){0};
    while (lines && *lines) {
        size_t size = strcspn(lines, "\n");
        _cleanup_free_ char *line = xstrndup(lines, size);

        if (strncasecmp(line, "Bearer ", strlen("Bearer ")) == 0 && ret->kind != CHALLENGE_BEARER) {
            challenge_done(ret);
            read_parameters(line + strlen("Bearer "), ret);
            ret->kind = ret->realm ? CHALLENGE_BEARER : CHALLENGE_NONE;
        } else if (strncasecmp(line, "Basic", strlen("Basic")) == 0 &&
                   ret->kind == CHALLENGE_NONE) {
            ret->kind = CHALLENGE_BASIC;
        }
        lines += size;
        lines += *lines == '\n';
    }
}

void challenge_done(struct challenge *c)
{
    free(TAKE_PTR(c->realm));
    free(TAKE_PTR(c->service));
    free(TAKE_PTR(c->scope));
    c->kind = CHALLENGE_NONE;
}

static bool is_token(const char *text)
{
    if (str_is_empty(text) || strlen(text) > CHALLENGE_MAX_TOKEN)
        return false;
    for (; *text; text++) {
        if (*text <= ' ' || (unsigned char)*text >= 0x7f)
            return false;
    }
    return true;
}

int challenge_read_token(
    const char *text, size_t size, char **ret_token, int64_t *ret_lifetime_s, struct error *err)
{
    json_auto_t *v = json_text_parse_small(text, size, MAX_TOKEN_NODES, err);
    const char *token = json_text_get(v, "token");
    json_int_t lifetime = json_integer_value(json_object_get(v, "expires_in"));

    if (!token)
        token = json_text_get(v, "access_token");
    if (!is_token(token))
        return error_set(err, -EPROTO, "the token server sent no usable token");
    *ret_token = xstrdup(token);
    *ret_lifetime_s = lifetime <= 0               ? DEFAULT_LIFETIME_S
                      : lifetime > MAX_LIFETIME_S ? MAX_LIFETIME_S
                                                  : lifetime;
    return 0;
}
