// SPDX-License-Identifier: Apache-2.0
// Starting, limiting and ending processes, with everything that they have started.
#pragma once
#include <stdint.h>
#include <sys/types.h>

/// What a new process is to be.
struct clinux_spawn {
    const char *path;
    char *const *arguments;
    char *const *environment;
    /// The directory that it starts in; NULL: this one.
    const char *directory;
    /// Its standard input, output and error; -1: /dev/null. Every other descriptor is closed in it.
    int input, output, error;
    /// 1: it leads a session of its own; 0: a process group of its own in this session.
    int leads_session;
};

/// Starts a process. 0, or the errno.
int clinux_spawn_process(const struct clinux_spawn *request, pid_t *pid);

/// What a new process may use, and as whom it runs.
struct clinux_conduct {
    /// Bytes of private memory; 0: as much as there is.
    uint64_t memory;
    /// What is added to its niceness.
    int nice;
    /// 1: it runs as this user, with these groups alone; 0: as this process does.
    int changes_user;
    uid_t user;
    gid_t group;
    const gid_t *groups;
    int group_count;
};

/// What of the start of a process went wrong.
enum clinux_step {
    CLINUX_STEP_START,
    CLINUX_STEP_MEMORY,
    CLINUX_STEP_NICE,
    CLINUX_STEP_USER,
    CLINUX_STEP_DIRECTORY,
};

/// Starts a process under conditions, which hold before its first instruction. 0, or the errno and where it came from.
int clinux_spawn_limited(
    const struct clinux_spawn *request, const struct clinux_conduct *conduct, pid_t *pid, enum clinux_step *step);

/// The variables of this process: NAME=value strings, the last one NULL.
char **clinux_environment(void);

/// Takes the exit status of an ended child: 1 and its code or signal; 0: it has not ended; -1: it is no child.
int clinux_reap(pid_t pid, int *code, int *signal);

/// Start time of a process in clock ticks since boot, its session and its state; -1 where there is no such process.
int clinux_process_times(pid_t pid, int64_t *start, pid_t *session, char *state);

/// Who started a process; -1 where there is no such process.
int clinux_parent(pid_t pid, pid_t *parent);

/// How many bytes of a process are in memory; -1 where there is no such process.
int64_t clinux_resident_memory(pid_t pid);

/// Kills every process of a session but `except`; returns how many it found. With `mark`, only those in whose environment
/// `mark` (`NAME=value`) stands.
int clinux_kill_session(pid_t session, pid_t except, const char *mark);

/// Kills every process of the session that this process leads, and this process. Where it leads none: only itself.
void clinux_end_session(void);

/// A pipe whose ends are closed in what this process starts: the reading one, the writing one. -1 with errno.
int clinux_pipe(int *ends);

/// Makes standard output leave line by line, even into a pipe.
void clinux_line_buffer_output(void);
