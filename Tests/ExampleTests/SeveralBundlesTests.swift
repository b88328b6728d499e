// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("Several bundles in one engine", .timeLimit(.minutes(5)))
struct SeveralBundlesTests {
    private static let examples = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../examples").standardized.path

    private let folder: Folder
    private let program: Program
    private var home: String { folder.path + "/home" }

    init() throws {
        folder = try Folder()
        program = Program("perch", environment: ["PERCH_HOME": folder.path + "/home"])
    }

    private func text(of example: String) throws -> String {
        try String(contentsOfFile: "\(Self.examples)/\(example)", encoding: .utf8)
    }

    private func bundle(_ name: String, _ text: String) throws -> String {
        let path = "\(folder.path)/\(name)"
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    /// The bundle in shell, whose only task ends at once, with a DAG of some name.
    private func shell(_ name: String, dag: String, says output: String = "done") throws -> String {
        var text = try text(of: "shell-bundle/bundle.sh")
        text = text.replacingOccurrences(of: "sleep 3\n    echo '\"rested\"'", with: "echo '\"\(output)\"'")
        text = text.replacingOccurrences(
            of: "\"upstream\":[],\"has_on_kill\":true,\"kill_timeout\":5000000", with: "\"upstream\":[]")
        text = text.replacingOccurrences(of: #""after":1000000"#, with: #""after":1"#)
        return try bundle(name, text.replacingOccurrences(of: "shell_hello", with: dag))
    }

    private func deploy(_ path: String, to name: String) throws {
        let outcome = try program("bundles", "deploy", path, "--bundle", name)
        #expect(outcome.code == 0 && outcome.output.contains("of \(name) is in use"), "\(outcome)")
    }

    private func list(_ arguments: String...) throws -> [JSONValue] {
        let outcome = try program.run(arguments + ["-o", "json"])
        guard case .array(let rows) = try JSONValue(parsing: outcome.output) else { return [] }
        return rows
    }

    /// A row of a list, once it is as it should be; each look takes as long as a command.
    @discardableResult
    private func row(
        _ name: String, _ key: String, in arguments: String..., until isRight: (JSONValue) -> Bool
    ) throws -> JSONValue? {
        var found: JSONValue?
        for _ in 0..<600 {
            let outcome = try program.run(arguments + ["-o", "json"])
            guard case .array(let rows) = try JSONValue(parsing: outcome.output) else { continue }
            found = rows.first { $0[key] == .string(name) }
            if let found, isRight(found) { return found }
        }
        Issue.record("\(arguments) has no such \(name): \(String(describing: found))")
        return found
    }

    private func runs(_ dag: String, _ run: String, _ engine: RunningEngine) throws {
        let started = try program("dags", "trigger", dag, "--run-id", run)
        #expect(started.code == 0, "\(started)")
        var state: JSONValue?
        for _ in 0..<600 where state != "success" && state != "failed" {
            state = try JSONValue(parsing: try program("runs", "details", dag, run, "-o", "json").output)["state"]
        }
        #expect(state == "success", "\(dag)/\(run): \(engine.text)")
    }

    private func engine(_ arguments: String...) throws -> RunningEngine {
        try RunningEngine(program, home: home, log: folder.path + "/engine.log", arguments: arguments)
    }

    @Test("each has processes of its own, one that keeps dying keeps nobody else's DAGs from running, and is seen")
    func apart() async throws {
        defer { folder.remove() }
        let python = try text(of: "python-bundle/bundle.py")
            .replacingOccurrences(of: "while not context.is_cancelled:", with: "while False:")
        try deploy(try bundle("orders.py", python), to: "orders")
        try deploy(try shell("sales.sh", dag: "sales_report"), to: "sales")
        // It was well when it was deployed: what it needs is gone since.
        try Data().write(to: URL(filePath: folder.path + "/there"))
        let script = try text(of: "shell-bundle/bundle.sh").replacingOccurrences(of: "shell_hello", with: "stock")
            .replacingOccurrences(
                of: "set -u\n", with: "set -u\n[ -e \(folder.path)/there ] || { echo 'no stock' >&2; exit 7; }\n")
        try deploy(try bundle("stock.sh", script), to: "stock")
        try FileManager.default.removeItem(atPath: folder.path + "/there")
        try Data("id: own\ntasks:\n  - { id: a, bash: 'true' }\n".utf8).write(
            to: {
                let dags = URL(filePath: home + "/dags")
                try FileManager.default.createDirectory(at: dags, withIntermediateDirectories: true)
                return dags.appending(path: "own.yaml")
            }())
        let port = try FreePort.find()
        let engine = try engine("--set", "health.listen=127.0.0.1:\(port)")
        defer { engine.stop() }
        #expect(engine.text.contains("ready: 1 DAGs, and the bundles orders, sales, stock"), "\(engine.text)")
        try row("python_orders", "dag_id", in: "dags", "list") { $0["bundle"] == "orders" }
        try row("sales_report", "dag_id", in: "dags", "list") { $0["bundle"] == "sales" }
        try row("own", "dag_id", in: "dags", "list") { $0["bundle"] == "default" }
        try runs("sales_report", "a", engine)
        try runs("own", "a", engine)
        try runs("python_trials", "a", engine)
        let stock = try row("stock", "bundle", in: "bundles", "list") { $0["state"] == "in trouble" }
        #expect(stock?["trouble"].map { "\($0)".contains("no stock") } == true, "\(String(describing: stock))")
        #expect(stock?["dags"] == 0)
        try row("sales", "bundle", in: "bundles", "list") { $0["state"] == "running" && $0["dags"] == 1 }
        #expect(try list("worker", "list").compactMap { $0["bundle"] }.count == 4)
        let health = try #require(await WebClient(port: port).request("GET /health"))
        #expect(health.status == 200, "\(health)")
        #expect(
            try JSONValue(parsing: health.body)["bundles"]
                == ["default": "up", "orders": "up", "sales": "up", "stock": "down"], "\(health)")
        // What it needs is there again.
        try Data().write(to: URL(filePath: folder.path + "/there"))
        try deploy(folder.path + "/stock.sh", to: "stock")
        try row("stock", "bundle", in: "bundles", "list") { $0["state"] == "running" && $0["dags"] == 1 }
        try runs("stock", "a", engine)
        // Killed, and started again: everything is there.
        engine.kill()
        let again = try self.engine()
        defer { again.stop() }
        try runs("sales_report", "b", again)
        try runs("python_trials", "b", again)
        #expect(try list("worker", "list").count == 4)
        #expect(try program("db", "check").code == 0)
    }

    @Test("one that ends as soon as it has said hello is not started again and again") func looping() throws {
        defer { folder.remove() }
        let script = try text(of: "shell-bundle/bundle.sh").replacingOccurrences(of: "shell_hello", with: "stock")
            .replacingOccurrences(
                of: "    hello)\n",
                // Not after it is well again: what runs in it then would be to blame for its death.
                with: "    hello)\n        (sleep 0.3; ! [ -e \(folder.path)/ill ] || kill -9 $$) &\n")
        try deploy(try bundle("stock.sh", script), to: "stock")
        try deploy(try shell("sales.sh", dag: "sales_report"), to: "sales")
        try Data().write(to: URL(filePath: folder.path + "/ill"))
        let engine = try engine()
        defer { engine.stop() }
        let stock = try row("stock", "bundle", in: "bundles", "list") {
            $0["state"] == "in trouble" && ($0["trouble"].map { "\($0)".contains("keeps ending") } ?? false)
        }
        #expect(
            stock?["trouble"].map { "\($0)".contains("SIGKILL") || "\($0)".contains("signal 9") } == true,
            "\(stock as Any)")
        try runs("sales_report", "a", engine)
        #expect(engine.text.components(separatedBy: "a bundle process is gone").count < 20, "\(engine.text)")
        try FileManager.default.removeItem(atPath: folder.path + "/ill")
        try runs("stock", "a", engine)
        #expect(try program("db", "check").code == 0)
    }

    @Test("two that have a DAG of one id: the second's is an import error; the first gives it up, and it moves")
    func clash() throws {
        defer { folder.remove() }
        try deploy(try shell("ops.sh", dag: "report", says: "ops"), to: "ops")
        let engine = try engine()
        defer { engine.stop() }
        try row("report", "dag_id", in: "dags", "list") { $0["bundle"] == "ops" }
        // The engine is told of a bundle that is there for the first time.
        try deploy(try shell("sales.sh", dag: "report", says: "sales"), to: "sales")
        let clash = try row("sales", "bundle", in: "bundles", "list") { $0["import_errors"] == 1 }
        #expect(clash?["dags"] == 0)
        let errors = try program("dags", "list-import-errors", "-o", "json").output
        #expect(errors.contains("'report' is the bundle 'ops's, and the bundle 'sales' has one"), "\(errors)")
        try runs("report", "a", engine)
        // A deploy of one leaves the other alone.
        try deploy(try shell("other.sh", dag: "prices"), to: "ops")
        try row("report", "dag_id", in: "dags", "list") { $0["bundle"] == "sales" }
        try row("prices", "dag_id", in: "dags", "list") { $0["bundle"] == "ops" }
        try row("sales", "bundle", in: "bundles", "list") { $0["import_errors"] == 0 && $0["versions"] == 1 }
        try runs("report", "b", engine)
        // One that is removed leaves its DAGs to whoever has them.
        try deploy(try shell("third.sh", dag: "prices"), to: "third")
        try row("third", "bundle", in: "bundles", "list") { $0["import_errors"] == 1 }
        let removed = try program("bundles", "remove", "ops")
        #expect(removed.code == 0 && removed.output.contains("1 DAG of it"), "\(removed)")
        try row("prices", "dag_id", in: "dags", "list") { $0["bundle"] == "third" }
        #expect(try !list("bundles", "list").contains { $0["bundle"] == "ops" })
        #expect(try program("bundles", "remove", "ops").code == 1)
        #expect(try program("bundles", "remove", "default").code == 64)
        #expect(try program("db", "check").code == 0)
    }

    @Test("a worker serves one of them, with settings of its own; a name that is none is refused") func worker() throws
    {
        defer { folder.remove() }
        let sales = try shell("sales.sh", dag: "sales_report")
        let file = #"{"bundles": {"sales": {"executable": "\#(sales)", "slots": 3, "processes": 2}}}"#
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
        try Data(file.utf8).write(to: URL(filePath: home + "/config.json"))
        let scheduler = try RunningEngine(program, role: "scheduler", home: home, log: folder.path + "/scheduler.log")
        defer { scheduler.stop() }
        let triggerer = try RunningEngine(program, role: "triggerer", home: home, log: folder.path + "/triggerer.log")
        defer { triggerer.stop() }
        let log = folder.path + "/worker.log"
        var worker = try RunningEngine(
            program, role: "worker", home: home, log: log, arguments: ["--bundle", "sales"])
        #expect(worker.text.contains("of the bundle sales, 3 slots, 1 DAGs"), "\(worker.text)")
        let other = try RunningEngine(program, role: "worker", home: home, log: folder.path + "/other.log")
        defer { other.stop() }
        try runs("sales_report", "a", worker)
        worker.kill()
        // Nobody else takes what is its own.
        #expect(try program("dags", "trigger", "sales_report", "--run-id", "b").code == 0)
        let why = try program("runs", "explain", "sales_report", "b").output
        #expect(!why.isEmpty)
        worker = try RunningEngine(program, role: "worker", home: home, log: log, arguments: ["--bundle", "sales"])
        defer { worker.stop() }
        try runs("sales_report", "c", worker)
        let rows = try list("worker", "list")
        #expect(rows.contains { $0["bundle"] == "sales" && $0["slots"] == 3 }, "\(rows)")
        for (arguments, code, words) in [
            (["worker", "--bundle", "none"], 1, "there is nothing of the bundle 'none'"),
            (["worker", "--bundle", "Sales"], 64, "is no name for a bundle"),
            (["bundles", "deploy", "/bin/true", "--bundle", "a/b"], 64, "is no name for a bundle"),
            (["bundles", "deploy", "/bin/true", "--bundle", "sales"], 1, "bundles.sales.executable is set to"),
            (["config", "list", "--set", "bundles.default.nice=1"], 64, "there is no setting"),
        ] as [([String], Int32, String)] {
            let outcome = try program.run(arguments)
            #expect(outcome.code == code && outcome.errors.contains(words), "\(arguments): \(outcome)")
        }
    }
}
