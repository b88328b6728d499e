// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A sensor that has got what it waited for: its row and the one entry of its journal are still to be written.
struct MetSensor {
    var instance: Instance
    /// What it got, as JSON.
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
    func storeSuccesses(of met: [MetSensor]) throws {
        if met.isEmpty { return }
        var first = 0
        while met.count - first >= Self.journalChunk {
            try journal(met[first..<first + Self.journalChunk])
            first += Self.journalChunk
        }
        for sensor in met[first...] {
            try journalSensor(
                sensor.instance, key: sensor.journalKey, since: sensor.since, trigger: sensor.trigger,
                outcome: sensor.outcome, eventSeq: sensor.eventSeq, by: sensor.by)
        }
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

    private func journal(_ met: ArraySlice<MetSensor>) throws {
        var values: [SQLValue] = []
        values.reserveCapacity(Self.journalChunk * 8 + 1)
        for sensor in met {
            values += [
                sensor.instance.id.sqlValue, sensor.instance.tryNumber.sqlValue, sensor.journalKey.sqlValue,
                sensor.trigger.sqlValue, sensor.outcome.sqlValue, sensor.eventSeq.sqlValue, sensor.since.sqlValue,
                sensor.by.sqlValue,
            ]
        }
        values.append(now.sqlValue)
        _ = try connection.run(Self.journalMany, values)
    }

    private static let succeedMany: StaticString = """
        UPDATE task_instance SET state = 'success', end_date = :33, output = :34 WHERE ti_id IN (
            :1, :2, :3, :4, :5, :6, :7, :8, :9, :10, :11, :12, :13, :14, :15, :16, :17, :18, :19, :20, :21, :22,
            :23, :24, :25, :26, :27, :28, :29, :30, :31, :32)
        """

    private static let journalChunk = 8

    private static let journalMany: StaticString = """
        INSERT INTO journal (ti_id, try_number, key, kind, position, payload, outcome, event_seq, is_kept,
            dispatch_id, recorded_at, fired_at, fired_by)
        VALUES (:1, :2, :3, 'wait', 0, :4, :5, :6, 0, 0, :7, :65, :8),
            (:9, :10, :11, 'wait', 0, :12, :13, :14, 0, 0, :15, :65, :16),
            (:17, :18, :19, 'wait', 0, :20, :21, :22, 0, 0, :23, :65, :24),
            (:25, :26, :27, 'wait', 0, :28, :29, :30, 0, 0, :31, :65, :32),
            (:33, :34, :35, 'wait', 0, :36, :37, :38, 0, 0, :39, :65, :40),
            (:41, :42, :43, 'wait', 0, :44, :45, :46, 0, 0, :47, :65, :48),
            (:49, :50, :51, 'wait', 0, :52, :53, :54, 0, 0, :55, :65, :56),
            (:57, :58, :59, 'wait', 0, :60, :61, :62, 0, 0, :63, :65, :64)
        """
}
