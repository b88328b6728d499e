// SPDX-License-Identifier: Apache-2.0

import DequeModule
import PerchMetastore
import PerchSDK

/// Fires on their way into the metastore: gathered, committed in groups, one group at a time.
struct FireBuffer {
    private var waiting: Deque<Firing> = []
    private(set) var inFlight: [Firing] = []
    /// How many are under way, with those that were withdrawn meanwhile.
    private var groupSize = 0
    private var size: Int
    private let fullSize: Int
    private var failures = 0
    /// Before this instant nothing is committed again.
    private(set) var retryAt: Int64 = .min

    init(size: Int) {
        self.size = size
        fullSize = size
    }

    var count: Int { waiting.count + inFlight.count }
    /// The waits whose fires are here.
    var waits: Set<Int64> { Set(waiting.map(\.waitID)).union(inFlight.map(\.waitID)) }
    var hasWaiting: Bool { !waiting.isEmpty }

    mutating func append(_ firing: Firing) {
        waiting.append(firing)
    }

    /// Takes back a timeout of a wait whose deadline was moved. False where the wait is fired for another reason.
    ///
    /// One that is under way does not win, and is not tried again.
    mutating func withdrawTimeout(of waitID: Int64) -> Bool {
        if let place = waiting.firstIndex(where: { $0.waitID == waitID }) {
            guard waiting[place].outcome == .timeout else { return false }
            waiting.remove(at: place)
        }
        if let place = inFlight.firstIndex(where: { $0.waitID == waitID }) {
            guard inFlight[place].outcome == .timeout else { return false }
            inFlight.remove(at: place)
        }
        return true
    }

    /// Whether a wait is on its way to take an event for itself.
    func isClaiming(_ waitID: Int64) -> Bool {
        inFlight.contains { $0.claims && $0.waitID == waitID } || waiting.contains { $0.claims && $0.waitID == waitID }
    }

    /// The next group.
    mutating func take() -> [Firing] {
        let count = min(size, waiting.count)
        inFlight = Array(waiting.prefix(count))
        waiting.removeFirst(count)
        groupSize = count
        return inFlight
    }

    mutating func committed() {
        inFlight = []
        failures = 0
        retryAt = .min
        size = min(fullSize, size * 2)
    }

    /// The group has not been stored and is tried again after a pause.
    ///
    /// Groups get smaller meanwhile, so that one fire that the metastore refuses is found, and goes to the end of the line:
    /// the others do not wait for it. Where the refusal concerns the fire itself, the wait is fired as broken instead, and
    /// if that cannot be stored either, it is returned here and set aside until the next start.
    mutating func failed(_ error: any Error, at now: Int64) -> Firing? {
        failures += 1
        retryAt = now + min(5_000_000, 50_000 << Int64(min(failures - 1, 7)))
        var setAside: Firing?
        if groupSize == 1, !inFlight.isEmpty, let refusal = error as? PerchError, Self.concernsOne(refusal) {
            if case .broken = inFlight[0].outcome {
                setAside = inFlight.removeLast()
            } else {
                inFlight[0].outcome = .broken("its event could not be stored: \(refusal)")
                inFlight[0].eventSeq = nil
            }
        }
        size = max(1, size / 2)
        if groupSize == 1 {
            waiting.append(contentsOf: inFlight)
        } else {
            waiting.prepend(contentsOf: inFlight)
        }
        inFlight = []
        return setAside
    }

    private static func concernsOne(_ error: PerchError) -> Bool {
        error.code == .invalid || error.code == .notFound
    }
}
