#pragma once

/*
 * Output of the program. Results go to stdout, where a script reads them; errors and remarks go to
 * stderr. Colours and escape sequences are used only on a terminal.
 *
 * Text of the server is untrusted (see text.h). output_error(), output_note(), output_line() and
 * output_table() escape all of it, so callers pass it unchanged; what is given to output_raw() has
 * been escaped already, or is meant byte by byte, such as a log in a pipe.
 *
 * stdout is buffered. An error flushes it first, so that the order on a terminal is that of the
 * calls. A failed write is noticed once, by output_finish() at the end; programs that run until the
 * user stops them ask output_flush() instead, and end when their reader has.
 */

#include "base/macros.h"
#include "cli/common/table.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* "Error: ..." on stderr; unsafe characters are escaped. */
void output_error(const char *fmt, ...) _printf_(1, 2);
/* "Error: SUBJECT: REASON", or without a subject if it is NULL. Returns the exit code 1. */
int output_failure(const char *subject, const char *reason);
/* A remark on stderr, where it does not mix with results. */
void output_note(const char *fmt, ...) _printf_(1, 2);
/* A line on stdout, escaped. */
void output_line(const char *fmt, ...) _printf_(1, 2);
/* Text on stdout as it is: it is already escaped, or the user's own. */
void output_raw(const char *text, size_t size);
/* The same to stdout or stderr, in the order of the calls. */
void output_raw_to(FILE *to, const char *text, size_t size);
/*
 * Writes all bytes past the buffers of stdio. Blocks while the reader is slow, also if another
 * program has made the descriptor non-blocking: the windows of a connection then make the peer
 * wait, too. Returns 0, or the negative errno of write(2).
 */
int output_write(int fd, const void *data, size_t size) _nodiscard_;
void output_json(const json_t *v); /* indented; pure ASCII on a terminal */
/* Prints the table and releases it. */
void output_table(struct table *t);

bool output_has_colours(void); /* stdout is a terminal, NO_COLOR is unset, TERM is not "dumb" */
bool output_is_terminal(void);
/* False if the locale (LC_ALL, LC_CTYPE, LANG) has another encoding than UTF-8. */
bool output_is_utf8(void);

/* Flushes stdout; false if that fails, usually because the reader has exited. */
bool output_flush(void);

/* Returns `exit_code`, or 1 if stdout could not be written; a closed pipe is not an error. */
int output_finish(int exit_code);
