// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A try that has ended with what it gave: its row is still to say so.
struct Success {
    var instanceID: Int64
    var output: String?
}

extension Transaction {
    /// Ends a try with what it gave.
    func succeed(_ instance: Instance, output: String?, in settlement: Settlement) throws {
        try store([Success(instanceID: instance.id, output: output)])
        try ended(instance, as: .success, message: nil, in: settlement)
    }

    /// Stores what tries have ended with, many by one statement.
    func store(_ successes: [Success]) throws {
        for _ in successes { tally.entered(.success) }
        try updateMany(
            """
            UPDATE task_instance SET state = 'success', dispatch_id = 0, worker = NULL, end_date = v.column2,
                output = v.column3, message = NULL, cancel_state = NULL
            FROM (VALUES (CAST(:1 AS {int64}), CAST(:2 AS {int64}), :3)) AS v
            WHERE ti_id = v.column1
            """,
            one: """
                UPDATE task_instance SET state = 'success', dispatch_id = 0, worker = NULL, end_date = :2, output = :3,
                    message = NULL, cancel_state = NULL WHERE ti_id = :1
                """, successes.flatMap { [.integer($0.instanceID), now.sqlValue, $0.output.sqlValue] }, width: 3)
    }
}
