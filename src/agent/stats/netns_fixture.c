#include "agent/stats/netns_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

bool netns_enter(void)
{
    bool can = geteuid() == 0 && access("/sbin/ip", X_OK) == 0 && unshare(CLONE_NEWNET) == 0;

    if (!can)
        print_message("network namespaces are not tested: this requires root and ip\n");
    return can;
}

void netns_run_command(char *command)
{
    char *argv[32], *rest = command, *word;
    size_t n = 0;
    pid_t pid;
    int status = 0;

    while ((word = strsep(&rest, " ")))
        argv[n++] = word;
    argv[n] = NULL;
    pid = fork();
    if (pid == 0) {
        if (argv[0])
            execvp(argv[0], argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("%s ...: status %d", argv[0], status);
    free(command);
}

pid_t netns_child_start(void)
{
    char ready = 0;
    int gate[2];
    pid_t pid;

    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no process behind */
        if (unshare(CLONE_NEWNET) < 0 || write(gate[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    close(gate[1]);
    assert_int_equal(read(gate[0], &ready, 1), 1);
    close(gate[0]);
    return pid;
}

void netns_child_stop(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}
