/*
 * dockmond: the server. With a command word it administers a data directory.
 */

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/reload.h"
#include "server/common/running_file.h"
#include "server/config.h"
#include "server/offline/admin.h"
#include "server/offline/health_command.h"
#include "server/server.h"
#include "server/store/store.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_USAGE  2
#define FINGERPRINT "fingerprint"
#define HEALTH      "health"

static void print_help(void)
{
    struct buf text = BUF_INIT((size_t)64 * 1024);

    config_help(&text);
    (void)printf(
        "Usage: dockmond [options]                 run the server\n"
        "       dockmond [options] COMMAND ...     administer a data directory, also while the server runs\n"
        "\n"
        "Commands:\n%s"
        "  fingerprint\n"
        "      print the fingerprint of the server's key, for agents and the CLI (DOCKMON_PIN)\n"
        "  health\n"
        "      query the health of the server that runs on the data directory; exit status 0: healthy\n"
        "\n"
        "Options:\n%s"
        "\n"
        "The first start creates the user `admin`; its password is in DATA-DIR/initial-admin-password.\n",
        admin_help(), buf_str(&text));
    buf_done(&text);
}

static int print_fingerprint(const struct config *config)
{
    const struct tls_keeper_files files = config_tls_files(config);
    _cleanup_free_ char *text = NULL;
    struct error err = ERROR_INIT;
    int r;

    r = tls_keeper_find_fingerprint(&files, &text, &err);
    if (r == -ENOENT && !config->tls_cert && store_require(config->data_dir, &err) == 0)
        r = tls_keeper_find_fingerprint(&files, &text, &err); /* the directory is the right one */
    if (r < 0) {
        (void)fprintf(stderr, "dockmond: fingerprint: %s\n", err.msg);
        return EXIT_FAILURE;
    }
    return puts(text) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The server that runs on the data directory says where it listens; else the configuration does. */
static int query_health(const struct config *config)
{
    struct running running;
    int status;

    if (!running_read(config->data_dir, &running))
        return health_command_run(config->host, config->port, config->is_tls);
    status = health_command_run(running.host, running.port, running.is_tls);
    running_done(&running);
    return status;
}

static int fail_usage(void)
{
    (void)fprintf(stderr, "dockmond: usage: dockmond [options] fingerprint\n");
    return EXIT_USAGE;
}

static int check_certificate(const struct config *config)
{
    const struct tls_keeper_files files = config_tls_files(config);
    _cleanup_(tls_server_context_freep) struct ssl_ctx_st *ctx = NULL;
    _cleanup_free_ char *text = NULL;
    struct error err = ERROR_INIT;
    int r;

    r = tls_keeper_find_fingerprint(&files, &text, &err);
    if (r == 0 && config->tls_cert)
        r = tls_server_context_new(&ctx, config->tls_cert, config->tls_key, &err);
    if (r == 0) {
        (void)printf("ok    certificate, its key is %s\n", text);
    } else if (r == -ENOENT && !config->tls_cert) {
        (void)printf("ok    certificate: created at the first start\n");
    } else {
        (void)printf("FAIL  certificate: %s\n", err.msg);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

/* Returns the first part of the path that is missing, to be freed, or NULL if all of it exists. */
static char *find_missing(const char *path)
{
    char *part = xstrdup(path);

    for (char *p = part; *p; p++) {
        char *slash = strchr(p + 1, '/');

        if (slash)
            *slash = '\0';
        if (access(part, F_OK) < 0 && errno == ENOENT)
            return part;
        if (!slash)
            break;
        *slash = '/';
        p = slash - 1;
    }
    free(part);
    return NULL;
}

/* Checks that the first start can create its database. Leaves no files behind. */
static int check_new_store(const struct config *config)
{
    _cleanup_free_ char *missing = find_missing(config->data_dir);
    int r = missing ? mkdir(missing, 0700) : access(config->data_dir, W_OK);

    if (r < 0) {
        (void)printf("FAIL  data directory: %s cannot be %s: %s\n", config->data_dir,
                     missing ? "created" : "written", error_text(-errno));
        return EXIT_FAILURE;
    }
    if (missing)
        (void)rmdir(missing); /* created above, hence empty */
    (void)printf("ok    data directory %s: the first start creates the database\n",
                 config->data_dir);
    return EXIT_SUCCESS;
}

/* Creates no files: a check run as root must not leave files with the wrong owner. */
static int check_store(const struct config *config)
{
    _cleanup_free_ char *database = xasprintf("%s/dockmon.db", config->data_dir);
    _cleanup_(db_closep) struct db *store = NULL;
    struct error err = ERROR_INIT;

    if (access(database, F_OK) < 0 && errno == ENOENT)
        return check_new_store(config);
    if (store_open(&store, config->data_dir, &err) < 0 || db_check(store, &err) < 0) {
        (void)printf("FAIL  data directory: %s\n", err.msg);
        return EXIT_FAILURE;
    }
    (void)printf("ok    data directory %s\n", config->data_dir);
    return EXIT_SUCCESS;
}

static int check(const struct config *config)
{
    int status;

    (void)printf("ok    configuration\n");
    status = check_store(config);
    if (status == EXIT_SUCCESS && config->is_tls)
        status = check_certificate(config);
    return status;
}

struct start { /* the command line, parsed again by a reload */
    int argc;
    char **argv;
};

static int read_level(void *owner, enum log_level *ret_level, struct buf *errors)
{
    const struct start *start = owner;
    struct config config;
    int r;

    r = config_read(start->argc, start->argv, (const char *const *)environ, &config, errors);
    *ret_level = config.log_level;
    config_done(&config);
    return r;
}

static void reload(void *owner)
{
    reload_log_level(read_level, owner);
}

static int serve(const struct config *config, struct start *start)
{
    struct error err = ERROR_INIT;
    _cleanup_(server_freep) struct server *server = NULL;

    if (server_new(&server, config, &err) < 0) {
        log_error(NULL, "dockmond cannot start: %s", err.msg);
        return EXIT_FAILURE;
    }
    server_on_reload(server, reload, start);
    server_run(server);
    return EXIT_SUCCESS;
}

/* Returns the index of the first word that is an offline command, or argc. */
static int find_command(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        /* A directory may have the name of a command. */
        if (config_flag_takes_value(argv[i])) {
            i++;
            continue;
        }
        if (admin_is_command(argv[i]) || str_eq(argv[i], FINGERPRINT) || str_eq(argv[i], HEALTH))
            return i;
    }
    return argc;
}

int main(int argc, char **argv)
{
    struct buf errors = BUF_INIT((size_t)64 * 1024);
    int command = find_command(argc, argv);
    struct config config;
    int r, status;

    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    r = config_read(command, argv, (const char *const *)environ, &config, &errors);
    log_set_level(config.log_level);
    log_set_json(config.is_log_json);

    if (config.wants_help) {
        print_help();
        status = EXIT_SUCCESS;
    } else if (config.wants_version) {
        (void)puts("dockmond " DOCKMON_VERSION);
        status = EXIT_SUCCESS;
    } else if (r < 0) {
        (void)fprintf(stderr, "dockmond: the configuration is not valid:\n%sTry dockmond --help\n",
                      buf_str(&errors));
        status = EXIT_USAGE;
    } else if (command < argc && str_eq(argv[command], FINGERPRINT)) {
        status = command + 1 == argc ? print_fingerprint(&config) : fail_usage();
    } else if (command < argc && str_eq(argv[command], HEALTH)) {
        status = command + 1 == argc ? query_health(&config) : fail_usage();
    } else if (command < argc) {
        status = admin_run(argc - command, argv + command, config.data_dir);
    } else {
        status = config.wants_check ? check(&config)
                                    : serve(&config, &(struct start){command, argv});
    }
    config_done(&config);
    buf_done(&errors);
    return status;
}
