// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("Shell commands that hold no worker", .timeLimit(.minutes(3)))
struct DetachedCommandTests {
    private let folder: Folder
    private let program: Program
    private var home: String { folder.path + "/home" }

    init() throws {
        folder = try Folder()
        program = Program("trial-bundle", environment: ["PERCH_HOME": folder.path + "/home"])
    }

    private func engine(_ number: Int = 1) throws -> RunningEngine {
        try RunningEngine(program, home: home, log: "\(folder.path)/engine-\(number).log")
    }

    /// Starts a run whose command runs when this returns. Gives the folder of the command, and the process.
    private func begin(_ run: String, code: Int = 0, _ engine: RunningEngine) throws -> (folder: String, pid: Int32) {
        let place = "\(folder.path)/\(run)"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let triggered = try program(
            "dags", "trigger", "detached", "--run-id", run, "--params", #"{"folder": "\#(place)", "code": \#(code)}"#)
        #expect(triggered.code == 0, "\(triggered)")
        try #require(try state(run, once: ["deferred"]) == "deferred", "\(engine.text)")
        let log = try program("tasks", "logs", "detached", run, "long").output
        let match = try #require(log.firstMatch(of: /the command is process (\d+)/), "\(log)")
        return (place, try #require(Int32(match.1)))
    }

    /// The state of the command's task once it is one of some, or at last.
    private func state(_ run: String, once wanted: [JSONValue] = ["success", "failed", "skipped"]) throws -> JSONValue?
    {
        var state: JSONValue?
        for _ in 0..<400 {
            let states = try JSONValue(parsing: try program("tasks", "states", "detached", run, "-o", "json").output)
            if case .array(let rows) = states { state = rows.first?["state"] }
            if let state, wanted.contains(state) { break }
        }
        return state
    }

    /// Not one that has ended and only waits to be collected.
    private func isRunning(_ pid: Int32) -> Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else {
            return false  // because there is no such process
        }
        return !stat.contains(") Z ")
    }

    private func go(_ place: String) throws { try Data().write(to: URL(filePath: place + "/go")) }

    @Test("one goes on while the engine is killed, and is told of when it has ended")
    func killed() throws {
        defer { folder.remove() }
        let first = try engine()
        let (place, pid) = try begin("a", first)
        first.kill()
        #expect(isRunning(pid))
        try go(place)
        let second = try engine(2)
        defer { second.stop() }
        #expect(try state("a") == "success", "\(second.text)")
        let log = try program("tasks", "logs", "detached", "a", "long").output
        #expect(log.contains("begun as a") && log.contains("over"), "\(log)")
        #expect(log.matches(of: /the command is process/).count == 1, "\(log)")
    }

    @Test("its code ends the task as another command's does, and a cancel ends it")
    func ends() throws {
        defer { folder.remove() }
        let engine = try engine()
        defer { engine.stop() }
        for (run, code, wanted) in [("failed", 3, "failed"), ("skipped", 99, "skipped")] {
            let (place, _) = try begin(run, code: code, engine)
            try go(place)
            #expect(try state(run) == .string(wanted), "\(engine.text)")
        }
        let log = try program("tasks", "logs", "detached", "failed", "long").output
        #expect(log.contains("exited with code 3: over"), "\(log)")
        let (_, pid) = try begin("cancelled", engine)
        #expect(try program("runs", "cancel", "detached", "cancelled").code == 0)
        #expect(try state("cancelled") != nil, "\(engine.text)")
        #expect(!isRunning(pid), "\(engine.text)")
    }
}
