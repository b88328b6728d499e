// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

extension Program {
    /// Starts a run of `python_orders`, puts the file there that it waits for, and returns when it waits to be approved.
    ///
    /// - Parameter engine: Where what the engine said is read from, should it not come to that.
    func startPythonOrder(_ runID: String, of lines: String, in folder: String, _ engine: RunningEngine) throws {
        let params = JSONValue.object(["folder": .string(folder)]).text
        #expect(try self("dags", "trigger", "python_orders", "--run-id", runID, "--params", params).code == 0)
        try Data(lines.utf8).write(to: URL(filePath: "\(folder)/\(runID).csv"))
        // Each look takes as long as a command.
        var waits = ""
        for _ in 0..<600 where !waits.contains("orders.approved/\(runID)") {
            waits = try self("deferred", "list", "-o", "plain").output
        }
        #expect(waits.contains("orders.approved/\(runID)"), "\(waits) \(engine.text)")
    }
}
