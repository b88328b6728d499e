// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("Deploying bundles", .timeLimit(.minutes(5)))
struct BundleDeployTests {
    private static let source = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../examples/python-bundle/bundle.py").standardized.path

    private let folder: Folder
    private let program: Program

    init() throws {
        folder = try Folder()
        program = Program("perch", environment: ["PERCH_HOME": folder.path + "/home"])
    }

    /// The bundle in Python, changed.
    private func bundle(_ name: String, _ changes: (from: String, to: String)...) throws -> String {
        var text = try String(contentsOfFile: Self.source, encoding: .utf8)
        for change in changes {
            #expect(text.contains(change.from))
            text = text.replacingOccurrences(of: change.from, with: change.to)
        }
        let path = "\(folder.path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    private func versions() throws -> [JSONValue] {
        let listed = try JSONValue(parsing: try program("bundles", "versions", "-o", "json").output)
        guard case .array(let rows) = listed else { return [] }
        return rows
    }

    @Test("versions are put beside one another, used, rolled back to, and the oldest go") func versionsKept() throws {
        defer { folder.remove() }
        #expect(try versions().isEmpty)
        #expect(try program("bundles", "list", "-o", "json").output.contains(#""origin":"this program""#))
        let first = try program("bundles", "deploy", try bundle("one.py"))
        #expect(first.code == 0 && first.output == "version 1 is in use\n", "\(first)")
        #expect(first.errors.contains("no engine is running on this home"))
        _ = try bundle("two/main.py", ("of the protocol", "of a protocol"))
        let second = try program("bundles", "deploy", folder.path + "/two", "--executable", "main.py")
        #expect(second.code == 0 && second.output == "version 2 is in use\n", "\(second)")
        let rows = try versions()
        #expect(rows.map { $0["version"] } == [2, 1] && rows.map { $0["state"] } == ["in use", "kept"])
        #expect(rows.map { $0["executable"] } == ["main.py", "one.py"])
        #expect(rows[0]["bundle_version"] != rows[1]["bundle_version"])
        let list = try program("bundles", "list", "-o", "json").output
        #expect(list.contains("/home/bundle/2/files/main.py") && list.contains(#""versions":2"#), "\(list)")
        #expect(try program("bundles", "rollback").output == "version 1 is in use, 2 was\n")
        let none = try program("bundles", "rollback")
        #expect(none.code == 1 && none.errors.contains("there is none before it"), "\(none)")
        let unknown = try program("bundles", "rollback", "7")
        #expect(unknown.code == 1 && unknown.errors.contains("there is no version 7; there are 1, 2"), "\(unknown)")
        let third = try program("bundles", "deploy", folder.path + "/one.py", "--keep", "1")
        #expect(third.code == 0 && third.errors.contains("2 older versions removed"), "\(third)")
        #expect(try versions().map { $0["version"] } == [3])
        #expect(try program("bundles", "rollback", "3").code == 0)
    }

    @Test("what a deploy that was killed has copied goes with the next one, and a damaged version is named")
    func damaged()
        throws
    {
        defer { folder.remove() }
        let place = folder.path + "/home/bundle"
        // No process can have this number; the one of this test's own lives.
        let (dead, live) = ("\(place)/.staged-\(Int32.max)", "\(place)/.staged-\(getpid())")
        for path in [dead, live] {
            try FileManager.default.createDirectory(atPath: path + "/files", withIntermediateDirectories: true)
        }
        #expect(try program("bundles", "deploy", try bundle("one.py")).code == 0)
        #expect(!FileManager.default.fileExists(atPath: dead) && FileManager.default.fileExists(atPath: live))
        try Data(#"{"executable":"one.py","by":"ann"}"#.utf8).write(to: URL(filePath: place + "/1/version.json"))
        let listed = try program("bundles", "versions")
        #expect(listed.code == 1 && listed.errors.contains("/1/version.json has no 'deployed_at'"), "\(listed)")
    }

    @Test("what is no bundle is refused, and nothing of it stays") func refused() throws {
        defer { folder.remove() }
        #expect(try program("bundles", "deploy", try bundle("good.py")).code == 0)
        let broken = try bundle("broken.py", ("VERSION, OLDEST_VERSION = 6, 1", "VERSION, OLDEST_VERSION = 9, 8"))
        let wrong = try bundle("wrong.py", (#"schedule="none", **members"#, #"schedule=7, **members"#))
        _ = try bundle("folder/other.py")
        for (arguments, words) in [
            ([folder.path + "/none"], "there is no file or directory"), (["/bin/true"], "is not deployed: it exited"),
            ([broken], "versions 8 to 9 of the protocol"), ([wrong], "describes what no engine takes"),
            ([folder.path + "/folder"], "there is no file \(folder.path)/folder/bundle"),
            ([folder.path + "/folder", "--executable", "../good.py"], "it is a path within the directory"),
            ([broken, "--executable", "x"], "is a file"),
        ] {
            let outcome = try program.run(["bundles", "deploy"] + arguments)
            #expect(outcome.code == 1 && outcome.output.isEmpty && outcome.errors.contains(words), "\(outcome)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        }
        #expect(try versions().map { $0["version"] } == [1])
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/home/bundle").sorted()
        #expect(left == ["1", "current"])
        let set = try program("bundles", "deploy", broken, "--set", "bundle.executable=/bin/true")
        #expect(set.code == 1 && set.errors.contains("take the setting away first"), "\(set)")
        let empty = Program("perch", environment: ["PERCH_HOME": folder.path + "/other"])
        let nothing = try empty("bundles", "rollback")
        #expect(nothing.code == 1 && nothing.errors.contains("nothing was deployed to"), "\(nothing)")
        for line in ["deploy", "deploy x --keep 0", "rollback x", "versions x"] {
            #expect(try program.run(["bundles"] + line.split(separator: " ").map(String.init)).code == 64)
        }
    }

    @Test("a running engine takes up what is deployed; what sleeps goes on with it; nothing fails") func live() throws {
        defer { folder.remove() }
        let home = folder.path + "/home"
        let engine = try RunningEngine(program, home: home, log: folder.path + "/engine.log")
        defer { engine.stop() }
        #expect(engine.text.contains("ready: 0 DAGs"), "\(engine.text)")
        func dags(until name: String) throws -> String {
            var list = ""
            // Each look takes as long as a command.
            for _ in 0..<600 where !list.contains(name) { list = try program("dags", "list", "-o", "plain").output }
            return list
        }
        let first = try program("bundles", "deploy", try bundle("one.py"))
        #expect(first.code == 0 && !first.errors.contains("no engine"), "\(first)")
        #expect(try dags(until: "python_orders").contains("python_orders"), "\(engine.text)")
        try program.startPythonOrder("a", of: "1\n2\n", in: folder.path, engine)
        let second = try bundle(
            "two.py", ("approved by", "granted by"), (#"DAG("python_trials""#, #"DAG("trials_two""#))
        #expect(try program("bundles", "deploy", second).code == 0)
        #expect(try dags(until: "trials_two").contains("trials_two"), "\(engine.text)")
        #expect(
            try program("events", "emit", "orders.approved", "--key", "a", "--payload", #"{"by": "x"}"#).code == 0)
        #expect(try end(of: "a") == "success", "\(engine.text)")
        let report = try String(contentsOfFile: folder.path + "/a.report", encoding: .utf8)
        #expect(report == "submitted 2 rows\n2 rows, number 1, granted by x\n")
        #expect(try program("bundles", "rollback").output == "version 1 is in use, 2 was\n")
        func changes() -> Int { engine.text.components(separatedBy: "the bundle has changed").count - 1 }
        for _ in 0..<600 where changes() < 3 { _ = try program("bundles", "list") }
        #expect(changes() == 3, "\(engine.text)")
        #expect(try program("db", "check").code == 0)
    }

    @Test(
        "a run of a pinned DAG ends with the version that it began with, which stays; without it, it fails and says so")
    func pinned() throws {
        defer { folder.remove() }
        let home = folder.path + "/home"
        let pin = (from: #"DAG("python_orders", "#, to: #"DAG("python_orders", versioning="pinned", "#)
        #expect(try program("bundles", "deploy", try bundle("one.py", pin)).code == 0)
        let engine = try RunningEngine(program, home: home, log: folder.path + "/engine.log")
        defer { engine.stop() }
        for run in ["a", "b"] { try program.startPythonOrder(run, of: "1\n2\n", in: folder.path, engine) }
        // Three more, of which one is kept.
        for word in ["granted", "allowed", "permitted"] {
            let next = try bundle("next.py", pin, ("approved by", "\(word) by"))
            #expect(try program("bundles", "deploy", next, "--keep", "1").code == 0)
        }
        let rows = try versions()
        #expect(rows.map { $0["version"] } == [4, 1], "\(rows)")
        #expect(rows[1]["needed_by"] == 2 && rows[1]["first_run"] == "python_orders/a" && rows[0]["needed_by"] == 0)
        func changes() -> Int { engine.text.components(separatedBy: "the bundle has changed").count - 1 }
        for _ in 0..<600 where changes() < 1 { _ = try program("bundles", "list") }
        func approve(_ run: String) throws {
            let sent = try program("events", "emit", "orders.approved", "--key", run, "--payload", #"{"by": "x"}"#)
            #expect(sent.code == 0)
        }
        try approve("a")
        #expect(try end(of: "a") == "success", "\(engine.text)")
        let report = try String(contentsOfFile: folder.path + "/a.report", encoding: .utf8)
        #expect(report == "submitted 2 rows\n2 rows, number 1, approved by x\n")
        // Somebody takes it away all the same.
        try FileManager.default.removeItem(atPath: home + "/bundle/1")
        try approve("b")
        #expect(try end(of: "b") == "failed", "\(engine.text)")
        let states = try program("tasks", "list", "python_orders", "b", "-o", "json").output
        let logs = try program("tasks", "logs", "python_orders", "b", "confirm").output
        #expect(logs.contains("is pinned to the bundle version"), "\(states) \(logs)")
        #expect(try program("db", "check").code == 0)
    }

    private func end(of run: String) throws -> JSONValue? {
        var state: JSONValue?
        for _ in 0..<600 where state != "success" && state != "failed" {
            let details = try program("runs", "details", "python_orders", run, "-o", "json").output
            state = try JSONValue(parsing: details)["state"]
        }
        return state
    }
}
