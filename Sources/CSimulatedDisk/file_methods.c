// SPDX-License-Identifier: Apache-2.0
// What SQLite calls on an open file.
#include "disk.h"

#include <string.h>

static perch_handle *of(sqlite3_file *file) { return (perch_handle *)file; }

/// Whether the handle reaches its file: its process lives, and the file was not deleted under it.
static bool reaches(const perch_handle *handle) {
    return !handle->is_dead && handle->incarnation == handle->entry->incarnation;
}

static void leave(perch_handle *handle) {
    for (perch_handle **link = &handle->entry->handles; *link; link = &(*link)->next) {
        if (*link == handle) {
            *link = handle->next;
            break;
        }
    }
    handle->next = NULL;
    handle->lock = SQLITE_LOCK_NONE;
}

void perch_handle_die(perch_handle *handle) {
    perch_shared_sever(handle);
    leave(handle);
    handle->is_dead = true;
}

// What crashes, fails and tears.

/// A length up to `count` that ends where a sector ends, for what is torn.
static int64_t torn(perch_disk *disk, int64_t offset, int64_t count) {
    int64_t end = offset + (int64_t)perch_draw(&disk->generator, (uint64_t)count + 1);
    if (end == offset + count) return count;
    int64_t length = end / perch_sector * perch_sector - offset;
    return length > 0 ? length : 0;
}


// Files.

static int file_close(sqlite3_file *file) {
    perch_handle *handle = of(file);
    perch_disk *disk = handle->disk;
    perch_shm_unmap(file, 0);
    pthread_mutex_lock(&disk->mutex);
    if (!handle->is_dead) leave(handle);
    disk->counters.open_files--;
    pthread_mutex_unlock(&disk->mutex);
    perch_disk_drop(disk);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    perch_handle *handle = of(file);
    int code = SQLITE_OK;
    pthread_mutex_lock(&handle->disk->mutex);
    handle->disk->counters.reads++;
    if (!reaches(handle) || perch_plan_is_due(&handle->disk->plans[perch_fault_read])) {
        code = SQLITE_IOERR_READ;
    } else {
        const perch_buffer *cached = &handle->entry->cached;
        int64_t there = cached->size > offset ? cached->size - offset : 0;
        if (there > count) there = count;
        if (there) memcpy(bytes, cached->bytes + offset, (size_t)there);
        if (there < count) {
            memset((char *)bytes + there, 0, (size_t)(count - there));
            code = SQLITE_IOERR_SHORT_READ;
        }
    }
    pthread_mutex_unlock(&handle->disk->mutex);
    return code;
}

static int file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    perch_handle *handle = of(file);
    perch_disk *disk = handle->disk;
    perch_entry *entry = handle->entry;
    int code = SQLITE_OK;
    pthread_mutex_lock(&disk->mutex);
    if (!reaches(handle)) {
        code = SQLITE_IOERR_WRITE;
        goto end;
    }
    disk->counters.writes++;
    int64_t length = count;
    bool crashes = perch_operation_crashes(disk);
    if (crashes) {
        length = torn(disk, offset, count);
        code = SQLITE_IOERR_WRITE;
    } else if (perch_plan_is_due(&disk->plans[perch_fault_write])) {
        length = torn(disk, offset, count);
        code = SQLITE_IOERR_WRITE;
    } else if (disk->limit >= 0 && offset + count > entry->cached.size) {
        int64_t free = disk->limit - perch_cached_total(disk);
        int64_t end = entry->cached.size + (free > 0 ? free : 0);
        if (offset + count > end) {
            length = end > offset ? end - offset : 0;
            code = SQLITE_FULL;
        }
    }
    disk->counters.bytes_written += length;
    perch_entry_write(disk, entry, offset, bytes, length);
    if (crashes) perch_crash_locked(disk, handle->process);
end:
    pthread_mutex_unlock(&disk->mutex);
    return code;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    perch_handle *handle = of(file);
    perch_disk *disk = handle->disk;
    int code = SQLITE_IOERR_TRUNCATE;
    pthread_mutex_lock(&disk->mutex);
    if (reaches(handle)) {
        if (perch_operation_crashes(disk)) {
            if (perch_draw(&disk->generator, 2)) perch_entry_truncate(disk, handle->entry, size);
            perch_crash_locked(disk, handle->process);
        } else if (!perch_plan_is_due(&disk->plans[perch_fault_write])) {
            perch_entry_truncate(disk, handle->entry, size);
            code = SQLITE_OK;
        }
    }
    pthread_mutex_unlock(&disk->mutex);
    return code;
}

static int file_sync(sqlite3_file *file, int flags) {
    (void)flags;
    perch_handle *handle = of(file);
    perch_disk *disk = handle->disk;
    int code = SQLITE_IOERR_FSYNC;
    pthread_mutex_lock(&disk->mutex);
    if (reaches(handle)) {
        disk->counters.syncs++;
        if (perch_operation_crashes(disk)) {
            perch_crash_locked(disk, handle->process);
        } else if (perch_plan_is_due(&disk->plans[perch_fault_sync])) {
            perch_entry_sync_badly(disk, handle->entry);
        } else {
            if (!disk->is_lying) perch_entry_sync(disk, handle->entry);
            code = SQLITE_OK;
        }
    }
    pthread_mutex_unlock(&disk->mutex);
    return code;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    perch_handle *handle = of(file);
    pthread_mutex_lock(&handle->disk->mutex);
    int code = reaches(handle) ? SQLITE_OK : SQLITE_IOERR_FSTAT;
    *size = code == SQLITE_OK ? handle->entry->cached.size : 0;
    pthread_mutex_unlock(&handle->disk->mutex);
    return code;
}

/// The five levels of SQLite's locks, between the handles of one file.
static int file_lock(sqlite3_file *file, int level) {
    perch_handle *handle = of(file);
    int code = SQLITE_OK;
    pthread_mutex_lock(&handle->disk->mutex);
    if (handle->is_dead) {
        code = SQLITE_IOERR_LOCK;
    } else if (handle->lock < level) {
        int highest = SQLITE_LOCK_NONE;
        for (perch_handle *other = handle->entry->handles; other; other = other->next) {
            if (other != handle && other->lock > highest) highest = other->lock;
        }
        if (level == SQLITE_LOCK_SHARED) {
            if (highest >= SQLITE_LOCK_PENDING) code = SQLITE_BUSY;
        } else if (highest >= SQLITE_LOCK_RESERVED) {
            code = SQLITE_BUSY;
        } else if (level == SQLITE_LOCK_EXCLUSIVE && highest >= SQLITE_LOCK_SHARED) {
            // No new reader comes in while this one waits for the others to leave.
            handle->lock = SQLITE_LOCK_PENDING;
            code = SQLITE_BUSY;
        }
        if (code == SQLITE_OK) handle->lock = level;
    }
    pthread_mutex_unlock(&handle->disk->mutex);
    return code;
}

static int file_unlock(sqlite3_file *file, int level) {
    perch_handle *handle = of(file);
    pthread_mutex_lock(&handle->disk->mutex);
    int code = handle->is_dead ? SQLITE_IOERR_UNLOCK : SQLITE_OK;
    if (code == SQLITE_OK && handle->lock > level) handle->lock = level;
    pthread_mutex_unlock(&handle->disk->mutex);
    return code;
}

static int file_check_reserved(sqlite3_file *file, int *is_reserved) {
    perch_handle *handle = of(file);
    *is_reserved = 0;
    pthread_mutex_lock(&handle->disk->mutex);
    int code = handle->is_dead ? SQLITE_IOERR_CHECKRESERVEDLOCK : SQLITE_OK;
    for (perch_handle *other = handle->entry->handles; code == SQLITE_OK && other; other = other->next) {
        if (other->lock >= SQLITE_LOCK_RESERVED) *is_reserved = 1;
    }
    pthread_mutex_unlock(&handle->disk->mutex);
    return code;
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
    perch_handle *handle = of(file);
    switch (operation) {
    case SQLITE_FCNTL_LOCKSTATE: *(int *)argument = handle->lock; return SQLITE_OK;
    case SQLITE_FCNTL_PERSIST_WAL:
        if (*(int *)argument >= 0) handle->persists_wal = *(int *)argument;
        *(int *)argument = handle->persists_wal;
        return SQLITE_OK;
    case SQLITE_FCNTL_HAS_MOVED:
        *(int *)argument = handle->incarnation != handle->entry->incarnation;
        return SQLITE_OK;
    default: return SQLITE_NOTFOUND;
    }
}

static int file_sector_size(sqlite3_file *file) {
    (void)file;
    return 4096;
}

/// What SQLite's own VFS for Linux claims, and nothing more, so that the same code of SQLite runs as in production: a write
/// that is torn leaves the bytes beside it alone.
static int file_characteristics(sqlite3_file *file) {
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

const sqlite3_io_methods perch_file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = perch_shm_map,
    .xShmLock = perch_shm_lock,
    .xShmBarrier = perch_shm_barrier,
    .xShmUnmap = perch_shm_unmap,
};
