// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

/// What is measured means something only on a quiet machine; here it matters that it is.
@Suite("perch-bench", .serialized, .timeLimit(.minutes(10)))
struct BenchProgramTests {
    private let bench = Program("perch-bench")
    private let folder: Folder

    init() throws {
        folder = try Folder()
        // A server runs as a user of its own.
        chmod(folder.path, 0o755)
    }

    /// Runs it on a thread that belongs to nobody else.
    private func run(_ arguments: [String]) async throws -> Program.Outcome {
        let answer: Result<Program.Outcome, any Error> = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(returning: Result { try bench.run(arguments + ["--directory", folder.path]) })
            }
        }
        return try answer.get()
    }

    private static let grounds: [String?] = PostgresCluster.programs == nil ? [nil] : [nil, "postgresql"]

    @Test("Cases give a line of JSON for each figure, and leave nothing", arguments: grounds)
    func lines(metastore: String?) async throws {
        defer { folder.remove() }
        let outcome = try await run(
            ["run", "tasks", "claim-latency", "defer", "--size", "8"] + (metastore.map { ["--metastore", $0] } ?? []))
        #expect(outcome.code == 0, "\(outcome.errors)")
        let lines = try outcome.lines.map { try JSONValue(parsing: $0) }
        let figures = lines.map { "\($0["case"]?.text ?? "") \($0["metric"]?.text ?? "")" }
        #expect(
            figures == [
                #""claim-latency" "p50""#, #""claim-latency" "p99""#, #""claim-latency" "ran_p50""#,
                #""claim-latency" "ran_p99""#, #""defer" "rate""#, #""defer" "fire_rate""#, #""defer" "defer_e2e""#,
                #""tasks" "rate""#, #""tasks" "resident""#,
            ])
        #expect(lines.allSatisfy { $0["metastore"] == .string(metastore ?? "sqlite") })
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
    }

    @Test("A task is handed over beside two hundred that are in flight") func handover() async throws {
        defer { folder.remove() }
        let outcome = try await run(["run", "handover", "--size", "5"])
        #expect(outcome.code == 0, "\(outcome.errors)")
        let lines = try outcome.lines.map { try JSONValue(parsing: $0) }
        #expect(lines.map { $0["metric"] } == ["p50", "p99"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
    }

    @Test("A triggerer's waits are adopted, and no event is lost on them", arguments: grounds)
    func adoption(metastore: String?) async throws {
        defer { folder.remove() }
        let outcome = try await run(
            ["run", "adoption", "--size", "300"] + (metastore.map { ["--metastore", $0] } ?? []))
        #expect(outcome.code == 0, "\(outcome.errors)")
        let lines = try outcome.lines.map { try JSONValue(parsing: $0) }
        #expect(lines.map { $0["metric"] } == ["after_kill", "after_lease", "fired"].map { .string($0) })
        #expect(lines.last?["value"] == .integer(100))
    }

    @Test(
        "On a server that is named each case has a database of its own, and loses it again",
        .enabled(if: PostgresCluster.programs != nil))
    func namedServer() async throws {
        defer { folder.remove() }
        let cluster = try PostgresCluster(trusting: true, connections: 60)
        let url = "postgresql://perch@127.0.0.1:\(cluster.port)/postgres?connect_timeout=5"
        let outcome = try await run(["run", "scaling", "--size", "8", "--metastore", url])
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.lines.count == 6)
        #expect(try cluster.select("SELECT COUNT(*) FROM pg_database WHERE datname LIKE 'perch_bench%'") == "0")
    }

    @Test(
        "What cannot be measured is told in a line",
        arguments: [
            (["nothing"], 64, "there is no case 'nothing'"),
            (["idle", "--size", "0"], 64, "--size is 0"),
            (["idle", "--metastore", "mysql://host/db"], 64, "--metastore is 'postgresql'"),
            (["idle", "--metastore", "postgresql://anna:secret@host/db"], 64, "PGPASSWORD"),
            (["idle", "--metastore", "postgresql://host:0/db"], 64, "cannot be read"),
            (["idle", "--metastore", "postgresql://anna@127.0.0.1:1/db"], 1, "127.0.0.1"),
        ] as [([String], Int32, String)])
    func refusals(arguments: [String], code: Int32, words: String) async throws {
        defer { folder.remove() }
        let outcome = try await run(["run"] + arguments)
        #expect(outcome.code == code)
        #expect(outcome.errors.contains(words) && !outcome.errors.contains("secret"), "\(outcome.errors)")
        #expect(outcome.output == "")
    }
}
