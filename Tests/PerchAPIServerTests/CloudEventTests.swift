// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer
@testable import PerchMetastore

@Suite("CloudEvents", .timeLimit(.minutes(1)))
struct CloudEventTests {
    private let structured = ["Content-Type": "application/cloudevents+json; charset=utf-8"]
    private let batch = ["Content-Type": "application/cloudevents-batch+json"]
    private let head = [
        "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/orders", "ce-type": "paid", "ce-subject": "47%2011",
        "Content-Type": "application/json",
    ]

    private func document(_ more: [String: JSONValue] = [:]) -> JSONValue {
        let members: [String: JSONValue] = ["specversion": "1.0", "id": "1", "source": "/orders", "type": "paid"]
        return .object(members.merging(more) { $1 }.filter { $0.value != .null })
    }

    @Test("Both modes make the same event, at both places, and sent twice it is one")
    func modes() async throws {
        let bench = try await APIBench()
        let whole = document(["subject": "47 11", "data": ["total": 9]]).text
        for (path, fields, body, isDuplicate) in [
            ("/events/orders", structured, whole, false), ("/api/v2/events/orders", head, #"{"total":9}"#, true),
            ("/api/v2/events/orders", structured, whole, true), ("/events", structured, whole, false),
            ("/events", batch, "[\(whole)]", true),
        ] {
            let answer = try await bench.send("POST \(path)", fields, body)
            #expect(answer.status == 202 && answer.json["duplicate"] == .bool(isDuplicate), "\(path) \(answer)")
            #expect(answer.json["id"] == "/orders 1")
        }
        let events = try await bench.events()
        #expect(events.map(\.name) == ["orders", "paid"] && events.map(\.key) == ["47 11", "47 11"])
        #expect(events.map(\.payload) == [["total": 9], ["total": 9]])
        try await bench.end()
    }

    @Test("The same id of another source is another event; a key in the query goes before the subject")
    func identity() async throws {
        let bench = try await APIBench()
        for source in ["/a", "/b", "/a b"] {
            let answer = try await bench.send(
                "POST /events/x?key=k", structured, document(["source": .string(source), "subject": "s"]).text)
            #expect(answer.status == (source == "/a b" ? 400 : 202), "\(answer)")
        }
        let long = document(["source": .string("/" + String(repeating: "x", count: 600))])
        for isDuplicate in [false, true] {
            let answer = try await bench.send("POST /events/x", structured, long.text)
            #expect(answer.status == 202 && answer.json["duplicate"] == .bool(isDuplicate), "\(answer)")
        }
        #expect(try await bench.events().map(\.key) == ["k", "k", nil])
        try await bench.end()
    }

    @Test("With envelope=true the payload is the event with its attributes; data in base64 stays a text")
    func envelope() async throws {
        let bench = try await APIBench()
        let event = document(["time": "2026-01-01T00:00:00Z", "traceid": "t", "data_base64": "AQID"])
        #expect(try await bench.send("POST /events/x?envelope=true", structured, event.text).status == 202)
        #expect(try await bench.send("POST /events/y", structured, event.text).status == 202)
        #expect(
            try await bench.send("POST /events/z?envelope=true", head.filter { $0.key != "Content-Type" }).status == 202
        )
        let events = try await bench.events()
        #expect(events[0].payload["traceid"] == "t" && events[0].payload["data"] == "AQID")
        #expect(events[1].payload == "AQID")
        #expect(events[2].payload["subject"] == "47 11" && events[2].payload["data"] == .null)
        try await bench.end()
    }

    @Test("What is no CloudEvent is refused with what is wrong, and of a batch nothing is taken")
    func refused() async throws {
        let bench = try await APIBench()
        for (members, says) in [
            (["specversion": "0.3"], "specversion is '0.3'"), (["specversion": .null], "no specversion"),
            (["id": .null], "no id"), (["id": ""], "its id"), (["source": 7], "its source"),
            (["type": .null], "no type"),
            (["subject": ["a"]], "its subject"), (["time": "yesterday"], "its time"), (["Trace": "x"], "'Trace'"),
            (["trace": ["x"]], "its trace"), (["data": 1, "data_base64": "AQID"], "both"),
            (["data_base64": "A"], "base64"), (["data_base64": "AR=="], "base64"),
        ] as [([String: JSONValue], String)] {
            let event = document(members).text
            let answer = try await bench.send("POST /events/x", structured, event)
            #expect(answer.status == 400 && answer.body.contains(says), "\(event): \(answer)")
            let whole = try await bench.send("POST /events/x", batch, "[\(document().text),\(event)]")
            #expect(whole.status == 400 && whole.body.contains("event 2"), "\(whole)")
        }
        for (line, fields, body) in [
            ("POST /events/x", structured, "[]"), ("POST /events/x", structured, "{"),
            ("POST /events/x", batch, document().text), ("POST /events/x?id=7", structured, document().text),
            ("POST /events/x?envelope=yes", structured, document().text),
            ("POST /events/x", head.merging(["ce-source": "%zz"]) { $1 }, "1"),
            ("POST /events/x", head.filter { $0.key != "ce-id" }, "1"),
        ] {
            let answer = try await bench.send(line, fields, body)
            #expect(answer.status == 400 && answer.isError, "\(line) \(body): \(answer)")
        }
        #expect(try await bench.events().isEmpty)
        try await bench.end()
    }

    @Test("The trace in which an event was made goes before that of the request, and the run that it starts is in it")
    func traces() async throws {
        func parent(_ digit: Character) -> String {
            "00-\(String(repeating: digit, count: 32))-\(String(repeating: digit, count: 16))-01"
        }
        let bench = try await APIBench()
        var dag = DAGDefinition(
            dagID: "paid", tasks: [TaskDefinition(taskID: "t", kind: .code(operatorName: "closure"))])
        dag.schedule = .events(EventSchedule([EventPattern(name: "paid")]))
        dag.maxActiveRuns = 99
        let stored = dag
        try await bench.metastore.write { try $0.storeDAGs([stored], bundle: "default", bundleVersion: "1") }
        let sender = ["traceparent": parent("a")]
        func event(_ id: String, _ trace: String?) -> JSONValue {
            document(["id": .string(id), "traceparent": trace.map { .string($0) } ?? .null])
        }
        for (path, fields, body) in [
            ("/events/paid?id=plain", json.merging(sender) { $1 }, "1"),
            ("/events", structured.merging(sender) { $1 }, event("own", parent("b")).text),
            ("/events", structured, event("alone", parent("c")).text),
            ("/events", structured.merging(sender) { $1 }, event("nonsense", "00-x").text),
            (
                "/events", batch.merging(sender) { $1 },
                "[\(event("first", parent("d")).text),\(event("second", nil).text)]"
            ),
            ("/events", head.merging(["ce-id": "head", "ce-traceparent": parent("e")]) { $1 }, "1"),
            ("/events", structured, event("none", nil).text),
        ] {
            let answer = try await bench.send("POST \(path)", fields, body)
            #expect(answer.status == 202, "\(answer)")
        }
        let events = try await bench.events()
        let started = try await bench.metastore.write { transaction in
            try transaction.startRuns(
                events.map { EventStart(dagID: "paid", event: $0) }, by: try transaction.eventStartedDAGs(),
                from: try transaction.startCursor(), upTo: events.map(\.seq).max() ?? 0)
        }
        #expect(started == 8)
        let traces = try await bench.metastore.read {
            try $0.rows("SELECT traceparent FROM dag_run ORDER BY run_key") { $0.optionalText(0) }
        }
        #expect(
            traces == [parent("a"), parent("b"), parent("c"), parent("a"), parent("d"), parent("a"), parent("e"), nil])
        try await bench.end()
    }

    @Test("An empty batch is taken, and is nothing; one with too many events is not")
    func batches() async throws {
        let bench = try await APIBench { $0.batchLines = 2 }
        let none = try await bench.send("POST /events/x", batch, "[]")
        #expect(none.status == 202 && none.body.isEmpty, "\(none)")
        let events = (0..<3).map { document(["id": .string("\($0)")]) }
        #expect(try await bench.send("POST /events/x", batch, JSONValue.array(events).text).status == 413)
        let two = try await bench.send("POST /events/x", batch, JSONValue.array(Array(events.prefix(2))).text)
        #expect(two.status == 202 && two.body.split(separator: "\n").count == 2)
        try await bench.end()
    }
}
