#include "net/http_head.h"
#include "base/alloc.h"
#include "base/str.h"
#include "net/url.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define BLANK     " \t"
#define DELIMITER "\"(),/:;<=>?@[\\]{}"

static const struct {
    const char *name;
    bool is_allowed;
} methods[] = {
    {"GET",     true },
    {"HEAD",    true },
    {"POST",    true },
    {"PUT",     true },
    {"PATCH",   true },
    {"DELETE",  true },
    {"OPTIONS", true },
    {"TRACE",   false},
    {"CONNECT", false},
};

/* Fields that decide the meaning of a request; a duplicate would make it ambiguous. */
static const char *const singles[] = {
    "host",    "content-length", "transfer-encoding", "authorization",
    "upgrade", "origin",         "sec-websocket-key",
};

int http_head_find(const char *data, size_t size, size_t *scanned)
{
    for (size_t i = *scanned; i < size; i++) {
        if (i >= HTTP_HEAD_MAX)
            return -EMSGSIZE;
        if (data[i] == '\0')
            return -EBADMSG;
        if (data[i] != '\n')
            continue;
        if (i == 0 || data[i - 1] != '\r')
            return -EBADMSG;
        if (i >= 3 && data[i - 2] == '\n')
            return (int)(i + 1);
    }
    *scanned = size;
    return 0;
}

unsigned http_head_status(const char *head)
{
    static const char version[] = "HTTP/1.";
    const char *at = head + strlen("HTTP/1.x ");
    unsigned status = 0;

    if (!str_starts_with(head, version) ||
        strnlen(head, strlen("HTTP/1.x 101")) < strlen("HTTP/1.x 101"))
        return 0;
    if (at[-1] != ' ' || !strchr(" \r", at[3]))
        return 0;
    for (size_t i = 0; i < 3; i++) {
        if (at[i] < '0' || at[i] > '9')
            return 0;
        status = status * 10 + (unsigned)(at[i] - '0');
    }
    return status >= 100 ? status : 0;
}

bool http_head_is_token_char(char c)
{
    return c > ' ' && c <= '~' && !strchr(DELIMITER, c);
}

static bool is_token(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++) {
        if (!http_head_is_token_char(*s))
            return false;
    }
    return true;
}

static int refuse(int status, const char *why, const char **ret_why)
{
    *ret_why = why;
    return status;
}

static int parse_method(struct http_head *h, const char *method, const char **ret_why)
{
    if (!is_token(method))
        return refuse(400, "malformed request line", ret_why);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (!str_eq(methods[i].name, method))
            continue;
        if (!methods[i].is_allowed)
            return refuse(405, "method not allowed", ret_why);
        h->method = methods[i].name;
        return 0;
    }
    return refuse(501, "unknown method", ret_why);
}

/* No segment is empty, "." or ".."; some programs read a backslash as a slash. */
static bool is_plain_path(const char *path)
{
    if (*path != '/' || strchr(path, '\\'))
        return false;
    for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
        const char *segment = slash + 1;
        size_t length = strcspn(segment, "/");

        if (length == 0 && *segment)
            return false;
        if ((length == 1 && segment[0] == '.') ||
            (length == 2 && segment[0] == '.' && segment[1] == '.'))
            return false;
    }
    return true;
}

/* `target` is what `path` was decoded from. */
static const char *find_escaped_slash(const char *target, const char *path)
{
    for (; *target; target += *target == '%' ? 3 : 1, path++) {
        if (*target == '%' && *path == '/')
            return path;
    }
    return NULL;
}

/* Cuts scheme and authority off an absolute target. Returns the path, or NULL if it has none. */
static char *split_target(struct http_head *h, char *target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t n = strlen(schemes[i]);
        char *path;

        if (strncasecmp(target, schemes[i], n) != 0)
            continue;
        path = target + n + strcspn(target + n, "/?");
        memmove(target, target + n, (size_t)(path - target) - n);
        target[(size_t)(path - target) - n] = '\0';
        h->authority = target;
        return *path == '/' ? path : NULL;
    }
    return target;
}

static int parse_target(struct http_head *h, char *target, const char **ret_why)
{
    _cleanup_free_ char *checked = NULL;
    char *question;

    for (const char *c = target; *c; c++) {
        if (*c <= ' ' || *c > '~' || *c == '#')
            return refuse(400, "malformed request target", ret_why);
    }
    target = split_target(h, target);
    if (!target)
        return refuse(400, "malformed request target", ret_why);
    question = strchr(target, '?');
    if (question) {
        *question = '\0';
        h->query = question + 1;
    }
    if (url_decode(target, strlen(target), false, &h->path) < 0 || !is_plain_path(h->path))
        return refuse(400, "malformed path", ret_why);
    h->escaped_slash = find_escaped_slash(target, h->path);
    if (url_decode(h->query, strlen(h->query), true, &checked) < 0)
        return refuse(400, "malformed query", ret_why);
    return 0;
}

static int parse_request_line(struct http_head *h, char *line, const char **ret_why)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    int status;

    if (!version)
        return refuse(400, "malformed request line", ret_why);
    *target++ = '\0';
    *version++ = '\0';
    if (str_eq(version, "HTTP/1.1")) {
        h->is_keep_alive = true;
    } else if (str_eq(version, "HTTP/1.0")) {
        h->is_old = true;
    } else {
        return refuse(400, "unknown HTTP version", ret_why);
    }
    status = parse_method(h, line, ret_why);
    if (status)
        return status;
    return parse_target(h, target, ret_why);
}

static bool is_duplicate(const struct http_head *h, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(singles); i++) {
        if (strcasecmp(name, singles[i]) == 0)
            return http_head_find_field(h, name) != NULL;
    }
    return false;
}

static int parse_field(struct http_head *h, char *line, const char **ret_why)
{
    char *colon = strchr(line, ':');
    char *value;

    if (!colon)
        return refuse(400, "malformed header", ret_why);
    *colon = '\0';
    /*
     * A name with a blank in front would continue the line before, one with a blank behind is
     * ambiguous.
     */
    if (!is_token(line))
        return refuse(400, "malformed header", ret_why);
    /* Before blanks are removed: str_trim() removes more of them than a proxy does. */
    for (const char *c = colon + 1; *c; c++) {
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return refuse(400, "control character in a header", ret_why);
    }
    value = str_trim(colon + 1);
    if (is_duplicate(h, line))
        return refuse(400, "duplicate header", ret_why);
    if (h->n_fields == HTTP_HEADERS_MAX)
        return refuse(431, "too many headers", ret_why);
    h->fields[h->n_fields++] = (struct http_field){line, value};
    return 0;
}

/* True when `word` is an element of a comma-separated list. */
static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);

    while (list && *list) {
        list += strspn(list, BLANK ",");
        if (strncasecmp(list, word, length) == 0 && strchr(BLANK ",", list[length]))
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

/* True when `word` is an element of the comma-separated list in the fields of the name. */
static bool list_field_has(const struct http_head *h, const char *name, const char *word)
{
    const char *list;

    for (size_t n = 0; (list = http_head_find_field_at(h, name, n)); n++) {
        if (list_has(list, word))
            return true;
    }
    return false;
}

/*
 * One way to tell where a body ends: a length beside chunks, or chunks of a client that cannot know
 * them, are how a request is smuggled past a proxy.
 */
static int interpret_body(struct http_head *h, const char **ret_why)
{
    const char *length = http_head_find_field(h, "content-length");
    const char *coding = http_head_find_field(h, "transfer-encoding");

    if (coding && (length || h->is_old))
        return refuse(400, "ambiguous Transfer-Encoding", ret_why);
    if (coding && strcasecmp(coding, "chunked") != 0)
        return refuse(501, "unknown Transfer-Encoding", ret_why);
    h->is_chunked = coding != NULL;
    if (length && (!*length || length[strspn(length, "0123456789")] ||
                   parse_u64(length, INT64_MAX, &h->body_size) < 0))
        return refuse(400, "malformed Content-Length", ret_why);
    return 0;
}

/* Reads the fields that are about connection and body. */
static int interpret(struct http_head *h, const char **ret_why)
{
    const char *expect = http_head_find_field(h, "expect");
    const char *host = http_head_find_field(h, "host");
    int status;

    if (h->is_keep_alive && !host)
        return refuse(400, "no Host header", ret_why);
    if (h->authority && (!host || strcasecmp(h->authority, host) != 0))
        return refuse(400, "the request target is of another host than the Host header", ret_why);
    status = interpret_body(h, ret_why);
    if (status)
        return status;

    h->has_expect = expect && !h->is_old && strcasecmp(expect, "100-continue") == 0;
    h->is_websocket = str_eq(h->method, "GET") && h->is_keep_alive &&
                      list_field_has(h, "upgrade", "websocket") &&
                      list_field_has(h, "connection", "upgrade");
    if (h->is_websocket && (h->is_chunked || h->body_size))
        return refuse(400, "a WebSocket handshake has no body", ret_why);
    if (h->is_keep_alive) {
        h->is_keep_alive = !list_field_has(h, "connection", "close");
    } else {
        h->is_keep_alive = list_field_has(h, "connection", "keep-alive");
    }
    return 0;
}

int http_head_parse(struct http_head *h, const char *data, size_t size, const char **ret_why)
{
    bool is_first = true;
    char *next;

    *h = (struct http_head){.text = xstrndup(data, size), .method = "GET", .query = ""};
    for (char *line = h->text; *line; line = next) {
        char *end = strstr(line, "\r\n");
        int status;

        if (!end)
            return refuse(400, "malformed request", ret_why);
        next = end + 2;
        *end = '\0';
        if (end == line)
            break;
        if (strchr(line, '\r'))
            return refuse(400, "malformed request", ret_why);
        status = is_first ? parse_request_line(h, line, ret_why) : parse_field(h, line, ret_why);
        if (status)
            return status;
        is_first = false;
    }
    if (is_first)
        return refuse(400, "malformed request", ret_why);
    return interpret(h, ret_why);
}

void http_head_done(struct http_head *h)
{
    free(h->text);
    free(h->path);
    *h = (struct http_head){0};
}

const char *http_head_find_field(const struct http_head *h, const char *name)
{
    return http_head_find_field_at(h, name, 0);
}

const char *http_head_find_field_at(const struct http_head *h, const char *name, size_t n)
{
    for (size_t i = 0; i < h->n_fields; i++) {
        if (strcasecmp(h->fields[i].name, name) == 0 && n-- == 0)
            return h->fields[i].value;
    }
    return NULL;
}
