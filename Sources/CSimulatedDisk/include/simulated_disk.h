// SPDX-License-Identifier: Apache-2.0
//
// A disk in memory under SQLite, that loses in a crash what a real one may lose.
//
// Every simulated machine has one `perch_disk`; any number live in a program at once, on any threads. SQLite reaches them
// through the VFS "perch-simulated" under the name "/<disk>/<process>/<file>": all processes of a machine see the same
// files, and a process can be killed alone.
//
// For each file there are two contents: what the page cache shows to whoever reads, and what is on the medium; between
// them lies the ordered list of what was written since the last sync.
//
//   kill         The process's locks, shared memory and connections vanish; what it wrote stays in the page cache, still
//                not synced. A write that is under way is cut at a sector.
//   power loss   All processes die. The medium has what was synced, and of the rest what chance decides: nothing, all of
//                it, the beginning of it (torn at a sector), or each sector of 512 bytes at any of the states that it
//                went through. That a file was created, cut or deleted is kept in order, and lost from some point on.
//
// A dead process's connections fail with SQLITE_IOERR and change nothing; they can be closed at any time.
#ifndef PERCH_SIMULATED_DISK_H
#define PERCH_SIMULATED_DISK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct perch_disk perch_disk;

/// Makes the VFS known to SQLite; again and again does no harm. Gives an SQLite result code.
int perch_disk_register(void);

/// A disk without files. Its generator decides where armed crashes and faults tear.
perch_disk *perch_disk_make(uint64_t seed);
/// Gives up the disk; its memory goes with the last connection.
void perch_disk_release(perch_disk *disk);
/// The number of the disk in the names of its files.
int64_t perch_disk_number(const perch_disk *disk);
/// What `datetime('now')` answers on the calling thread, in microseconds since the epoch.
void perch_disk_set_thread_time(int64_t microseconds);

// Files.

/// Puts a file there as if it had always been there.
void perch_disk_put(perch_disk *disk, const char *name, const void *bytes, int64_t count);
/// Everything reaches the medium, as when a machine is shut down.
void perch_disk_settle(perch_disk *disk);
/// How many files are on the medium.
int perch_disk_durable_count(perch_disk *disk);
/// The name of a file on the medium, in the order of names; valid while the disk lives.
const char *perch_disk_durable_name(perch_disk *disk, int index);
/// The size of a file on the medium, and its bytes where there is room for them; -1 where there is none.
int64_t perch_disk_durable_bytes(perch_disk *disk, const char *name, void *bytes, int64_t room);

// Crashes.

/// The next free number of a process.
int32_t perch_disk_spawn(perch_disk *disk);
void perch_disk_kill(perch_disk *disk, int32_t process);
bool perch_disk_is_dead(perch_disk *disk, int32_t process);
/// How often something died so far, by whatever means: as long as it stands, nobody has died.
int64_t perch_disk_deaths(perch_disk *disk);
/// What survives is decided by the seed alone.
void perch_disk_lose_power(perch_disk *disk, uint64_t seed);
/// Lets the n-th operation (write, truncate, delete, sync) from now end in a crash; 0 takes it back.
void perch_disk_arm(perch_disk *disk, int64_t operations, bool loses_power);

// Faults.

typedef enum { perch_fault_read, perch_fault_write, perch_fault_sync } perch_fault;

/// Lets `count` operations of a kind fail, after `skip` good ones; a negative count: until it is taken back with 0.
void perch_disk_fail(perch_disk *disk, perch_fault kind, int64_t skip, int64_t count);
/// Files may grow by so many bytes in all before the disk is full; negative: without a limit.
void perch_disk_set_room(perch_disk *disk, int64_t bytes);
/// Whether syncs answer that all is well without doing anything.
void perch_disk_set_lying(perch_disk *disk, bool is_lying);

// Counters.

typedef struct {
    int64_t reads, writes, syncs, bytes_written;
    /// Operations of the kind that `perch_disk_arm` counts.
    int64_t operations;
    /// Bytes written and not yet on the medium.
    int64_t unsynced;
    int64_t power_losses;
    /// Connections' files that are open, the dead ones too.
    int64_t open_files;
} perch_disk_counters;

perch_disk_counters perch_disk_count(perch_disk *disk);

#endif
