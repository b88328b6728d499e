// SPDX-License-Identifier: Apache-2.0
//
// What the disk is made of; for the files of this module. Everything that takes entries or handles is to be called with the disk's mutex held.
#ifndef PERCH_DISK_H
#define PERCH_DISK_H

#include "simulated_disk.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>

enum { perch_sector = 512 };

typedef struct {
    unsigned char *bytes;
    int64_t size, capacity;
} perch_buffer;

/// Something that happened to a file and is not on the medium yet.
typedef struct {
    enum { perch_did_write, perch_did_truncate, perch_did_create, perch_did_delete } kind;
    /// The order of all changes of the disk.
    uint64_t order;
    /// Of a write: where. Of a truncate: the new size.
    int64_t offset;
    int64_t length;
    /// Where its bytes begin in the file's arena.
    int64_t bytes;
} perch_change;

typedef struct perch_handle perch_handle;
typedef struct perch_entry perch_entry;
typedef struct perch_shared perch_shared;

/// A name and what it stands for.
struct perch_entry {
    perch_entry *next;
    char *name;
    perch_buffer cached, durable;
    bool exists, exists_durably;
    perch_change *changes;
    int64_t change_count, change_capacity;
    perch_buffer arena;
    /// Counted up by each deletion: a handle of before reaches nothing any more.
    uint32_t incarnation;
    /// The open, living handles.
    perch_handle *handles;
    perch_shared *shared;
};

/// A wal-index: shared memory and its eight locks.
struct perch_shared {
    int descriptor;
    int region_count;
    /// The living handles that have it.
    perch_handle *handles;
};

struct perch_handle {
    sqlite3_file base;
    perch_disk *disk;
    perch_entry *entry;
    perch_handle *next;
    int32_t process;
    uint32_t incarnation;
    bool is_dead;
    int lock;
    int persists_wal;
    perch_shared *shared;
    perch_handle *next_shared;
    uint16_t shared_locks, exclusive_locks;
    void **regions;
    int region_count;
};

typedef struct {
    int64_t skip, count;
} perch_plan;

struct perch_disk {
    perch_disk *next;
    pthread_mutex_t mutex;
    int64_t number;
    /// Guarded by the list's mutex; everything else by the disk's own.
    int64_t references;
    uint64_t generator;
    perch_entry *entries;
    uint64_t last_order;
    bool *dead;
    int32_t process_count;
    int64_t armed;
    bool armed_loses_power;
    perch_plan plans[3];
    /// All sizes may come to this; negative: no limit.
    int64_t limit;
    bool is_lying;
    int64_t deaths;
    perch_disk_counters counters;
};

/// What each region of a wal-index has; SQLite always asks for this size.
enum { perch_region_size = 32768 };

// disk.c
void *perch_allocate(void *old, size_t size);
uint64_t perch_draw(uint64_t *generator, uint64_t below);
/// Retained for the caller, who releases it with `perch_disk_drop`; null where there is none.
perch_disk *perch_disk_find(int64_t number);
/// A disk that no name reaches, for a file without a name.
perch_disk *perch_disk_make_unlisted(void);
void perch_disk_drop(perch_disk *disk);
/// Every open, living handle of a process (of all: -1) dies.
void perch_kill_locked(perch_disk *disk, int32_t process);
void perch_lose_power_locked(perch_disk *disk, uint64_t seed);
/// Carries out the armed crash in an operation of a process.
void perch_crash_locked(perch_disk *disk, int32_t process);
/// Counts an operation; true where the armed crash is to happen in it.
bool perch_operation_crashes(perch_disk *disk);
bool perch_plan_is_due(perch_plan *plan);

// files.c
perch_entry *perch_entry_find(perch_disk *disk, const char *name, bool makes);
void perch_entry_create(perch_disk *disk, perch_entry *entry);
void perch_entry_delete(perch_disk *disk, perch_entry *entry, bool is_durable);
void perch_entry_write(perch_disk *disk, perch_entry *entry, int64_t offset, const void *bytes, int64_t count);
void perch_entry_truncate(perch_disk *disk, perch_entry *entry, int64_t size);
void perch_entry_sync(perch_disk *disk, perch_entry *entry);
/// A sync that failed: some of what was written reached the medium, and the system has forgotten which did not.
void perch_entry_sync_badly(perch_disk *disk, perch_entry *entry);
void perch_entry_put(perch_entry *entry, const void *bytes, int64_t count);
void perch_entry_free(perch_entry *entry);
int64_t perch_cached_total(perch_disk *disk);
/// The medium keeps what chance decides, and the page cache shows the medium.
void perch_entries_lose_power(perch_disk *disk, uint64_t seed);

// shared_memory.c
int perch_shm_map(sqlite3_file *file, int region, int size, int extends, void volatile **address);
int perch_shm_lock(sqlite3_file *file, int offset, int count, int flags);
void perch_shm_barrier(sqlite3_file *file);
int perch_shm_unmap(sqlite3_file *file, int deletes);
/// The handle's process dies: the handle keeps a private copy, the others keep the memory as it is.
void perch_shared_sever(perch_handle *handle);

// file_methods.c
extern const sqlite3_io_methods perch_file_methods;
void perch_handle_die(perch_handle *handle);

#endif
