/*
 * dockmon-agent-launch PACKAGED DATA_PATH [ARGUMENT...]: becomes the agent, with the arguments.
 *
 * A self-update puts a new program into DATA_PATH/bin, beside the previous one:
 *
 *     dockmon-agent        the new one
 *     dockmon-agent.old    the one before it; missing: that was the packaged one
 *     tries                how often the new one was started; missing: it has proved itself
 *     undone               why the last update was undone
 *
 * The new program removes `tries` when it has connected to its server. One that crashes, hangs or
 * does not even start leaves it, and at the third failure the program before it returns. The
 * packaged program is used without an update, when nothing else starts, and when it was installed
 * after the update.
 *
 * No update replaces the launcher, so it is small: it reads nothing but these files and uses no
 * library. It does not end as the parent of the agent, but is replaced by it, so that the service
 * manager sees one process.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_TRIES   3
#define EXIT_FAILED 1
#define EXIT_USAGE  2

struct paths {
    char dir[PATH_MAX], current[PATH_MAX], previous[PATH_MAX], bad[PATH_MAX], tries[PATH_MAX],
        new_tries[PATH_MAX], undone[PATH_MAX];
};

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    (void)fputs("dockmon-agent-launch: ", stderr);
    (void)vfprintf(stderr, format, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
}

static bool join(char ret[PATH_MAX], const char *dir, const char *name)
{
    int n = snprintf(ret, PATH_MAX, "%s/%s", dir, name);

    return n > 0 && n < PATH_MAX;
}

static bool find_paths(struct paths *ret, const char *data_path)
{
    return join(ret->dir, data_path, "bin") && join(ret->current, ret->dir, "dockmon-agent") &&
           join(ret->previous, ret->dir, "dockmon-agent.old") &&
           join(ret->bad, ret->dir, "dockmon-agent.bad") && join(ret->tries, ret->dir, "tries") &&
           join(ret->new_tries, ret->dir, "tries.new") && join(ret->undone, ret->dir, "undone");
}

/* Whether the updated program is to be used: it exists, and is newer than the packaged one. */
static bool has_update(const struct paths *p, const char *packaged)
{
    struct stat update, package;

    if (stat(p->current, &update) < 0 || !S_ISREG(update.st_mode))
        return false;
    if (stat(packaged, &package) < 0)
        return true;
    return update.st_ctim.tv_sec > package.st_ctim.tv_sec ||
           (update.st_ctim.tv_sec == package.st_ctim.tv_sec &&
            update.st_ctim.tv_nsec >= package.st_ctim.tv_nsec);
}

/* Returns the number of tries, 0 to MAX_TRIES, or -1: the program has proved itself. */
static int read_tries(const struct paths *p)
{
    char digit = '0';
    int fd = open(p->tries, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? -1 : MAX_TRIES;
    if (read(fd, &digit, 1) != 1)
        digit = '0' + MAX_TRIES;
    (void)close(fd);
    return digit >= '0' && digit < '0' + MAX_TRIES ? digit - '0' : MAX_TRIES;
}

/* Stores the number before the program starts, so that a reboot during a crash counts, too. */
static bool write_tries(const struct paths *p, int n)
{
    const char digit = (char)('0' + n);
    int fd = open(p->new_tries, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_done;

    if (fd < 0)
        return false;
    is_done = write(fd, &digit, 1) == 1 && fsync(fd) == 0;
    is_done = close(fd) == 0 && is_done && rename(p->new_tries, p->tries) == 0;
    fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    return is_done;
}

/* For the program that returns, which reports the reason to the server. */
static void write_reason(const struct paths *p, const char *why)
{
    int fd = open(p->undone, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, why, strlen(why)) < 0)
        say("cannot write %s: %m", p->undone);
    if (fd >= 0)
        (void)close(fd);
}

/* Puts the program before the update back. The failed one is kept for an inspection. */
static void roll_back(const struct paths *p, const char *why)
{
    write_reason(p, why);
    say("the update of the agent is undone: %s", why);
    if (rename(p->current, p->bad) < 0)
        say("cannot rename %s: %m", p->current);
    if (rename(p->previous, p->current) < 0 && errno != ENOENT)
        say("cannot rename %s: %m", p->previous);
    if (unlink(p->tries) < 0 && errno != ENOENT)
        say("cannot remove %s: %m", p->tries);
}

/* Returns only when the program does not start. */
static void start(const char *program, char **arguments)
{
    arguments[0] = (char *)(size_t)program;
    (void)execv(program, arguments);
    say("%s does not start: %m", program);
}

static void start_update(const struct paths *p, const char *packaged, char **arguments)
{
    int tries = read_tries(p);

    if (tries == MAX_TRIES) {
        roll_back(p, "it was started three times without reaching the server");
    } else if (tries >= 0 && !write_tries(p, tries + 1)) {
        roll_back(p, "its tries cannot be counted, perhaps because the disk is full");
    } else {
        start(p->current, arguments);
        roll_back(p, "the new program does not start");
    }
    /* The one before it has proved itself. */
    if (has_update(p, packaged))
        start(p->current, arguments);
}

int main(int argc, char **argv)
{
    struct paths paths;
    const char *packaged = argc > 2 ? argv[1] : NULL;

    if (!packaged || packaged[0] != '/' || argv[2][0] != '/') {
        say("usage: dockmon-agent-launch PACKAGED DATA_PATH [ARGUMENT...], with absolute paths");
        return EXIT_USAGE;
    }
    if (!find_paths(&paths, argv[2])) {
        say("%s: the path is too long", argv[2]);
        return EXIT_USAGE;
    }
    /* The agent accepts a self-update only when it finds the variable: who else would undo it? */
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): this program has one thread. */
    if (setenv("DOCKMON_LAUNCH_DIR", paths.dir, 1) < 0)
        return EXIT_FAILED;
    if (has_update(&paths, packaged))
        start_update(&paths, packaged, argv + 2);
    start(packaged, argv + 2);
    return EXIT_FAILED;
}
