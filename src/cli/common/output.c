#include "cli/common/output.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/common/text.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_TABLE (SIZE_MAX / 2)

static void _printf_(3, 0) print_line(FILE *to, const char *prefix, const char *fmt, va_list ap)
{
    _cleanup_free_ char *text = NULL, *escaped = NULL;
    va_list again;
    int size;

    va_copy(again, ap);
    size = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (size < 0)
        return;
    text = xmalloc((size_t)size + 1);
    (void)vsnprintf(text, (size_t)size + 1, fmt, ap);
    escaped = text_escape_str(text);
    (void)fprintf(to, "%s%s\n", prefix, escaped); /* output_finish() checks stdout */
}

void output_error(const char *fmt, ...)
{
    va_list ap;

    (void)fflush(stdout); /* keeps the order of both streams */
    va_start(ap, fmt);
    print_line(stderr, "Error: ", fmt, ap);
    va_end(ap);
}

int output_failure(const char *subject, const char *reason)
{
    output_error("%s%s%s", subject ? subject : "", subject ? ": " : "", reason);
    return 1;
}

void output_note(const char *fmt, ...)
{
    va_list ap;

    (void)fflush(stdout);
    va_start(ap, fmt);
    print_line(stderr, "", fmt, ap);
    va_end(ap);
}

void output_line(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_line(stdout, "", fmt, ap);
    va_end(ap);
}

void output_raw(const char *text, size_t size)
{
    (void)fwrite(text, 1, size, stdout);
}

void output_raw_to(FILE *to, const char *text, size_t size)
{
    if (to != stdout)
        (void)fflush(stdout); /* keeps the order of both streams */
    (void)fwrite(text, 1, size, to);
}

int output_write(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        ssize_t n = write(fd, at, size);

        if (n < 0 && errno == EAGAIN) {
            (void)poll(&wait, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return -errno;
        } else if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

void output_json(const json_t *v)
{
    size_t flags = JSON_INDENT(4) | JSON_ENCODE_ANY |
                   (output_is_terminal() ? JSON_ENSURE_ASCII : 0);

    (void)json_dumpf(v, stdout, flags);
    (void)putchar('\n');
}

void output_table(struct table *t)
{
    struct buf text = BUF_INIT(MAX_TABLE);

    table_print(t, output_has_colours(), &text);
    output_raw(buf_str(&text), text.size);
    buf_done(&text);
    table_done(t);
}

bool output_is_terminal(void)
{
    return isatty(STDOUT_FILENO);
}

bool output_has_colours(void)
{
    return output_is_terminal() && str_is_empty(secure_getenv("NO_COLOR")) &&
           !str_eq(secure_getenv("TERM"), "dumb");
}

bool output_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *locale = secure_getenv(names[i]);

        if (!str_is_empty(locale))
            return strcasestr(locale, "utf-8") || strcasestr(locale, "utf8");
    }
    return true; /* no locale is set */
}

bool output_flush(void)
{
    return fflush(stdout) == 0 && !ferror(stdout);
}

/* Whether the reader of the pipe or socket that stdout is has exited. */
static bool is_reader_gone(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP));
}

/* The error may be of any earlier write, so errno says nothing if this one succeeds. */
int output_finish(int exit_code)
{
    int code;

    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_code;
    code = errno ? errno : EIO;
    if (code == EPIPE || is_reader_gone())
        return exit_code;
    output_error("cannot write the output: %s", error_text(-code));
    return exit_code ? exit_code : 1;
}
