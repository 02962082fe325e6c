#include "cli/prompt.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>

#define MAX_LINE  4096
#define CONTROL_C 3
#define CONTROL_D 4

/* Byte by byte, so that nothing behind the line is swallowed. */
static int read_line(int fd, char **ret)
{
    struct buf line = BUF_INIT(MAX_LINE);
    int result = 0;
    char c = 0;
    ssize_t n = 0;

    while (result == 0) {
        n = read(fd, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            result = -errno;
        } else if (n == 0 || c == '\n') {
            break;
        } else if (c == CONTROL_C || c == CONTROL_D) {
            result = -ECANCELED;
        } else if (c != '\r') {
            result = buf_append_char(&line, c);
        }
    }
    if (result == 0 && n == 0 && line.size == 0)
        result = -ECANCELED;
    if (result == 0)
        *ret = buf_take(&line);
    if (line.data)
        explicit_bzero(line.data, line.size);
    buf_done(&line);
    return result;
}

static int write_text(int fd, const char *s)
{
    return write(fd, s, strlen(s)) < 0 ? -errno : 0;
}

/* Signals from keys are off meanwhile, so that ^C cannot leave a terminal without echo behind. */
static int read_secret(int fd, char **ret)
{
    struct termios before, quiet;
    int r;

    if (tcgetattr(fd, &before) < 0)
        return -errno;
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0)
        return -errno;
    r = read_line(fd, ret);
    (void)tcsetattr(fd, TCSAFLUSH, &before);
    (void)write_text(fd, "\n");
    return r;
}

int prompt_line(const char *question, bool is_secret, char **ret, struct error *err)
{
    _cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    int r;

    if (fd < 0)
        return error_set(err, -ENOTTY, "there is no terminal to ask on");
    r = write_text(fd, question);
    if (r == 0)
        r = is_secret ? read_secret(fd, ret) : read_line(fd, ret);
    if (r == -ECANCELED)
        return error_set(err, r, "cancelled");
    return r < 0 ? error_set(err, r, "cannot read from the terminal: %s", error_text(r)) : 0;
}

int prompt_read_stdin(const char *what, char **ret, struct error *err)
{
    int r = read_line(STDIN_FILENO, ret);

    if (r == -ECANCELED)
        return error_set(err, r, "no %s came on standard input", what);
    return r < 0 ? error_set(err, r, "cannot read the %s: %s", what, error_text(r)) : 0;
}

void prompt_free_secret(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}
