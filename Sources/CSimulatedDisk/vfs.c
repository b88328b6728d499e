// SPDX-License-Identifier: Apache-2.0
// What SQLite calls beside its files: names, time and chance.
#include "disk.h"

#include <stdio.h>
#include <string.h>

// Names.

/// A file name in its parts.
typedef struct {
    perch_disk *disk;
    int32_t process;
    const char *name;
} place;

/// Finds and locks the disk of a name; false where there is none. `put_back` is to be called afterwards.
static bool take(const char *path, place *place) {
    long long number;
    int process, length = 0;
    if (!path || sscanf(path, "/%lld/%d/%n", &number, &process, &length) != 2 || !length) return false;
    place->disk = perch_disk_find(number);
    if (!place->disk) return false;
    place->process = process;
    place->name = path + length;
    pthread_mutex_lock(&place->disk->mutex);
    return true;
}

static void put_back(place *place) {
    pthread_mutex_unlock(&place->disk->mutex);
    perch_disk_drop(place->disk);
}

static bool is_dead(const place *place) {
    return place->process < 0 || place->process >= place->disk->process_count || place->disk->dead[place->process];
}

static void begin(perch_handle *handle, perch_disk *disk, perch_entry *entry, int32_t process) {
    handle->disk = disk;
    handle->entry = entry;
    handle->process = process;
    handle->incarnation = entry->incarnation;
    handle->next = entry->handles;
    entry->handles = handle;
    handle->base.pMethods = &perch_file_methods;
    disk->counters.open_files++;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags) {
    (void)vfs;
    perch_handle *handle = (perch_handle *)file;
    memset(handle, 0, sizeof *handle);
    if (out_flags) *out_flags = flags;
    if (!path) {
        // A temporary file: on a disk of its own, that goes with it.
        perch_disk *disk = perch_disk_make_unlisted();
        perch_entry *entry = perch_entry_find(disk, "temporary", true);
        perch_entry_create(disk, entry);
        begin(handle, disk, entry, 0);
        return SQLITE_OK;
    }
    place place;
    if (!take(path, &place)) return SQLITE_CANTOPEN;
    int code = SQLITE_OK;
    perch_entry *entry = perch_entry_find(place.disk, place.name, false);
    bool exists = entry && entry->exists;
    if (is_dead(&place)) {
        code = SQLITE_IOERR;
    } else if (exists ? (flags & SQLITE_OPEN_EXCLUSIVE) && (flags & SQLITE_OPEN_CREATE) : !(flags & SQLITE_OPEN_CREATE)) {
        code = SQLITE_CANTOPEN;
    } else {
        if (!exists) {
            entry = perch_entry_find(place.disk, place.name, true);
            perch_entry_create(place.disk, entry);
        }
        begin(handle, place.disk, entry, place.process);
    }
    pthread_mutex_unlock(&place.disk->mutex);
    // An open handle keeps what `take` has retained.
    if (code != SQLITE_OK) perch_disk_drop(place.disk);
    return code;
}

/// Not on the medium before the directory is synced, which SQLite asks for where it matters.
static int vfs_delete(sqlite3_vfs *vfs, const char *path, int syncs_directory) {
    (void)vfs;
    place place;
    if (!take(path, &place)) return SQLITE_IOERR_DELETE;
    int code = SQLITE_OK;
    perch_entry *entry = perch_entry_find(place.disk, place.name, false);
    if (is_dead(&place)) {
        code = SQLITE_IOERR_DELETE;
    } else if (!entry || !entry->exists) {
        code = SQLITE_IOERR_DELETE_NOENT;
    } else {
        bool crashes = perch_operation_crashes(place.disk);
        bool happens = !crashes || perch_draw(&place.disk->generator, 2);
        bool is_durable = syncs_directory && !crashes && !place.disk->is_lying;
        if (happens) perch_entry_delete(place.disk, entry, is_durable);
        if (crashes) {
            perch_crash_locked(place.disk, place.process);
            code = SQLITE_IOERR_DELETE;
        }
    }
    put_back(&place);
    return code;
}

/// As in SQLite's own VFS, an empty file does not count: it may be the name of a journal whose content was lost.
static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *answer) {
    (void)vfs;
    *answer = 0;
    place place;
    if (!take(path, &place)) return SQLITE_OK;
    int code = is_dead(&place) ? SQLITE_IOERR_ACCESS : SQLITE_OK;
    perch_entry *entry = perch_entry_find(place.disk, place.name, false);
    if (code == SQLITE_OK && entry && entry->exists) *answer = flags != SQLITE_ACCESS_EXISTS || entry->cached.size > 0;
    put_back(&place);
    return code;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *path, int room, char *full) {
    (void)vfs;
    return snprintf(full, (size_t)room, "%s", path) < room ? SQLITE_OK : SQLITE_CANTOPEN;
}

// Time and chance. SQLite asks a VFS for them without naming a file, and draws its random numbers (the salts of a log)
// from the program's default VFS alone: they differ between two runs, what they decide does not.

static _Thread_local int64_t thread_time;
static _Thread_local uint64_t thread_generator;

void perch_disk_set_thread_time(int64_t microseconds) { thread_time = microseconds; }

static int vfs_randomness(sqlite3_vfs *vfs, int count, char *bytes) {
    (void)vfs;
    for (int i = 0; i < count; i++) bytes[i] = (char)perch_draw(&thread_generator, 256);
    return count;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) {
    (void)vfs;
    return microseconds;
}

static int vfs_time64(sqlite3_vfs *vfs, sqlite3_int64 *milliseconds) {
    (void)vfs;
    // Julian days begin 2,440,587.5 days before the epoch.
    *milliseconds = 210866760000000 + thread_time / 1000;
    return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *vfs, double *days) {
    sqlite3_int64 milliseconds;
    int code = vfs_time64(vfs, &milliseconds);
    *days = (double)milliseconds / 86400000;
    return code;
}

static int vfs_last_error(sqlite3_vfs *vfs, int room, char *text) {
    (void)vfs;
    if (room > 0) *text = 0;
    return 0;
}

static sqlite3_vfs vfs = {
    .iVersion = 2,
    .szOsFile = sizeof(perch_handle),
    .mxPathname = 512,
    .zName = "perch-simulated",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_name,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_last_error,
    .xCurrentTimeInt64 = vfs_time64,
};

int perch_disk_register(void) { return sqlite3_vfs_register(&vfs, 0); }
