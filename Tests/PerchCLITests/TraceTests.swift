// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

/// A span as a collector got it.
private struct Span {
    var name: String
    var trace: String
    var id: String
    var parent: String?
    var start: Int64
    var end: Int64
    var attributes: [String: JSONValue]
    var hasFailed: Bool

    init(_ json: JSONValue) {
        func text(_ name: String) -> String? { if case .string(let text)? = json[name] { text } else { nil } }
        name = text("name") ?? ""
        trace = text("traceId") ?? ""
        id = text("spanId") ?? ""
        parent = text("parentSpanId")
        start = text("startTimeUnixNano").flatMap { Int64($0) } ?? -1
        end = text("endTimeUnixNano").flatMap { Int64($0) } ?? -1
        attributes = [:]
        for pair in json["attributes"]?.list ?? [] {
            guard case .string(let key)? = pair["key"], let value = pair["value"] else { continue }
            attributes[key] = value["stringValue"] ?? value["intValue"]
        }
        hasFailed = json["status"]?["code"] == .integer(2)
    }
}

private final class TracedPlace {
    let folder: Folder
    let home: String
    let collector: HTTPCollector
    let job: HTTPCollector
    var program: Program
    private var started = 0

    init(_ environment: [String: String] = [:]) throws {
        folder = try Folder()
        home = folder.path + "/home"
        collector = try HTTPCollector()
        job = try HTTPCollector()
        job.answer(404)
        program = Program(
            "trial-bundle",
            environment: [
                "PERCH_HOME": home, "PERCH__API__LISTEN": "127.0.0.1:0",
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url(), "OTEL_SERVICE_NAME": "orders",
                "OTEL_EXPORTER_OTLP_HEADERS": "x-key=s%65cret",
            ].merging(environment) { $1 })
    }

    func start() throws -> RunningEngine {
        started += 1
        return try RunningEngine(program, home: home, log: "\(folder.path)/log-\(started)")
    }

    private func client(_ engine: RunningEngine) throws -> WebClient {
        let line = try #require(engine.text.split(separator: "\n").first { $0.hasPrefix("api: http://") })
        return try WebClient(port: try #require(line.split(separator: ":").last.flatMap { Int($0) }))
    }

    /// What a task has given, as the API tells it.
    func output(_ engine: RunningEngine, _ run: String, _ task: String) async throws -> String {
        let path = "dags/traced/dagRuns/\(run)/taskInstances/\(task)/xcomEntries/return_value"
        return try await client(engine).request("GET /api/v2/\(path)")?.body ?? ""
    }

    func trigger(_ engine: RunningEngine, _ run: String, _ fields: [String: String] = [:]) async throws {
        let answer = try await client(engine).request(
            "POST /api/v2/dags/traced/dagRuns", fields.merging(["Content-Type": "application/json"]) { $1 },
            #"{"dag_run_id": "\#(run)", "conf": {"url": "\#(job.url("/job?key=hidden"))"}}"#)
        #expect(answer?.status == 201, "\(String(describing: answer))")
    }

    /// Looks again and again until something holds.
    func until(_ what: String, _ holds: () throws -> Bool) throws {
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            if try holds() { return }
            usleep(10_000)  // because another process changes it, of which nobody tells this one
        }
        Issue.record("never: \(what)")
    }

    func state(_ run: String) throws -> String { try program("runs", "details", "traced", run, "-o", "json").output }

    /// Every span that has come, in order.
    var spans: [Span] {
        collector.requests.flatMap { request -> [Span] in
            guard let json = try? JSONValue(parsing: request.body) else {  // because it is told in the next line
                Issue.record("no JSON: \(request.body)")
                return []
            }
            return json["resourceSpans"]?.list.flatMap { $0["scopeSpans"]?.list ?? [] }
                .flatMap { $0["spans"]?.list ?? [] }.map { Span($0) } ?? []
        }
    }
}

@Suite("Traces", .timeLimit(.minutes(3)))
struct TraceTests {
    private static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("the spans of a run are one tree under whoever has started it, across a wait in which the engine is killed")
    func tree() async throws {
        let place = try TracedPlace()
        defer { place.folder.remove() }
        var engine = try place.start()
        try await place.trigger(engine, "first", ["traceparent": Self.parent])
        try place.until("it is probed") { !place.job.requests.isEmpty }
        engine.kill()
        engine = try place.start()
        place.job.answer(200)
        try place.until("it has ended") { try place.state("first").contains("success") }
        try place.until("all spans are there") { place.spans.contains { $0.name == "run traced" } }
        let output = try place.program("tasks", "logs", "traced", "first", "shell").output
        let given = try await place.output(engine, "first", "work")
        #expect(engine.stop() == 0, "\(engine.text)")

        // The bundle has a DAG that goes by the minute, too.
        let spans = place.spans.filter { $0.attributes["perch.dag_id"] == "traced" }
        func one(_ name: String) throws -> Span {
            let found = spans.filter { $0.name == name }
            #expect(Set(found.map(\.id)).count == 1, "\(name): \(spans.map(\.name))")
            return try #require(found.first)
        }
        let run = try one("run traced")
        let work = try one("task traced.work")
        let (first, wait, second) = (try one("step first#0"), try one("wait http"), try one("step second#0"))
        let shell = try one("task traced.shell")
        #expect(run.parent == "00f067aa0ba902b7" && work.parent == run.id && shell.parent == run.id)
        for span in [first, wait, second] { #expect(span.parent == work.id, "\(span)") }
        for span in spans {
            #expect(span.trace == "4bf92f3577b34da6a3ce929d0e0e4736" && span.start <= span.end && span.start > 0)
            #expect(span.attributes["perch.run_id"] == "first" && !span.hasFailed, "\(span)")
        }
        #expect(run.start <= work.start && work.start <= first.start && first.end <= wait.start)
        #expect(wait.end <= second.start && second.end <= work.end && work.end <= run.end)
        #expect(wait.attributes["perch.wait.kind"] == "http" && wait.attributes["perch.wait.outcome"] == "event")
        #expect(wait.attributes["perch.wait.target"] == .string(place.job.url("/job")))
        #expect(run.attributes["perch.state"] == "success" && work.attributes["perch.try_number"] == "1")

        // Code, commands and who is probed go on under the same spans, before and after.
        #expect(given.components(separatedBy: "00-\(run.trace)-\(work.id)-01").count == 3, "\(given)")
        #expect(output.contains("in 00-\(run.trace)-\(shell.id)-01"), "\(output)")
        for request in place.job.requests {
            #expect(request.head.contains("traceparent: 00-\(run.trace)-\(wait.id)-01"), "\(request.head)")
        }
        #expect(place.collector.requests.allSatisfy { $0.head.hasPrefix("POST /v1/traces HTTP/1.1") })
        #expect(place.collector.requests.allSatisfy { $0.head.contains("x-key: secret") })
        let all = place.collector.requests.map(\.body).joined()
        #expect(all.contains(#"{"key":"service.name","value":{"stringValue":"orders"}}"#), "\(all.prefix(500))")
        #expect(!all.contains("hidden") && !engine.text.contains("secret"))
    }

    @Test("a collector that refuses, hangs or is away holds nothing up: spans are counted and dropped, said once")
    func away() async throws {
        let place = try TracedPlace()
        defer { place.folder.remove() }
        place.job.answer(200)
        place.collector.answer(500)
        let engine = try place.start()
        for number in 0..<5 { try await place.trigger(engine, "r\(number)") }
        try place.until("they have ended") {
            try place.program("runs", "list", "traced", "-o", "json").output.components(
                separatedBy: #""success""#
            ).count == 6
        }
        place.collector.answer(200)
        place.collector.beSilent()
        for number in 5..<8 { try await place.trigger(engine, "r\(number)") }
        let began = ContinuousClock.now
        try place.until("they have ended, too") {
            try place.program("runs", "list", "traced", "-o", "json").output.components(
                separatedBy: #""success""#
            ).count == 9
        }
        #expect(ContinuousClock.now - began < .seconds(20))
        let metrics = try place.program("metrics").output
        #expect(metrics.contains(#"perch_spans_total{result="failed"}"#), "\(metrics)")
        let complaints = engine.text.components(separatedBy: "spans are dropped").count - 1
        #expect(complaints == 1, "\(engine.text)")
        // After a failure it is left alone for a while: no storm of tries.
        #expect(place.collector.requests.count < 20, "\(place.collector.requests.count)")
        #expect(engine.stop() == 0, "\(engine.text)")
    }

    @Test("without a collector nothing is told: code has the trace of whoever has started its run, and none of its own")
    func off() async throws {
        let place = try TracedPlace(["OTEL_SDK_DISABLED": "true"])
        defer { place.folder.remove() }
        place.job.answer(200)
        let engine = try place.start()
        try await place.trigger(engine, "within", ["traceparent": Self.parent])
        try await place.trigger(engine, "alone", ["traceparent": "nonsense"])
        for run in ["within", "alone"] {
            try place.until("\(run) has ended") { try place.state(run).contains("success") }
        }
        #expect(try place.program("tasks", "logs", "traced", "within", "shell").output.contains("in \(Self.parent)"))
        #expect(!(try place.program("tasks", "logs", "traced", "alone", "shell").output.contains("in 00-")))
        #expect(place.job.requests.contains { $0.head.contains("traceparent: \(Self.parent)") })
        #expect(place.collector.requests.isEmpty)
        #expect(engine.stop() == 0, "\(engine.text)")
    }

    @Test("settings go before the variables of OpenTelemetry, and those have their own order")
    func settings() throws {
        func settings(_ flags: [String], _ environment: [String: String]) throws -> TraceSettings? {
            let configuration = try Configuration(flags: flags, environment: [:], file: nil, path: "x")
            return TraceSettings(configuration, role: "worker", environment: environment)
        }
        #expect(try settings([], [:]) == nil)
        let base = "OTEL_EXPORTER_OTLP_ENDPOINT"
        #expect(try settings([], [base: "http://c:4318/"])?.url == "http://c:4318/v1/traces")
        let whole = try settings([], [base: "http://c", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"])
        #expect(whole?.url == "http://t/x")
        #expect(try settings([], [base: "http://c", "OTEL_TRACES_EXPORTER": "none"]) == nil)
        let own = try #require(
            try settings(
                ["traces.endpoint=http://own:1", "traces.service_name=mine"],
                [base: "http://c", "OTEL_SERVICE_NAME": "theirs", "OTEL_SDK_DISABLED": "true"]))
        #expect(own.url == "http://own:1/v1/traces")
        #expect(own.resource.first { $0.name == "service.name" }?.value == "mine")
        #expect(TraceSettings.pairs("a=b%20c, d = e,broken,=x,f=%zz") == ["a": "b c", "d": "e", "f": "%zz"])
        for wrong in ["", "c:4318", "ftp://c", "http://", "http://c d"] {
            #expect(throws: PerchError.self) { try settings(["traces.endpoint=\(wrong)"], [:]) }
        }
        #expect(SpanText.shown("https://anna:pw@example.org/a?token=x#y") == "https://example.org/a")
        #expect(SpanText.shown("POST https://example.org/a?token=x") == "POST https://example.org/a")
        #expect(SpanText.shown("/in/{{ ds }}.csv") == "/in/{{ ds }}.csv")
    }
}
