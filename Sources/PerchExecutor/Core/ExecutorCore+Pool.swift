// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// Which process gets what.
extension ExecutorCore {
    /// Where an attempt belongs: alone where that is asked for or it is under suspicion, else to any of the pool.
    func place(of task: ClaimedTask) -> Place {
        if task.isSuspect { return .quarantine(dispatchID: task.dispatchID) }
        if task.definition.isolation == .process { return .isolated(dispatchID: task.dispatchID) }
        return .main
    }

    /// Whether a process that comes up there has something to do. One for certain attempts has not where they are over.
    func isWanted(_ place: Place) -> Bool {
        if case .pinned = place { return waiting[place]?.isEmpty == false }
        return !place.isForOne || waiting[place]?.isEmpty == false
    }

    /// Whether any process of the pool can be given something.
    var isPoolReady: Bool { emptiest(of: nil) != nil }

    /// The version of the bundle that has to be started for a place; nil: the one in use.
    func version(for place: Place) -> String? {
        switch place {
        case .pinned(let version): version
        case .quarantine(let dispatchID), .isolated(let dispatchID): attempts[dispatchID]?.task.bundleVersion
        case .pooled, .hosting, .successor, .outgoing: nil
        }
    }

    /// Gives each attempt that waits for the pool to the process with the fewest, and those that go on with a version that
    /// none of it has to one of that.
    mutating func handOutToPool(now: Timestamp) {
        guard let queue = waiting[.main], !queue.isEmpty else { return }
        guard isPoolReady else {
            // One that died is being started again already.
            if isReady[.main] == nil {
                isReady[.main] = false
                actions.append(.launch(.main))
            }
            return
        }
        waiting[.main] = nil
        for dispatchID in queue {
            guard let attempt = attempts[dispatchID] else { continue }
            if let place = emptiest(of: attempt.task.bundleVersion) {
                attempt.place = place
                begin(dispatchID, now: now)
            } else if let version = attempt.task.bundleVersion {
                attempt.place = .pinned(version: version)
                waiting[attempt.place, default: []].append(dispatchID)
                handOut(attempt.place, now: now)
            }
        }
    }

    /// There is no process to be had there, and none will be: what waits for it fails.
    mutating func lack(_ place: Place, _ words: String, now: Timestamp) {
        isReady[place] = nil
        for dispatchID in waiting.removeValue(forKey: place) ?? [] {
            guard let attempt = attempts[dispatchID], case .waiting = attempt.phase else { continue }
            report(attempt, .failure(message: words, retryable: false), now)
        }
        admitSuspects(now: now)
    }

    /// Of those that are ready the one in which the fewest attempts have code, of several the one that was given the fewest.
    ///
    /// - Parameter version: The version of the bundle that it has to be of; nil: any.
    private func emptiest(of version: String?) -> Place? {
        var found: Place?
        var fewest = (load: Int.max, begun: Int.max)
        for index in 0..<settings.processes {
            let place = Place.pooled(index)
            guard isReady[place] == true, version == nil || version == versions[place] else { continue }
            let count = (load: load[place] ?? 0, begun: begun[place] ?? 0)
            if count < fewest { (found, fewest) = (place, count) }
        }
        return found
    }

    /// One attempt less has code there.
    mutating func unload(_ place: Place) {
        let count = (load[place] ?? 0) - 1
        load[place] = count > 0 ? count : nil
    }
}
