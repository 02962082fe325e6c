/*
 * dockmon, the command line of DockMon: a client of the server's REST API.
 *
 * The first words of the command line choose a verb (common/verbs.h), which parses the others and
 * runs. The exit code is 0, 1 if an operation failed (of several, if any did) or the command line
 * lacks a word, or 125 if a flag of it is wrong, as with docker; `exec` has the exit code of its
 * command, and `start -a` that of the container.
 */

#include "base/str.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"
#include "cli/complete/complete.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define MAX_HELP 16384

static void print_buf(struct buf *b)
{
    output_raw(buf_str(b), b->size);
    buf_done(b);
}

static int print_help(void)
{
    struct buf b = BUF_INIT(MAX_HELP);
    int r;

    r = buf_append_str(&b, "Usage:  dockmon COMMAND\n\n"
                           "Watch and operate the containers of many Docker hosts.\n");
    for (size_t i = 0; i < n_verb_sections && r == 0; i++) {
        r = buf_printf(&b, "\n%s:\n", verb_sections[i].title);
        for (const struct verb *const *v = verb_sections[i].verbs; *v && r == 0; v++)
            r = buf_printf(&b, "  %-15s %s\n", (*v)->name, (*v)->summary);
    }
    if (r == 0) {
        r = buf_append_str(
            &b,
            "\nA CONTAINER is a name, an id or the beginning of an id; HOST/CONTAINER chooses the\n"
            "host if several have a container of that name. --filter and --format are those of\n"
            "docker; --json prints all fields. `dockmon logout` forgets what `login` saved.\n"
            "There is no `run` and no `pull`: DockMon operates what is deployed.\n\n"
            "Environment:\n"
            "  DOCKMON_URL      address of the server, such as https://dockmon.example:8001\n"
            "  DOCKMON_API_KEY  API key to use instead of the one that `dockmon login` saved\n"
            "  DOCKMON_PIN      fingerprint of the server's key, from `dockmond fingerprint`\n"
            "  DOCKMON_CA_FILE  PEM certificates to verify the server with\n"
            "  DOCKMON_INSECURE_HTTP  true: allow an http:// address of another machine\n"
            "  NO_COLOR         disables colours when set\n\n"
            "`dockmon COMMAND --help` shows the help of a command.\n");
    }
    print_buf(&b);
    return r < 0;
}

static int print_verb_help(const struct verb *v)
{
    struct buf b = BUF_INIT(MAX_HELP);

    args_help(v, &b);
    for (size_t i = 0; i < n_verb_aliases; i++) {
        if (verb_aliases[i].verb == v)
            (void)buf_printf(&b, "\nAlso called:\n  dockmon %s\n", verb_aliases[i].name);
    }
    print_buf(&b);
    return 0;
}

static int run_verb(const struct verb *v, int argc, char **argv)
{
    struct args args;
    struct error err = ERROR_INIT;
    int exit_code, r = args_parse(&args, v, argc, argv, &err);

    if (r < 0) {
        output_error("dockmon %s: %s", v->name, err.msg);
        output_note("Usage:  dockmon %s %s  (see `dockmon %s --help`)", v->name, v->usage, v->name);
        exit_code = r == -E2BIG ? 1 : EXIT_USAGE;
    } else if (args.wants_help) {
        exit_code = print_verb_help(v);
    } else {
        exit_code = v->run(v, args.options, &args.words);
    }
    args_done(&args, v);
    return exit_code;
}

static void print_member(void *owner, const char *second, const struct verb *v)
{
    (void)buf_printf(owner, "  %-9s %s\n", second, v->summary);
}

/* `dockmon network` without a second word, or with one that names no verb of the group. */
static int print_group(const char *group, const char *word)
{
    struct buf b = BUF_INIT(MAX_HELP);
    bool is_help = !word || str_eq(word, "--help") || str_eq(word, "-h");
    int r;

    if (!is_help) {
        output_error("unknown command: %s %s; see `dockmon %s --help`", group, word, group);
        return 1;
    }
    r = buf_printf(&b, "Usage:  dockmon %s COMMAND\n\nCommands:\n", group);
    (void)verb_each_of_group(group, print_member, &b);
    print_buf(&b);
    return r < 0;
}

static bool is_group(const char *word)
{
    return verb_each_of_group(word, NULL, NULL) > 0;
}

/* `words` are those behind `help`. */
static int print_help_of(size_t n, char **words)
{
    size_t n_taken = 0;
    const struct verb *v = verb_find((const char *const *)words, n, &n_taken);

    if (v)
        return print_verb_help(v);
    if (n == 0)
        return print_help();
    if (is_group(words[0]))
        return print_group(words[0], NULL);
    output_error("unknown command: %s; see `dockmon --help`", words[0]);
    return 1;
}

static int run_words(size_t n, char **words)
{
    const char *name = n > 0 ? words[0] : "";
    size_t n_taken = 0;
    const struct verb *v = verb_find((const char *const *)words, n, &n_taken);

    if (v)
        return run_verb(v, (int)(n - n_taken) + 1, words + n_taken - 1);
    if (is_group(name))
        return print_group(name, n > 1 ? words[1] : NULL);
    if (str_eq(name, COMPLETE_WORD))
        return complete_run((const char *const *)words + 1, n - 1);
    if (str_eq(name, "--version") || str_eq(name, "-v")) {
        output_line("dockmon version %s", DOCKMON_VERSION);
        return 0;
    }
    if (n == 0)
        return print_help();
    if (str_eq(name, "--help") || str_eq(name, "-h") || str_eq(name, "help"))
        return print_help_of(n - 1, words + 1);
    output_error("unknown command: %s; see `dockmon --help`", name);
    return name[0] == '-' ? EXIT_USAGE : 1;
}

int main(int argc, char **argv)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sigaction(SIGPIPE, &ignore, NULL); /* a closed pipe is a failed write */
    return output_finish(run_words(argc > 1 ? (size_t)argc - 1 : 0, argv + 1));
}
