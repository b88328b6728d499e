// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Fair queueing between DAGs of one priority: each gets every second place, every third, and so on, however many tasks it
/// has ready. The clock stands at the last place that was claimed; a DAG's next task stands one place behind its last one,
/// or, where it has had none ready for a while, one behind the clock.
struct FairShare {
    var clock: Int64
    var isClockChanged = false
    /// The last place of each DAG that got one in this transaction.
    var last: [String: Int64] = [:]
}

extension Transaction {
    private func share() throws -> FairShare {
        if let fairShare { return fairShare }
        return FairShare(clock: try number("SELECT value FROM counter WHERE name = 'fair_clock'") ?? 0)
    }

    /// The place of a DAG's next task.
    func nextTurn(of dagID: String) throws -> Int64 {
        var share = try share()
        let stored = try share.last[dagID] ?? number("SELECT fair_last FROM dag WHERE dag_id = :1", dagID) ?? 0
        let turn = max(share.clock, stored) + 1
        share.last[dagID] = turn
        fairShare = share
        return turn
    }

    /// A task at a place was claimed.
    func claimed(turn: Int64) throws {
        var share = try share()
        if turn > share.clock {
            share.clock = turn
            share.isClockChanged = true
        }
        fairShare = share
    }

    /// Stores what the transaction has handed out.
    func storeFairShare() throws {
        guard let share = fairShare else { return }
        for (dagID, last) in share.last.sorted(by: { $0.key < $1.key }) {
            try post("UPDATE dag SET fair_last = :2 WHERE dag_id = :1", dagID, last)
        }
        if share.isClockChanged { try post("UPDATE counter SET value = :1 WHERE name = 'fair_clock'", share.clock) }
        fairShare = nil
    }
}
