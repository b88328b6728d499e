// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("A user's own triggers in a standalone", .timeLimit(.minutes(3)))
struct OwnTriggerTests {
    @Test("they are explained by their names, and the engine may be killed while they wait")
    func run() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let program = Program("trial-bundle", environment: ["PERCH_HOME": home])
        var engine = try RunningEngine(program, home: home, log: folder.path + "/engine-1.log")
        let trigger = try program(
            "dags", "trigger", "own", "--run-id", "first", "--params", #"{"folder": "\#(folder.path)"}"#)
        #expect(trigger.code == 0, "\(trigger)")
        var log = ""
        for _ in 0..<1_000 where !log.contains("looked 3 times") {
            // What the trigger logs is told like a task's; each look takes as long as a command.
            _ = try program("deferred", "list")
            let file = home + "/logs/dag_id=own/run_id=first/task_id=found/attempt=1.log"
            log = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""  // because nothing may be written yet
        }
        #expect(log.contains("looked 3 times"), "\(engine.text)")
        let waits = try JSONValue(parsing: try program("deferred", "list", "-o", "json").output)
        guard case .array(let rows) = waits else { return #expect(Bool(false), "\(waits)") }
        #expect(rows.map { $0["kind"] }.contains("async:Look") && rows.map { $0["kind"] }.contains("event"))
        for row in rows {
            guard case .integer(let waitID)? = row["wait_id"] else { continue }
            let explained = try program("deferred", "explain", "\(waitID)").output
            if row["kind"] == "event" {
                #expect(
                    explained.contains("waits for event orders.shipped/7 (what Shipped is made of)"), "\(explained)")
            } else {
                #expect(explained.contains("Code of the bundle watches for it: the trigger 'Look'."), "\(explained)")
                #expect(explained.contains("hosts it.") && explained.contains("Its last checkpoint: "), "\(explained)")
            }
        }
        engine.kill()
        try Data("gone".utf8).write(to: URL(filePath: folder.path + "/go"))
        engine = try RunningEngine(program, home: home, log: folder.path + "/engine-2.log")
        defer { engine.stop() }
        #expect(try program("events", "emit", "orders.shipped", "--key", "7").code == 0)
        let told = try program("tasks", "logs", "own", "first", "tell", "--follow")
        #expect(told.code == 0, "\(told) \(engine.text)")
        let details = try JSONValue(parsing: try program("runs", "details", "own", "first", "-o", "json").output)
        #expect(details["state"] == "success", "\(details.text) \(engine.text)")
        #expect(try program("db", "check").code == 0)
    }
}
