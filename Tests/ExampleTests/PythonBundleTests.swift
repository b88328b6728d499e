// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("The bundle in Python", .timeLimit(.minutes(5)))
struct PythonBundleTests {
    private static let bundle = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../examples/python-bundle/bundle.py").standardized.path

    @Test("passes every check", arguments: ["steps", "skips"]) func conforms(task: String) throws {
        let outcome = try Program("perch")(
            "bundles", "check", Self.bundle, "--task", "python_trials/\(task)", "-o", "json")
        #expect(outcome.code == 0, "\(outcome)")
        guard case .array(let checks) = try JSONValue(parsing: outcome.output) else {
            Issue.record("\(outcome)")
            return
        }
        #expect(checks.count == 19 && checks.allSatisfy { $0["result"] == "pass" }, "\(outcome.output)")
        if task == "steps" {
            #expect(outcome.output.contains("success, with 2 steps, after waits: 'sleep#0' for time after 1 s"))
        }
    }

    @Test("runs in an engine that is killed while its task waits for a file, a time and an event") func run() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let program = Program(
            "perch", environment: ["PERCH_HOME": home, "PERCH__BUNDLE__EXECUTABLE": Self.bundle])
        var engine = try RunningEngine(program, home: home, log: folder.path + "/engine-1.log")
        #expect(engine.text.contains("ready: 2 DAGs"), "\(engine.text)")
        try program.startPythonOrder("first", of: "a\nb\nc\n", in: folder.path, engine)
        engine.kill()
        engine = try RunningEngine(program, home: home, log: folder.path + "/engine-2.log")
        defer { engine.stop() }
        let emitted = try program(
            "events", "emit", "orders.approved", "--key", "first", "--payload", #"{"by": "änn"}"#)
        #expect(emitted.code == 0, "\(emitted)")
        let end = try state(of: "first", "python_orders", program)
        #expect(end == "success", "\(engine.text)")
        // Once, although the code of `confirm` ran from its top three times.
        let report = try String(contentsOfFile: folder.path + "/first.report", encoding: .utf8)
        #expect(report == "submitted 3 rows\n3 rows, number 1, approved by änn\n")
        let log = try program("tasks", "logs", "python_orders", "first", "confirm").output
        #expect(log.contains("approved: {'by': 'änn'}"), "\(log)")
        #expect(try program("db", "check").code == 0)
        // The file is shown as it was when the process started, and what a sensor waited for as it was filled in.
        let source = try program("dags", "show", "python_orders", "--source").output
        #expect(source == (try String(contentsOfFile: Self.bundle, encoding: .utf8)))
        let fields = try program("tasks", "render", "python_orders", "landed", "first", "--stored").output
        #expect(fields.contains("\(folder.path)/first.csv"), "\(fields)")
    }

    @Test("a task of it is cancelled and cleans up, and one is skipped") func cancel() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let program = Program(
            "perch", environment: ["PERCH_HOME": home, "PERCH__BUNDLE__EXECUTABLE": Self.bundle])
        let engine = try RunningEngine(program, home: home, log: folder.path + "/engine.log")
        defer { engine.stop() }
        #expect(try program("dags", "trigger", "python_trials", "--run-id", "first").code == 0)
        func tasks() throws -> [String: JSONValue] {
            let text = try program("tasks", "states", "python_trials", "first", "-o", "json").output
            guard case .array(let rows) = try JSONValue(parsing: text) else { return [:] }
            return Dictionary(
                rows.compactMap { row in
                    guard case .string(let id)? = row["task_id"], let state = row["state"] else { return nil }
                    return (id, state)
                }
            ) { $1 }
        }
        var states = try tasks()
        for _ in 0..<600 where states["slow"] != "running" || states["skips"] != "skipped" { states = try tasks() }
        #expect(states["slow"] == "running" && states["skips"] == "skipped", "\(states) \(engine.text)")
        #expect(try program("runs", "cancel", "python_trials", "first").code == 0)
        #expect(try state(of: "first", "python_trials", program) == "failed", "\(engine.text)")
        let log = try program("tasks", "logs", "python_trials", "first", "slow").output
        #expect(log.contains("is being cancelled") && log.contains("the code has ended"), "\(log)")
    }

    @Test("a new version of its file is taken up by the next process, and what sleeps goes on with it") func replaced()
        throws
    {
        let folder = try Folder()
        defer { folder.remove() }
        let (home, path) = (folder.path + "/home", folder.path + "/bundle.py")
        let text = try String(contentsOfFile: Self.bundle, encoding: .utf8)
        func put(_ text: String) throws {
            let next = path + ".next"
            try Data(text.utf8).write(to: URL(filePath: next))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: next)
            #expect(rename(next, path) == 0)
        }
        try put(text)
        let program = Program(
            "perch",
            environment: [
                "PERCH_HOME": home, "PERCH__BUNDLE__EXECUTABLE": path, "PERCH__BUNDLE__MAX_ATTEMPTS": "3",
            ])
        let engine = try RunningEngine(program, home: home, log: folder.path + "/engine.log")
        defer { engine.stop() }
        try program.startPythonOrder("a", of: "1\n", in: folder.path, engine)
        let marker = "if __name__ == \"__main__\":"
        let next =
            text.replacingOccurrences(of: "approved by", with: "granted by")
            .replacingOccurrences(of: marker, with: "trials.definition['dag_id'] = 'later_trials'\n\n\n" + marker)
        try put(next)
        // Dispatches that fill the process up, so that another one comes.
        var dags = ""
        for number in 0..<20 where !dags.contains("later_trials") {
            _ = try program("dags", "trigger", "python_trials", "--run-id", "r\(number)")
            for _ in 0..<20 where !dags.contains("later_trials") {
                dags = try program("dags", "list", "-o", "plain").output
            }
        }
        #expect(dags.contains("later_trials"), "\(dags) \(engine.text)")
        #expect(engine.text.contains("the bundle process is replaced by a new one"), "\(engine.text)")
        #expect(
            try program("events", "emit", "orders.approved", "--key", "a", "--payload", #"{"by": "x"}"#).code == 0)
        #expect(try state(of: "a", "python_orders", program) == "success", "\(engine.text)")
        let report = try String(contentsOfFile: folder.path + "/a.report", encoding: .utf8)
        #expect(report == "submitted 1 rows\n1 rows, number 1, granted by x\n")
    }

    @Test("a file that is replaced while its process starts is described as what it is now")
    func replacedWhileStarting() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/bundle.py"
        let text = try String(contentsOfFile: Self.bundle, encoding: .utf8)
        let marker = "import traceback\n"
        #expect(text.contains(marker))
        let first = text.replacingOccurrences(
            of: marker, with: marker + "os.replace(__file__ + '.next', __file__)\n")
        let next = text.replacingOccurrences(of: "\"python_trials\"", with: "\"later_trials\"")
        for (path, text) in [(path, first), (path + ".next", next)] {
            try Data(text.utf8).write(to: URL(filePath: path))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        }
        let home = folder.path + "/home"
        let program = Program(
            "perch", environment: ["PERCH_HOME": home, "PERCH__BUNDLE__EXECUTABLE": path])
        let engine = try RunningEngine(program, home: home, log: folder.path + "/engine.log")
        defer { engine.stop() }
        let dags = try program("dags", "list", "-o", "plain").output
        #expect(dags.contains("later_trials") && !dags.contains("python_trials"), "\(dags)")
        #expect(engine.text.contains("was replaced while this process started"), "\(engine.text)")
    }

    private func state(of run: String, _ dag: String, _ program: Program) throws -> JSONValue? {
        var state: JSONValue?
        for _ in 0..<600 where state != "success" && state != "failed" {
            state = try JSONValue(parsing: try program("runs", "details", dag, run, "-o", "json").output)["state"]
        }
        return state
    }

    @Test("says what it is where nobody speaks to it") func alone() throws {
        let process = Program("perch")
        let bundle = try Folder()
        defer { bundle.remove() }
        let run = Process()
        run.executableURL = URL(filePath: Self.bundle)
        run.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        run.standardError = pipe
        try run.run()
        let text = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        run.waitUntilExit()
        #expect(run.terminationStatus == 64 && text.contains("setting bundle.executable"), "\(text)")
        let both = try process(
            "standalone", "--home", bundle.path + "/home", "--set", "bundle.executable=\(Self.bundle)", "--dags",
            "/tmp")
        #expect(both.code == 1 && both.errors.contains("both bundle.executable and core.dags_folder"), "\(both)")
        let missing = try process(
            "standalone", "--home", bundle.path + "/home", "--set", "bundle.executable=/no/such/file")
        #expect(missing.code == 1 && missing.errors.contains("there is no file /no/such/file"), "\(missing)")
        #expect(!FileManager.default.fileExists(atPath: bundle.path + "/home"))
    }
}
