// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

// Since Linux 5.3 and 5.1; older C libraries have no name for them.
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

int clinux_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(epoll, operation, descriptor, &event);
}

int clinux_epoll_wait(int epoll, struct clinux_event *events, int capacity, int timeout_ms) {
    struct epoll_event raw[256];
    if (capacity > 256) capacity = 256;
    int count = epoll_wait(epoll, raw, capacity, timeout_ms);
    for (int i = 0; i < count; i++) {
        events[i].token = raw[i].data.u64;
        events[i].events = raw[i].events;
    }
    return count;
}

int clinux_timer_arm(int timer, int64_t microseconds) {
    struct itimerspec value;
    memset(&value, 0, sizeof value);
    if (microseconds > 0) {
        value.it_value.tv_sec = microseconds / 1000000;
        value.it_value.tv_nsec = (microseconds % 1000000) * 1000;
    }
    return timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &value, NULL);
}

int clinux_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int clinux_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int clinux_set_parent_death_signal(int signal) { return prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0, 0, 0); }

int clinux_set_child_subreaper(int on) { return prctl(PR_SET_CHILD_SUBREAPER, (unsigned long)on, 0, 0, 0); }

void clinux_name_thread(const char *name) {
    char cut[16];
    strncpy(cut, name, sizeof cut - 1);
    cut[sizeof cut - 1] = 0;
    pthread_setname_np(pthread_self(), cut);
}

pid_t clinux_thread_id(void) { return (pid_t)syscall(SYS_gettid); }

int clinux_file_system_type(const char *path, uint64_t *type) {
    struct statfs status;
    if (statfs(path, &status) != 0) return -1;
    *type = (uint64_t)(uint32_t)status.f_type;
    return 0;
}

int clinux_status(const char *path, int follow, struct clinux_status *result) {
    struct stat status;
    int done = follow ? stat(path, &status) : lstat(path, &status);
    if (done != 0) return errno;
    result->device = status.st_dev;
    result->inode = status.st_ino;
    result->size = status.st_size;
    result->modified_seconds = status.st_mtim.tv_sec;
    result->modified_nanoseconds = status.st_mtim.tv_nsec;
    result->mode = status.st_mode;
    result->is_directory = S_ISDIR(status.st_mode);
    result->is_link = S_ISLNK(status.st_mode);
    return 0;
}

int clinux_set_thread_file_user(uid_t user) { return setfsuid(user); }

int clinux_accept(int listener) {
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}
