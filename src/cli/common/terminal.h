#pragma once

/*
 * The user's terminal in raw mode, for verbs that handle keys themselves, and the way back.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <termios.h>

struct terminal {
    bool is_raw;
    struct termios before;
};

/* Sets standard input to raw mode: all keys, even ^C, arrive as bytes. -ENOTTY: no terminal. */
int terminal_make_raw(struct terminal *t) _nodiscard_;
void terminal_restore(struct terminal *t); /* no effect when it is not raw */

/* The size of the terminal on standard output or input; false if neither is one. */
bool terminal_size(int *ret_cols, int *ret_rows);
