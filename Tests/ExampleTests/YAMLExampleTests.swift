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
        let program = Program("perch", environment: ["PERCH_HOME": home])
        let engine = try RunningEngine(
            program, home: home, log: folder.path + "/engine.log", arguments: ["--dags", Self.examples])
        defer { engine.stop() }
        #expect(engine.text.contains("ready: 4 DAGs"), "\(engine.text)")
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
