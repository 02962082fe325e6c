#pragma once

/*
 * What the program says: results on stdout, errors on stderr, colours only on a terminal.
 */

#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* "Error: ..." on stderr; unsafe characters are escaped. */
void output_error(const char *fmt, ...) _printf_(1, 2);
/* "..." on stderr, for hints that must not mix with results. */
void output_note(const char *fmt, ...) _printf_(1, 2);
/* A line on stdout, escaped. */
void output_line(const char *fmt, ...) _printf_(1, 2);
/* Text on stdout as it is: already escaped, or the user's own. */
void output_raw(const char *text, size_t size);
void output_json(const json_t *v); /* indented; pure ASCII on a terminal */

bool output_has_colours(void); /* stdout is a terminal, NO_COLOR is not set, TERM is not "dumb" */
bool output_is_terminal(void);
/* No locale (LC_ALL, LC_CTYPE, LANG) says that the reader knows other characters than ASCII's only. */
bool output_is_utf8(void);

/* What was said reaches its reader; false when nobody reads any more. */
bool output_flush(void);

/* Exit code 0, or 1 when stdout could not be written (a full disk; a closed pipe is no error). */
int output_finish(int exit_code);
