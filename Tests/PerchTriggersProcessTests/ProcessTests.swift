// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import PerchTriggersTestSupport
import Testing

@testable import PerchTriggersProcess

@Suite(.timeLimit(.minutes(1)))
struct ProcessTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "perch-process-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func wait(_ id: Int64, _ process: DetachedProcess) throws -> ArmedWait {
        let spec = try TriggerSpec(ProcessTrigger(process))
        return ArmedWait(
            waitID: id, kind: spec.kind, target: spec.target, definition: spec.definition,
            since: Timestamp(microseconds: 0))
    }

    private func bench() async throws -> SourceBench<ProcessSource> {
        try await SourceBench { loop, report in ProcessSource(loop: loop, report: report) }
    }

    private func end(_ bench: SourceBench<ProcessSource>, _ id: Int64) throws -> ProcessEnd {
        try #require(bench.payload(of: id)).decode(ProcessEnd.self)
    }

    /// A program that ends with a code when `go` has a writer.
    private func gated(_ code: Int, key: String) throws -> DetachedProcess {
        mkfifo("\(folder)/go", 0o600)
        return try DetachedProcess.start("/bin/sh", ["-c", "read x < go; exit \(code)"], in: folder, key: key)
    }

    @Test("The end of a running process fires all its waiters over one descriptor, with its exit code")
    func exitCode() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a leftover folder harms nobody
        let job = try gated(7, key: "k")
        defer { job.terminate(signal: SIGKILL) }
        let bench = try await bench()
        defer { bench.end() }
        try await bench.add([wait(1, job), wait(2, job)])
        #expect(bench.fired.isEmpty)
        #expect(try await bench.on { source, _ in source.gauges.map(\.value) } == [2, 1])
        try Data("x\n".utf8).write(to: URL(fileURLWithPath: "\(folder)/go"))
        try await bench.untilFired(2)
        #expect(try end(bench, 1).exitCode == 7)
        #expect(try end(bench, 2).endedAt != nil)
        #expect(try await bench.on { source, _ in source.gauges.map(\.value) } == [0, 0])
    }

    @Test("A wait whose parts were templates is for the process that they became; what is no number ends it")
    func templates() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a leftover folder harms nobody
        let job = try gated(3, key: "k")
        defer { job.terminate(signal: SIGKILL) }
        let bench = try await bench()
        defer { bench.end() }
        func wait(_ id: Int64, pid: String) throws -> ArmedWait {
            let spec = try TriggerSpec(
                ProcessTemplate(
                    ProcessTemplate.Parts(
                        pid: "{{ params.pid }}", startTime: "{{ params.start }}", bootID: job.bootID, host: job.host,
                        records: job.records)))
            #expect(spec.target == "{{ params.pid }}:{{ params.start }}:\(job.bootID)")
            let text = spec.definition.text.replacing("{{ params.pid }}", with: pid)
                .replacing("{{ params.start }}", with: "\(job.startTime)")
            return ArmedWait(
                waitID: id, kind: spec.kind, target: ProcessTrigger(job).target,
                definition: try JSONValue(parsing: text),
                since: Timestamp(microseconds: 0))
        }
        try await bench.add([wait(1, pid: "\(job.pid)"), wait(2, pid: "nobody"), wait(3, pid: "-3")])
        let broken = bench.reports.compactMap { report -> String? in
            if case .broken(let waitID, let message) = report { "\(waitID) \(message)" } else { nil }
        }
        #expect(broken.count == 2)
        #expect(broken.first?.hasPrefix("2 ") == true && broken.first?.contains("is no number: 'nobody'") == true)
        #expect(broken.last?.contains("'pid' of the process is no number: '-3'") == true)
        try Data("x\n".utf8).write(to: URL(fileURLWithPath: "\(folder)/go"))
        try await bench.untilFired(1)
        #expect(try end(bench, 1).exitCode == 3)
    }

    @Test("The same key gives the same process, running and ended; another key another one")
    func idempotence() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a leftover folder harms nobody
        let job = try gated(0, key: "k")
        defer { job.terminate(signal: SIGKILL) }
        #expect(try gated(0, key: "k") == job)
        #expect(getsid(job.pid) == job.pid)
        let other = try DetachedProcess.start("/bin/true", in: folder, key: "l")
        #expect(other.pid != job.pid)
        let bench = try await bench()
        defer { bench.end() }
        try await bench.add([wait(1, other)])
        try await bench.untilFired(1)
        #expect(try DetachedProcess.start("/bin/true", in: folder, key: "l") == other)
    }

    @Test("Starts of one key at the same time give one process, in a session of its own and without a bundle's mark")
    func contention() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a leftover folder harms nobody
        setenv("PERCH_BUNDLE_MARK", "/some/home", 1)
        defer { unsetenv("PERCH_BUNDLE_MARK") }
        let folder = folder
        let jobs = try await withThrowingTaskGroup(of: DetachedProcess.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    try DetachedProcess.start(
                        "/bin/sh", ["-c", "echo one >> runs; echo mark $PERCH_BUNDLE_MARK"], in: folder, key: "k")
                }
            }
            return try await group.reduce(into: Set<DetachedProcess>()) { $0.insert($1) }
        }
        #expect(jobs.count == 1)
        let job = try #require(jobs.first)
        let bench = try await bench()
        defer { bench.end() }
        try await bench.add([wait(1, job)])
        try await bench.untilFired(1)
        #expect(try end(bench, 1).exitCode == 0)
        #expect(try String(contentsOfFile: "\(folder)/runs", encoding: .utf8) == "one\n")
        #expect(try String(contentsOfFile: #require(job.output), encoding: .utf8) == "mark\n")
    }

    @Test("terminate() ends the program, and the signal is told", arguments: [SIGTERM, SIGKILL])
    func termination(signal: Int32) async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a leftover folder harms nobody
        for name in ["up", "go"] { mkfifo("\(folder)/\(name)", 0o600) }
        let job = try DetachedProcess.start("/bin/sh", ["-c", "echo up > up; read x < go"], in: folder, key: "k")
        defer { job.terminate(signal: SIGKILL) }
        let up = try #require(FileHandle(forReadingAtPath: "\(folder)/up"))
        #expect(try up.readToEnd() == Data("up\n".utf8))
        let bench = try await bench()
        defer { bench.end() }
        try await bench.add([wait(1, job)])
        job.terminate(signal: signal)
        try await bench.untilFired(1)
        // With SIGKILL the supervisor is killed too, so nobody wrote the end down; it was seen all the same.
        #expect(try end(bench, 1).signal == (signal == SIGTERM ? SIGTERM : nil))
        #expect(try end(bench, 1).endedAt != nil)
    }

    @Test("A process that ended before the wait is told from the file; without a whole file its end is unknown")
    func endedBefore() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a leftover folder harms nobody
        func gone(_ records: String) -> DetachedProcess {
            DetachedProcess(
                pid: getpid(), startTime: 1, bootID: DetachedProcess.thisBoot ?? "",
                host: DetachedProcess.thisHost ?? "", records: records)
        }
        for (name, text) in [("a", "3 1000000\n"), ("b", "3 10"), ("c", "143 1000000\n")] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)/end"))
        }
        let bench = try await bench()
        defer { bench.end() }
        // The id is in use, by this very process: the start time tells that it is another one.
        try await bench.add([
            wait(1, gone("\(folder)/a")), wait(2, gone("\(folder)/b")), wait(3, gone("\(folder)/c")),
            wait(4, gone("\(folder)/d")),
        ])
        try await bench.untilFired(4)
        #expect(try end(bench, 1) == ProcessEnd(exitCode: 3, endedAt: Timestamp(microseconds: 1_000)))
        #expect(try end(bench, 2) == ProcessEnd())
        #expect(try end(bench, 3).signal == 15)
        #expect(try end(bench, 4).isUnknown)
    }

    @Test("A process of another machine is waited for, and the explanation says why nothing is seen")
    func otherMachine() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a leftover folder harms nobody
        let bench = try await bench()
        defer { bench.end() }
        try await bench.add([
            wait(1, DetachedProcess(pid: 1, startTime: 1, bootID: "b", host: "elsewhere", records: nil))
        ])
        #expect(bench.fired.isEmpty)
        let sentences = try await bench.on { source, _ in source.explain(1)?.sentences ?? [] }
        #expect(sentences.contains { $0.hasPrefix("It runs on elsewhere") })
    }
}
