#include "cli/common/template_internal.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VARIABLES 64
#define REAL_TEXT     40

struct variable {
    const char *name;
    struct value value;
};

struct run {
    const struct template *t;
    const struct template_data *data;
    struct buf *out;
    struct error *err;
    struct variable variables[MAX_VARIABLES];
    size_t n_variables;
    size_t n_steps, depth;
};

static void drop(struct value *v)
{
    json_decref(v->json);
    v->json = NULL;
}

static struct value borrow(const json_t *v)
{
    return (struct value){.json = v ? json_incref((json_t *)(uintptr_t)v) : NULL};
}

static int fail(struct run *r, size_t position, const char *message, const char *name)
{
    return template_refuse(r->t, position, r->err, "%s%s", message, name);
}

/* Bounds the work of nested ranges. */
static int step(struct run *r, size_t position)
{
    if (++r->n_steps <= TEMPLATE_MAX_STEPS)
        return 0;
    (void)fail(r, position, "the template takes too many steps", "");
    return -E2BIG;
}

bool template_is_true(const json_t *v)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_STRING: return json_string_length(v) > 0;
    case JSON_INTEGER: return json_integer_value(v) != 0;
    case JSON_REAL: return fpclassify(json_real_value(v)) != FP_ZERO;
    case JSON_ARRAY: return json_array_size(v) > 0;
    case JSON_OBJECT: return json_object_size(v) > 0;
    case JSON_TRUE: return true;
    case JSON_FALSE:
    case JSON_NULL: break;
    }
    return false;
}

/* --- printing, as Go's fmt prints a value ----------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of an object in the order in which Go walks a map; to be freed. */
static const char **sort_keys(const json_t *object)
{
    const char **keys = xcalloc(json_object_size(object) + 1, sizeof(*keys));
    size_t n = 0;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value) keys[n++] = key;
    qsort(keys, n, sizeof(*keys), compare_keys);
    return keys;
}

/* The shortest text that reads as the same number. */
static int print_real(struct buf *out, double real)
{
    char text[REAL_TEXT];

    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, real);
        if (fpclassify(strtod(text, NULL) - real) == FP_ZERO)
            break;
    }
    if (strchr(text, 'e') && fabs(real) < 1e21 && fabs(real) >= 1e-4)
        (void)snprintf(text, sizeof(text), "%.0f", real);
    return buf_append_str(out, text);
}

static int print_text(struct buf *out, const char *text, size_t size, bool is_safe)
{
    _cleanup_free_ char *escaped = is_safe ? NULL : text_escape(text, size);

    return escaped ? buf_append_str(out, escaped) : buf_append(out, text, size);
}

static int print_value(struct buf *out, const json_t *v, bool is_safe);

static int print_array(struct buf *out, const json_t *v, bool is_safe)
{
    int r = 0;

    for (size_t i = 0; i < json_array_size(v) && r == 0; i++) {
        r = buf_append_char(out, i ? ' ' : '[');
        r = r < 0 ? r : print_value(out, json_array_get(v, i), is_safe);
    }
    return r < 0 ? r : buf_append_str(out, json_array_size(v) ? "]" : "[]");
}

static int print_object(struct buf *out, const json_t *v, bool is_safe)
{
    _cleanup_free_ const char **keys = sort_keys(v);
    int r = buf_append_str(out, "map[");

    for (size_t i = 0; keys[i] && r == 0; i++) {
        r = i ? buf_append_char(out, ' ') : 0;
        r = r < 0 ? r : print_text(out, keys[i], strlen(keys[i]), is_safe);
        r = r < 0 ? r : buf_append_char(out, ':');
        r = r < 0 ? r : print_value(out, json_object_get(v, keys[i]), is_safe);
    }
    return r < 0 ? r : buf_append_char(out, ']');
}

/* json_loads() has limited the depth. */
static int print_value(struct buf *out, const json_t *v, bool is_safe)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_STRING: return print_text(out, json_string_value(v), json_string_length(v), is_safe);
    case JSON_INTEGER: return buf_append_i64(out, json_integer_value(v));
    case JSON_REAL: return print_real(out, json_real_value(v));
    case JSON_TRUE: return buf_append_str(out, "true");
    case JSON_FALSE: return buf_append_str(out, "false");
    case JSON_NULL: return buf_append_str(out, "<nil>");
    case JSON_ARRAY: return print_array(out, v, is_safe);
    case JSON_OBJECT: return print_object(out, v, is_safe);
    }
    return -EINVAL;
}

char *template_text(const struct value *v)
{
    struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);

    (void)print_value(&out, v->json, v->is_safe); /* longer text is cut at the limit */
    if (!out.data)
        return xstrdup("");
    return buf_take(&out);
}

/* --- expressions ------------------------------------------------------------------------------ */

static int eval(struct run *r, const struct expr *e, struct value *ret);

static struct variable *find_variable(struct run *r, const char *name)
{
    for (size_t i = r->n_variables; i > 0; i--) {
        if (str_eq(r->variables[i - 1].name, name))
            return &r->variables[i - 1];
    }
    return NULL;
}

static int eval_field(struct run *r, const struct expr *e, struct value *ret)
{
    struct value base = {0};
    int code = eval(r, e->base, &base);

    if (code < 0)
        return code;
    if (json_is_object(base.json)) {
        *ret = borrow(json_object_get(base.json, e->name));
        ret->is_safe = base.is_safe;
    } else if (!base.json || json_is_null(base.json)) {
        code = fail(r, e->position, "there is no value to take a field of: .", e->name);
    } else {
        code = fail(r, e->position, "the value has no fields: .", e->name);
    }
    drop(&base);
    return code;
}

/* `.Label "KEY"`, the only method. */
static int eval_method(struct run *r, const struct expr *e, struct value *args, struct value *ret)
{
    const char *key = e->n_args == 1 ? json_string_value(args[0].json) : NULL;
    const json_t *label;

    if (!str_eq(e->name, "Label") || e->base->base->kind != EXPR_DOT || !key)
        return fail(r, e->position, "not a method, or wrong arguments: .", e->name);
    label = json_object_get(r->data->labels, key);
    if (r->data->is_header) {
        *ret = (struct value){.json = json_string(key), .is_safe = true};
    } else {
        *ret = label ? borrow(label) : (struct value){.json = json_string(""), .is_safe = true};
    }
    return 0;
}

/* `and` and `or` stop at the value that decides. */
static bool decides(const struct expr *e, const struct value *v)
{
    if (!e->function || !v->json)
        return e->function && str_eq(e->function->name, "and");
    return (str_eq(e->function->name, "and") && !template_is_true(v->json)) ||
           (str_eq(e->function->name, "or") && template_is_true(v->json));
}

static int eval_call(struct run *r, const struct expr *e, struct value *ret)
{
    _cleanup_free_ struct value *args = xcalloc(e->n_args + 1, sizeof(*args));
    struct call c = {.t = r->t,
                     .name = e->name,
                     .position = e->position,
                     .is_header = r->data->is_header,
                     .args = args};
    int code = 0;

    for (size_t i = 0; i < e->n_args && code == 0; i++) {
        code = eval(r, e->args[i], &args[i]);
        c.n_args = i + 1;
        if (code == 0 && decides(e, &args[i]))
            break;
    }
    if (code == 0)
        code = e->function ? e->function->run(&c, ret, r->err) : eval_method(r, e, args, ret);
    for (size_t i = 0; i < e->n_args; i++)
        drop(&args[i]);
    return code;
}

static int eval(struct run *r, const struct expr *e, struct value *ret)
{
    const struct variable *v;

    if (step(r, e->position) < 0)
        return -E2BIG;
    switch (e->kind) {
    case EXPR_LITERAL:
        *ret = borrow(e->literal);
        ret->is_safe = true;
        return 0;
    case EXPR_DOT:
    case EXPR_VARIABLE:
        v = find_variable(r, e->kind == EXPR_DOT ? "." : e->name);
        if (!v)
            return fail(r, e->position, "undefined variable $", e->name);
        *ret = borrow(v->value.json);
        ret->is_safe = v->value.is_safe;
        return 0;
    case EXPR_FIELD: return eval_field(r, e, ret);
    case EXPR_CALL: return eval_call(r, e, ret);
    }
    return -EINVAL;
}

/* --- nodes ------------------------------------------------------------------------------------ */

static int run_list(struct run *r, const struct node *n);

/* Takes the value. */
static int push(struct run *r, size_t position, const char *name, struct value v)
{
    if (r->n_variables == MAX_VARIABLES) {
        drop(&v);
        return fail(r, position, "too many variables", "");
    }
    r->variables[r->n_variables++] = (struct variable){name, v};
    return 0;
}

static void pop_to(struct run *r, size_t n)
{
    while (r->n_variables > n)
        drop(&r->variables[--r->n_variables].value);
}

static int print_node(struct run *r, const struct node *n)
{
    struct value v = {0};
    int code = eval(r, n->expr, &v);

    if (code < 0)
        return code;
    if (!v.json && n->expr->kind == EXPR_FIELD) {
        code = fail(r, n->expr->position, "there is no field .", n->expr->name);
    } else if (print_value(r->out, v.json, v.is_safe) < 0) {
        code = -E2BIG;
    }
    drop(&v);
    return code;
}

static int set_node(struct run *r, const struct node *n)
{
    struct variable *known = find_variable(r, n->name);
    struct value v = {0};
    int code = eval(r, n->expr, &v);

    if (code < 0)
        return code;
    if (n->declares)
        return push(r, n->position, n->name, v);
    if (!known) {
        drop(&v);
        return fail(r, n->position, "undefined variable $", n->name);
    }
    drop(&known->value);
    known->value = v;
    return 0;
}

/* if and with: the variable, if any, lives in both branches. */
static int branch_node(struct run *r, const struct node *n)
{
    size_t before = r->n_variables;
    struct value v = {0};
    int code = eval(r, n->expr, &v);
    bool is_true;

    if (code < 0)
        return code;
    is_true = template_is_true(v.json);
    if (n->name)
        code = push(r, n->position, n->name, (struct value){json_incref(v.json), v.is_safe});
    if (code == 0 && n->kind == NODE_WITH && is_true)
        code = push(r, n->position, ".", (struct value){json_incref(v.json), v.is_safe});
    if (code == 0)
        code = run_list(r, is_true ? n->body : n->otherwise);
    pop_to(r, before);
    drop(&v);
    return code;
}

/* One round of range. Takes the key. */
static int run_round(
    struct run *r, const struct node *n, json_t *key, const struct value *list, const json_t *item)
{
    size_t before = r->n_variables;
    struct value v = borrow(item);
    int code = 0;

    v.is_safe = list->is_safe;
    if (n->key) {
        code = push(r, n->position, n->key, (struct value){key, list->is_safe});
    } else {
        json_decref(key);
    }
    if (code == 0 && n->name)
        code = push(r, n->position, n->name, (struct value){json_incref(v.json), v.is_safe});
    if (code == 0) {
        code = push(r, n->position, ".", v);
    } else {
        drop(&v);
    }
    if (code == 0)
        code = step(r, n->position);
    if (code == 0)
        code = run_list(r, n->body);
    pop_to(r, before);
    return code;
}

static int range_node(struct run *r, const struct node *n)
{
    struct value v = {0};
    int code = eval(r, n->expr, &v);

    if (code < 0)
        return code;
    if (json_is_object(v.json) && json_object_size(v.json) > 0) {
        _cleanup_free_ const char **keys = sort_keys(v.json);

        for (size_t i = 0; keys[i] && code == 0; i++)
            code = run_round(r, n, json_string(keys[i]), &v, json_object_get(v.json, keys[i]));
    } else if (json_is_array(v.json) && json_array_size(v.json) > 0) {
        for (size_t i = 0; i < json_array_size(v.json) && code == 0; i++)
            code = run_round(r, n, json_integer((json_int_t)i), &v, json_array_get(v.json, i));
    } else if (json_is_integer(v.json) && json_integer_value(v.json) > 0) {
        for (json_int_t i = 0; i < json_integer_value(v.json) && code == 0; i++) {
            json_auto_t *item = json_integer(i);

            code = run_round(r, n, json_integer(i), &v, item);
        }
    } else if (template_is_true(v.json)) {
        code = fail(r, n->position, "range needs a list or a map", "");
    } else {
        code = run_list(r, n->otherwise);
    }
    drop(&v);
    return code;
}

static int run_node(struct run *r, const struct node *n)
{
    if (step(r, n->position) < 0)
        return -E2BIG;
    switch (n->kind) {
    case NODE_TEXT: return buf_append_str(r->out, n->text) < 0 ? -E2BIG : 0;
    case NODE_PRINT: return print_node(r, n);
    case NODE_SET: return set_node(r, n);
    case NODE_IF:
    case NODE_WITH: return branch_node(r, n);
    case NODE_RANGE: return range_node(r, n);
    }
    return -EINVAL;
}

static int run_list(struct run *r, const struct node *n)
{
    size_t before = r->n_variables;
    int code = 0;

    for (; n && code == 0; n = n->next)
        code = run_node(r, n);
    pop_to(r, before);
    return code;
}

int template_run(const struct template *t,
                 const struct template_data *data,
                 struct buf *out,
                 struct error *err)
{
    struct run r = {.t = t, .data = data, .out = out, .err = err};
    struct error none = ERROR_INIT;
    int code;

    if (!err)
        r.err = err = &none;
    /* "$" is the value of the whole template, "." changes in range and with. */
    (void)push(&r, 0, "", borrow(data->dot));
    (void)push(&r, 0, ".", borrow(data->dot));
    code = run_list(&r, t->first);
    pop_to(&r, 0);
    if (code == -E2BIG && err->code == 0)
        return error_set(err, -E2BIG, "the output of the template is too long");
    return code;
}
