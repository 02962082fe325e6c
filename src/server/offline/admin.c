#include "server/offline/admin.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/auth/first_user.h"
#include "server/auth/password.h"
#include "server/common/running_file.h"
#include "server/download/join_line.h"
#include "server/offline/backup_command.h"
#include "server/offline/import_command.h"
#include "server/rights/scope.h"
#include "server/store/api_keys.h"
#include "server/store/audit.h"
#include "server/store/hosts.h"
#include "server/store/secret.h"
#include "server/store/tokens.h"
#include "server/store/user_networks.h"
#include "server/store/user_sessions.h"
#include "server/store/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

struct admin {
    struct db *store;
    const char *data_dir;
    const char *target; /* recorded in the audit log */
    const char *name, *role, *replace;
    char *replaced;                     /* name of the host that a token is for */
    const char *scope[SCOPE_MAX_RULES]; /* rules */
    size_t n_scope;
    bool is_multi_use, wants_help;
    int64_t now_ms;
    char *secret; /* printed by the command; NULL: nothing is */
    char hash[PASSWORD_HASH_SIZE];
};

static int create_token(struct db *s, void *arg, struct error *err)
{
    struct admin *a = arg;
    int r;

    if (!a->replace)
        return tokens_create(s, NULL, a->is_multi_use, a->now_ms, &a->secret, err);
    r = tokens_create_replacing(s,
                                &(struct token_replacing){.host = a->replace, .now_ms = a->now_ms},
                                &a->secret, &a->replaced, err);
    a->target = a->replaced;
    return r;
}

static int check_token(struct admin *a, struct error *err)
{
    if (a->replace && a->is_multi_use) {
        return error_set(err, -EINVAL,
                         "--replace is for one agent: --multi-use does not go with it");
    }
    return 0;
}

/*
 * Says on stderr how to use the token; stdout has the token alone, for scripts. The running server
 * knows its address.
 */
static void explain_token(const struct admin *a)
{
    struct running running;
    struct join_server server;
    _cleanup_free_ char *line = NULL, *url = NULL;

    if (!running_read(a->data_dir, &running)) {
        (void)fprintf(stderr,
                      "dockmond: no server runs on %s; the token counts once it does, for "
                      "15 minutes from now\n",
                      a->data_dir);
        return;
    }
    server = (struct join_server){.listen_host = running.host,
                                  .port = running.port,
                                  .is_tls = running.is_tls,
                                  .base_path = running.base_path,
                                  .public_url = running.public_url,
                                  .has_proxies = running.has_proxies,
                                  .fingerprint = running.fingerprint};
    url = join_url(&server);
    if (running.has_agent_files)
        line = join_line(&server, a->secret);
    if (line) {
        (void)fprintf(stderr, "Paste this line on the %s, as root, within 15 minutes:\n\n  %s\n\n",
                      a->is_multi_use ? "new hosts" : "host", line);
    } else if (url) { /* without agent files there is nothing to install from */
        const char *pin = join_fingerprint(&server);

        (void)fprintf(stderr,
                      "Run on the %s, as root, within 15 minutes:\n\n  DOCKMON_URL=%s%s%s "
                      "REGISTRATION_TOKEN=%s DATA_PATH=/var/lib/dockmon-agent dockmon-agent\n\n",
                      a->is_multi_use ? "new hosts" : "host", url, pin ? " DOCKMON_PIN=" : "",
                      pin ? pin : "", a->secret);
    }
    running_done(&running);
}

static int check_apikey(struct admin *a, struct error *err)
{
    enum role role;

    if (!a->name || !a->role)
        return error_set(err, -EINVAL, "--name and --role are required");
    if (role_parse(a->role, &role) < 0)
        return error_set(err, -EINVAL, "--role %s: must be viewer, operator or admin", a->role);
    a->target = a->name;
    return 0;
}

struct host_search {
    const char *ref; /* id or name */
    char id[SCOPE_MAX_VALUE + 1];
};

static void compare_host(void *arg, const struct host *h)
{
    struct host_search *search = arg;

    if (str_eq(h->id, search->ref) || (str_eq(h->name, search->ref) && !search->id[0]))
        str_copy(search->id, sizeof(search->id), h->id);
}

struct scope_reading {
    struct db *store;
    struct host_search search;
};

static const char *find_host(void *arg, const char *ref)
{
    struct scope_reading *reading = arg;

    reading->search = (struct host_search){.ref = ref};
    if (hosts_each(reading->store, compare_host, &reading->search, NULL) < 0)
        return NULL;
    return reading->search.id[0] ? reading->search.id : NULL;
}

/* Sets *ret to the text of the scope, or NULL when there are no rules (no restriction). */
static int read_scope(struct db *s, const struct admin *a, char **ret, struct error *err)
{
    struct scope_reading reading = {.store = s};
    struct scope_rules rules = {0};

    for (size_t i = 0; i < a->n_scope; i++) {
        int r = scope_rules_add(&rules, a->scope[i], find_host, &reading, err);

        if (r < 0)
            return r;
    }
    *ret = scope_rules_text(&rules);
    return 0;
}

static int create_apikey(struct db *s, void *arg, struct error *err)
{
    struct admin *a = arg;
    _cleanup_free_ char *name = xstrdup(a->name), *scope = NULL;
    struct api_key spec = {.name = name, .created_at_ms = a->now_ms};
    int r;

    r = role_parse(a->role, &spec.role);
    if (r == 0)
        r = read_scope(s, a, &scope, err);
    if (r < 0)
        return r;
    spec.scope = scope;
    return api_keys_create(s, &spec, &a->secret, NULL, err);
}

static int check_user(struct admin *a, struct error *err)
{
    if (!a->target)
        return error_set(err, -EINVAL, "the user's name is missing");
    return 0;
}

static int prepare_password(struct admin *a, struct error *err)
{
    a->secret = password_random();
    return password_hash(a->secret, a->hash, err);
}

static int reset_password(struct db *s, void *arg, struct error *err)
{
    struct admin *a = arg;
    _cleanup_(user_done) struct user user = {0};
    int r;

    r = users_get_by_name(s, a->target, &user, err);
    if (r == -ENOENT)
        return error_set(err, r, "there is no user `%s` in %s", a->target, a->data_dir);
    if (r == 0)
        r = users_set_password(s, user.id, a->hash, true, a->now_ms, err);
    if (r == 0)
        r = user_sessions_delete_user(s, user.id, NULL, err);
    if (r == 0)
        r = api_keys_delete_user(s, user.id, err);
    if (r == 0)
        r = user_networks_delete_user(s, user.id, err);
    return r;
}

static int check_role(struct admin *a, struct error *err)
{
    enum role role;
    int r = check_user(a, err);

    if (r == 0 && !a->role)
        return error_set(err, -EINVAL, "--role is required");
    if (r == 0 && role_parse(a->role, &role) < 0)
        return error_set(err, -EINVAL, "--role %s: must be viewer, operator or admin", a->role);
    return r;
}

/* A limit to some hosts is left: it is no part of the role. */
static int set_role(struct db *s, void *arg, struct error *err)
{
    struct admin *a = arg;
    _cleanup_(user_done) struct user user = {0};
    enum role role;
    int r = role_parse(a->role, &role);

    if (r == 0)
        r = users_get_by_name(s, a->target, &user, err);
    if (r == -ENOENT)
        return error_set(err, r, "there is no user `%s` in %s", a->target, a->data_dir);
    if (r == 0)
        r = users_set_rights(s, user.id, role, user.scope, a->now_ms, err);
    return r;
}

static void finish_reset(const struct admin *a)
{
    _cleanup_free_ char *path = xasprintf("%s/" FIRST_USER_FILE, a->data_dir);

    if (str_eq(a->target, FIRST_USER_NAME))
        (void)unlink(path); /* it is out of date, and was usually removed before */
}

static const struct command {
    const char *word, *verb, *usage, *help;
    bool has_target;                                  /* one argument that is not a flag */
    int (*check)(struct admin *a, struct error *err); /* validates the arguments; may be NULL */
    int (*prepare)(struct admin *a,
                   struct error *err);     /* slow work outside of the transaction; may be NULL */
    db_tx_fn run;                          /* sets a->secret unless prepare() did */
    void (*finish)(const struct admin *a); /* may be NULL */
} commands[] = {
  /* clang-format off */ /* it would align them in columns */
    {"token", "create", "token create [--multi-use | --replace HOST]",
     "print a new registration token (15 min), and on stderr the line that joins a host with it; "
     "with --replace, for an agent in the place of that host's agent",
     false, check_token, NULL, create_token, explain_token},
    {"apikey", "create", "apikey create --name N --role viewer|operator|admin [--scope RULE]...",
     "print a new API key",
     false, check_apikey, NULL, create_apikey, NULL},
    {"user", "reset-password", "user reset-password NAME",
     "print a new random password for a user, whose sessions and API keys end",
     true, check_user, prepare_password, reset_password, finish_reset},
    {"user", "set-role", "user set-role --role viewer|operator|admin NAME",
     "change the role of a user, as when nobody is an administrator",
     true, check_role, NULL, set_role, NULL},
  /* clang-format on */
};

bool admin_is_command(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (str_eq(word, commands[i].word))
            return true;
    }
    return backup_command_is(word) || import_command_is(word);
}

const char *admin_help(void)
{
    return "  token create [--multi-use | --replace HOST]\n"
           "      print a new registration token, valid for 15 minutes, and on stderr the line that\n"
           "      joins a host with it; with --replace it admits one agent, which takes the place of\n"
           "      that host's agent\n"
           "  apikey create --name N --role viewer|operator|admin [--scope RULE]...\n"
           "      print a new API key, limited to rules such as host=NAME,label=KEY=VALUE\n"
           "  user reset-password NAME\n"
           "      print a new random password for a user, whose sessions and API keys end\n"
           "  user set-role --role viewer|operator|admin NAME\n"
           "      change the role of a user, as when nobody is an administrator\n" BACKUP_COMMAND_HELP
               IMPORT_COMMAND_HELP;
}

/* Returns 1 with the value in *ret if the word is the flag, 0 for another word, and -EINVAL if the
 * value is missing. */
static int take_value(int argc, char **argv, int *i, const char *flag, const char **ret)
{
    size_t length = strlen(flag);

    if (!str_starts_with(argv[*i], flag))
        return 0;
    if (argv[*i][length] == '=') {
        *ret = argv[*i] + length + 1;
        return 1;
    }
    if (argv[*i][length] != '\0')
        return 0;
    if (*i + 1 >= argc)
        return -EINVAL;
    *i += 1;
    *ret = argv[*i];
    return 1;
}

static int parse_word(struct admin *a, const struct command *c, int argc, char **argv, int *i)
{
    bool has_room = a->n_scope < SCOPE_MAX_RULES;
    const char *rule = NULL;
    const struct {
        const char *flag;
        const char **value;
        bool is_allowed;
    } flags[] = {
        {"--data-dir", &a->data_dir, true                                              },
        {"--name",     &a->name,     c->check == check_apikey                          },
        {"--replace",  &a->replace,  c->run == create_token                            },
        {"--role",     &a->role,     c->check == check_apikey || c->check == check_role},
        {"--scope",    &rule,        c->check == check_apikey && has_room              },
    };

    for (size_t f = 0; f < ARRAY_LEN(flags); f++) {
        int r = flags[f].is_allowed ? take_value(argc, argv, i, flags[f].flag, flags[f].value) : 0;

        if (r < 0)
            return r;
        if (rule)
            a->scope[a->n_scope++] = rule;
        if (r > 0)
            return 0;
    }
    if (str_eq(argv[*i], "--multi-use") && c->run == create_token) {
        a->is_multi_use = true;
        return 0;
    }
    if (argv[*i][0] == '-' || !c->has_target || a->target)
        return -EINVAL;
    a->target = argv[*i];
    return 0;
}

static int parse(struct admin *a, const struct command *c, int argc, char **argv, struct error *err)
{
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i];
        int r;

        if (str_eq(word, "--help")) {
            a->wants_help = true;
            return 0;
        }
        r = parse_word(a, c, argc, argv, &i);
        if (r < 0) {
            return error_set(
                err, r, "`%s` is not an argument of this command, or its value is missing", word);
        }
    }
    return c->check ? c->check(a, err) : 0;
}

static const struct command *find_command(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (argc >= 2 && str_eq(argv[0], commands[i].word) && str_eq(argv[1], commands[i].verb))
            return &commands[i];
    }
    return NULL;
}

struct transaction {
    struct admin *admin;
    const struct command *command;
};

static int run_audited(struct db *s, void *arg, struct error *err)
{
    struct transaction *t = arg;
    _cleanup_free_ char *action = xasprintf("%s.%s", t->command->word, t->command->verb);
    _cleanup_free_ char *target = NULL;
    char who[] = "offline", result[] = "ok";
    int r;

    r = t->command->run(s, t->admin, err);
    if (r < 0)
        return r;
    target = xstrdup(t->admin->target); /* the command may have found it */
    return audit_insert(s,
                        &(struct audit_entry){
                            .at_ms = t->admin->now_ms,
                            .who = who,
                            .action = action,
                            .target = target,
                            .result = result,
                        },
                        err);
}

static int execute(struct admin *a, const struct command *c, struct error *err)
{
    _cleanup_(db_closep) struct db *store = NULL;
    int r;

    /* A wrong directory would get a database of its own, and the secret would open nothing. */
    r = store_require(a->data_dir, err);
    if (r == 0)
        r = store_open(&store, a->data_dir, err);
    if (r < 0)
        return r;
    if (c->prepare) {
        r = c->prepare(a, err);
        if (r < 0)
            return r;
    }
    r = db_tx(store, run_audited, &(struct transaction){a, c}, err);
    if (r < 0)
        return r;
    if (c->finish)
        c->finish(a);
    return 0;
}

int admin_run(int argc, char **argv, const char *data_dir)
{
    const struct command *c = find_command(argc, argv);
    struct admin a = {.data_dir = data_dir, .now_ms = time_utc_ms()};
    struct error err = ERROR_INIT;
    int status = EXIT_SUCCESS;

    if (backup_command_is(argv[0]))
        return backup_command_run(argc, argv, data_dir);
    if (import_command_is(argv[0]))
        return import_command_run(argc, argv, data_dir);
    if (!c) {
        (void)fprintf(stderr, "dockmond: unknown command; the commands are:\n%s", admin_help());
        return EXIT_USAGE;
    }
    if (parse(&a, c, argc, argv, &err) < 0) {
        (void)fprintf(stderr, "dockmond: %s\nUsage: dockmond [--data-dir DIR] %s\n", err.msg,
                      c->usage);
        return EXIT_USAGE;
    }
    if (a.wants_help) {
        (void)printf("Usage: dockmond [--data-dir DIR] %s\n\n%s\n", c->usage, c->help);
        return EXIT_SUCCESS;
    }

    if (execute(&a, c, &err) < 0) {
        (void)fprintf(stderr, "dockmond: %s %s: %s\n", c->word, c->verb, err.msg);
        status = EXIT_FAILURE;
    } else if (a.secret && (printf("%s\n", a.secret) < 0 || fflush(stdout) != 0)) {
        (void)fprintf(stderr, "dockmond: cannot write the secret to stdout\n");
        status = EXIT_FAILURE;
    }
    secret_free(a.secret);
    free(a.replaced);
    return status;
}
