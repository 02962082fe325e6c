#include "cli/common/terminal.h"

#include <errno.h>
#include <sys/ioctl.h>

int terminal_make_raw(struct terminal *t)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &t->before) < 0)
        return -errno;
    raw = t->before;
    cfmakeraw(&raw);
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
        return -errno;
    t->is_raw = true;
    return 0;
}

void terminal_restore(struct terminal *t)
{
    if (t->is_raw) {
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN,
                        &t->before); /* on failure nothing else can be done */
    }
    t->is_raw = false;
}

bool terminal_size(int *ret_cols, int *ret_rows)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
        return false;
    *ret_cols = size.ws_col;
    *ret_rows = size.ws_row;
    return size.ws_col > 0 && size.ws_row > 0;
}
