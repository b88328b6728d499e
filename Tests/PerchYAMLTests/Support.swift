// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Testing

@testable import PerchYAML

/// What a text comes to.
struct Read {
    let file: DAGFile

    init(_ text: String) { file = DAGFile(text, file: "a.yaml") }

    /// `line:column message` of everything that is wrong.
    var problems: [String] { file.problems.map { "\($0.line):\($0.column ?? 0) \($0.message)" } }

    /// The one DAG.
    func dag(_ location: SourceLocation = #_sourceLocation) throws -> DAGDefinition {
        #expect(problems == [], sourceLocation: location)
        return try #require(file.dags.first?.definition, sourceLocation: location)
    }

    /// A task of the one DAG.
    func task(_ id: String, _ location: SourceLocation = #_sourceLocation) throws -> TaskDefinition {
        try #require(try dag(location).tasks.first { $0.taskID == id }, sourceLocation: location)
    }

    /// A DAG with these tasks, written from the left edge.
    static func tasks(_ text: String) -> Read {
        Read("id: d\ntasks:\n" + text)
    }

    /// A DAG with one sensor on the third line.
    static func sensor(_ text: String) -> Read { tasks("- {id: s, sensor: {\(text)}}\n") }

    /// The stored form of its wait.
    func trigger(_ location: SourceLocation = #_sourceLocation) throws -> TriggerSpec {
        guard case .sensor(let sensor) = try task("s", location).kind else { throw PerchError(.invalid, "no sensor") }
        return sensor.trigger
    }
}

/// Of code that neither waits nor journals anything.
struct NoRuntime: AttemptRuntime {
    let facts = AttemptFacts(
        dagID: "d", runID: "r", taskID: "t", logicalDate: Timestamp(microseconds: 0),
        dataIntervalStart: Timestamp(microseconds: 0), dataIntervalEnd: Timestamp(microseconds: 0))
    var now: Timestamp { facts.logicalDate }

    func step(
        _ name: String, scope: [String], keepAcrossRetries: Bool, body: @Sendable () async throws -> String
    ) async throws -> String { try await body() }
    func wait(_ name: String, scope: [String], for trigger: TriggerSpec, timeout: TimeSpan?) async throws -> WaitResult
    { throw Suspension(key: name) }
    func log(_ level: AttemptLogLevel, _ message: String) {}
    func randomBits() -> UInt64 { 0 }
    func onKill(_ handler: @escaping @Sendable () async throws -> Void) {}
}

/// The folder of the examples.
let examples = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../examples/yaml").path

/// The texts of the examples, by their names.
func exampleTexts() throws -> [String: String] {
    let names = try FileManager.default.contentsOfDirectory(atPath: examples).filter { $0.hasSuffix(".yaml") }
    return try Dictionary(
        uniqueKeysWithValues: names.map { ($0, try String(contentsOfFile: "\(examples)/\($0)", encoding: .utf8)) })
}
