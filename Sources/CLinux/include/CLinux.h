// SPDX-License-Identifier: Apache-2.0
// What Swift's Glibc module does not expose: epoll, eventfd, timerfd, inotify, pidfd, process control.
#pragma once
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include "CLinuxProcess.h"
#include <sys/types.h>

// epoll_event is packed on x86 and a union inside: plain integers cross into Swift instead.

/// Adds, changes or removes a descriptor; `token` comes back with its events. -1 with errno.
int clinux_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token);

/// What one descriptor reported.
struct clinux_event {
    uint64_t token;
    uint32_t events;
};

/// Waits for at most `capacity` (up to 256) events. -1 with errno.
int clinux_epoll_wait(int epoll, struct clinux_event *events, int capacity, int timeout_ms);

/// Arms a timer of CLOCK_REALTIME at an instant in microseconds since the epoch; a jump of the wall clock makes it
/// readable too. An instant of zero disarms it. -1 with errno.
int clinux_timer_arm(int timer, int64_t microseconds);

/// A descriptor that becomes readable when the process ends. -1 with errno.
int clinux_pidfd_open(pid_t pid);

/// Sends a signal through a pidfd, so that a reused process id is never hit. -1 with errno.
int clinux_pidfd_send_signal(int pidfd, int signal);

/// Asks for a signal when the thread that started this process ends. -1 with errno.
int clinux_set_parent_death_signal(int signal);

/// Makes this process the one that inherits the orphans below it. -1 with errno.
int clinux_set_child_subreaper(int on);

/// Names the calling thread; the kernel keeps 15 bytes.
void clinux_name_thread(const char *name);

/// The kernel's id of the calling thread.
pid_t clinux_thread_id(void);

/// The type of the file system that holds a path, as statfs(2) numbers it. -1 with errno, 0 done.
int clinux_file_system_type(const char *path, uint64_t *type);

/// What stat(2) says about a path, in plain integers.
struct clinux_status {
    uint64_t device;
    uint64_t inode;
    int64_t size;
    int64_t modified_seconds;
    int64_t modified_nanoseconds;
    uint32_t mode;
    uint8_t is_directory;
    uint8_t is_link;
};

/// stat(2), or lstat(2) where `follow` is 0. 0, or the errno: no error state to lose in between.
int clinux_status(const char *path, int follow, struct clinux_status *status);

/// Sets the file-system user of the calling thread alone; for tests of permissions.
int clinux_set_thread_file_user(uid_t user);

/// Takes the next connection of a listening socket, without blocking and closed in children. -1 with errno.
int clinux_accept(int listener);
