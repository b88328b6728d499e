// SPDX-License-Identifier: Apache-2.0
// What Swift's Glibc module does not expose: epoll, eventfd, timerfd, inotify, pidfd, process control.
#pragma once
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
