// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLinuxProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int put(posix_spawn_file_actions_t *actions, int from, int to, int flags) {
    if (from < 0) return posix_spawn_file_actions_addopen(actions, to, "/dev/null", flags, 0);
    return posix_spawn_file_actions_adddup2(actions, from, to);
}

int clinux_spawn_process(const struct clinux_spawn *request, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failure = posix_spawn_file_actions_init(&actions);
    if (failure) return failure;
    failure = posix_spawnattr_init(&attributes);
    if (failure) {
        posix_spawn_file_actions_destroy(&actions);
        return failure;
    }
    failure = put(&actions, request->input, 0, O_RDONLY);
    if (!failure) failure = put(&actions, request->output, 1, O_WRONLY);
    if (!failure) failure = put(&actions, request->error, 2, O_WRONLY);
    if (!failure) failure = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (!failure && request->directory)
        failure = posix_spawn_file_actions_addchdir_np(&actions, request->directory);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (request->leads_session) {
        flags |= POSIX_SPAWN_SETSID;
    } else {
        flags |= POSIX_SPAWN_SETPGROUP;
        if (!failure) failure = posix_spawnattr_setpgroup(&attributes, 0);
    }
    if (!failure) failure = posix_spawnattr_setsigmask(&attributes, &none);
    if (!failure) failure = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!failure) failure = posix_spawnattr_setflags(&attributes, flags);
    if (!failure)
        failure = posix_spawn(
            pid, request->path, &actions, &attributes, request->arguments, request->environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return failure;
}

char **clinux_environment(void) { return environ; }

int clinux_reap(pid_t pid, int *code, int *signal) {
    int status = 0;
    pid_t done;
    do done = waitpid(pid, &status, WNOHANG);
    while (done < 0 && errno == EINTR);
    if (done < 0) return -1;
    if (done == 0) return 0;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return 1;
}

// The functions below allocate nothing: they run in processes that are out of memory, too.

static char *decimal(char *end, uint64_t number) {
    *--end = 0;
    do *--end = (char)('0' + number % 10);
    while (number /= 10);
    return end;
}

static int open_of(pid_t pid, const char *file) {
    char path[64], digits[24];
    strcpy(path, "/proc/");
    strcat(path, decimal(digits + sizeof digits, (uint64_t)pid));
    strcat(path, file);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/// The third field of a process's stat file and what follows; NULL where there is none.
static char *fields_of(pid_t pid, char *text, size_t size) {
    int file = open_of(pid, "/stat");
    if (file < 0) return NULL;
    ssize_t count = read(file, text, size - 1);
    close(file);
    if (count <= 0) return NULL;
    text[count] = 0;
    // The name of the program stands in parentheses and may hold anything, spaces and parentheses too.
    char *at = strrchr(text, ')');
    return at && at[1] ? at + 2 : NULL;
}

int clinux_parent(pid_t pid, pid_t *parent) {
    char text[1024];
    char *at = fields_of(pid, text, sizeof text);
    if (!at || !at[0]) return -1;
    *parent = (pid_t)strtol(at + 1, NULL, 10);
    return 0;
}

int clinux_process_times(pid_t pid, int64_t *start, pid_t *session, char *state) {
    char text[1024];
    char *at = fields_of(pid, text, sizeof text);
    if (!at) return -1;
    *state = at[0];
    for (int field = 3; field < 22; field++) {
        if (field == 6) *session = (pid_t)strtol(at, NULL, 10);
        at = strchr(at, ' ');
        if (!at) return -1;
        at++;
    }
    *start = strtoll(at, NULL, 10);
    return 0;
}

int64_t clinux_resident_memory(pid_t pid) {
    char text[256];
    int file = open_of(pid, "/statm");
    if (file < 0) return -1;
    ssize_t count = read(file, text, sizeof text - 1);
    close(file);
    if (count <= 0) return -1;
    text[count] = 0;
    // Pages: all that is mapped, and what of it is in memory.
    char *resident = strchr(text, ' ');
    return resident ? strtoll(resident, NULL, 10) * sysconf(_SC_PAGESIZE) : -1;
}

/// Whether `mark` is one of the variables in the environment of a process.
static int is_marked(pid_t pid, const char *mark) {
    char text[4096];
    size_t length = strlen(mark), matched = 0;
    int possible = 1, found = 0;
    int file = open_of(pid, "/environ");
    if (file < 0) return 0;
    ssize_t count;
    while (!found && (count = read(file, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < count && !found; i++) {
            if (text[i] == 0) {
                found = possible && matched == length;
                matched = 0;
                possible = 1;
            } else if (possible && matched < length && text[i] == mark[matched]) {
                matched++;
            } else {
                possible = 0;
            }
        }
    }
    close(file);
    return found;
}

struct linux_entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

static int kill_session_once(pid_t session, pid_t except, const char *mark) {
    char buffer[8192] __attribute__((aligned(8)));
    int found = 0;
    int directory = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return 0;
    long count;
    while ((count = syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < count;) {
            struct linux_entry *entry = (struct linux_entry *)(buffer + at);
            at += entry->length;
            if (entry->name[0] < '1' || entry->name[0] > '9') continue;
            pid_t pid = (pid_t)strtol(entry->name, NULL, 10), its_session = -1;
            int64_t start;
            char state = 0;
            if (pid == except || clinux_process_times(pid, &start, &its_session, &state) != 0) continue;
            if (its_session != session || state == 'Z' || state == 'X') continue;
            if (mark && !is_marked(pid, mark)) continue;
            if (kill(pid, SIGKILL) == 0) found++;
        }
    }
    close(directory);
    return found;
}

int clinux_kill_session(pid_t session, pid_t except, const char *mark) {
    // A process may start another while this looks, so it looks until nothing is left; bounded all the same.
    int sum = 0;
    for (int turn = 0; turn < 100; turn++) {
        int found = kill_session_once(session, except, mark);
        if (found == 0) break;
        sum += found;
        struct timespec pause = {0, 1000000};
        if (turn > 0) clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    return sum;
}

void clinux_end_session(void) {
    pid_t self = getpid();
    if (getsid(0) == self) clinux_kill_session(self, self, NULL);
    if (getpgrp() == self) kill(0, SIGKILL);
    kill(self, SIGKILL);
    _exit(137);
}

int clinux_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }

void clinux_line_buffer_output(void) { setvbuf(stdout, NULL, _IOLBF, 0); }
