// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Synchronization
import Testing

@testable import PerchBundle

/// Fills its fields in, the last one after a wait.
private struct Caller: Operator {
    var first = "{{ ds }} {{ conn.perch_test_a.host }}:{{ conn.perch_test_a.password | upper }}"
    var plain = "as it is"
    var token = "{{ ds }}"
    var last = "{{ ds_nodash }} {{ var.value.perch_test_region }}"
    var waits = false

    var templateFields: [TemplateField] {
        [
            TemplateField("first", first), TemplateField("plain", plain), TemplateField("headers.Token", token),
            TemplateField("last", last),
        ]
    }

    func execute(_ context: TaskContext) async throws -> String {
        let start = try await context.render(first)
        _ = try await context.render(token)
        if waits { try await context.sleep(for: .seconds(1)) }
        return start + (try await context.render(last))
    }
}

@Suite("A bundle says what the templates of a task became")
struct RenderedFieldsTests {
    private let executor = PatientExecutor()
    private let paper = Paper()

    private func host(_ code: Caller, sources: (@Sendable ([DAG]) -> [BundleSource])? = nil) -> DispatchHost {
        DispatchHost(
            dags: [DAG("d") { dag in dag.add("t", code) }], bundleVersion: "v1", pid: 77, clock: FixedClock(),
            executor: executor, outbox: paper, generator: { 4 }, sources: sources)
    }

    private func tell(_ host: DispatchHost, _ messages: EngineMessage...) -> [BundleMessage] {
        for message in messages { host.handle(message) }
        executor.runAll()
        return paper.take()
    }

    private let order = EngineMessage.run(
        RunOrder(
            dispatchID: 1, taskInstanceID: 1, taskIndex: 0,
            facts: AttemptFacts(
                dagID: "d", runID: "r", taskID: "t", logicalDate: FixedClock().now,
                dataIntervalStart: FixedClock().now, dataIntervalEnd: FixedClock().now)))

    private func answer(_ number: Int64, _ found: FoundSecret) -> EngineMessage {
        .lookedUp(LookUpAnswer(dispatchID: 1, number: number, outcome: .found(found)))
    }

    private let connection = FoundSecret.connection(Connection(type: "a", host: "db.internal", password: "hunter2"))

    @Test("once all are filled in, before the code goes on, with stars for whatever is secret or a connection's")
    func all() {
        let host = host(Caller())
        _ = tell(host, .hello(protocolVersion: 6), order)
        _ = tell(host, answer(1, connection))
        let said = tell(host, answer(2, .variable(Variable("eu"))))
        #expect(
            said.first
                == .rendered(
                    dispatchID: 1,
                    [
                        RenderedField("first", "2026-01-01 ***:***"), RenderedField("plain", "as it is"),
                        RenderedField("headers.Token", "***"), RenderedField("last", "20260101 eu"),
                    ]), "\(said)")
        #expect(
            said.last
                == .result(dispatchID: 1, .success(output: "\"2026-01-01 db.internal:HUNTER220260101 eu\"", items: nil))
        )
        #expect(said.count == 2)
    }

    @Test("where the code waits or fails before, what there is") func some() {
        let host = host(Caller(waits: true))
        _ = tell(host, .hello(protocolVersion: 6), order)
        let said = tell(host, answer(1, connection))
        guard case .rendered(1, let fields)? = said.first, case .deferred? = said.last else {
            Issue.record("\(said)")
            return
        }
        #expect(fields.map(\.name) == ["first", "plain", "headers.Token"])
    }

    @Test("of a secret variable nothing is said, whatever is made of it") func secretVariable() {
        let host = host(
            Caller(
                first: "{{ ds }}",
                last:
                    "{{ var.value.perch_test_region | reverse }}{{ 1 if var.value.perch_test_region == 'k3y-of-all' else 2 }}"
            ))
        _ = tell(host, .hello(protocolVersion: 6), order)
        let said = tell(host, answer(1, .variable(Variable("k3y-of-all", isSecret: true))))
        guard case .rendered(1, let fields)? = said.first(where: { if case .rendered = $0 { true } else { false } })
        else {
            // A filter that there is not fails the try, and nothing is said of that field.
            return
        }
        for field in fields { #expect(!field.text.contains("lla-fo") && !field.text.contains("k3y"), "\(field)") }
        #expect(fields.last?.text != "1")
    }

    @Test("an engine that does not know of it is told nothing") func older() {
        let host = host(Caller(), sources: { _ in [BundleSource(path: "a", text: "b", dagIDs: ["d"])] })
        let described = tell(host, .hello(protocolVersion: 5), .describe)
        #expect(!described.contains { if case .source = $0 { true } else { false } })
        _ = tell(host, order)
        _ = tell(host, answer(1, connection))
        let said = tell(host, answer(2, .variable(Variable("eu"))))
        #expect(said.count == 1, "\(said)")
    }

    @Test("what is too long is cut and says so, between two characters, and so is what is too much together")
    func bounds() {
        let long = String(repeating: "ä", count: RenderedField.longest)
        let kept = [RenderedField("a", "x" + long), RenderedField("b", "1\02")].bounded
        #expect(kept[0].text.utf8.count < RenderedField.longest + 40 && kept[0].text.hasSuffix(" bytes more)"))
        #expect(kept[0].text.hasPrefix("xää") && !kept[0].text.contains("\u{FFFD}"))
        #expect(kept[1].text == "1\u{FFFD}2")
        let many = (0..<300).map { RenderedField("f\($0)", String(repeating: "y", count: 4_096)) }.bounded
        #expect(many.count == RenderedField.most + 1 && many.last?.text.contains("100 fields more") == true)
        #expect(many.reduce(0) { $0 + $1.text.utf8.count } < RenderedField.longestTogether + 200 * 40)
        #expect([RenderedField("api_key", "1"), RenderedField("PASSWORD", "")].bounded.map(\.text) == ["***", ""])
    }

    @Test("what a bundle in another language says is masked by the engine") func masked() {
        let mask = SecretMask()
        mask.add(["hunter2"])
        #expect(
            BundleMessage.rendered(dispatchID: 1, [RenderedField("a", "x hunter2")]).masked(by: mask)
                == .rendered(dispatchID: 1, [RenderedField("a", "x ***")]))
        let source = BundleSource(path: "hunter2.py", text: "p = 'hunter2'", dagIDs: ["d"])
        #expect(
            BundleMessage.source(source).masked(by: mask)
                == .source(BundleSource(path: "hunter2.py", text: "p = '***'", dagIDs: ["d"])))
    }

    @Test("the texts of the files go before the description, each with its DAGs") func sources() {
        let source = BundleSource(path: "a.yaml", text: "id: d\n", dagIDs: ["d"])
        let said = tell(host(Caller(), sources: { _ in [source] }), .hello(protocolVersion: 6), .describe)
        #expect(said.count == 3 && said[1] == .source(source), "\(said)")
        guard case .described = said[2] else { return #expect(Bool(false), "\(said)") }
    }

    @Test("a file of Swift is found by its path in the package, a file of YAML has the text that was read")
    func files() throws {
        let dags = [DAG("here") { _ in }, DAG("gone", path: "/nowhere/a.swift") { _ in }, DAG("again") { _ in }]
        var yaml = DAG("yaml", path: "") { _ in }
        yaml.source = .text("id: yaml\n", file: "team/yaml.yaml")
        let found = SourceFiles.sources(of: dags + [yaml])
        #expect(found.map(\.path) == ["Tests/PerchBundleTests/RenderedFieldsTests.swift", "team/yaml.yaml"])
        #expect(found.map(\.dagIDs) == [["here", "again"], ["yaml"]])
        #expect(found[0].text.contains("a file of Swift is found by its path in the package"))
        #expect(found[1].text == "id: yaml\n")
    }

    @Test("a file that has changed since the executable was built is left out, and one that is too long is cut")
    func changed() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "perch-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }  // because only the test's own files are in it
        let file = folder.appending(path: "a.swift")
        try String(repeating: "// line\n", count: 100_000).write(to: file, atomically: true, encoding: .utf8)
        let dag = DAG("a", path: file.path) { _ in }
        #expect(SourceFiles.sources(of: [dag]).isEmpty)
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: file.path)
        let found = SourceFiles.sources(of: [dag])
        #expect(found.map(\.path) == ["a.swift"])
        let text = found.first?.text ?? ""
        #expect(text.hasSuffix(" bytes more)") && text.utf8.count < BundleSource.longest + 40)
    }
}
