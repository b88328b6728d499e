// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Synchronization
import Testing

@testable import PerchAPIServer

@Suite("Events over HTTP", .timeLimit(.minutes(1)))
struct IntakeTests {
    @Test("The body of one event is its payload; the answer has its number and id, and its waiters are told")
    func one() async throws {
        let bench = try await APIBench()
        let rings = AsyncStream<Void>.makeStream()
        let ring = rings.continuation
        bench.metastore.doorbells.subscribe([.events]) { _ in ring.yield() }
        let answer = try await bench.send("POST /events/orders.paid?key=47+11&id=a%2F1", json, #"{"n": 1}"#)
        #expect(answer.status == 202)
        #expect(answer.fields["content-type"] == "application/json")
        #expect(answer.fields["date"] == "Mon, 21 Sep 2026 14:13:20 GMT")
        #expect(answer.body == #"{"duplicate":false,"id":"a/1","seq":1}"# + "\n")
        for await _ in rings.stream { break }
        let event = try #require(try await bench.events().first)
        #expect(event.name == "orders.paid" && event.key == "47 11" && event.eventID == "a/1")
        #expect(event.payload == ["n": 1])
        try await bench.end()
    }

    @Test("Names are decoded, payloads may be any JSON or none, and an event without an id gets one")
    func shapes() async throws {
        let bench = try await APIBench()
        #expect(try await bench.send("POST /events/a%2Fb%20%C3%A4", json, "[1]").status == 202)
        #expect(try await bench.send("POST /events/plain").status == 202)
        #expect(
            try await bench.send(
                "POST /events/cloud", ["content-type": "Application/Geo+JSON; charset=UTF-8"], "3"
            )
            .status == 202)
        let events = try await bench.events()
        #expect(events.map(\.name) == ["a/b ä", "plain", "cloud"])
        #expect(events.map(\.payload) == [[1], .null, 3])
        #expect(Set(events.map(\.eventID)).count == 3)
        try await bench.end()
    }

    @Test(
        "An event that is sent twice with its id is one event, however the id is said",
        arguments: [
            ("?id=x", [:], "x"), ("", ["Idempotency-Key": "x"], "x"), ("", ["Idempotency-Key": "\"x\""], "x"),
            ("", ["X-GitHub-Delivery": "x"], "x"), ("?id=x", ["Idempotency-Key": "x"], "x"),
        ] as [(String, [String: String], String)])
    func twice(query: String, fields: [String: String], id: String) async throws {
        let bench = try await APIBench()
        let headers = fields.merging(json) { $1 }
        let first = try await bench.send("POST /events/a\(query)", headers, "1")
        let second = try await bench.send("POST /events/a\(query)", headers, "2")
        #expect(first.json == ["duplicate": false, "id": .string(id), "seq": 1])
        #expect(second.json == ["duplicate": true, "id": .string(id), "seq": 1])
        #expect(try await bench.events().map(\.payload) == [1])
        try await bench.end()
    }

    @Test("A batch goes in in order; a line may have its own name, key and id; sent again it is the same events")
    func batch() async throws {
        let bench = try await APIBench()
        let body = "{\"payload\":{\"n\":1}}\r\n\n  \n{\"name\":\"b\",\"key\":\"k\"}\n{\"id\":\"own\"}"
        let headers = lines.merging(["Idempotency-Key": "batch-7"]) { $1 }
        let answer = try await bench.send("POST /events/a?key=all", headers, body)
        #expect(answer.status == 202 && answer.fields["content-type"] == "application/x-ndjson")
        #expect(
            answer.body == """
                {"duplicate":false,"id":"batch-7/1","seq":1}
                {"duplicate":false,"id":"batch-7/4","seq":2}
                {"duplicate":false,"id":"own","seq":3}

                """)
        let again = try await bench.send("POST /events/a?key=all", headers, body)
        #expect(again.body == answer.body.replacingOccurrences(of: "false", with: "true"))
        let events = try await bench.events()
        #expect(events.map(\.name) == ["a", "b", "a"] && events.map(\.key) == ["all", "k", "all"])
        #expect(try await bench.send("POST /events", lines, #"{"name":"c"}"#).status == 202)
        try await bench.end()
    }

    @Test(
        "A batch with a bad line takes nothing, and says which line it was",
        arguments: [
            ("{\"key\":\"1\"}\n\n{\"kye\":\"2\"}\n{}", 3, "no field 'kye'"),
            ("{}\n{\"key\":", 2, "not JSON: at byte 7"),
            ("{}\n[]", 2, "not an object"), ("{}\n{\"name\":\"\"}", 2, "1 to 500 bytes"), ("{}\n{\"id\":7}", 2, "'id'"),
            ("{}\n{\"key\":\"a\\u0000b\"}", 2, "control characters"),
            ("{}\n{\"key\":\"\u{e9}".dropLast() + "\"", 2, "wanted was"),
        ] as [(String, Int, String)])
    func badLine(body: String, line: Int, says: String) async throws {
        let bench = try await APIBench()
        let answer = try await bench.send("POST /events/a", lines, body)
        #expect(answer.status == 400 && answer.isError, "\(answer)")
        #expect(answer.json["line"] == .integer(Int64(line)), "\(answer)")
        #expect(answer.body.contains(says) && answer.body.contains("nothing of the batch was taken"), "\(answer)")
        #expect(try await bench.events().isEmpty)
        try await bench.end()
    }

    @Test("As many lines as are allowed go in in one piece; one more is refused, and a line that is too long, too")
    func manyLines() async throws {
        let bench = try await APIBench {
            $0.batchLines = 1_000
            $0.eventBytes = 100
            $0.batchBytes = 20_000
        }
        let most = (1...1_000).map { "{\"key\":\"\($0)\"}\n" }.joined()
        let answer = try await bench.send("POST /events/a", lines, most)
        #expect(answer.body.split(separator: "\n").count == 1_000)
        #expect(try await bench.events().map(\.key) == (1...1_000).map { "\($0)" })
        let more = try await bench.send("POST /events/a", lines, most + "{}")
        #expect(more.status == 413 && more.body.contains("more than 1000 events"), "\(more)")
        let long = try await bench.send(
            "POST /events/a", lines, "{}\n{\"payload\":\"\(String(repeating: "x", count: 100))\"}")
        #expect(long.status == 413 && long.json["line"] == 2, "\(long)")
        #expect(try await bench.events().count == 1_000)
        try await bench.end()
    }

    @Test("Two hundred senders at once get numbers without a gap")
    func manySenders() async throws {
        let bench = try await APIBench()
        let numbers = try await withThrowingTaskGroup(of: [Int64].self) { group in
            for sender in 0..<20 {
                group.addTask {
                    let client = try bench.client()
                    var numbers: [Int64] = []
                    for turn in 0..<10 {
                        let answer = await client.request("POST /events/a?key=\(sender)", json, "\(turn)")
                        if case .integer(let seq)? = answer?.json["seq"] { numbers.append(seq) }
                    }
                    return numbers
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(numbers.sorted() == Array(1...200))
        try await bench.end()
    }

    @Test("Before the engine is ready nothing is taken, and it says so")
    func starting() async throws {
        let bench = try await APIBench(isOpen: false)
        let early = try await bench.send("POST /events/a", json, "1")
        #expect(early.status == 503 && early.isError && early.fields["retry-after"] == "1")
        let ready = try await bench.send("GET /ready")
        #expect(ready.status == 503 && ready.json["status"] == "starting")
        // What starts is alive.
        #expect(try await bench.send("GET /health").json == ["status": "alive"])
        await bench.server.open()
        #expect(try await bench.send("GET /ready").json == ["status": "ready"])
        let head = try await bench.send("HEAD /ready")
        #expect(head.status == 200 && head.body.isEmpty && head.fields["content-length"] == "19")
        #expect(try await bench.send("POST /events/a", json, "1").status == 202)
        try await bench.end()
    }

    @Test("While the metastore is behind nothing more is taken, and what is under way is answered once it is durable")
    func behind() async throws {
        let bench = try await APIBench()
        let (entered, left) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let blocker = Task {
            try await bench.metastore.write { _ in
                entered.signal()
                left.wait()
            }
        }
        entered.wait()
        let client = try bench.client()
        await client.send(WebClient.text("POST /events/a", json, "1"))
        // The first request is under way when a second one says so: it is looked at until it is.
        var refused: WebClient.Answer?
        while refused == nil {
            bench.clock.now = bench.clock.now + .seconds(6)
            let health = try await bench.send("GET /health")
            if health.status == 503 { refused = try await bench.send("POST /events/a", json, "2") }
        }
        #expect(refused?.status == 503 && refused?.isError == true && refused?.fields["retry-after"] == "5")
        left.signal()
        #expect(await client.answer()?.status == 202)
        try await blocker.value
        #expect(try await bench.send("POST /events/a", json, "3").status == 202)
        #expect(try await bench.events().map(\.payload) == [1, 3])
        try await bench.end()
    }

    @Test("Where the metastore refuses, the sender is asked to come again, and is not told why")
    func broken() async throws {
        let bench = try await APIBench()
        try bench.metastore.close()
        let answer = try await bench.send("POST /events/a", json, "1")
        #expect(answer.status == 503 && answer.isError && answer.fields["retry-after"] == "5", "\(answer)")
        #expect(!answer.body.contains(bench.folder.path) && bench.log.text.contains("is closed"))
        await bench.server.stop()
        bench.folder.remove()
    }
}
