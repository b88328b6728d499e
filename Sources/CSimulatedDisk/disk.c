// SPDX-License-Identifier: Apache-2.0
// The disks of the program, their processes, crashes and counters.
#include "disk.h"

#include <stdlib.h>
#include <string.h>

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static perch_disk *list;
static int64_t last_number;

void *perch_allocate(void *old, size_t size) {
    void *memory = realloc(old, size);
    // A simulation has no answer to that, and one that went on would be no proof.
    if (!memory && size) abort();
    return memory;
}

/// SplitMix64: a number below `below`.
uint64_t perch_draw(uint64_t *generator, uint64_t below) {
    uint64_t z = (*generator += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return (uint64_t)(((unsigned __int128)z * below) >> 64);
}

perch_disk *perch_disk_make_unlisted(void) {
    perch_disk *disk = perch_allocate(NULL, sizeof *disk);
    memset(disk, 0, sizeof *disk);
    pthread_mutex_init(&disk->mutex, NULL);
    disk->references = 1;
    disk->limit = -1;
    return disk;
}

perch_disk *perch_disk_make(uint64_t seed) {
    perch_disk *disk = perch_disk_make_unlisted();
    disk->generator = seed;
    pthread_mutex_lock(&list_mutex);
    disk->number = ++last_number;
    disk->next = list;
    list = disk;
    pthread_mutex_unlock(&list_mutex);
    return disk;
}

void perch_disk_drop(perch_disk *disk) {
    pthread_mutex_lock(&list_mutex);
    bool is_last = --disk->references == 0;
    pthread_mutex_unlock(&list_mutex);
    if (!is_last) return;
    while (disk->entries) {
        perch_entry *entry = disk->entries;
        disk->entries = entry->next;
        perch_entry_free(entry);
    }
    pthread_mutex_destroy(&disk->mutex);
    free(disk->dead);
    free(disk);
}

void perch_disk_release(perch_disk *disk) {
    pthread_mutex_lock(&list_mutex);
    for (perch_disk **link = &list; *link; link = &(*link)->next) {
        if (*link == disk) {
            *link = disk->next;
            break;
        }
    }
    pthread_mutex_unlock(&list_mutex);
    perch_disk_drop(disk);
}

perch_disk *perch_disk_find(int64_t number) {
    pthread_mutex_lock(&list_mutex);
    perch_disk *disk = list;
    while (disk && disk->number != number) disk = disk->next;
    if (disk) disk->references++;
    pthread_mutex_unlock(&list_mutex);
    return disk;
}

int64_t perch_disk_number(const perch_disk *disk) { return disk->number; }

// Files.

void perch_disk_put(perch_disk *disk, const char *name, const void *bytes, int64_t count) {
    pthread_mutex_lock(&disk->mutex);
    perch_entry_put(perch_entry_find(disk, name, true), bytes, count);
    pthread_mutex_unlock(&disk->mutex);
}

void perch_disk_settle(perch_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    for (perch_entry *entry = disk->entries; entry; entry = entry->next) perch_entry_sync(disk, entry);
    pthread_mutex_unlock(&disk->mutex);
}

static int compare_names(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

int perch_disk_durable_count(perch_disk *disk) {
    int count = 0;
    pthread_mutex_lock(&disk->mutex);
    for (perch_entry *entry = disk->entries; entry; entry = entry->next) count += entry->exists_durably;
    pthread_mutex_unlock(&disk->mutex);
    return count;
}

const char *perch_disk_durable_name(perch_disk *disk, int index) {
    int count = 0;
    const char **names = NULL;
    pthread_mutex_lock(&disk->mutex);
    for (perch_entry *entry = disk->entries; entry; entry = entry->next) {
        if (!entry->exists_durably) continue;
        names = perch_allocate(names, (size_t)(count + 1) * sizeof *names);
        names[count++] = entry->name;
    }
    pthread_mutex_unlock(&disk->mutex);
    if (count) qsort(names, (size_t)count, sizeof *names, compare_names);
    const char *name = index >= 0 && index < count ? names[index] : NULL;
    free(names);
    return name;
}

int64_t perch_disk_durable_bytes(perch_disk *disk, const char *name, void *bytes, int64_t room) {
    int64_t size = -1;
    pthread_mutex_lock(&disk->mutex);
    perch_entry *entry = perch_entry_find(disk, name, false);
    if (entry && entry->exists_durably) {
        size = entry->durable.size;
        if (size && size <= room) memcpy(bytes, entry->durable.bytes, (size_t)size);
    }
    pthread_mutex_unlock(&disk->mutex);
    return size;
}

// Crashes.

int32_t perch_disk_spawn(perch_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    int32_t process = disk->process_count++;
    disk->dead = perch_allocate(disk->dead, (size_t)disk->process_count * sizeof *disk->dead);
    disk->dead[process] = false;
    pthread_mutex_unlock(&disk->mutex);
    return process;
}

void perch_kill_locked(perch_disk *disk, int32_t process) {
    disk->deaths++;
    for (int32_t each = 0; each < disk->process_count; each++) {
        if (process < 0 || each == process) disk->dead[each] = true;
    }
    for (perch_entry *entry = disk->entries; entry; entry = entry->next) {
        perch_handle *handle = entry->handles;
        while (handle) {
            perch_handle *next = handle->next;
            if (process < 0 || handle->process == process) perch_handle_die(handle);
            handle = next;
        }
    }
}

void perch_lose_power_locked(perch_disk *disk, uint64_t seed) {
    perch_kill_locked(disk, -1);
    perch_entries_lose_power(disk, seed);
    disk->counters.power_losses++;
}

void perch_crash_locked(perch_disk *disk, int32_t process) {
    if (disk->armed_loses_power) {
        perch_lose_power_locked(disk, perch_draw(&disk->generator, UINT64_MAX));
    } else {
        perch_kill_locked(disk, process);
    }
}

void perch_disk_kill(perch_disk *disk, int32_t process) {
    pthread_mutex_lock(&disk->mutex);
    if (process >= 0) perch_kill_locked(disk, process);
    pthread_mutex_unlock(&disk->mutex);
}

void perch_disk_lose_power(perch_disk *disk, uint64_t seed) {
    pthread_mutex_lock(&disk->mutex);
    perch_lose_power_locked(disk, seed);
    pthread_mutex_unlock(&disk->mutex);
}

bool perch_disk_is_dead(perch_disk *disk, int32_t process) {
    pthread_mutex_lock(&disk->mutex);
    bool is_dead = process < 0 || process >= disk->process_count || disk->dead[process];
    pthread_mutex_unlock(&disk->mutex);
    return is_dead;
}

int64_t perch_disk_deaths(perch_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    int64_t deaths = disk->deaths;
    pthread_mutex_unlock(&disk->mutex);
    return deaths;
}

void perch_disk_arm(perch_disk *disk, int64_t operations, bool loses_power) {
    pthread_mutex_lock(&disk->mutex);
    disk->armed = operations;
    disk->armed_loses_power = loses_power;
    pthread_mutex_unlock(&disk->mutex);
}

bool perch_operation_crashes(perch_disk *disk) {
    disk->counters.operations++;
    return disk->armed > 0 && --disk->armed == 0;
}

// Faults and counters.

bool perch_plan_is_due(perch_plan *plan) {
    if (plan->count == 0) return false;
    if (plan->skip > 0) {
        plan->skip--;
        return false;
    }
    if (plan->count > 0) plan->count--;
    return true;
}

void perch_disk_fail(perch_disk *disk, perch_fault kind, int64_t skip, int64_t count) {
    pthread_mutex_lock(&disk->mutex);
    disk->plans[kind] = (perch_plan){skip, count};
    pthread_mutex_unlock(&disk->mutex);
}

void perch_disk_set_room(perch_disk *disk, int64_t bytes) {
    pthread_mutex_lock(&disk->mutex);
    disk->limit = bytes < 0 ? -1 : perch_cached_total(disk) + bytes;
    pthread_mutex_unlock(&disk->mutex);
}

void perch_disk_set_lying(perch_disk *disk, bool is_lying) {
    pthread_mutex_lock(&disk->mutex);
    disk->is_lying = is_lying;
    pthread_mutex_unlock(&disk->mutex);
}

perch_disk_counters perch_disk_count(perch_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    perch_disk_counters counters = disk->counters;
    counters.unsynced = 0;
    for (perch_entry *entry = disk->entries; entry; entry = entry->next) {
        for (int64_t i = 0; i < entry->change_count; i++) counters.unsynced += entry->changes[i].length;
    }
    pthread_mutex_unlock(&disk->mutex);
    return counters;
}
