// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A wait whose row has been removed, to be fired.
struct TakenWait {
    var id: Int64
    var tryNumber: Int
    var key: String
    var isSensor: Bool
    var since: Timestamp
    var kind: String
    var target: String
    var definition: String?
    var queue: String
    var shard: Int
    var due: Timestamp?
    /// How much it holds of its task's pool.
    var held: Int
    /// Its task instance; nil where there is none that waits.
    var task: (runKey: Int64, taskIndex: Int, mapIndex: Int, firstTry: Int)?

    fileprivate init(_ row: borrowing SQLRow) {
        id = row.int64(1)
        tryNumber = row.int(2)
        key = row.text(3)
        isSensor = row.bool(4)
        since = row.time(5)
        kind = row.text(6)
        target = row.text(7)
        definition = row.optionalText(8)
        queue = row.text(9)
        shard = row.int(10)
        due = row.optionalTime(11)
        held = row.int(12)
    }
}

extension Transaction {
    /// Removes the rows of waits that are still there; by their ids. Many by one statement: a statement costs as much as a
    /// row that it touches.
    func takeWaits(_ ids: [Int64]) throws -> [Int64: TakenWait] {
        var taken: [Int64: TakenWait] = [:]
        taken.reserveCapacity(ids.count)
        var first = 0
        while first < ids.count {
            let count = ids.count - first == 1 ? 1 : min(IDChunk.size, ids.count - first)
            try takeChunk(ids[first..<first + count], into: &taken)
            first += count
        }
        return taken
    }

    private func takeChunk(_ ids: ArraySlice<Int64>, into taken: inout [Int64: TakenWait]) throws {
        if ids.count == 1, let id = ids.first { return try takeOne(id, into: &taken) }
        var found: [Int64] = []
        // Nobody else writes meanwhile: what is read is what is removed.
        try connection.query(Self.findMany, IDChunk.values(ids)) { row in
            var wait = TakenWait(row)
            if !row.isNull(13) { wait.task = (row.int64(13), row.int(14), row.int(15), row.int(16)) }
            taken[row.int64(0)] = wait
            found.append(row.int64(0))
        }
        guard !found.isEmpty else { return }
        _ = try connection.run(Self.removeMany, IDChunk.values(found[...]))
        for waitID in found.sorted() where taken[waitID]?.held ?? 0 > 0 { try releaseSlots(ofWait: waitID) }
    }

    private func takeOne(_ waitID: Int64, into taken: inout [Int64: TakenWait]) throws {
        try connection.query(Self.takeOne, [.integer(waitID)]) { taken[$0.int64(0)] = TakenWait($0) }
        guard let wait = taken[waitID] else { return }
        if wait.held > 0 { try releaseSlots(ofWait: waitID) }
        try connection.query(Self.findOne, [.integer(wait.id)]) { row in
            taken[waitID]?.task = (row.int64(1), row.int(2), row.int(3), row.int(4))
        }
    }

    private static let takeOne: StaticString = """
        DELETE FROM wait WHERE wait_id = :1
        RETURNING wait_id, ti_id, try_number, journal_key, is_sensor, since, kind, target, definition, queue, shard,
            due_at, held
        """

    private static let findOne: StaticString = """
        SELECT ti_id, run_key, task_index, map_index, first_try FROM task_instance
        WHERE ti_id = :1 AND state = 'deferred'
        """

    private static let findMany: StaticString = """
        SELECT w.wait_id, w.ti_id, w.try_number, w.journal_key, w.is_sensor, w.since, w.kind, w.target, w.definition,
            w.queue, w.shard, w.due_at, w.held, t.run_key, t.task_index, t.map_index, t.first_try
        FROM wait w LEFT JOIN task_instance t ON t.ti_id = w.ti_id AND t.state = 'deferred'
        WHERE w.wait_id IN ({ids})
        """

    private static let removeMany: StaticString = """
        DELETE FROM wait WHERE wait_id IN ({ids})
        """
}
