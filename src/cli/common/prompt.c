#include "cli/common/prompt.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>

#define MAX_LINE 4096

enum key { KEY_CANCEL = 3, KEY_END = 4, KEY_BACKSPACE = 8, KEY_CLEAR = 21, KEY_DELETE = 127 };

static void erase_character(struct buf *line)
{
    while (line->size > 0 && ((unsigned char)line->data[line->size - 1] & 0xc0) == 0x80)
        line->size--; /* continuation bytes of a UTF-8 sequence */
    line->size -= line->size > 0;
}

/* Line editing, which the terminal does not do in the mode for secrets. */
static int edit_line(struct buf *line, char c)
{
    switch (c) {
    case KEY_CANCEL:
    case KEY_END: return -ECANCELED;
    case KEY_BACKSPACE:
    case KEY_DELETE: erase_character(line); return 0;
    case KEY_CLEAR: line->size = 0; return 0;
    default: return buf_append_char(line, c);
    }
}

/*
 * Reads byte by byte, so that nothing after the line is consumed. `edits`: the bytes are keys, some
 * of which edit the line.
 */
static int read_bytes(int fd, bool edits, struct buf *line)
{
    ssize_t n;
    char c;
    int r = 0;

    while (r == 0) {
        n = read(fd, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return line->size > 0 ? 0 : -ECANCELED;
        if (c == '\n')
            return 0;
        if (c != '\r')
            r = edits ? edit_line(line, c) : buf_append_char(line, c);
    }
    return r;
}

static int read_line(int fd, bool edits, char **ret)
{
    struct buf line = BUF_INIT(MAX_LINE);
    int r;

    /* Allocated in full: a buffer that grows would leave copies of a secret in memory. */
    line.data = xcalloc(1, MAX_LINE + 1);
    line.capacity = MAX_LINE + 1;
    r = read_bytes(fd, edits, &line);
    if (r == 0)
        *ret = xstrndup(line.data, line.size);
    explicit_bzero(line.data, line.capacity);
    buf_done(&line);
    return r;
}

static int write_text(int fd, const char *s)
{
    return write(fd, s, strlen(s)) < 0 ? -errno : 0;
}

/* Keys send no signals meanwhile, so that ^C cannot leave the terminal without echo. */
static int read_secret(int fd, char **ret)
{
    struct termios before, quiet;
    int r;

    if (tcgetattr(fd, &before) < 0)
        return -errno;
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG | ICANON);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0)
        return -errno;
    r = read_line(fd, true, ret);
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
        r = is_secret ? read_secret(fd, ret) : read_line(fd, false, ret);
    if (r == -ECANCELED)
        return error_set(err, r, "cancelled");
    return r < 0 ? error_set(err, r, "cannot read from the terminal: %s", error_text(r)) : 0;
}

int prompt_read_stdin(const char *what, char **ret, struct error *err)
{
    int r = read_line(STDIN_FILENO, false, ret);

    if (r == -ECANCELED)
        return error_set(err, r, "standard input ended before the %s", what);
    return r < 0 ? error_set(err, r, "cannot read the %s from standard input: %s", what,
                             error_text(r))
                 : 0;
}

void prompt_free_secret(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}
