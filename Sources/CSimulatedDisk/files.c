// SPDX-License-Identifier: Apache-2.0
// The files: what the page cache shows, what the medium has, and what becomes of the difference.
#include "disk.h"

#include <stdlib.h>
#include <string.h>

// Buffers.

static void reserve(perch_buffer *buffer, int64_t size) {
    if (size <= buffer->capacity) return;
    int64_t capacity = buffer->capacity ? buffer->capacity : 4096;
    while (capacity < size) capacity *= 2;
    buffer->bytes = perch_allocate(buffer->bytes, (size_t)capacity);
    buffer->capacity = capacity;
}

/// What a file gains by growing is zero.
static void resize(perch_buffer *buffer, int64_t size) {
    reserve(buffer, size);
    if (size > buffer->size) memset(buffer->bytes + buffer->size, 0, (size_t)(size - buffer->size));
    buffer->size = size;
}

static void store(perch_buffer *buffer, int64_t offset, const void *bytes, int64_t count) {
    if (!count) return;
    if (offset + count > buffer->size) {
        reserve(buffer, offset + count);
        if (offset > buffer->size) resize(buffer, offset);
        buffer->size = offset + count;
    }
    memcpy(buffer->bytes + offset, bytes, (size_t)count);
}

static void copy(perch_buffer *to, const perch_buffer *from) {
    reserve(to, from->size);
    if (from->size) memcpy(to->bytes, from->bytes, (size_t)from->size);
    to->size = from->size;
}

// Entries.

perch_entry *perch_entry_find(perch_disk *disk, const char *name, bool makes) {
    for (perch_entry *entry = disk->entries; entry; entry = entry->next) {
        if (!strcmp(entry->name, name)) return entry;
    }
    if (!makes) return NULL;
    perch_entry *entry = perch_allocate(NULL, sizeof *entry);
    memset(entry, 0, sizeof *entry);
    size_t length = strlen(name) + 1;
    entry->name = perch_allocate(NULL, length);
    memcpy(entry->name, name, length);
    entry->next = disk->entries;
    disk->entries = entry;
    return entry;
}

void perch_entry_free(perch_entry *entry) {
    free(entry->name);
    free(entry->cached.bytes);
    free(entry->durable.bytes);
    free(entry->arena.bytes);
    free(entry->changes);
    free(entry);
}

void perch_entry_put(perch_entry *entry, const void *bytes, int64_t count) {
    entry->exists = entry->exists_durably = true;
    entry->change_count = entry->arena.size = 0;
    entry->cached.size = entry->durable.size = 0;
    store(&entry->cached, 0, bytes, count);
    store(&entry->durable, 0, bytes, count);
}

int64_t perch_cached_total(perch_disk *disk) {
    int64_t total = 0;
    for (perch_entry *entry = disk->entries; entry; entry = entry->next) total += entry->cached.size;
    return total;
}

static perch_change *note(perch_disk *disk, perch_entry *entry) {
    if (entry->change_count == entry->change_capacity) {
        entry->change_capacity = entry->change_capacity ? entry->change_capacity * 2 : 64;
        entry->changes = perch_allocate(entry->changes, (size_t)entry->change_capacity * sizeof *entry->changes);
    }
    perch_change *change = &entry->changes[entry->change_count++];
    memset(change, 0, sizeof *change);
    change->order = ++disk->last_order;
    return change;
}

void perch_entry_create(perch_disk *disk, perch_entry *entry) {
    entry->exists = true;
    entry->cached.size = 0;
    note(disk, entry)->kind = perch_did_create;
}

void perch_entry_delete(perch_disk *disk, perch_entry *entry, bool is_durable) {
    entry->exists = false;
    entry->incarnation++;
    entry->cached.size = 0;
    note(disk, entry)->kind = perch_did_delete;
    if (is_durable) perch_entry_sync(disk, entry);
}

void perch_entry_write(perch_disk *disk, perch_entry *entry, int64_t offset, const void *bytes, int64_t count) {
    if (count <= 0) return;
    perch_change *change = note(disk, entry);
    change->kind = perch_did_write;
    change->offset = offset;
    change->length = count;
    change->bytes = entry->arena.size;
    store(&entry->arena, entry->arena.size, bytes, count);
    store(&entry->cached, offset, bytes, count);
}

void perch_entry_truncate(perch_disk *disk, perch_entry *entry, int64_t size) {
    if (size == entry->cached.size) return;
    perch_change *change = note(disk, entry);
    change->kind = perch_did_truncate;
    change->offset = size;
    resize(&entry->cached, size);
}

// What reaches the medium.

/// A change reaches the medium; of a write, `count` bytes from `from` on.
static void reach(perch_entry *entry, const perch_change *change, int64_t from, int64_t count) {
    switch (change->kind) {
    case perch_did_write:
        store(&entry->durable, change->offset + from, entry->arena.bytes + change->bytes + from, count);
        break;
    case perch_did_truncate: resize(&entry->durable, change->offset); break;
    case perch_did_create: entry->exists_durably = true; break;
    case perch_did_delete:
        entry->exists_durably = false;
        entry->durable.size = 0;
        break;
    }
}

static void forget_changes(perch_entry *entry) {
    entry->change_count = 0;
    entry->arena.size = 0;
}

static bool is_name(const perch_change *change) {
    return change->kind == perch_did_create || change->kind == perch_did_delete;
}

/// All that happened to names reaches the medium; with a deletion goes what was written before it.
static void sync_names(perch_disk *disk) {
    for (perch_entry *entry = disk->entries; entry; entry = entry->next) {
        int64_t done = 0;
        for (int64_t i = 0; i < entry->change_count; i++) {
            if (!is_name(&entry->changes[i])) continue;
            reach(entry, &entry->changes[i], 0, 0);
            done = i + 1;
        }
        if (!done) continue;
        entry->change_count -= done;
        memmove(entry->changes, entry->changes + done, (size_t)entry->change_count * sizeof *entry->changes);
    }
}

/// SQLite's own VFS syncs the directory with the first sync of a new journal or log, and so with it every other name; it
/// relies on that where it deletes a journal without a sync.
void perch_entry_sync(perch_disk *disk, perch_entry *entry) {
    for (int64_t i = 0; i < entry->change_count; i++) {
        if (!is_name(&entry->changes[i])) continue;
        sync_names(disk);
        break;
    }
    for (int64_t i = 0; i < entry->change_count; i++) reach(entry, &entry->changes[i], 0, entry->changes[i].length);
    forget_changes(entry);
}

/// The bytes of a write up to the end of its sector, from `from` on.
static int64_t piece(const perch_change *change, int64_t from) {
    int64_t rest = change->length - from;
    int64_t to_boundary = perch_sector - (change->offset + from) % perch_sector;
    return rest < to_boundary ? rest : to_boundary;
}

/// Each sector is at one of the states that it went through: the first so many of its writes reached the medium.
/// `stays` of 16 sectors are at their last state, `goes` of 16 at their first.
static void reach_by_sector(perch_entry *entry, uint64_t *generator, uint64_t stays, uint64_t goes) {
    int64_t size = 0, names = 0;
    for (int64_t i = 0; i < entry->change_count; i++) {
        const perch_change *change = &entry->changes[i];
        if (change->kind != perch_did_write) names++;
        int64_t end = change->offset + change->length;
        if (end > size) size = end;
    }
    size_t sectors = (size_t)(size / perch_sector + 1);
    uint32_t *states = perch_allocate(NULL, sectors * sizeof *states);
    memset(states, 0, sectors * sizeof *states);
    for (int64_t i = 0; i < entry->change_count; i++) {
        const perch_change *change = &entry->changes[i];
        if (change->kind != perch_did_write) continue;
        for (int64_t at = 0; at < change->length; at += piece(change, at)) {
            states[(change->offset + at) / perch_sector]++;
        }
    }
    for (size_t i = 0; i < sectors; i++) {
        if (!states[i]) continue;
        uint64_t fate = perch_draw(generator, 16);
        if (fate < stays) continue;
        states[i] = fate < stays + goes ? 0 : (uint32_t)perch_draw(generator, (uint64_t)states[i] + 1);
    }
    // What happened to names and sizes goes through the file system's journal: it is lost from some point on.
    uint64_t kept = perch_draw(generator, (uint64_t)names + 1);
    for (int64_t i = 0; i < entry->change_count; i++) {
        const perch_change *change = &entry->changes[i];
        if (change->kind == perch_did_write) {
            for (int64_t at = 0, count; at < change->length; at += count) {
                count = piece(change, at);
                uint32_t *state = &states[(change->offset + at) / perch_sector];
                if (*state == 0) continue;
                --*state;
                reach(entry, change, at, count);
            }
        } else if (kept > 0) {
            kept--;
            reach(entry, change, 0, 0);
        } else if (change->kind != perch_did_truncate) {
            // What follows was written to a file that never came to be, or to its successor.
            break;
        }
    }
    free(states);
}

void perch_entry_sync_badly(perch_disk *disk, perch_entry *entry) {
    // Names and sizes are not lost by that: they stay in the list, in their order.
    perch_change *names = NULL;
    int64_t count = 0;
    for (int64_t i = 0; i < entry->change_count; i++) {
        perch_change *change = &entry->changes[i];
        if (change->kind == perch_did_write) {
            if (perch_draw(&disk->generator, 2) && !count) reach(entry, change, 0, change->length);
            continue;
        }
        names = perch_allocate(names, (size_t)(count + 1) * sizeof *names);
        names[count++] = *change;
    }
    forget_changes(entry);
    for (int64_t i = 0; i < count; i++) entry->changes[i] = names[i];
    entry->change_count = count;
    free(names);
}

/// All that came before a point in the order of the whole disk, the last write torn at a sector.
static void reach_before(perch_entry *entry, uint64_t *generator, uint64_t cut) {
    for (int64_t i = 0; i < entry->change_count; i++) {
        const perch_change *change = &entry->changes[i];
        if (change->order > cut) break;
        int64_t count = change->length;
        if (change->order == cut && change->kind == perch_did_write) {
            int64_t end = (int64_t)perch_draw(generator, (uint64_t)count + 1);
            int64_t boundary = (change->offset + end) / perch_sector * perch_sector - change->offset;
            count = boundary > 0 ? boundary : 0;
        }
        reach(entry, change, 0, count);
    }
}

void perch_entries_lose_power(perch_disk *disk, uint64_t seed) {
    uint64_t generator = seed;
    uint64_t kind = perch_draw(&generator, 8);
    uint64_t first = UINT64_MAX;
    for (perch_entry *entry = disk->entries; entry; entry = entry->next) {
        if (entry->change_count && entry->changes[0].order < first) first = entry->changes[0].order;
    }
    uint64_t cut = first > disk->last_order ? 0 : first + perch_draw(&generator, disk->last_order - first + 1);
    static const struct {
        uint64_t stays, goes;
    } mixes[] = {{4, 4}, {13, 2}, {2, 13}};
    uint64_t mix = perch_draw(&generator, 3);
    for (perch_entry *entry = disk->entries; entry; entry = entry->next) {
        // One generator a name: the list's order is that of creation, which may differ where the contents do not.
        uint64_t own = seed;
        for (const char *letter = entry->name; *letter; letter++) {
            own = (own ^ (unsigned char)*letter) * 0x100000001b3;
        }
        if (kind == 0) {
            // Nothing of it.
        } else if (kind == 1) {
            for (int64_t i = 0; i < entry->change_count; i++) {
                reach(entry, &entry->changes[i], 0, entry->changes[i].length);
            }
        } else if (kind <= 3) {
            reach_before(entry, &own, cut);
        } else {
            reach_by_sector(entry, &own, mixes[mix].stays, mixes[mix].goes);
        }
        forget_changes(entry);
        entry->exists = entry->exists_durably;
        if (!entry->exists) entry->durable.size = 0;
        copy(&entry->cached, &entry->durable);
        entry->incarnation++;
    }
}
