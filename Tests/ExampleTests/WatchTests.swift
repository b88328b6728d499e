// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("A bundle that is built anew while the engine runs", .timeLimit(.minutes(3)))
struct WatchTests {
    private static let source = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../examples/python-bundle/bundle.py").standardized.path
    /// What stands for a compiler: it refuses what has a certain word in it.
    private var command: String {
        """
        cd \(folder.path); if grep -n nonsense src/bundle.py; then echo 'src/bundle.py: error: nonsense' >&2; exit 1; fi; \
        install -m 755 src/bundle.py out/bundle
        """
    }

    private let folder: Folder
    private let program: Program

    init() throws {
        folder = try Folder()
        program = Program("perch", environment: ["PERCH_HOME": folder.path + "/home"])
        try FileManager.default.createDirectory(
            atPath: folder.path + "/src/deep", withIntermediateDirectories: true)
        try write()
        try FileManager.default.createDirectory(atPath: folder.path + "/out", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: folder.path + "/src/bundle.py", toPath: folder.path + "/out/bundle")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path + "/out/bundle")
    }

    private func write(_ changes: (from: String, to: String)...) throws {
        var text = try String(contentsOfFile: Self.source, encoding: .utf8)
        for change in changes {
            #expect(text.contains(change.from))
            text = text.replacingOccurrences(of: change.from, with: change.to)
        }
        try Data(text.utf8).write(to: URL(filePath: folder.path + "/src/bundle.py"))
    }

    private func start() throws -> RunningEngine {
        try RunningEngine(
            program, home: folder.path + "/home", log: folder.path + "/engine.log",
            arguments: [
                "--watch", "--watch-path", folder.path + "/src", "--build-command", command, "--set",
                "bundle.executable=\(folder.path)/out/bundle",
            ])
    }

    /// Looks again and again; each look takes as long as a command.
    private func dags(until name: String) throws -> Bool {
        for _ in 0..<600 {
            if try program("dags", "list", "-o", "plain").output.contains(name) { return true }
        }
        return false
    }

    private func until(_ engine: RunningEngine, says words: String, times: Int = 1) -> Bool {
        func count() -> Int { engine.text.components(separatedBy: words).count - 1 }
        // There is nothing to wait on but the next look at its log.
        for _ in 0..<6_000 where count() < times { usleep(5_000) }
        return count() >= times
    }

    @Test("what was changed is there, waits go on, and what does not build or is no bundle changes nothing")
    func rebuilt() throws {
        defer { folder.remove() }
        let engine = try start()
        defer { engine.stop() }
        #expect(until(engine, says: "sources are watched"), "\(engine.text)")
        try program.startPythonOrder("a", of: "1\n2\n", in: folder.path, engine)
        try write(("approved by", "granted by"), (#"DAG("python_trials""#, #"DAG("trials_two""#))
        #expect(try dags(until: "trials_two"), "\(engine.text)")
        try write(("approved by", "nonsense by"))
        #expect(until(engine, says: "the build failed"), "\(engine.text)")
        #expect(engine.text.contains("\nsrc/bundle.py: error: nonsense\n"), "\(engine.text)")
        #expect(engine.text.contains("exited with code 1"))
        // It builds, but is no bundle.
        try write(("VERSION, OLDEST_VERSION = 6, 1", "VERSION, OLDEST_VERSION = 9, 8"))
        #expect(until(engine, says: "what was built is not used"), "\(engine.text)")
        #expect(try dags(until: "trials_two"))
        let sent = try program("events", "emit", "orders.approved", "--key", "a", "--payload", #"{"by": "x"}"#)
        #expect(sent.code == 0)
        let report = folder.path + "/a.report"
        // Because it may not be there yet.
        func text() -> String { (try? String(contentsOfFile: report, encoding: .utf8)) ?? "" }
        for _ in 0..<6_000 where !text().contains("granted") { usleep(5_000) }
        #expect(text() == "submitted 2 rows\n2 rows, number 1, granted by x\n", "\(engine.text)")
        try write((#"DAG("python_trials""#, #"DAG("trials_three""#))
        #expect(try dags(until: "trials_three"), "\(engine.text)")
    }

    @Test(
        "a run that is pinned goes on with the build that it began with, whatever was built since, and after a restart")
    func pinned() throws {
        defer { folder.remove() }
        let pin = (from: #"DAG("python_orders", "#, to: #"DAG("python_orders", versioning="pinned", "#)
        var engine = try start()
        #expect(until(engine, says: "sources are watched"), "\(engine.text)")
        try write(pin, (#"DAG("python_trials""#, #"DAG("trials_one""#))
        #expect(try dags(until: "trials_one"), "\(engine.text)")
        try program.startPythonOrder("a", of: "1\n2\n", in: folder.path, engine)
        for name in ["two", "three", "four"] {
            try write(pin, ("approved by", "granted by"), (#"DAG("python_trials""#, #"DAG("trials_\#(name)""#))
            #expect(try dags(until: "trials_\(name)"), "\(engine.text)")
        }
        engine.stop()
        engine = try start()
        defer { engine.stop() }
        let sent = try program("events", "emit", "orders.approved", "--key", "a", "--payload", #"{"by": "x"}"#)
        #expect(sent.code == 0)
        var state: JSONValue?
        for _ in 0..<600 where state != "success" && state != "failed" {
            let details = try program("runs", "details", "python_orders", "a", "-o", "json").output
            state = try JSONValue(parsing: details)["state"]
        }
        let report = try String(contentsOfFile: folder.path + "/a.report", encoding: .utf8)
        #expect(report == "submitted 2 rows\n2 rows, number 1, approved by x\n", "\(engine.text)")
    }

    @Test("many changes at once are one build, and what is beside the sources is none") func settles() throws {
        defer { folder.remove() }
        let engine = try start()
        defer { engine.stop() }
        #expect(until(engine, says: "sources are watched"), "\(engine.text)")
        for name in [".swp", "notes~", ".git", "Package.resolved"] {
            try Data("x".utf8).write(to: URL(filePath: "\(folder.path)/src/\(name)"))
        }
        for number in 0..<50 {
            try Data("\(number)".utf8).write(to: URL(filePath: "\(folder.path)/src/deep/\(number).txt"))
        }
        try write((#"DAG("python_trials""#, #"DAG("trials_two""#))
        #expect(try dags(until: "trials_two"), "\(engine.text)")
        let builds = engine.text.components(separatedBy: "sources have changed: building").count - 1
        #expect((1...2).contains(builds), "\(engine.text)")
    }

    @Test("what is not to be known is wrong usage, or refused with what would be right") func refused() throws {
        defer { folder.remove() }
        for arguments in [
            ["--build-command", "true"], ["--watch-path", "/tmp"], ["--watch", "--build-command", ""],
        ] {
            #expect(try program.run(["standalone"] + arguments).code == 64, "\(arguments)")
        }
        let unknown = try program.run([
            "standalone", "--watch", "--set", "bundle.executable=\(folder.path)/out/bundle",
        ])
        #expect(unknown.code == 1 && unknown.errors.contains("--build-command"), "\(unknown)")
        let nowhere = try program.run([
            "standalone", "--watch", "--build-command", "true", "--watch-path", folder.path + "/none",
        ])
        #expect(nowhere.code == 1 && nowhere.errors.contains("there is no folder"), "\(nowhere)")
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/home"))
    }
}
