// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// How the wait of a sensor's try has ended: the one entry of its journal is still to be written.
struct SensorEnd {
    var instance: Instance
    /// What it got, as JSON; nil where it has not got what it waited for.
    var output: String?
    var journalKey: String
    var since: Timestamp
    /// The wait's trigger, and how it ended, as JSON.
    var trigger: String
    var outcome: String
    var eventSeq: Int64?
    var by: String
}

extension Transaction {
    /// Stores the success of sensors, many by one statement: a statement costs as much as a row that it changes.
    func storeSuccesses(of met: [SensorEnd]) throws {
        if met.isEmpty { return }
        try journal(met)
        // Those that got the same.
        var outputs: [String?] = []
        var instances: [String?: [Int64]] = [:]
        for sensor in met {
            if instances[sensor.output] == nil { outputs.append(sensor.output) }
            instances[sensor.output, default: []].append(sensor.instance.id)
        }
        for output in outputs { try succeed(instances[output] ?? [], output: output) }
    }

    private func succeed(_ ids: [Int64], output: String?) throws {
        if ids.count == 1, let id = ids.first {
            try run(
                "UPDATE task_instance SET state = 'success', end_date = :2, output = :3 WHERE ti_id = :1", id, now,
                output)
            return
        }
        for first in stride(from: 0, to: ids.count, by: IDChunk.size) {
            let chunk = IDChunk.values(ids[first..<min(first + IDChunk.size, ids.count)])
            _ = try connection.run(Self.succeedMany, chunk + [now.sqlValue, output.sqlValue])
        }
    }

    /// The one journal entry of each sensor's try, made when its wait ends.
    func journal(_ met: [SensorEnd]) throws {
        let width = 9
        var values: [SQLValue] = []
        values.reserveCapacity(met.count * width)
        for sensor in met {
            values.append(sensor.instance.id.sqlValue)
            values.append(sensor.instance.tryNumber.sqlValue)
            values.append(sensor.journalKey.sqlValue)
            values.append(sensor.trigger.sqlValue)
            values.append(sensor.outcome.sqlValue)
            values.append(sensor.eventSeq.sqlValue)
            values.append(sensor.since.sqlValue)
            values.append(now.sqlValue)
            values.append(sensor.by.sqlValue)
        }
        try runMany(
            """
            INSERT INTO journal (ti_id, try_number, key, kind, position, payload, outcome, event_seq, is_kept,
                dispatch_id, recorded_at, fired_at, fired_by)
            VALUES (:1, :2, :3, 'wait', 0, :4, :5, :6, 0, 0, :7, :8, :9)
            """, values, width: width)
    }

    private static let succeedMany: StaticString = """
        UPDATE task_instance SET state = 'success', end_date = :33, output = :34 WHERE ti_id IN ({ids})
        """
}
