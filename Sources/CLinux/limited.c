// SPDX-License-Identifier: Apache-2.0
// Starting a process under conditions that posix_spawn knows nothing of.
#define _GNU_SOURCE
#include "CLinuxProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

struct failure {
    int number;
    int step;
};

// What follows runs between fork and exec: it allocates nothing and takes no lock. User and groups are set by the kernel's
// calls themselves: those of the C library would tell every thread of a process that this one is a copy of.

static _Noreturn void fail(int tell, int step) {
    struct failure failure = {.number = errno ? errno : EINVAL, .step = step};
    ssize_t written;
    do written = write(tell, &failure, sizeof failure);
    while (written < 0 && errno == EINTR);
    _exit(127);
}

static int place(int from, int to, int flags) {
    if (from < 0) {
        from = open("/dev/null", flags);
        if (from < 0) return -1;
        if (from == to) return 0;
    }
    if (from == to) return fcntl(from, F_SETFD, 0);
    return dup2(from, to) < 0 ? -1 : 0;
}

static void close_others(int except) {
    if (except > 3) (void)syscall(SYS_close_range, 3U, (unsigned)(except - 1), 0U);
    if (syscall(SYS_close_range, (unsigned)(except + 1), ~0U, 0U) == 0) return;
    // A kernel before 5.9.
    struct rlimit limit;
    rlim_t most = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1048576 ? limit.rlim_cur : 1048576;
    for (int descriptor = 3; descriptor < (int)most; descriptor++)
        if (descriptor != except) close(descriptor);
}

static _Noreturn void become(const struct clinux_spawn *request, const struct clinux_conduct *conduct, int tell) {
    struct sigaction standard;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
    if (request->leads_session ? setsid() < 0 : setpgid(0, 0) != 0) fail(tell, CLINUX_STEP_START);
    if (place(request->input, 0, O_RDONLY) != 0 || place(request->output, 1, O_WRONLY) != 0
        || place(request->error, 2, O_WRONLY) != 0)
        fail(tell, CLINUX_STEP_START);
    close_others(tell);
    if (conduct->memory > 0) {
        // RLIMIT_DATA counts what is written to, unlike RLIMIT_AS, which counts what is merely reserved: the C library
        // reserves 64 MiB of addresses for the heap of each thread.
        struct rlimit limit = {.rlim_cur = conduct->memory, .rlim_max = conduct->memory};
        if (setrlimit(RLIMIT_DATA, &limit) != 0) fail(tell, CLINUX_STEP_MEMORY);
    }
    if (conduct->nice != 0) {
        errno = 0;
        int now = getpriority(PRIO_PROCESS, 0);
        if (errno != 0 || setpriority(PRIO_PROCESS, 0, now + conduct->nice) != 0) fail(tell, CLINUX_STEP_NICE);
    }
    if (conduct->changes_user) {
        if (syscall(SYS_setgroups, (long)conduct->group_count, conduct->groups) != 0
            || syscall(SYS_setresgid, conduct->group, conduct->group, conduct->group) != 0
            || syscall(SYS_setresuid, conduct->user, conduct->user, conduct->user) != 0)
            fail(tell, CLINUX_STEP_USER);
    }
    if (request->directory && chdir(request->directory) != 0) fail(tell, CLINUX_STEP_DIRECTORY);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(request->path, request->arguments, request->environment);
    fail(tell, CLINUX_STEP_START);
}

int clinux_spawn_limited(
    const struct clinux_spawn *request, const struct clinux_conduct *conduct, pid_t *pid, enum clinux_step *step) {
    *step = CLINUX_STEP_START;
    int ends[2];
    if (clinux_pipe(ends) != 0) return errno;
    // Above the standard descriptors, which it would be closed by.
    int tell = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
    int failed = tell < 0 ? errno : 0;
    close(ends[1]);
    if (failed) {
        close(ends[0]);
        return failed;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    failed = child < 0 ? errno : 0;
    if (child == 0) become(request, conduct, tell);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(tell);
    struct failure failure = {0, 0};
    ssize_t count = 0;
    if (!failed) {
        // It ends with the exec, whichever way that goes.
        do count = read(ends[0], &failure, sizeof failure);
        while (count < 0 && errno == EINTR);
    }
    close(ends[0]);
    if (failed) return failed;
    if (count != sizeof failure) {
        *pid = child;
        return 0;
    }
    pid_t done;
    do done = waitpid(child, NULL, 0);
    while (done < 0 && errno == EINTR);
    *step = (enum clinux_step)failure.step;
    return failure.number;
}
