// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

extension ExecutorCore {
    // MARK: Suspects

    /// Gives processes to suspects. Few begin at a time, so that a crash of many does not become a storm of processes; one
    /// that goes on running without a crash, perhaps for ever, keeps its process and makes room for the next.
    mutating func admitSuspects(now: Timestamp) {
        var fresh = admitted.values.count { now - $0 < settings.suspicion }
        while fresh < settings.freshSuspects, !suspectLine.isEmpty {
            let dispatchID = suspectLine.removeFirst()
            admitted[dispatchID] = now
            fresh += 1
            let place = Place.quarantine(dispatchID: dispatchID)
            waiting[place] = [dispatchID]
            handOut(place, now: now)
        }
    }

    /// When the next suspect may begin although none has ended.
    var nextAdmission: Timestamp? {
        guard !suspectLine.isEmpty, let oldest = freshAdmissions.min() else { return nil }
        return oldest + settings.suspicion
    }

    private var freshAdmissions: [Timestamp] {
        let all = admitted.values.sorted()
        return Array(all.suffix(settings.freshSuspects))
    }

    /// One that has a process for itself is over: its process goes with it.
    mutating func release(_ attempt: Attempt) {
        guard attempt.place.isForOne else { return }
        if attempt.place.isQuarantine {
            suspectLine.removeAll { $0 == attempt.dispatchID }
            admitted[attempt.dispatchID] = nil
        }
        waiting[attempt.place] = nil
        guard isReady[attempt.place] == true else { return }
        isReady[attempt.place] = nil
        actions.append(.retire(attempt.place))
    }
}
