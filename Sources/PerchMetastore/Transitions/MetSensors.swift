// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A sensor that has got what it waited for.
struct MetSensor {
    var id: Int64
    /// What it got, as JSON.
    var output: String?
}

extension Transaction {
    /// Stores the success of sensors, many by one statement where they got the same: a statement costs as much as a row
    /// that it changes.
    func storeSuccesses(of met: [MetSensor]) throws {
        var outputs: [String?] = []
        var instances: [String?: [Int64]] = [:]
        for sensor in met {
            if instances[sensor.output] == nil { outputs.append(sensor.output) }
            instances[sensor.output, default: []].append(sensor.id)
        }
        for output in outputs {
            let ids = instances[output] ?? []
            guard ids.count > 1 else {
                try run(
                    "UPDATE task_instance SET state = 'success', end_date = :2, output = :3 WHERE ti_id = :1", ids[0],
                    now, output)
                continue
            }
            for first in stride(from: 0, to: ids.count, by: IDChunk.size) {
                let chunk = IDChunk.values(ids[first..<min(first + IDChunk.size, ids.count)])
                _ = try connection.run(Self.succeedMany, chunk + [now.sqlValue, output.sqlValue])
            }
        }
    }

    private static let succeedMany: StaticString = """
        UPDATE task_instance SET state = 'success', end_date = :33, output = :34 WHERE ti_id IN (
            :1, :2, :3, :4, :5, :6, :7, :8, :9, :10, :11, :12, :13, :14, :15, :16, :17, :18, :19, :20, :21, :22,
            :23, :24, :25, :26, :27, :28, :29, :30, :31, :32)
        """
}
