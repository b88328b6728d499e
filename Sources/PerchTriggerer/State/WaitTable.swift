// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What the triggerer keeps of a wait beside what its source keeps: four bytes.
struct WaitEntry {
    struct Flags: OptionSet {
        var rawValue: UInt8

        /// Its deadline stands in the heap of deadlines.
        static let hasDeadline = Flags(rawValue: 1)
        /// Its deadline stands in the heap of those that the inbox has to be asked for.
        static let hasInboxDeadline = Flags(rawValue: 2)
        /// Its deadline had passed when it was armed: one probe comes before the timeout.
        static let isOverdue = Flags(rawValue: 4)
        /// That probe is under way.
        static let isProbing = Flags(rawValue: 8)
        /// Its source has not been given it yet, or not for good: the inbox has to be looked through first.
        static let isLookingBack = Flags(rawValue: 16)
    }

    var kind: UInt8
    var flags: Flags
    /// Its shard, as `ShardPlaces` numbers it.
    var place: UInt16

    /// What is being done with a wait, for figures.
    enum Phase: Int, CaseIterable {
        case armed, lookingBack, lastProbe

        var name: String {
            switch self {
            case .armed: "armed"
            case .lookingBack: "looking_back"
            case .lastProbe: "last_probe"
            }
        }
    }

    var phase: Phase {
        flags.contains(.isLookingBack) ? .lookingBack : flags.contains(.isProbing) ? .lastProbe : .armed
    }
}

/// The waits that this triggerer watches.
struct WaitTable {
    private var entries: [Int64: WaitEntry] = [:]
    private(set) var countByKind: [Int]
    /// By kind and phase: kept as waits change, so that nobody has to look through a million of them.
    private var countByPhase: [Int]

    init(kinds: Int) {
        countByKind = Array(repeating: 0, count: kinds)
        countByPhase = Array(repeating: 0, count: kinds * WaitEntry.Phase.allCases.count)
    }

    var count: Int { entries.count }

    subscript(waitID: Int64) -> WaitEntry? { entries[waitID] }

    /// False where the wait is known already.
    mutating func insert(_ waitID: Int64, _ entry: WaitEntry) -> Bool {
        let isNew = withUnsafeMutablePointer(to: &entries[waitID]) { place in
            guard place.pointee == nil else { return false }
            place.pointee = entry
            return true
        }
        if isNew {
            countByKind[Int(entry.kind)] += 1
            countByPhase[Self.place(of: entry)] += 1
        }
        return isNew
    }

    mutating func remove(_ waitID: Int64) -> WaitEntry? {
        guard let entry = entries.removeValue(forKey: waitID) else { return nil }
        countByKind[Int(entry.kind)] -= 1
        countByPhase[Self.place(of: entry)] -= 1
        return entry
    }

    /// The waits of some shards, in the order of their ids.
    func waits(in places: Set<UInt16>) -> [Int64] {
        entries.filter { places.contains($0.value.place) }.keys.sorted()
    }

    mutating func set(_ flags: WaitEntry.Flags, of waitID: Int64) {
        change(waitID) { $0.formUnion(flags) }
    }

    mutating func clear(_ flags: WaitEntry.Flags, of waitID: Int64) {
        change(waitID) { $0.subtract(flags) }
    }

    private mutating func change(_ waitID: Int64, _ body: (inout WaitEntry.Flags) -> Void) {
        guard let index = entries.index(forKey: waitID) else { return }
        let before = Self.place(of: entries.values[index])
        body(&entries.values[index].flags)
        let after = Self.place(of: entries.values[index])
        guard before != after else { return }
        countByPhase[before] -= 1
        countByPhase[after] += 1
    }

    private static func place(of entry: WaitEntry) -> Int {
        Int(entry.kind) * WaitEntry.Phase.allCases.count + entry.phase.rawValue
    }

    /// How many waits of a kind are in each phase, by the phase's name.
    func states(of kind: Int) -> [String: Int] {
        var states: [String: Int] = [:]
        for phase in WaitEntry.Phase.allCases {
            states[phase.name] = countByPhase[kind * WaitEntry.Phase.allCases.count + phase.rawValue]
        }
        return states
    }
}

/// The kinds of waits that the triggerer's sources watch.
struct KindDirectory {
    private(set) var names: [String] = []
    private(set) var sourceOf: [Int] = []
    private(set) var isInbox: [Bool] = []
    private var places: [String: UInt8] = [:]

    /// The kinds of each source, in the order of the sources.
    init(_ sources: [(kinds: [String], isInbox: Bool)]) {
        for (index, source) in sources.enumerated() {
            for kind in source.kinds where places[kind] == nil && names.count < 255 {
                places[kind] = UInt8(names.count)
                names.append(kind)
                sourceOf.append(index)
                isInbox.append(source.isInbox)
            }
        }
    }

    /// Kinds that code of bundles watches are one here.
    func place(of kind: String) -> UInt8? {
        places[kind] ?? (HostedKind.isHosted(kind) ? places[HostedKind.family] : nil)
    }

    func source(of entry: WaitEntry) -> Int { sourceOf[Int(entry.kind)] }
}
