#pragma once

/*
 * The tree of a template, shared by the files of the engine. All of it belongs to the struct
 * template, which keeps what it allocated in one list.
 */

#include "cli/common/template.h"
#include <stddef.h>
#include <stdint.h>

enum token_type {
    TOKEN_END,
    TOKEN_TEXT,     /* outside of braces */
    TOKEN_OPEN,     /* {{ */
    TOKEN_CLOSE,    /* }} */
    TOKEN_WORD,     /* if, range, a function, true, nil */
    TOKEN_FIELD,    /* .Name; `text` without the dot */
    TOKEN_DOT,      /* . */
    TOKEN_VARIABLE, /* $name; `text` without the dollar sign */
    TOKEN_LITERAL,  /* a string or number, in `value` */
    TOKEN_PIPE,
    TOKEN_LEFT,
    TOKEN_RIGHT,
    TOKEN_COMMA,
    TOKEN_DECLARE, /* := */
    TOKEN_ASSIGN,  /* = */
};

struct token {
    enum token_type type;
    size_t position;    /* in the text of the template */
    bool follows_blank; /* a blank stands before it: ".a .b" is not ".a.b" */
    char *text;         /* owned by the template; NULL: none */
    json_t *value;      /* owned by the template */
};

enum expr_kind { EXPR_LITERAL, EXPR_DOT, EXPR_VARIABLE, EXPR_FIELD, EXPR_CALL };

struct function;

struct expr {
    enum expr_kind kind;
    size_t position;
    const json_t *literal;
    const char *name;                /* of the variable or field */
    const struct expr *base;         /* of a field; of a call: the method, or NULL */
    const struct function *function; /* of a call */
    struct expr **args;
    size_t n_args;
};

enum node_kind { NODE_TEXT, NODE_PRINT, NODE_SET, NODE_IF, NODE_RANGE, NODE_WITH };

struct node {
    enum node_kind kind;
    size_t position;
    const char *text;
    const char *key, *name; /* variables that the pipeline sets; NULL: none */
    bool declares;          /* := instead of = */
    const struct expr *expr;
    struct node *body, *otherwise; /* the first of each list */
    struct node *next;
};

struct template
{
    char *text;
    struct node *first;
    struct token *tokens;
    size_t n_tokens, n_nodes;
    void **owned; /* allocated for the tree */
    size_t n_owned;
};

/* Fills err with "LINE:COLUMN: MESSAGE"; returns -EINVAL. */
int template_refuse(const struct template *t,
                    size_t position,
                    struct error *err,
                    const char *fmt,
                    ...) _printf_(4, 5);
/* Hands a block over to the template, which frees it. */
void *template_own(struct template *t, void *block);

int template_lex(struct template *t, struct error *err) _nodiscard_;

/* --- values and functions --- */

/*
 * A value of a run. The JSON is a reference of the value's own; NULL is a member that is absent.
 * `is_safe`: the text was made by the template, or is escaped; else it is the data's.
 */
struct value {
    json_t *json;
    bool is_safe;
};

struct call {
    const struct template *t;
    const char *name;
    size_t position;
    bool is_header;
    struct value *args;
    size_t n_args;
};

#define ANY_NUMBER SIZE_MAX

struct function {
    const char *name;
    size_t min_args, max_args;
    int (*run)(const struct call *c, struct value *ret, struct error *err);
};

const struct function *template_find_function(const char *name);
bool template_is_true(const json_t *v);
/* The text that printing gives: escaped unless the value is safe. To be freed. */
char *template_text(const struct value *v);
int template_printf(const struct call *c, struct value *ret, struct error *err) _nodiscard_;
