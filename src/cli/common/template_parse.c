#include "cli/common/template_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct template *t;
    size_t next; /* token */
    size_t depth;
    struct error *err;
};

int template_refuse(
    const struct template *t, size_t position, struct error *err, const char *fmt, ...)
{
    char message[160];
    size_t line = 1, column = 1;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < position && t->text[i]; i++) {
        column = t->text[i] == '\n' ? 1 : column + 1;
        line += t->text[i] == '\n';
    }
    return error_set(err, -EINVAL, "template %zu:%zu: %s", line, column, message);
}

void *template_own(struct template *t, void *block)
{
    t->owned = xrealloc(t->owned, t->n_owned + 1, sizeof(*t->owned));
    t->owned[t->n_owned++] = block;
    return block;
}

static const struct token *peek(const struct parser *p)
{
    return &p->t->tokens[p->next];
}

static const struct token *take(struct parser *p)
{
    return &p->t->tokens[p->next++];
}

static bool take_type(struct parser *p, enum token_type type)
{
    if (peek(p)->type != type)
        return false;
    p->next++;
    return true;
}

static bool is_word(const struct token *token, const char *word)
{
    return token->type == TOKEN_WORD && str_eq(token->text, word);
}

#define refuse(p, position, ...) template_refuse((p)->t, position, (p)->err, __VA_ARGS__)

/* Counts an element of the tree; -EINVAL: there are too many. */
static int count(struct parser *p, size_t position)
{
    if (++p->t->n_nodes > TEMPLATE_MAX_NODES)
        return refuse(p, position, "the template is too long");
    return 0;
}

static int enter(struct parser *p, size_t position)
{
    if (++p->depth > TEMPLATE_MAX_DEPTH)
        return refuse(p, position, "the template is nested too deeply");
    return 0;
}

static struct expr *new_expr(struct parser *p, enum expr_kind kind, size_t position)
{
    struct expr *e;

    if (count(p, position) < 0)
        return NULL;
    e = template_own(p->t, xcalloc(1, sizeof(*e)));
    e->kind = kind;
    e->position = position;
    return e;
}

static void add_arg(struct parser *p, struct expr *call, struct expr *arg)
{
    struct expr **args = template_own(p->t, xcalloc(call->n_args + 1, sizeof(struct expr *)));

    if (call->n_args)
        memcpy(args, call->args, call->n_args * sizeof(struct expr *));
    args[call->n_args++] = arg;
    call->args = args;
}

static struct expr *parse_pipeline(struct parser *p);

/* Fields that follow without a blank: ".A.B", "$x.A", "(...).A". */
static struct expr *parse_fields(struct parser *p, struct expr *base)
{
    while (base && peek(p)->type == TOKEN_FIELD && !peek(p)->follows_blank) {
        const struct token *token = take(p);
        struct expr *e = new_expr(p, EXPR_FIELD, token->position);

        if (!e)
            return NULL;
        e->name = token->text;
        e->base = base;
        base = e;
    }
    return base;
}

static struct expr *parse_parentheses(struct parser *p, size_t position)
{
    struct expr *inner;

    if (enter(p, position) < 0)
        return NULL;
    inner = parse_pipeline(p);
    p->depth--;
    if (inner && !take_type(p, TOKEN_RIGHT)) {
        (void)refuse(p, position, "\"(\" has no \")\"");
        return NULL;
    }
    return inner;
}

/* true, false, nil, or a function without arguments. */
static struct expr *parse_word(struct parser *p, const struct token *token)
{
    static const char *const names[] = {"true", "false", "nil"};
    struct expr *e;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!str_eq(token->text, names[i]))
            continue;
        e = new_expr(p, EXPR_LITERAL, token->position);
        if (e)
            e->literal = i == 0 ? json_true() : i == 1 ? json_false() : json_null();
        return e;
    }
    e = new_expr(p, EXPR_CALL, token->position);
    if (e) {
        e->name = token->text;
        e->function = template_find_function(token->text);
        if (!e->function) {
            (void)refuse(p, token->position, "function \"%s\" is not defined", token->text);
            return NULL;
        }
    }
    return e;
}

static struct expr *parse_operand(struct parser *p)
{
    const struct token *token = take(p);
    struct expr *e = NULL;

    switch ((unsigned)token->type) {
    case TOKEN_LITERAL:
        e = new_expr(p, EXPR_LITERAL, token->position);
        if (e)
            e->literal = token->value;
        return e;
    case TOKEN_WORD: return parse_word(p, token);
    case TOKEN_LEFT: return parse_fields(p, parse_parentheses(p, token->position));
    case TOKEN_DOT: return parse_fields(p, new_expr(p, EXPR_DOT, token->position));
    case TOKEN_VARIABLE:
        e = new_expr(p, EXPR_VARIABLE, token->position);
        if (e)
            e->name = token->text;
        return parse_fields(p, e);
    case TOKEN_FIELD:
        e = new_expr(p, EXPR_FIELD, token->position);
        if (e) {
            e->name = token->text;
            e->base = new_expr(p, EXPR_DOT, token->position);
        }
        return e && e->base ? parse_fields(p, e) : NULL;
    default: (void)refuse(p, token->position, "a value is missing"); return NULL;
    }
}

static bool begins_operand(const struct token *token)
{
    switch ((unsigned)token->type) {
    case TOKEN_LITERAL:
    case TOKEN_WORD:
    case TOKEN_LEFT:
    case TOKEN_DOT:
    case TOKEN_VARIABLE:
    case TOKEN_FIELD: return true;
    default: return false;
    }
}

/* An operand, and its arguments if it is a function or a method. */
static struct expr *parse_command(struct parser *p)
{
    struct expr *first = parse_operand(p);
    struct expr *call = first;

    if (!first)
        return NULL;
    if (first->kind == EXPR_FIELD && begins_operand(peek(p))) {
        call = new_expr(p, EXPR_CALL, first->position);
        if (!call)
            return NULL;
        call->base = first;
        call->name = first->name;
    }
    while (begins_operand(peek(p))) {
        struct expr *arg;

        if (call->kind != EXPR_CALL) {
            (void)refuse(p, peek(p)->position, "only functions take arguments");
            return NULL;
        }
        arg = parse_operand(p);
        if (!arg)
            return NULL;
        add_arg(p, call, arg);
    }
    return call;
}

static int check_arguments(struct parser *p, const struct expr *e)
{
    const struct function *f = e->function;

    if (e->kind != EXPR_CALL || !f)
        return 0;
    if (e->n_args < f->min_args || e->n_args > f->max_args) {
        return refuse(p, e->position, "wrong number of arguments for %s: %zu", f->name, e->n_args);
    }
    return 0;
}

/* The value of each command is the last argument of the next one. */
static struct expr *parse_pipeline(struct parser *p)
{
    struct expr *value = parse_command(p);

    while (value && peek(p)->type == TOKEN_PIPE) {
        size_t position = take(p)->position;
        struct expr *call;

        if (check_arguments(p, value) < 0)
            return NULL;
        call = parse_command(p);
        if (call && call->kind != EXPR_CALL) {
            (void)refuse(p, position, "\"|\" needs a function behind it");
            return NULL;
        }
        if (call)
            add_arg(p, call, value);
        value = call;
    }
    return value && check_arguments(p, value) == 0 ? value : NULL;
}

/* "$x := ", "$k, $v := ", "$x = ": none of them may be there. */
static int parse_variables(struct parser *p, struct node *n)
{
    const struct token *t = peek(p);

    if (t->type != TOKEN_VARIABLE)
        return 0;
    if (t[1].type == TOKEN_COMMA && t[2].type == TOKEN_VARIABLE && t[3].type == TOKEN_DECLARE) {
        if (n->kind != NODE_RANGE)
            return refuse(p, t->position, "two variables are possible in range only");
        n->key = t->text;
        n->name = t[2].text;
        p->next += 4;
    } else if (t[1].type == TOKEN_DECLARE || t[1].type == TOKEN_ASSIGN) {
        n->name = t->text;
        p->next += 2;
    } else {
        return 0;
    }
    n->declares = peek(p)[-1].type == TOKEN_DECLARE;
    if (n->kind == NODE_PRINT)
        n->kind = NODE_SET;
    return 0;
}

static int parse_expression(struct parser *p, struct node *n)
{
    if (parse_variables(p, n) < 0)
        return -EINVAL;
    n->expr = parse_pipeline(p);
    if (!n->expr)
        return -EINVAL;
    if (!take_type(p, TOKEN_CLOSE))
        return refuse(p, peek(p)->position, "unexpected word in the action");
    return 0;
}

static struct node *new_node(struct parser *p, enum node_kind kind, size_t position)
{
    struct node *n;

    if (count(p, position) < 0)
        return NULL;
    n = template_own(p->t, xcalloc(1, sizeof(*n)));
    n->kind = kind;
    n->position = position;
    return n;
}

static int parse_list(struct parser *p, struct node **ret, bool is_block);

/* The part behind {{else}}, and {{end}}. */
static int parse_rest(struct parser *p, struct node *n)
{
    const struct token *word = take(p);

    if (is_word(word, "else") && is_word(peek(p), "if") && n->kind == NODE_IF) {
        struct node *inner = new_node(p, NODE_IF, take(p)->position);

        if (!inner || parse_expression(p, inner) < 0 || enter(p, word->position) < 0)
            return -EINVAL;
        n->otherwise = inner;
        if (parse_list(p, &inner->body, true) < 0 || parse_rest(p, inner) < 0)
            return -EINVAL;
        p->depth--;
        return 0; /* the {{end}} was that of the inner one */
    }
    if (is_word(word, "else")) {
        if (!take_type(p, TOKEN_CLOSE))
            return refuse(p, word->position, "unexpected word behind else");
        if (parse_list(p, &n->otherwise, true) < 0)
            return -EINVAL;
        word = take(p);
    }
    if (!is_word(word, "end") || !take_type(p, TOKEN_CLOSE))
        return refuse(p, word->position, "expected {{end}}");
    return 0;
}

static int parse_action(struct parser *p, struct node **ret)
{
    static const struct {
        const char *word;
        enum node_kind kind;
    } blocks[] = {
        {"if",    NODE_IF   },
        {"range", NODE_RANGE},
        {"with",  NODE_WITH }
    };
    struct node *n = new_node(p, NODE_PRINT, peek(p)->position);

    if (!n)
        return -EINVAL;
    *ret = n;
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        if (is_word(peek(p), blocks[i].word))
            n->kind = blocks[i].kind;
    }
    if (n->kind == NODE_PRINT)
        return parse_expression(p, n);
    p->next++;
    if (parse_expression(p, n) < 0 || enter(p, n->position) < 0 ||
        parse_list(p, &n->body, true) < 0 || parse_rest(p, n) < 0)
        return -EINVAL;
    p->depth--;
    return 0;
}

/* Nodes up to the end, or in a block to {{else}} or {{end}}, whose word is next. */
static int parse_list(struct parser *p, struct node **ret, bool is_block)
{
    while (peek(p)->type != TOKEN_END) {
        const struct token *token = take(p);

        if (token->type == TOKEN_TEXT) {
            *ret = new_node(p, NODE_TEXT, token->position);
            if (!*ret)
                return -EINVAL;
            (*ret)->text = token->text;
        } else if (is_word(peek(p), "else") || is_word(peek(p), "end")) {
            return is_block ? 0 : refuse(p, peek(p)->position, "unexpected {{%s}}", peek(p)->text);
        } else if (parse_action(p, ret) < 0) {
            return -EINVAL;
        }
        ret = &(*ret)->next;
    }
    return is_block ? refuse(p, peek(p)->position, "{{end}} is missing") : 0;
}

int template_parse(struct template **ret, const char *text, struct error *err)
{
    _cleanup_(template_freep) struct template *t = xcalloc(1, sizeof(*t));
    struct parser p = {.t = t, .err = err};

    if (strlen(text) > TEMPLATE_MAX_TEXT)
        return error_set(err, -EINVAL, "the template is longer than %d bytes", TEMPLATE_MAX_TEXT);
    t->text = xstrdup(text);
    if (template_lex(t, err) < 0 || parse_list(&p, &t->first, false) < 0)
        return -EINVAL;
    *ret = TAKE_PTR(t);
    return 0;
}

void template_free(struct template *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_tokens; i++)
        json_decref(t->tokens[i].value);
    for (size_t i = 0; i < t->n_owned; i++)
        free(t->owned[i]);
    free(t->tokens);
    free(t->owned);
    free(t->text);
    free(t);
}
