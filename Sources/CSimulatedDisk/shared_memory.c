// SPDX-License-Identifier: Apache-2.0
// The wal-index: memory that the processes of a machine share while they have a database in WAL open, and its locks.
#define _GNU_SOURCE
#include "disk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Every handle has a mapping of its own of the same anonymous file. SQLite keeps pointers into it and writes there while
// it cleans up after an error, which a process that was killed does not do: so at its death a handle's mapping becomes a
// private copy, at the same address.

static void detach(perch_handle *handle) {
    perch_shared *shared = handle->shared;
    if (!shared) return;
    for (perch_handle **link = &shared->handles; *link; link = &(*link)->next_shared) {
        if (*link == handle) {
            *link = handle->next_shared;
            break;
        }
    }
    handle->shared = NULL;
    handle->shared_locks = handle->exclusive_locks = 0;
    if (shared->handles) return;
    // The last one has left, in whatever way: the next one begins with an empty index, and reads the log again.
    handle->entry->shared = NULL;
    close(shared->descriptor);
    free(shared);
}

void perch_shared_sever(perch_handle *handle) {
    if (!handle->shared) return;
    for (int i = 0; i < handle->region_count; i++) {
        if (!handle->regions[i]) continue;
        void *same = mmap(
            handle->regions[i], perch_region_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
            handle->shared->descriptor, (off_t)i * perch_region_size);
        if (same == MAP_FAILED) abort();
    }
    detach(handle);
}

int perch_shm_map(sqlite3_file *file, int region, int size, int extends, void volatile **address) {
    perch_handle *handle = (perch_handle *)file;
    *address = NULL;
    if (size != perch_region_size) return SQLITE_IOERR_SHMMAP;
    int code = SQLITE_OK;
    pthread_mutex_lock(&handle->disk->mutex);
    if (handle->is_dead) {
        code = SQLITE_IOERR;
        goto end;
    }
    if (!handle->shared) {
        perch_shared *shared = handle->entry->shared;
        if (!shared) {
            shared = perch_allocate(NULL, sizeof *shared);
            memset(shared, 0, sizeof *shared);
            shared->descriptor = memfd_create("perch-wal-index", MFD_CLOEXEC);
            if (shared->descriptor < 0) abort();
            handle->entry->shared = shared;
        }
        handle->shared = shared;
        handle->next_shared = shared->handles;
        shared->handles = handle;
    }
    if (region >= handle->shared->region_count) {
        if (!extends) goto end;
        if (ftruncate(handle->shared->descriptor, (off_t)(region + 1) * perch_region_size)) abort();
        handle->shared->region_count = region + 1;
    }
    if (region >= handle->region_count) {
        handle->regions = perch_allocate(handle->regions, (size_t)(region + 1) * sizeof *handle->regions);
        while (handle->region_count <= region) handle->regions[handle->region_count++] = NULL;
    }
    if (!handle->regions[region]) {
        void *memory = mmap(
            NULL, perch_region_size, PROT_READ | PROT_WRITE, MAP_SHARED, handle->shared->descriptor,
            (off_t)region * perch_region_size);
        if (memory == MAP_FAILED) abort();
        handle->regions[region] = memory;
    }
    *address = handle->regions[region];
end:
    pthread_mutex_unlock(&handle->disk->mutex);
    return code;
}

int perch_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    perch_handle *handle = (perch_handle *)file;
    uint16_t mask = (uint16_t)((1u << (offset + count)) - (1u << offset));
    int code = SQLITE_OK;
    pthread_mutex_lock(&handle->disk->mutex);
    if (handle->is_dead || !handle->shared) {
        code = SQLITE_IOERR;
    } else if (flags & SQLITE_SHM_UNLOCK) {
        handle->shared_locks &= (uint16_t)~mask;
        handle->exclusive_locks &= (uint16_t)~mask;
    } else {
        uint16_t taken = 0;
        for (perch_handle *other = handle->shared->handles; other; other = other->next_shared) {
            if (other == handle) continue;
            taken |= other->exclusive_locks;
            if (flags & SQLITE_SHM_EXCLUSIVE) taken |= other->shared_locks;
        }
        if (taken & mask) {
            code = SQLITE_BUSY;
        } else if (flags & SQLITE_SHM_EXCLUSIVE) {
            handle->exclusive_locks |= mask;
        } else {
            handle->shared_locks |= mask;
        }
    }
    pthread_mutex_unlock(&handle->disk->mutex);
    return code;
}

void perch_shm_barrier(sqlite3_file *file) {
    (void)file;
    __sync_synchronize();
}

int perch_shm_unmap(sqlite3_file *file, int deletes) {
    (void)deletes;  // The memory goes with its last handle, and is never a file.
    perch_handle *handle = (perch_handle *)file;
    pthread_mutex_lock(&handle->disk->mutex);
    detach(handle);
    for (int i = 0; i < handle->region_count; i++) {
        if (handle->regions[i]) munmap(handle->regions[i], perch_region_size);
    }
    free(handle->regions);
    handle->regions = NULL;
    handle->region_count = 0;
    pthread_mutex_unlock(&handle->disk->mutex);
    return SQLITE_OK;
}
