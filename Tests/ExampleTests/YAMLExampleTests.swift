// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("The YAML examples", .timeLimit(.minutes(5)))
struct YAMLExampleTests {
    private static let examples = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../examples/yaml").standardized.path

    @Test("all of them run to their ends on the stock executable") func run() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let mails = try MailServerProcess()
        let program = Program(
            "perch",
            environment: [
                "PERCH_HOME": home, "PERCH_CONN_SHOP": "sqlite:///\(folder.path)/shop.db?create=yes",
                "PERCH_CONN_SMTP_DEFAULT": "smtp://127.0.0.1:\(mails.port)?starttls=never&from=perch@example.org",
            ])
        let engine = try RunningEngine(
            program, home: home, log: folder.path + "/engine.log", arguments: ["--dags", Self.examples])
        defer { engine.stop() }
        #expect(engine.text.contains("ready: 7 DAGs"), "\(engine.text)")
        let params = JSONValue.object(["folder": .string(folder.path)]).text
        func start(_ dag: String) throws {
            let outcome = try program("dags", "trigger", dag, "--run-id", "first", "--params", params)
            #expect(outcome.code == 0, "\(outcome)")
        }
        func state(_ dag: String, _ run: String) throws -> JSONValue? {
            try JSONValue(parsing: try program("runs", "details", dag, run, "-o", "json").output)["state"]
        }
        func end(_ dag: String, _ run: String) throws {
            // Each look takes as long as a command.
            for _ in 0..<600 {
                let state = try state(dag, run)
                if state == "success" { return }
                if state == "failed" { break }
            }
            let states = try program("tasks", "states", dag, run)
            throw RunningEngineError(description: "\(dag) \(run): \(states.output) \(engine.text)")
        }

        try start("orders")
        try Data("1\n2\n3\n".utf8).write(to: URL(filePath: folder.path + "/first.csv"))
        #expect(try program("events", "emit", "orders.approved", "--key", "first").code == 0)
        try end("orders", "first")
        #expect(try String(contentsOfFile: folder.path + "/first.report", encoding: .utf8) == "report of first\n")
        let states = try program("tasks", "states", "orders", "first", "-o", "plain").output
        #expect(
            states.split(separator: "\n").contains { $0.contains("on_cluster") && $0.contains("skipped") }, "\(states)")

        try start("nightly")
        try end("nightly", "first")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/first").sorted()
        #expect(names == ["asia", "eu", "us"])
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/work-first"))

        try start("publish")
        try end("publish", "first")
        let parts = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix("part-") }
        #expect(parts.sorted() == ["part-1.csv", "part-1.json", "part-2.csv", "part-2.json"])
        let wrong = try program("dags", "trigger", "parts", "--conf", #"{"most": 12}"#)
        #expect(wrong.code == 1 && wrong.errors.contains("it is at most 9"), "\(wrong)")

        // The second run finds the rows of the first.
        for run in ["first", "second"] {
            let outcome = try program("dags", "trigger", "sales", "--run-id", run, "--params", params)
            #expect(outcome.code == 0, "\(outcome)")
            try end("sales", run)
        }
        #expect(
            try String(contentsOfFile: folder.path + "/sales.csv", encoding: .utf8) == "region,total\neu,12.5\nus,7\n")
        let mail = try #require(try mails.mails().last)
        #expect(try mails.mails().count == 2 && mail.contains("ann@example.org") && mail.contains("eu,12.5"))

        // A file that is not there: what is to be done on failure is done.
        let broken = JSONValue.object(["folder": "/proc/none", "to": "boss@example.org"]).text
        #expect(try program("dags", "trigger", "sales", "--run-id", "broken", "--params", broken).code == 0)
        for _ in 0..<600 where try mails.mails().count < 3 { _ = try state("sales", "broken") }
        #expect(try mails.mails().last?.contains("boss@example.org") == true)

        #expect(try program("events", "emit", "orders.created", "--payload", #"{"total": 250}"#).code == 0)
        #expect(try program("events", "emit", "orders.created", "--payload", #"{"total": 50}"#).code == 0)
        for dag in ["on_regions", "on_large_order"] {
            var runs: [JSONValue] = []
            for _ in 0..<600 where runs.isEmpty {
                let listed = try JSONValue(parsing: try program("runs", "list", dag, "-o", "json").output)
                if case .array(let found) = listed { runs = found }
            }
            guard case .string(let run)? = runs.first?["run_id"] else { throw RunningEngineError(description: dag) }
            try end(dag, run)
            #expect(runs.count == 1)
        }
    }
}
