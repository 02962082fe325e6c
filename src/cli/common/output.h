#pragma once

/*
 * Output of the program: results on stdout, errors and remarks on stderr, colours only on a
 * terminal.
 */

#include "base/macros.h"
#include "cli/common/table.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

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
