#include "cli/common/template_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"

struct lexer {
    struct template *t;
    const char *s; /* the text of the template */
    size_t at;
    size_t n_parentheses;
};

static struct token *add_token(struct lexer *l, enum token_type type, size_t position)
{
    struct template *t = l->t;
    struct token *token;

    t->tokens = xrealloc(t->tokens, t->n_tokens + 1, sizeof(*t->tokens));
    token = &t->tokens[t->n_tokens++];
    *token = (struct token){
        .type = type,
        .position = position,
        .follows_blank = position > 0 && strchr(BLANKS, l->s[position - 1]) != NULL,
    };
    return token;
}

static void add_text(struct lexer *l, size_t from, size_t to)
{
    if (to > from)
        add_token(l, TOKEN_TEXT, from)->text = template_own(l->t, xstrndup(l->s + from, to - from));
}

/* Text up to the next action, without the blanks that "{{- " cuts. */
static void lex_text(struct lexer *l)
{
    const char *open = strstr(l->s + l->at, "{{");
    size_t end = open ? (size_t)(open - l->s) : strlen(l->s);
    size_t next = end;

    if (open && open[2] == '-' && open[3] && strchr(BLANKS, open[3])) {
        while (end > l->at && strchr(BLANKS, l->s[end - 1]))
            end--;
    }
    add_text(l, l->at, end);
    l->at = next;
}

static size_t skip_blanks(const struct lexer *l, size_t at)
{
    return at + strspn(l->s + at, BLANKS);
}

/* "}}" or " -}}", which also cuts the blanks behind it. True: it was read. */
static bool lex_close(struct lexer *l)
{
    const char *s = l->s + l->at;
    bool trims = str_starts_with(s, "-}}") && l->at > 0 && strchr(BLANKS, l->s[l->at - 1]);

    if (!trims && !str_starts_with(s, "}}"))
        return false;
    (void)add_token(l, TOKEN_CLOSE, l->at);
    l->at += trims ? 3 : 2;
    if (trims)
        l->at = skip_blanks(l, l->at);
    return true;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static size_t name_size(const char *s)
{
    size_t n = 0;

    while (is_name(s[n]))
        n++;
    return n;
}

static int hex_value(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* The escapes of a string in quotes; *s points behind the backslash. -EINVAL. */
static int read_escape(const char **s, struct buf *out)
{
    static const char from[] = "ntr\\\"'abfv0", to[] = "\n\t\r\\\"'\a\b\f\v";
    const char *found = **s ? strchr(from, **s) : NULL;

    if (**s == 'x' && isxdigit((unsigned char)(*s)[1]) && isxdigit((unsigned char)(*s)[2])) {
        int c = hex_value((*s)[1]) << 4 | hex_value((*s)[2]);

        *s += 3;
        return c > 0 && c < 0x80 ? buf_append_char(out, (char)c) : -EINVAL;
    }
    if (!found || *found == '0')
        return -EINVAL;
    (*s)++;
    return buf_append_char(out, to[found - from]);
}

static int lex_string(struct lexer *l, struct error *err)
{
    size_t start = l->at;
    char quote = l->s[start];
    const char *p = l->s + start + 1;
    struct buf out = BUF_INIT(TEMPLATE_MAX_TEXT);
    int r = 0;

    while (*p && *p != quote && (quote == '`' || *p != '\n') && r == 0) {
        if (*p == '\\' && quote == '"') {
            p++;
            r = read_escape(&p, &out);
        } else {
            r = buf_append_char(&out, *p++);
        }
    }
    if (r < 0 || *p != quote) {
        buf_done(&out);
        return template_refuse(l->t, start, err,
                               r < 0 ? "invalid escape in the string" : "the string has no end");
    }
    add_token(l, TOKEN_LITERAL, start)->value = json_stringn(buf_str(&out), out.size);
    buf_done(&out);
    l->at = (size_t)(p - l->s) + 1;
    return l->t->tokens[l->t->n_tokens - 1].value
               ? 0
               : template_refuse(l->t, start, err, "the string is not UTF-8");
}

static int lex_number(struct lexer *l, struct error *err)
{
    size_t start = l->at;
    size_t size = 1 + strspn(l->s + start + 1, "0123456789.eE");
    _cleanup_free_ char *text = xstrndup(l->s + start, size);
    char *end = NULL;
    int64_t whole;
    json_auto_t *v = NULL;

    if (parse_i64(text, &whole) == 0) {
        v = json_integer(whole);
    } else {
        double real = strtod(text, &end);

        v = *end || strspn(text, "0123456789.eE-") < size ? NULL : json_real(real);
    }
    if (!v || is_name(l->s[start + size]))
        return template_refuse(l->t, start, err, "\"%s\" is not a number", text);
    add_token(l, TOKEN_LITERAL, start)->value = TAKE_PTR(v);
    l->at += size;
    return 0;
}

/* A name behind `skip` characters. */
static void lex_name(struct lexer *l, enum token_type type, size_t skip)
{
    size_t start = l->at;
    size_t size = name_size(l->s + start + skip);

    add_token(l, type, start)->text = template_own(l->t, xstrndup(l->s + start + skip, size));
    l->at += skip + size;
}

static int lex_sign(struct lexer *l, struct error *err)
{
    static const struct {
        const char *text;
        enum token_type type;
    } signs[] = {
        {":=", TOKEN_DECLARE},
        {"=",  TOKEN_ASSIGN },
        {"|",  TOKEN_PIPE   },
        {"(",  TOKEN_LEFT   },
        {")",  TOKEN_RIGHT  },
        {",",  TOKEN_COMMA  },
    };

    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        if (str_starts_with(l->s + l->at, signs[i].text)) {
            (void)add_token(l, signs[i].type, l->at);
            l->at += strlen(signs[i].text);
            return 0;
        }
    }
    return template_refuse(l->t, l->at, err, "unexpected \"%c\" in an action", l->s[l->at]);
}

static int lex_token(struct lexer *l, struct error *err)
{
    const char *s = l->s + l->at;

    if (*s == '"' || *s == '`')
        return lex_string(l, err);
    if (isdigit((unsigned char)*s) || (*s == '-' && isdigit((unsigned char)s[1])))
        return lex_number(l, err);
    if (*s == '.' && is_name(s[1])) {
        lex_name(l, TOKEN_FIELD, 1);
    } else if (*s == '.') {
        (void)add_token(l, TOKEN_DOT, l->at++);
    } else if (*s == '$') {
        lex_name(l, TOKEN_VARIABLE, 1);
    } else if (is_name(*s)) {
        lex_name(l, TOKEN_WORD, 0);
    } else {
        return lex_sign(l, err);
    }
    return 0;
}

/* A comment, which is the whole action. True: it was read. */
static bool skip_comment(struct lexer *l, size_t start)
{
    const char *end;
    size_t at;

    if (!str_starts_with(l->s + start, "/*"))
        return false;
    end = strstr(l->s + start + 2, "*/");
    if (!end)
        return false;
    at = skip_blanks(l, (size_t)(end - l->s) + 2);
    l->at = at;
    if (str_starts_with(l->s + at, "-}}")) {
        l->at = skip_blanks(l, at + 3);
    } else if (str_starts_with(l->s + at, "}}")) {
        l->at = at + 2;
    } else {
        return false;
    }
    return true;
}

static int lex_action(struct lexer *l, struct error *err)
{
    size_t start = l->at;
    bool trims = l->s[start + 2] == '-' && l->s[start + 3] && strchr(BLANKS, l->s[start + 3]);
    int r = 0;

    l->at = skip_blanks(l, start + (trims ? 3 : 2));
    if (skip_comment(l, l->at))
        return 0;
    (void)add_token(l, TOKEN_OPEN, start);
    while (r == 0) {
        l->at = skip_blanks(l, l->at);
        if (lex_close(l))
            return 0;
        if (l->s[l->at] == '\0')
            return template_refuse(l->t, start, err, "unclosed action");
        r = lex_token(l, err);
    }
    return r;
}

int template_lex(struct template *t, struct error *err)
{
    struct lexer l = {.t = t, .s = t->text};
    int r = 0;

    while (l.s[l.at] && r == 0) {
        lex_text(&l);
        if (l.s[l.at])
            r = lex_action(&l, err);
    }
    if (r == 0)
        (void)add_token(&l, TOKEN_END, l.at);
    return r;
}
