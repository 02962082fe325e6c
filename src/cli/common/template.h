#pragma once

/*
 * Templates of --format and inspect -f: the part of Go's text/template that users of docker write.
 *
 * A template is text with actions in braces. Its life has three steps, each in a file of its own:
 * template_lex.c cuts the text into tokens, template_parse.c makes a tree of nodes and expressions,
 * template_eval.c walks the tree with a JSON value as the dot. template_functions.c has the
 * functions, template_printf.c printf.
 *
 * Supported are fields (.A.B), $variables, literals, parentheses, pipes, {{- trimming -}},
 * comments, if/else if/else/end, range (with else and `$k, $v :=`), with, and the functions of
 * template_functions.c. A template may be hostile, or simply wrong: text, nesting, number of steps
 * and output have limits, and errors name line and column.
 *
 * Text of the data is escaped when it is printed (text.h), so that it cannot move the cursor; text
 * of the template is the user's own and is printed as it is. `json` prints JSON, which is escaped
 * in its own way.
 */

#include "base/buf.h"
#include "base/error.h"
#include <jansson.h>
#include <stdbool.h>

#define TEMPLATE_MAX_TEXT   65536
#define TEMPLATE_MAX_DEPTH  32      /* nesting of blocks and of parentheses */
#define TEMPLATE_MAX_NODES  4096    /* of one template, expressions included */
#define TEMPLATE_MAX_STEPS  1000000 /* of one run */
#define TEMPLATE_MAX_OUTPUT (4 << 20)

struct template;

/* -EINVAL: `err` names the position. */
int template_parse(struct template **ret, const char *text, struct error *err) _nodiscard_;
void template_free(struct template *t);
DEFINE_CLEANUP(struct template *, template_free);

struct template_data {
    const json_t *dot;
    const json_t *labels; /* for the method `.Label "KEY"`; NULL: there is none */
    bool is_header;       /* the dot has headers of a table: functions such as upper leave them */
};

/* Appends the output for one value. -EINVAL names the position; -E2BIG: a limit. */
int template_run(const struct template *t,
                 const struct template_data *data,
                 struct buf *out,
                 struct error *err) _nodiscard_;

/* One line of JSON with sorted keys; on request with <, > and & escaped, as Go does. To be freed. */
char *template_json(const json_t *v, bool escapes_html);
