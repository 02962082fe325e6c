#pragma once

/*
 * The user's terminal while something else talks to it: raw, and back as it was.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <termios.h>

struct terminal {
    bool is_raw;
    struct termios before;
};

/* Standard input goes raw: keys, also ^C, arrive as bytes. -ENOTTY when it is no terminal. */
int terminal_make_raw(struct terminal *t) _nodiscard_;
void terminal_restore(struct terminal *t); /* fine when it is not raw */

/* Of the terminal on standard output or input; false when there is none. */
bool terminal_size(int *ret_cols, int *ret_rows);
