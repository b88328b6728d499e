// SPDX-License-Identifier: Apache-2.0

/// Deadlines with the ids of what is due then: 16 bytes an entry where the id is of 8 bytes.
///
/// Entries leave in the order of (deadline, id), so ids that grow give first come, first served. A removed entry stays
/// as garbage until it surfaces or until garbage is a third of all; removing an id that is not there costs the same and
/// changes nothing.
public struct TimerHeap<ID: Hashable & Comparable> {
    @usableFromInline
    struct Entry {
        @usableFromInline var deadline: Int64
        @usableFromInline var id: ID

        @inlinable
        init(deadline: Int64, id: ID) {
            self.deadline = deadline
            self.id = id
        }
    }

    @usableFromInline var entries: [Entry] = []
    @usableFromInline var removed: Set<ID> = []

    /// An empty heap.
    @inlinable
    public init() {}

    /// How many entries are in it. Sweeps the garbage first, if there is any.
    public var count: Int {
        @inlinable mutating get {
            compact()
            return entries.count
        }
    }

    /// Whether nothing is in it.
    public var isEmpty: Bool {
        @inlinable mutating get { earliest == nil }
    }

    /// The earliest deadline; nil if the heap is empty.
    public var earliest: Int64? {
        @inlinable mutating get {
            dropRemoved()
            return entries.first?.deadline
        }
    }

    /// Makes room for so many more entries, by an eighth at least: a million that come by the hundred are not copied each time,
    /// and little room stands empty.
    @inlinable
    public mutating func reserve(_ more: Int) {
        let (needed, capacity) = (entries.count + more, entries.capacity)
        if needed > capacity { entries.reserveCapacity(max(needed, capacity + capacity / 8)) }
    }

    /// Adds an id with its deadline. An id stands for one entry: remove it before adding it with another deadline.
    @inlinable
    public mutating func insert(deadline: Int64, id: ID) {
        // Its garbage must go first, for it could not be told from the new entry.
        if !removed.isEmpty, removed.contains(id) { compact() }
        entries.append(Entry(deadline: deadline, id: id))
        rise(entries.count - 1)
    }

    /// Takes an id out; unknown ones are ignored.
    @inlinable
    public mutating func remove(_ id: ID) {
        guard !entries.isEmpty else { return }
        removed.insert(id)
        if removed.count > 64, removed.count > entries.count / 3 { compact() }
    }

    /// Takes out the next entry that is due at `now`; nil if there is none.
    @inlinable
    public mutating func popDue(_ now: Int64) -> (deadline: Int64, id: ID)? {
        dropRemoved()
        guard let first = entries.first, first.deadline <= now else { return nil }
        removeFirst()
        return (first.deadline, first.id)
    }

    /// The deadline of an id, found by looking at every entry: for people's questions, not for hot paths.
    @inlinable
    public mutating func deadline(of id: ID) -> Int64? {
        guard !removed.contains(id) else { return nil }
        return entries.first { $0.id == id }?.deadline
    }

    /// Sweeps the garbage out. Done by itself where it is needed.
    @inlinable
    public mutating func compact() {
        guard !removed.isEmpty else { return }
        entries.removeAll { removed.contains($0.id) }
        removed = []
        guard entries.count > 1 else { return }
        for index in stride(from: (entries.count - 2) / 4, through: 0, by: -1) { sink(index) }
    }

    @inlinable
    mutating func dropRemoved() {
        while !removed.isEmpty, let first = entries.first, removed.remove(first.id) != nil { removeFirst() }
        if entries.isEmpty { removed = [] }
    }

    @inlinable
    mutating func removeFirst() {
        let last = entries.removeLast()
        guard !entries.isEmpty else { return }
        entries[0] = last
        sink(0)
        // A burst's room is given back; the copy costs what the pops before it have paid.
        if entries.capacity > 4096, entries.count < entries.capacity / 4 { entries = entries.map { $0 } }
    }

    // Four children a node: half the depth of a binary heap, and the four lie in one cache line.

    @inlinable
    static func precedes(_ left: Entry, _ right: Entry) -> Bool {
        left.deadline < right.deadline || (left.deadline == right.deadline && left.id < right.id)
    }

    @inlinable
    mutating func rise(_ start: Int) {
        entries.withUnsafeMutableBufferPointer { heap in
            let entry = heap[start]
            var index = start
            while index > 0 {
                let parent = (index - 1) / 4
                guard Self.precedes(entry, heap[parent]) else { break }
                heap[index] = heap[parent]
                index = parent
            }
            heap[index] = entry
        }
    }

    @inlinable
    mutating func sink(_ start: Int) {
        entries.withUnsafeMutableBufferPointer { heap in
            let entry = heap[start]
            var index = start
            while true {
                let first = index * 4 + 1
                guard first < heap.count else { break }
                var least = first
                for child in (first + 1)..<max(first + 1, min(first + 4, heap.count))
                where Self.precedes(heap[child], heap[least]) {
                    least = child
                }
                guard Self.precedes(heap[least], entry) else { break }
                heap[index] = heap[least]
                index = least
            }
            heap[index] = entry
        }
    }
}

extension TimerHeap: Sendable where ID: Sendable {}
extension TimerHeap.Entry: Sendable where ID: Sendable {}
