#include "base/random.h"
#include "net/http_parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* All results of the parser for one input, as text: "H200 B5 B7 E" */
struct trace {
    char text[512];
    char body[512];
    size_t n;
    size_t n_body;
};

static void note(struct trace *t, const char *what)
{
    t->n += (size_t)snprintf(t->text + t->n, sizeof(t->text) - t->n, "%s", what);
    assert_true(t->n < sizeof(t->text));
}

static enum http_piece drain(struct http_parser *p, struct trace *t, const char *data, size_t size)
{
    enum http_piece piece;

    do {
        const char *body = NULL;
        size_t n = 0;

        piece = http_parser_next(p, &data, &size, &body, &n);
        if (piece == HTTP_HEAD) {
            char head[8];

            (void)snprintf(head, sizeof(head), "H%d ", p->status);
            note(t, head);
        }
        if (piece == HTTP_BODY) {
            assert_true(n > 0 && t->n_body + n < sizeof(t->body));
            memcpy(t->body + t->n_body, body, n);
            t->n_body += n;
        }
    } while (piece == HTTP_HEAD || piece == HTTP_BODY);
    if (piece == HTTP_MORE)
        assert_int_equal(size, 0);
    return piece;
}

/* Feeds `text` in steps of `step` bytes and then its end. */
static void parse(struct trace *t, const char *text, size_t step, bool is_upgrade)
{
    struct http_parser p;
    enum http_piece piece = HTTP_MORE;
    size_t size = strlen(text);

    *t = (struct trace){0};
    http_parser_init(&p, 200);
    p.is_upgrade = is_upgrade;
    for (size_t i = 0; i < size && piece == HTTP_MORE; i += step)
        piece = drain(&p, t, text + i, size - i < step ? size - i : step);
    if (piece == HTTP_MORE)
        note(t, http_parser_eof(&p) ? "eof" : "cut");
    if (piece == HTTP_END)
        note(t, "end");
    if (piece == HTTP_ERROR) {
        assert_non_null(p.problem);
        note(t, "bad");
    }
    http_parser_done(&p);
}

static const struct {
    const char *text;
    const char *trace;
    const char *body;
    bool is_upgrade;
} cases[] = {
    {"",                                                                                              "cut",      "",    false},
    {"HTTP/1.1 200 OK\r\n\r\n",                                                                       "H200 eof", "",    false},
    {"HTTP/1.1 200 OK\r\n\r\nabc",                                                                    "H200 eof", "abc", false},
    {"HTTP/1.1 200 OK\r\nContent-Length:3\r\n\r\nabcd",                                               "H200 end", "abc", false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",                          "H200 end", "abc",
     false                                                                                                                    },
    {"HTTP/1.1 200 OK\r\nContent-Length: \t3 \r\n\r\nab",                                             "H200 cut", "ab",  false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",                          "bad",      "",    false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3 3\r\n\r\n",                                                "bad",      "",    false},
    {"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",                                                   "bad",      "",    false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",                               "bad",      "",    false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\n\r\nmore",
     "H200 end",                                                                                                  "abc", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n1\r\na\r\n0\r\n\r\n",
     "H200 end",                                                                                                  "a",   false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 \t\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n",
     "H200 end",                                                                                                  "a",   false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",                              "H200 bad", "a",   false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",                                     "H200 bad", "",    false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",                                   "H200 bad", "",    false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 x\r\n",                                  "H200 bad", "",    false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",                    "H200 bad", "",
     false                                                                                                                    },
    {"HTTP/1.1 204 No\r\n\r\nabc",                                                                    "H204 end", "",    false},
    {"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n",                                                  "H304 end", "",    false},
    {"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",                         "H200 end", "",
     false                                                                                                                    },
    {"HTTP/1.1 101 Switch\r\n\r\nraw",                                                                "bad",      "",    false},
    {"HTTP/1.1 101 Switch\r\n\r\nraw",                                                                "H101 eof", "raw", true },
    {"HTTP/1.1 100 Wait\r\n\r\nHTTP/1.1 101 Switch\r\n\r\nraw",                                       "H101 eof", "raw", true },
    {"HTTP/1.1 200 OK\r\n\r\nraw",                                                                    "H200 eof", "raw", true },
    {"HTTP/1.1 409 No\r\nContent-Length: 2\r\n\r\nno",                                                "H409 end", "no",  true },
    {"HTTP/2 200 OK\r\n\r\n",                                                                         "bad",      "",    false},
    {"HTTP/1.1  200 OK\r\n\r\n",                                                                      "bad",      "",    false},
    {"HTTP/1.1 20 OK\r\n\r\n",                                                                        "bad",      "",    false},
    {"HTTP/1.1 2000 OK\r\n\r\n",                                                                      "bad",      "",    false},
    {"HTTP/1.1 099 OK\r\n\r\n",                                                                       "bad",      "",    false},
    {"\r\nHTTP/1.1 200 OK\r\n\r\n",                                                                   "bad",      "",    false},
    {"HTTP/1.1 200 OK\r\n: x\r\n\r\n",                                                                "bad",      "",    false},
    {"HTTP/1.1 200 OK\r\nA : x\r\n\r\n",                                                              "bad",      "",    false},
};

static void test_all_steps(void **state)
{
    struct trace t;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t step = 1; step <= strlen(cases[i].text) + 1; step++) {
            parse(&t, cases[i].text, step, cases[i].is_upgrade);
            if (strcmp(t.text, cases[i].trace) != 0 || strcmp(t.body, cases[i].body) != 0)
                fail_msg("case %zu step %zu: \"%s\" body \"%s\"", i, step, t.text, t.body);
        }
    }
}

static void test_head_limit(void **state)
{
    char text[400] = "HTTP/1.1 200 OK\r\nX: ";
    struct trace t;

    (void)state;
    memset(text + strlen(text), 'x', 150);
    parse(&t, text, 1, false);
    assert_string_equal(t.text, "cut");
    memset(text + strlen(text), 'x', 50);
    parse(&t, text, 1, false);
    assert_string_equal(t.text, "bad");
    parse(&t, text, 1000, false);
    assert_string_equal(t.text, "bad");
}

/* Chunk lines and trailers are bounded, too, while the body as a whole is not. */
static void test_chunk_line_limit(void **state)
{
    char text[900] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;";
    struct trace t;

    (void)state;
    memset(text + strlen(text), 'x', 200);
    parse(&t, text, 7, false);
    assert_string_equal(t.text, "H200 bad");

    (void)snprintf(text, sizeof(text),
                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
    for (int i = 0; i < 60; i++)
        memcpy(text + strlen(text), "A: b\r\n", 7);
    parse(&t, text, 7, false);
    assert_string_equal(t.text, "H200 bad");

    (void)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 60; i++)
        memcpy(text + strlen(text), "1\r\na\r\n", 7);
    memcpy(text + strlen(text), "0\r\n\r\n", 6);
    parse(&t, text, 7, false);
    assert_string_equal(t.text, "H200 end");
    assert_int_equal(t.n_body, 60);
}

/* The parser ends and stays within its input for every input. */
static void test_noise(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases) * 200; i++) {
        char text[256] = "";
        size_t size = strlen(cases[i % ARRAY_LEN(cases)].text);
        struct trace t;

        memcpy(text, cases[i % ARRAY_LEN(cases)].text, size);
        for (int k = 0; k < 3 && size > 0; k++) {
            size_t at = (size_t)random_below(size);

            text[at] = (char)(1 + random_below(255));
        }
        parse(&t, text, 1 + (size_t)random_below(5), cases[i % ARRAY_LEN(cases)].is_upgrade);
        assert_int_not_equal(t.text[0], '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_steps),
        cmocka_unit_test(test_head_limit),
        cmocka_unit_test(test_chunk_line_limit),
        cmocka_unit_test(test_noise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
