#include "cli/common/template.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The part of a container's description that the templates read. */
static const char data_text[] =
    "{\"Name\": \"/tmpl\", \"RestartCount\": 0, \"State\": {\"Running\": true, \"Paused\": false}, \"Config\": {\"Cmd\": [\"sh\", \"-c\", \"sleep 3600\"], \"Labels\": {\"a\": \"1\", \"b\": \"<x&y>\"}}, \"Mounts\": [], \"HostConfig\": {\"Memory\": 67108864, \"MemorySwappiness\": null, \"Binds\": null}}";

static const struct {
    const char *template, *output;
} cases[] = {
  /* The outputs are those of `docker inspect -f TEMPLATE` (docker 28.2) for such a container. */
  /* clang-format off */
    {"plain", "plain"},
    {"{{.Name}}", "/tmpl"},
    {"{{ .Name }}-{{.RestartCount}}", "/tmpl-0"},
    {"{{.HostConfig.Memory}} {{.State.Running}} {{.HostConfig.MemorySwappiness}}", "67108864 true <nil>"},
    {"{{.Config.Cmd}}", "[sh -c sleep 3600]"},
    {"{{.Config.Labels}}", "map[a:1 b:<x&y>]"},
    {"{{json .Config.Labels}}", "{\"a\":\"1\",\"b\":\"<x&y>\"}"},
    {"{{json .Config.Cmd}}", "[\"sh\",\"-c\",\"sleep 3600\"]"},
    {"{{json .Name}}", "\"/tmpl\""},
    {"{{.Config.Cmd | json}}", "[\"sh\",\"-c\",\"sleep 3600\"]"},
    {"{{join .Config.Cmd \" \"}}", "sh -c sleep 3600"},
    {"{{join .Config.Cmd \", \" | upper}}", "SH, -C, SLEEP 3600"},
    {"{{index .Config.Labels \"a\"}}|{{index .Config.Labels \"zz\"}}|", "1||"},
    {"{{index .Config.Cmd 2}}", "sleep 3600"},
    {"{{len .Config.Cmd}} {{len .Config.Labels}} {{len .Name}}", "3 2 5"},
    {"{{upper .Name}}{{lower \"ABC\"}}{{title \"ab cd\"}}", "/TMPLabcAb Cd"},
    {"{{split \"a,b,c\" \",\"}}", "[a b c]"},
    {"{{range .Config.Cmd}}<{{.}}>{{end}}", "<sh><-c><sleep 3600>"},
    {"{{range $i, $v := .Config.Cmd}}{{$i}}={{$v}};{{end}}", "0=sh;1=-c;2=sleep 3600;"},
    {"{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", "a=1 b=<x&y> "},
    {"{{range .Mounts}}x{{else}}none{{end}}", "none"},
    {"{{range .Config.Cmd}}{{$.Name}} {{end}}", "/tmpl /tmpl /tmpl "},
    {"{{if .State.Running}}up{{else}}down{{end}}", "up"},
    {"{{if .State.Paused}}paused{{else if .State.Running}}running{{else}}other{{end}}", "running"},
    {"{{if .State.Health}}{{.State.Health.Status}}{{else}}no health{{end}}", "no health"},
    {"{{with .State.Health}}{{.Status}}{{else}}none{{end}}", "none"},
    {"{{with .Config}}{{.Cmd}} {{$.Name}}{{end}}", "[sh -c sleep 3600] /tmpl"},
    {"{{$x := .Name}}{{$x}}{{$x = \"y\"}}{{$x}}", "/tmply"},
    {"{{if eq .Name \"/tmpl\"}}yes{{end}}{{if eq .RestartCount 0}}zero{{end}}", "yeszero"},
    {"{{eq .Name \"a\" \"b\" \"/tmpl\"}} {{ne .Name \"a\"}} {{lt 1 2}} {{ge 2 2}} {{gt 1 2}}", "true true true true false"},
    {"{{and .State.Running .Name}} {{or .State.Paused \"z\"}} {{not .State.Paused}}", "/tmpl z true"},
    {"{{if and (eq .Name \"/tmpl\") (not .State.Paused)}}both{{end}}", "both"},
    {"{{printf \"%s|%d|%v|%q\" .Name .RestartCount .State.Running .Name}}", "/tmpl|0|true|\"/tmpl\""},
    {"{{printf \"%-8s|%8s|%.3s|%05d|%x|%t|%%\" \"ab\" \"cd\" \"abcdef\" 42 255 true}}", "ab      |      cd|abc|00042|ff|true|%"},
    {"{{printf \"%d %s\" \"x\"}}", "%!d(string=x) %!s(MISSING)"},
    {"{{printf \"%s\" 5 6}}", "%!s(int=5)%!(EXTRA int=6)"},
    {"{{println .Name 1}}{{print 1 2 \"a\" \"b\" 3}}", "/tmpl 1\n1 2ab3"},
    {"{{.Name -}} {{- .Name}}", "/tmpl/tmpl"},
    {"a {{- /* a comment */ -}} b", "ab"},
    {"{{\"quoted \\\"x\\\"\\t.\"}}{{`raw \\n`}}", "quoted \"x\"\t.raw \\n"},
    {"{{(index .Config.Cmd 0)}}{{(.Config).Cmd}}", "sh[sh -c sleep 3600]"},
    {"{{slice .Name 0 3}}{{slice .Name 1}}", "/tmtmpl"},
    {"{{truncate .Name 3}}|{{pad \"x\" 2 3}}|", "/tm|  x   |"},
    {"{{1.5}} {{3}} {{-2}} {{true}}", "1.5 3 -2 true"},
    {"{{range .Config.Cmd}}{{if eq . \"-c\"}}found{{end}}{{end}}", "found"},
    {"{{len (index .Config.Cmd 0)}}", "2"},
    {"{{$k := \"a\"}}{{index .Config.Labels $k}}", "1"},
    {"{{range $i, $e := .Config.Cmd}}{{if $i}},{{end}}{{$e}}{{end}}", "sh,-c,sleep 3600"},
    {"{{json .State.Health}}", "null"},
  /* clang-format on */
};

static const struct {
    const char *template, *says;
} mistakes[] = {
  /* clang-format off */
    {"{{.Foo}}", "1:3: there is no field .Foo"},
    {"{{.Name", "1:1: unclosed action"},
    {"{{foo .Name}}", "1:3: function \"foo\" is not defined"},
    {"{{if .Name}}", "{{end}} is missing"},
    {"{{end}}", "1:3: unexpected {{end}}"},
    {"{{.Name.Foo}}", "1:8: the value has no fields: .Foo"},
    {"{{index .Config.Cmd 9}}", "1:3: index: the list has no such element"},
    {"{{eq .Name 1}}", "incompatible types"},
    {"{{$y}}", "1:3: undefined variable $y"},
    {"{{\"abc}}", "1:3: the string has no end"},
    {"{{.Name | .Config}}", "needs a function"},
    {"{{len 5}}", "len: this value has no length"},
    {"{{json}}", "wrong number of arguments for json"},
    {"{{else}}", "unexpected {{else}}"},
    {"{{.State.Health.Status}}", "1:16: there is no value to take a field of: .Status"},
    {"{{ .Name ! }}", "1:10: unexpected"},
    {"{{1x}}", "is not a number"},
    {"a\nb {{nosuch}}", "2:5: function"},
    {"{{range .Name}}{{end}}", "range needs"},
    {"{{(.Name}}", "has no"},
    {"{{}}", "a value is missing"},
    {"{{.Name .Name}}", "not a method"},
    {"{{pad \"x\" 1001 0}}", "from 0 to 1000"},
    {"{{printf \"%999999d\" 1}}", "printf: too long"},
    {"{{\"\\q\"}}", "invalid escape"},
    {"{{1 2}}", "only functions take arguments"},
    {"{{if}}{{end}}", "a value is missing"},
    {"{{$a, $b := .Name}}", "range only"},
    {"{{.Name}", "1:8: unexpected"},
  /* clang-format on */
};

static int run(const char *text,
               const struct template_data *data,
               struct buf *out,
               struct error *err)
{
    _cleanup_(template_freep) struct template *t = NULL;
    int r = template_parse(&t, text, err);

    return r < 0 ? r : template_run(t, data, out, err);
}

static void test_output_is_that_of_docker(void **state)
{
    json_auto_t *v = json_loads(data_text, 0, NULL);
    const struct template_data data = {.dot = v};

    (void)state;
    assert_non_null(v);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
        struct error err = ERROR_INIT;

        if (run(cases[i].template, &data, &out, &err) < 0 ||
            !str_eq(buf_str(&out), cases[i].output))
            fail_msg("%s: %s%s", cases[i].template, buf_str(&out), err.msg);
        buf_done(&out);
    }
}

static void test_mistakes_name_their_position(void **state)
{
    json_auto_t *v = json_loads(data_text, 0, NULL);
    const struct template_data data = {.dot = v};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
        struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
        struct error err = ERROR_INIT;

        if (run(mistakes[i].template, &data, &out, &err) != -EINVAL ||
            !strstr(err.msg, mistakes[i].says) || !str_starts_with(err.msg, "template "))
            fail_msg("%s: %s", mistakes[i].template, err.msg);
        buf_done(&out);
    }
}

/* Repeats a text; to be freed. */
static char *repeat(const char *text, size_t n)
{
    size_t size = strlen(text);
    char *s = xmalloc(n * size + 1);

    for (size_t i = 0; i < n; i++)
        memcpy(s + i * size, text, size);
    s[n * size] = '\0';
    return s;
}

static void test_hostile_templates_have_limits(void **state)
{
    json_auto_t *v = json_loads(data_text, 0, NULL);
    const struct template_data data = {.dot = v};
    _cleanup_free_ char *nested = repeat("{{if 1}}", 40);
    _cleanup_free_ char *parentheses = repeat("(", 40);
    _cleanup_free_ char *deep = xasprintf("{{%s.Name", parentheses);
    _cleanup_free_ char *many = repeat("{{.Name}}", 3000);
    _cleanup_free_ char *huge = repeat("x", TEMPLATE_MAX_TEXT + 1);
    _cleanup_free_ char *variables = repeat("{{$x := 1}}", 100);
    _cleanup_free_ char *ranges = repeat("{{range $x}}", 16);
    _cleanup_free_ char *ends = repeat("{{end}}", 16);
    _cleanup_free_ char *steps = xasprintf("{{$x := split \"a,a,a,a,a,a,a,a\" \",\"}}%s%s", ranges,
                                           ends);
    _cleanup_free_ char *output = xasprintf(
        "{{$x := split \"a,a,a,a,a,a,a,a\" \",\"}}%.*s{{printf \"%%1000s\" \"\"}}%.*s", 5 * 12,
        ranges, 5 * 7, ends);
    const char *const texts[] = {nested, deep, many, huge, variables, steps, output};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
        struct error err = ERROR_INIT;
        int r = run(texts[i], &data, &out, &err);

        if (r >= 0 || err.msg[0] == '\0')
            fail_msg("%zu: %d %s", i, r, err.msg);
        buf_done(&out);
    }
}

/* Every beginning of a template ends with an error or an output, and nothing else. */
static void test_cut_templates(void **state)
{
    json_auto_t *v = json_loads(data_text, 0, NULL);
    const struct template_data data = {.dot = v};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t n = 0; n < strlen(cases[i].template); n++) {
            _cleanup_free_ char *text = xstrndup(cases[i].template, n);
            struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
            struct error err = ERROR_INIT;
            int r = run(text, &data, &out, &err);

            assert_true(r == 0 || err.msg[0]);
            buf_done(&out);
        }
    }
}

static void test_data_cannot_move_the_cursor(void **state)
{
    json_auto_t *v = json_loads("{\"a\":\"x\\u001b[2Jy\\nz\",\"l\":[\"\\u202e\"]}", 0, NULL);
    const struct template_data data = {.dot = v, .labels = v};
    static const char *const texts[] = {
        "{{.a}}",
        "{{.}}",
        "{{upper .a}}",
        "{{printf \"%s %v\" .a .}}",
        "{{range .}}{{.}}{{end}}",
        "{{join .l \"\"}}",
        "{{println .a}}",
        "{{.Label \"a\"}}",
        "{{range split .a \"y\"}}{{.}}{{end}}",
        "{{truncate .a 10}}",
        "{{$x := .a}}{{$x}}",
        "{{index . \"a\"}}",
        "{{json .a}}",
        "{{or .a .a}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);

        assert_int_equal(run(texts[i], &data, &out, NULL), 0);
        assert_true(out.size > 0);
        if (strchr(buf_str(&out), '\x1b') || strstr(buf_str(&out), "y\nz"))
            fail_msg("%s: %s", texts[i], buf_str(&out));
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_is_that_of_docker),
        cmocka_unit_test(test_mistakes_name_their_position),
        cmocka_unit_test(test_hostile_templates_have_limits),
        cmocka_unit_test(test_cut_templates),
        cmocka_unit_test(test_data_cannot_move_the_cursor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
