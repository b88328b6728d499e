// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("The quickstart example", .timeLimit(.minutes(3)))
struct QuickstartTests {
    @Test("file, job, event and report, with the engine killed while it waits")
    func run() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let program = Program(
            "quickstart", environment: ["PERCH_HOME": home, "QUICKSTART_PORT": "\(Int.random(in: 20_000..<30_000))"])
        let inbox = folder.path + "/inbox"
        var engine = try RunningEngine(program, home: home, log: folder.path + "/engine-1.log")
        let trigger = try program(
            "dags", "trigger", "orders", "--run-id", "first", "--params", #"{"folder": "\#(inbox)"}"#)
        #expect(trigger.output == "first\n", "\(trigger)")

        // Killed while it waits for a file in a directory that does not exist yet.
        engine.kill()
        engine = try RunningEngine(program, home: home, log: folder.path + "/engine-2.log")
        try FileManager.default.createDirectory(atPath: inbox, withIntermediateDirectories: true)
        try Data("3 apples\n".utf8).write(to: URL(filePath: inbox + "/first.txt"))
        let approved = try program("events", "emit", "orders.approved", "--key", "first")
        #expect(approved.code == 0 && approved.lines.count == 1, "\(approved)")

        let log = try program("tasks", "logs", "orders", "first", "landed", "--follow")
        #expect(log.output.contains("ended as success"), "\(log) \(engine.text)")
        // Killed while the job runs, and its server with it.
        engine.kill()
        engine = try RunningEngine(program, home: home, log: folder.path + "/engine-3.log")
        defer { engine.stop() }
        let report = try program("tasks", "logs", "orders", "first", "report", "--follow")
        #expect(report.output.contains("first costs 420 cents"), "\(report) \(engine.text)")
        #expect(try String(contentsOfFile: inbox + "/first.report", encoding: .utf8) == "first costs 420 cents\n")

        let details = try JSONValue(parsing: try program("runs", "details", "orders", "first", "-o", "json").output)
        #expect(details["state"] == "success")
        #expect(try JSONValue(parsing: try program("deferred", "list", "-o", "json").output) == [])

        // The event has started a run of another DAG, once.
        let event = try JSONValue(parsing: try program("events", "show", "1", "-o", "json").output)
        guard case .array(let started) = event["started"], case .string(let runID) = started.first?["run_id"] else {
            Issue.record("the event has started nothing: \(event.text)")
            return
        }
        #expect(started.count == 1 && started[0]["dag_id"] == "audit")
        let note = try program("tasks", "logs", "audit", runID, "note", "--follow")
        #expect(note.errors.contains("success"), "\(note) \(engine.text)")
        let next = try program("dags", "next-execution", "audit")
        #expect((next.errors + next.output).contains("event orders.approved"), "\(next)")
    }
}
