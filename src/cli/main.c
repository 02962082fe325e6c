/*
 * dockmon: the command line of DockMon, a client of its REST API.
 */

#include "base/str.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include <signal.h>
#include <string.h>

#define MAX_HELP 16384

static const struct verb *const verbs[] = {
    &verb_login,
    &verb_hosts,
    &verb_ps,
    &verb_logs,
    &verb_exec,
    &verb_start,
    &verb_stop,
    &verb_restart,
    &verb_kill,
    &verb_pause,
    &verb_unpause,
    &verb_rename,
    &verb_rm,
    &verb_inspect,
    &verb_images,
    &verb_rmi,
    &verb_image_prune,
    &verb_network_ls,
    &verb_network_create,
    &verb_network_rm,
    &verb_network_prune,
    &verb_volume_ls,
    &verb_volume_create,
    &verb_volume_rm,
    &verb_volume_prune,
    &verb_events,
    &verb_token,
    &verb_user_ls,
    &verb_user_create,
    &verb_user_rm,
    &verb_user_passwd,
    &verb_apikey_ls,
    &verb_apikey_create,
    &verb_apikey_rm,
    &verb_version,
};

/* What follows `word` in the verb's name: "", or " ls" and the like; NULL when it begins otherwise. */
static const char *rest_of(const struct verb *v, const char *word)
{
    size_t size = strlen(word);

    return strncmp(v->name, word, size) == 0 ? v->name + size : NULL;
}

/* The verb that the words begin with: "ps", or two words such as "network ls". *ret_words: how many; untouched if none. */
static const struct verb *find_verb(int argc, char **argv, int *ret_words)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs) && argc > 0; i++) {
        const char *rest = rest_of(verbs[i], argv[0]);

        if (str_eq(rest, "")) {
            *ret_words = 1;
            return verbs[i];
        }
        if (rest && rest[0] == ' ' && argc > 1 && str_eq(rest + 1, argv[1])) {
            *ret_words = 2;
            return verbs[i];
        }
    }
    return NULL;
}

/* Whether verbs of two words begin with this one. */
static bool is_group(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        const char *rest = rest_of(verbs[i], word);

        if (rest && rest[0] == ' ')
            return true;
    }
    return false;
}

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
                           "Watch and operate the containers of many Docker hosts.\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs) && r == 0; i++)
        r = buf_printf(&b, "  %-15s %s\n", verbs[i]->name, verbs[i]->summary);
    if (r == 0) {
        r = buf_append_str(
            &b,
            "\nA CONTAINER is a name, an id or the beginning of an id; HOST/CONTAINER says which\n"
            "host is meant where a name is used on several.\n\n"
            "Environment:\n"
            "  DOCKMON_URL      server, such as http://127.0.0.1:8001\n"
            "  DOCKMON_API_KEY  API key to use instead of the one that `dockmon login` keeps\n"
            "  NO_COLOR         no colours when set\n\n"
            "`dockmon COMMAND --help` says more about a command.\n");
    }
    print_buf(&b);
    return r < 0;
}

static int print_verb_help(const struct verb *v)
{
    struct buf b = BUF_INIT(MAX_HELP);

    args_help(v, &b);
    print_buf(&b);
    return 0;
}

static int run_verb(const struct verb *v, int argc, char **argv)
{
    struct args args;
    struct error err = ERROR_INIT;
    int exit_code;

    if (args_parse(&args, v, argc, argv, &err) < 0) {
        output_error("dockmon %s: %s", v->name, err.msg);
        output_note("Usage:  dockmon %s %s  (see `dockmon %s --help`)", v->name, v->usage, v->name);
        exit_code = EXIT_USAGE;
    } else if (args.wants_help) {
        exit_code = print_verb_help(v);
    } else {
        exit_code = v->run(v, args.options, &args.words);
    }
    args_done(&args, v);
    return exit_code;
}

/* `dockmon network`, with a word that is none of its verbs or without any. */
static int print_group(const char *group, const char *word)
{
    struct buf b = BUF_INIT(MAX_HELP);
    bool is_help = !word || str_eq(word, "--help") || str_eq(word, "-h");
    int r;

    if (!is_help) {
        output_error("unknown command: %s %s; see `dockmon %s --help`", group, word, group);
        return EXIT_USAGE;
    }
    r = buf_printf(&b, "Usage:  dockmon %s COMMAND\n\nCommands:\n", group);
    for (size_t i = 0; i < ARRAY_LEN(verbs) && r == 0; i++) {
        const char *rest = rest_of(verbs[i], group);

        if (rest && rest[0] == ' ')
            r = buf_printf(&b, "  %-9s %s\n", rest + 1, verbs[i]->summary);
    }
    print_buf(&b);
    return r < 0;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    int n_words = 0;
    const struct verb *v = find_verb(argc - 1, argv + 1, &n_words);

    if (n_words > 0)
        return run_verb(v, argc - n_words, argv + n_words);
    if (is_group(name))
        return print_group(name, argc > 2 ? argv[2] : NULL);
    if (str_eq(name, "--version") || str_eq(name, "-v")) {
        output_line("dockmon version %s", DOCKMON_VERSION);
        return 0;
    }
    if (str_eq(name, "--help") || str_eq(name, "-h") || str_eq(name, "help")) {
        v = find_verb(argc - 2, argv + 2, &n_words);
        if (n_words > 0)
            return print_verb_help(v);
        return argc > 2 && is_group(argv[2]) ? print_group(argv[2], NULL) : print_help();
    }
    output_error("unknown command: %s; see `dockmon --help`", name);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sigaction(SIGPIPE, &ignore, NULL); /* a closed pipe shows up as a failed write */
    return output_finish(run(argc, argv));
}
